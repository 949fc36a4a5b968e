//! The binary `ductus-batch`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ductus_batch::cli::run()
}
