//! The role `index`: decisions and audit records to Elasticsearch.

use crate::config::Config;
use crate::shutdown::Shutdown;

/// Runs the role until `shutdown` is requested and everything read is written.
///
/// # Errors
/// A dependency that stays away, or a configuration that it refuses.
pub fn run(_config: &Config, _shutdown: Shutdown, _registry: &prometheus::Registry) -> anyhow::Result<()> {
    anyhow::bail!("the role index is not built yet")
}

/// `ductus index --setup`: installs templates and component templates, then ends.
///
/// # Errors
/// Elasticsearch cannot be reached or refuses a template.
pub fn setup(_config: &Config) -> anyhow::Result<()> {
    anyhow::bail!("the role index is not built yet")
}
