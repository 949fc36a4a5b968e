//! The contract in `schemas/` against the code: schemas are generated and reviewed there, examples are read, golden vectors
//! are computed again. `UPDATE_EXPECT=1 cargo test -p ductus-dynamics --test contract` writes the generated files.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test")]

#[path = "contract/examples.rs"]
mod examples;
#[path = "contract/golden.rs"]
mod golden;
#[path = "contract/schemas.rs"]
mod schemas;

/// The folder `schemas/` of the repository, seen from the crate's folder, in which cargo runs its tests. (What the compiler
/// would say is wrong where clones share a build folder.)
fn schemas_dir() -> std::path::PathBuf {
    std::path::absolute("../../schemas").expect("there is a folder to run in")
}
