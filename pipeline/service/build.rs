//! Embeds the web page anew when it was built anew. Without a page the binary says how to build one.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // A path that does not exist would make cargo run this each time.
    let page = std::path::Path::new("../../web/console/dist");
    let watched = if page.exists() {
        page
    } else {
        std::path::Path::new("../../web/console")
    };
    if watched.exists() {
        println!("cargo:rerun-if-changed={}", watched.display());
    }
}
