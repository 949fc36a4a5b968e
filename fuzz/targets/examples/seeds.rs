//! Writes the seeds of the targets whose documents are bytes into `fuzz/corpus`.

use ductus_fuzz_targets::seeds::{Seeds, seeds};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // As cargo says it now; what the compiler knows is wrong where clones share a build folder.
    #[expect(clippy::disallowed_methods, reason = "cargo tells where the crate lies")]
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").ok_or("run it with cargo")?;
    let corpus = Path::new(&folder).join("../corpus");
    for Seeds { target, contents } in seeds()? {
        let folder = corpus.join(target);
        std::fs::create_dir_all(&folder)?;
        for (number, content) in contents.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), content)?;
        }
    }
    Ok(())
}
