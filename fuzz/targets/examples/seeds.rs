//! Writes the seeds of the targets whose documents are bytes into `fuzz/corpus`.

use ductus_fuzz_targets::seeds::{Seeds, seeds};
use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus");
    for Seeds { target, contents } in seeds()? {
        let folder = corpus.join(target);
        std::fs::create_dir_all(&folder)?;
        for (number, content) in contents.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), content)?;
        }
    }
    Ok(())
}
