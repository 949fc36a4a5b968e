//! Being written.
use crate::{cli::DemoOptions, config::Config, shutdown::Shutdown};
/// Being written.
///
/// # Errors
/// Never.
pub fn run(_: Config, _: &DemoOptions, _: &Shutdown) -> anyhow::Result<()> {
    Ok(())
}
