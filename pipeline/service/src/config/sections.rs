//! The typed sections. What each key means stands beside its default in `default.toml`.
//!
//! Invariants: no section has a default in code, so that `default.toml` is complete; units stand in the names.

#![expect(missing_docs, reason = "every key is explained once, in default.toml")]

use ductus_dynamics::event::KeyDetail;
use ipnet::IpNet;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

/// A value that is never shown.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Takes over what somebody else wrote.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The value itself; only for who sends it to where it belongs.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.0.is_empty() { "\"\"" } else { "\"***\"" })
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topics {
    pub events: String,
    pub decisions: String,
    pub audit: String,
    pub references: String,
    pub models: String,
    pub feedback: String,
    pub session_state: String,
    pub dead_letters: String,
    pub partitions: i32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub batch_bytes_max: usize,
    pub batch_events_max: usize,
    pub sessions_max: usize,
    pub repeat_sessions_max: usize,
    pub detail: KeyDetail,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Score {
    pub group: String,
    pub shards: usize,
    pub batch_windows_max: usize,
    pub batch_wait_ms: u64,
    pub poll_records_max: usize,
    pub poll_ms: u64,
    pub checkpoint_interval_ms: u64,
    pub checkpoint_bytes_max: usize,
    pub checkpoint_turn_sessions: usize,
    pub checkpoint_age_ms_max: u64,
    pub request_timeout_ms: u64,
    pub flush_timeout_ms: u64,
    pub queue_full_ms: u64,
    pub restart_backoff_ms: u64,
    pub restart_backoff_ms_max: u64,
    pub dead_letter_payload: DeadLetterPayload,
    pub dead_letter_bytes_max: usize,
}

/// What a dead letter keeps of the refused record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadLetterPayload {
    /// Its bytes only where parsing proved that they hold nothing typed.
    Contentless,
    /// Its bytes always: development only.
    All,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    pub keystroke: Window,
    pub pointer: Window,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    pub steps: usize,
    pub hop: usize,
    pub min_steps: usize,
    pub pause_ms: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    pub idle_ms: u32,
    pub repeat_ms: u32,
    pub allowed_lateness_ms: u32,
    pub watermark_step_ms_max: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    pub keep: f32,
    pub window_max: f32,
    pub trust_max: f32,
    pub distrust_max: f32,
    pub silence_ms: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    pub prior: f32,
    pub step_up_risk: f32,
    pub terminate_risk: f32,
    pub windows_min: f32,
    #[serde(deserialize_with = "optional_path")]
    pub thresholds_file: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct References {
    pub anchors: usize,
    pub recent_max: usize,
    pub passive: bool,
    pub drift_cosine_min: f32,
    pub adapt_risk_max: f32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Models {
    pub dir: PathBuf,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnnxRuntime {
    #[serde(deserialize_with = "optional_path")]
    pub library: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elasticsearch {
    pub url: String,
    pub username: String,
    pub password: Secret,
    pub api_key: Secret,
    #[serde(deserialize_with = "optional_path")]
    pub ca_certificate: Option<PathBuf>,
    pub namespace: String,
    pub group: String,
    pub bulk_bytes_max: usize,
    pub flush_interval_ms: u64,
    pub in_flight_max: usize,
    pub request_timeout_ms: u64,
    pub retry_min_ms: u64,
    pub retry_max_ms: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archive {
    pub tables: String,
    pub group: String,
    pub flush_rows_max: usize,
    pub flush_interval_ms: u64,
    pub repeats_max: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Questions {
    pub enabled: bool,
    pub in_flight_max: usize,
    pub embedders_max: usize,
    pub references_max: usize,
    pub references_bytes_max: usize,
}

/// Who may use the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessMode {
    /// Whoever shows an application key, or a token made with one.
    Keys,
    /// Everybody, for everything.
    Open,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    pub mode: AccessMode,
    pub database: Secret,
    pub signing_keys: Secret,
    pub cache_ms: u64,
    pub cache_keys_max: u64,
    pub cache_sessions_max: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    pub listen: String,
    pub in_flight_max: usize,
    pub produce_timeout_ms: u64,
    pub body_timeout_ms: u64,
    pub body_bytes_max: usize,
    pub body_batches_max: usize,
    pub head_timeout_ms: u64,
    pub sockets_max: usize,
    pub subject_batches_per_s: u32,
    pub subject_batches_burst: u32,
    pub credential_batches_per_s: u32,
    pub credential_batches_burst: u32,
    pub rate_keys_max: usize,
    pub retry_after_s: u32,
    pub connections_max: usize,
    pub connections_each_max: usize,
    pub stream_lag_max: usize,
    pub board_sessions_max: usize,
    pub board_decisions_max: usize,
    pub board_decisions_total_max: usize,
    pub board_feedback_max: usize,
    pub catch_up_readers_max: usize,
    pub catch_up_timeout_ms: u64,
    pub cors_origins: String,
    pub audit_in_flight_max: usize,
    pub audit_sum_ms: u64,
    pub audit_kinds_max: usize,
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
    pub forwarded_header: ForwardedHeader,
    pub shutdown_grace_ms: u64,
}

/// Which header a trusted proxy names its client in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, which most proxies write.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    pub enabled: bool,
    pub tenant: String,
    pub public_url: String,
    pub pepper: Secret,
    pub smtp_url: Secret,
    pub smtp_from: String,
    pub smtp_timeout_ms: u64,
    #[serde(deserialize_with = "optional_path")]
    pub breach_folder: Option<PathBuf>,
    pub code_always: bool,
    pub access_ms: u32,
    pub sign_in_ms: u64,
    pub sign_in_idle_ms: u64,
    pub hashes_at_once: usize,
    pub hashes_waiting_max: usize,
    pub purge_interval_ms: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    pub issuer: String,
    pub audience: String,
    pub jwks_url: String,
    #[serde(deserialize_with = "optional_path")]
    pub ca_certificate: Option<PathBuf>,
    pub tenant: String,
    pub tenant_claim: String,
    pub scopes_claim: String,
    pub scopes_prefix: String,
    pub clock_skew_ms: u64,
    pub keys_ms: u64,
    pub refresh_interval_ms: u64,
    pub request_timeout_ms: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    pub group: String,
    pub secret_keys: Secret,
    pub signing_key: Secret,
    pub issuer: String,
    #[serde(deserialize_with = "networks")]
    pub private_networks: Vec<IpNet>,
    #[serde(deserialize_with = "optional_path")]
    pub ca_certificate: Option<PathBuf>,
    pub webhooks_per_tenant_max: u32,
    pub deliveries_per_webhook_max: u32,
    pub in_flight_max: u32,
    pub in_flight_per_webhook_max: u32,
    pub poll_ms: u64,
    pub timeout_ms: u64,
    pub attempts_max: u32,
    pub retry_min_ms: u64,
    pub retry_max_ms: u64,
    pub keep_ms: u64,
    pub sessions_keep_ms: u64,
    pub sessions_max: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    pub in_flight_max: usize,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demo {
    pub embedded_broker: bool,
    pub speed: f64,
    pub seed: u64,
    pub typists: usize,
    pub pointers: usize,
    pub enrol_keys: usize,
    pub monitor_keys: usize,
    pub enrol_moves: usize,
    pub monitor_moves: usize,
    #[serde(deserialize_with = "optional_path")]
    pub recordings: Option<PathBuf>,
    pub round_pause_ms: u64,
    pub timeout_ms: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    pub listen: String,
    pub log_format: LogFormat,
    pub log_filter: String,
}

/// Form of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One ECS-shaped object a line.
    Json,
}

/// An empty path means none.
fn optional_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    Ok((!path.as_os_str().is_empty()).then_some(path))
}

/// Networks with commas between them; an address alone is a network of one.
fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let network = |name: &str| {
        let network = name.parse().or_else(|_| name.parse::<IpAddr>().map(IpNet::from));
        network.map_err(|_| D::Error::custom("must be networks as 10.0.0.0/8, with commas between them"))
    };
    names.map(network).collect()
}
