//! The role `archive`: events, windows and decisions to the Delta tables.

use crate::config::Config;
use crate::shutdown::Shutdown;

/// Runs the role until `shutdown` is requested and everything read is written.
///
/// # Errors
/// A dependency that stays away, or a configuration that it refuses.
pub fn run(_config: &Config, _shutdown: Shutdown, _registry: &prometheus::Registry) -> anyhow::Result<()> {
    anyhow::bail!("the role archive is not built yet")
}
