//! Where a gateway of a benchmark lives: topics of its own, a configuration, an accounts database and an application key.
//!
//! Invariant: what is configured is what names things, and bounds that a single machine's generator would run into; all else
//! is as `ductus` comes.

use crate::batches::TENANT;
use crate::process::{Server, free_address};
use anyhow::{Context, bail};
use ductus_stream::{KafkaSettings, Topics, ensure_topics};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;

const DUCTUS: &str = env!("CARGO_BIN_EXE_ductus");
const PARTITIONS: i32 = 8;
const TIMEOUT: Duration = Duration::from_secs(60);

/// Everything that a gateway needs.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) kafka: KafkaSettings,
    pub(crate) topics: Topics,
    /// May do everything.
    pub(crate) key: String,
}

impl Place {
    /// With empty topics.
    pub(crate) fn new() -> anyhow::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("bench-gateway-{}-{number}", std::process::id());
        let servers =
            std::env::var("DUCTUS_TEST_KAFKA").context("DUCTUS_TEST_KAFKA is not set: run cargo xtask bench")?;
        let kafka = KafkaSettings::for_brokers(&servers);
        let topics = topics(&prefix);
        ensure_topics(&kafka, &topics.specs(), 1, TIMEOUT)?;
        let folder = tempfile::tempdir()?;
        std::fs::write(
            folder.path().join("ductus.toml"),
            configuration(&prefix, &servers, &topics, folder.path())?,
        )?;
        let mut place = Self {
            folder,
            kafka,
            topics,
            key: String::new(),
        };
        place.key = place.make_key()?;
        Ok(place)
    }

    /// A gateway that is ready.
    pub(crate) async fn gateway(&self) -> anyhow::Result<Server> {
        let address = free_address()?;
        let command = self.command(&["--set", &format!("gateway.listen={address}"), "gateway"]);
        Server::start(command, "gateway", self.folder.path(), address).await
    }

    /// Scoring, which makes references of enrolments.
    pub(crate) async fn score(&self) -> anyhow::Result<Server> {
        let address = free_address()?;
        let command = self.command(&["--set", &format!("telemetry.listen={address}"), "score"]);
        Server::start(command, "score", self.folder.path(), address).await
    }

    fn make_key(&self) -> anyhow::Result<String> {
        let scopes = "ingest,verify,monitor,admin";
        let output = self
            .command(&["keys", "create", "--tenant", TENANT, "--scopes", scopes])
            .output()?;
        if !output.status.success() {
            bail!("no key was made: {}", String::from_utf8_lossy(&output.stderr));
        }
        let text = String::from_utf8(output.stdout)?;
        let made: Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
        Ok(made["key"].as_str().context("no key was told")?.to_owned())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(DUCTUS);
        command.arg("--config").arg(self.folder.path().join("ductus.toml"));
        command.args(arguments).current_dir(self.folder.path());
        command
    }
}

/// Topics of their own under a prefix.
fn topics(prefix: &str) -> Topics {
    let named = |name: &str| format!("{prefix}.{name}");
    Topics {
        events: named("events"),
        decisions: named("decisions"),
        audit: named("audit"),
        references: named("references"),
        models: named("models"),
        feedback: named("feedback"),
        session_state: named("session-state"),
        dead_letters: named("dead-letters"),
        partitions: PARTITIONS,
    }
}

fn configuration(prefix: &str, servers: &str, topics: &Topics, folder: &Path) -> anyhow::Result<String> {
    let models = Path::new("../../models")
        .canonicalize()
        .context("no models: run in pipeline/service")?;
    let mut text = format!("[kafka]\n\"bootstrap.servers\" = \"{servers}\"\n[topics]\n");
    for (name, topic) in [
        ("events", &topics.events),
        ("decisions", &topics.decisions),
        ("audit", &topics.audit),
        ("references", &topics.references),
        ("models", &topics.models),
        ("feedback", &topics.feedback),
        ("session_state", &topics.session_state),
        ("dead_letters", &topics.dead_letters),
    ] {
        writeln!(text, "{name} = \"{topic}\"")?;
    }
    writeln!(text, "[score]\ngroup = \"{prefix}-score\"\nshards = 2")?;
    writeln!(text, "[webhooks]\ngroup = \"{prefix}-webhooks\"")?;
    writeln!(text, "[models]\ndir = \"{}\"", models.display())?;
    let (database, signing_key) = (folder.join("accounts.sqlite"), "0f".repeat(32));
    writeln!(text, "[access]\ndatabase = \"sqlite:{}\"", database.display())?;
    // Tokens outlive the gateway that made them.
    writeln!(text, "signing_keys = \"bench:{signing_key}\"")?;
    // One key sends it all here, and bursts at whatever speed the gateway has.
    writeln!(
        text,
        "[gateway]\ncredential_batches_per_s = 1000000\ncredential_batches_burst = 1000000"
    )?;
    Ok(text)
}
