//! Configuration: the embedded defaults, then a file, then the environment, then flags.
//!
//! Invariants: the environment is read here and nowhere else; nothing is bound or contacted before the whole configuration
//! was checked; all mistakes are told at once, each with where it was made.

mod check;
mod layers;
mod sections;

pub use layers::{Mistake, Origin};
pub use sections::{
    Access, AccessMode, Archive, DeadLetterPayload, Decision, Demo, Elasticsearch, Evidence, Gateway, Limits,
    LogFormat, Models, OnnxRuntime, Questions, References, Replay, Score, Secret, Session, Telemetry, Topics, Webhooks,
    Window, Windows,
};

use ductus_dynamics::compare::ReferencePolicy;
use ductus_dynamics::decide::{DecisionPolicy, Thresholds};
use ductus_dynamics::evidence::EvidencePolicy;
use ductus_dynamics::line::LineConfig;
use ductus_dynamics::liveness::LivenessPolicy;
use ductus_dynamics::parse::ParseLimits;
use ductus_dynamics::replay::ReplayPolicy;
use ductus_dynamics::window::WindowConfig;
use ductus_scorer::Candidate;
use ductus_stream::{DeadLetterConfig, KafkaSettings, ScoreConfig};
use layers::{KAFKA, Layers, Setting, Settings};
use rdkafka::ClientConfig;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Every key with its default and its meaning.
pub const DEFAULTS: &str = include_str!("default.toml");

/// Prefix of the environment variables: `DUCTUS__GATEWAY__LISTEN` is `gateway.listen`.
const VARIABLE_PREFIX: &str = "DUCTUS__";

/// The configuration of every role.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "every section is explained once, in default.toml")]
pub struct Config {
    #[serde(skip)]
    pub kafka: Kafka,
    pub topics: Topics,
    pub limits: Limits,
    pub score: Score,
    pub window: Windows,
    pub session: Session,
    pub evidence: Evidence,
    pub decision: Decision,
    pub references: References,
    pub liveness: LivenessPolicy,
    pub replay_detection: ReplayPolicy,
    pub models: Models,
    pub onnxruntime: OnnxRuntime,
    pub elasticsearch: Elasticsearch,
    pub archive: Archive,
    pub gateway: Gateway,
    pub access: Access,
    pub questions: Questions,
    pub webhooks: Webhooks,
    pub replay: Replay,
    pub demo: Demo,
    pub telemetry: Telemetry,
    /// What `decision.thresholds_file` holds.
    #[serde(skip)]
    pub thresholds: Thresholds,
    #[serde(skip)]
    pub surroundings: Surroundings,
    #[serde(skip)]
    in_force: InForce,
}

/// Every setting with where it came from; kept for [`Config::describe`], not shown, because it holds secrets in the clear.
#[derive(Clone, Default)]
struct InForce(Settings);

impl std::fmt::Debug for InForce {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} settings", self.0.len())
    }
}

/// What the environment says outside `DUCTUS__…`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The cache folder: `$DUCTUS_CACHE`, `$XDG_CACHE_HOME/ductus` or `$HOME/.cache/ductus`.
    pub cache: Option<PathBuf>,
    /// `$ORT_DYLIB_PATH`.
    pub ort_dylib_path: Option<PathBuf>,
    /// `$DUCTUS_DATA`: unpacked public data sets.
    pub data: Option<PathBuf>,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("the configuration has {} {}:\n{}", .0.len(), if .0.len() == 1 { "mistake" } else { "mistakes" }, list(.0))]
pub struct Mistakes(pub Vec<Mistake>);

fn list(mistakes: &[Mistake]) -> String {
    let lines: Vec<String> = mistakes.iter().map(|mistake| format!("  {mistake}")).collect();
    lines.join("\n")
}

impl Config {
    /// Reads the layers: defaults, `file`, this process's environment, `sets` (each `section.key=value`).
    ///
    /// # Errors
    /// Every mistake there is.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the environment"
    )]
    pub fn load(file: Option<&Path>, sets: &[String]) -> Result<Self, Mistakes> {
        Self::load_from(file, std::env::vars(), sets)
    }

    /// The same with an environment of the caller's: for tests.
    ///
    /// # Errors
    /// Every mistake there is.
    pub fn load_from(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
        sets: &[String],
    ) -> Result<Self, Mistakes> {
        let environment: BTreeMap<String, String> = environment.collect();
        let mut layers = Layers::new(DEFAULTS);
        if let Some(path) = file {
            let shown = path.display().to_string();
            match std::fs::read_to_string(path) {
                Ok(text) => layers.add_file(&shown, &text),
                Err(error) => {
                    let origin = Origin::File { path: shown, line: 1 };
                    layers.refuse("", origin, format!("cannot be read: {error}"));
                }
            }
        }
        for (name, value) in &environment {
            if let Some(rest) = name.strip_prefix(VARIABLE_PREFIX) {
                let key = rest.replace("__", ".").to_lowercase();
                layers.add_text(&key, value, Origin::Environment(name.clone()));
            }
        }
        for set in sets {
            match set.split_once('=') {
                Some((key, value)) => layers.add_text(key.trim(), value, Origin::Flag),
                None => layers.refuse(set, Origin::Flag, "must be section.key=value"),
            }
        }
        Self::build(layers, surroundings(&environment))
    }

    /// Typed sections out of the layers. A key of the wrong value is told and replaced by its default, to find the others.
    fn build(mut layers: Layers, surroundings: Surroundings) -> Result<Self, Mistakes> {
        let defaults = Layers::new(DEFAULTS);
        let changed: Vec<(String, Setting)> = layers
            .settings
            .iter()
            .filter(|(key, setting)| setting.origin != Origin::Default && !key.starts_with(KAFKA))
            .map(|(key, setting)| (key.clone(), setting.clone()))
            .collect();
        for (key, setting) in changed {
            let alone = defaults.settings.iter().map(|(known, default)| {
                (
                    known.as_str(),
                    if *known == key { &setting.value } else { &default.value },
                )
            });
            if let Err(error) = Self::deserialize(layers::table_of(alone)) {
                layers.refuse(&key, setting.origin, one_line(error.message()));
                let default = defaults
                    .settings
                    .get(&key)
                    .expect("a key in force stands in the defaults");
                layers.settings.insert(key, default.clone());
            }
        }
        let mut config = match Self::deserialize(layers.table()) {
            Ok(config) => config,
            Err(error) => {
                layers.refuse("", Origin::Default, one_line(error.message()));
                return Err(Mistakes(layers.mistakes));
            }
        };
        config.kafka = Kafka::of(&layers.settings);
        config.surroundings = surroundings;
        if let Some(path) = &config.decision.thresholds_file {
            match ductus_stream::thresholds::load(path) {
                Ok(thresholds) => config.thresholds = thresholds,
                Err(error) => layers.refuse_in_force("decision.thresholds_file", error.to_string()),
            }
        }
        check::check(&config, &mut layers);
        if !layers.mistakes.is_empty() {
            return Err(Mistakes(layers.mistakes));
        }
        config.in_force = InForce(layers.settings);
        Ok(config)
    }

    /// All that the decisions depend on.
    pub fn line(&self) -> LineConfig {
        let window = |window: &Window| WindowConfig {
            steps: window.steps,
            hop: window.hop,
            min_steps: window.min_steps,
            pause_us: i64::from(window.pause_ms) * 1_000,
        };
        LineConfig {
            parse: self.parse_limits(),
            keystroke: window(&self.window.keystroke),
            pointer: window(&self.window.pointer),
            idle_us: i64::from(self.session.idle_ms) * 1_000,
            lateness_us: i64::from(self.session.allowed_lateness_ms) * 1_000,
            watermark_step_us_max: i64::from(self.session.watermark_step_ms_max) * 1_000,
            sessions_max: self.limits.sessions_max,
            repeat_us: i64::from(self.session.repeat_ms) * 1_000,
            repeat_sessions_max: self.limits.repeat_sessions_max,
            evidence: EvidencePolicy {
                keep: self.evidence.keep,
                window_max: self.evidence.window_max,
                trust_max: self.evidence.trust_max,
                distrust_max: self.evidence.distrust_max,
                silence_us: i64::from(self.evidence.silence_ms) * 1_000,
            },
            decision: DecisionPolicy {
                prior: self.decision.prior,
                step_up_risk: self.decision.step_up_risk,
                terminate_risk: self.decision.terminate_risk,
                windows_min: self.decision.windows_min,
            },
            thresholds: self.thresholds.clone(),
            references: ReferencePolicy {
                anchors: self.references.anchors,
                recent_max: self.references.recent_max,
                passive: self.references.passive,
                drift_cosine_min: self.references.drift_cosine_min,
                adapt_risk_max: self.references.adapt_risk_max,
            },
            liveness: self.liveness,
            replay: self.replay_detection,
        }
    }

    /// What the scoring crate is told.
    pub fn score_config(&self) -> ScoreConfig {
        let (score, topics) = (&self.score, &self.topics);
        ScoreConfig {
            kafka: self.kafka.settings(),
            topics: ductus_stream::Topics {
                events: topics.events.clone(),
                decisions: topics.decisions.clone(),
                audit: topics.audit.clone(),
                references: topics.references.clone(),
                models: topics.models.clone(),
                session_state: topics.session_state.clone(),
                dead_letters: topics.dead_letters.clone(),
                partitions: topics.partitions,
            },
            group: score.group.clone(),
            shards: score.shards,
            line: self.line(),
            models_dir: self.models.dir.clone(),
            batch_windows_max: score.batch_windows_max,
            batch_wait_ms: score.batch_wait_ms,
            poll_records_max: score.poll_records_max,
            poll_ms: score.poll_ms,
            checkpoint_interval_ms: score.checkpoint_interval_ms,
            checkpoint_bytes_max: score.checkpoint_bytes_max,
            checkpoint_turn_sessions: score.checkpoint_turn_sessions,
            checkpoint_age_ms_max: score.checkpoint_age_ms_max,
            request_timeout_ms: score.request_timeout_ms,
            flush_timeout_ms: score.flush_timeout_ms,
            queue_full_ms: score.queue_full_ms,
            restart_backoff_ms: score.restart_backoff_ms,
            restart_backoff_ms_max: score.restart_backoff_ms_max,
            dead_letters: DeadLetterConfig {
                keep_payload_unsafe: score.dead_letter_payload == DeadLetterPayload::All,
                payload_bytes_max: score.dead_letter_bytes_max,
            },
        }
    }

    /// Bounds on one event batch.
    pub fn parse_limits(&self) -> ParseLimits {
        ParseLimits {
            batch_bytes_max: self.limits.batch_bytes_max,
            batch_events_max: self.limits.batch_events_max,
            detail: self.limits.detail,
        }
    }

    /// Where the ONNX Runtime library may lie, best first.
    pub fn onnxruntime_candidates(&self) -> Vec<Candidate> {
        ductus_scorer::candidates(
            self.onnxruntime.library.as_deref(),
            self.surroundings.ort_dylib_path.as_deref(),
            self.surroundings.cache.as_deref(),
        )
    }

    /// Whether nobody set this key.
    pub fn is_default(&self, key: &str) -> bool {
        let setting = self.in_force.0.get(key);
        setting.is_none_or(|setting| setting.origin == Origin::Default)
    }

    /// What is in force, as TOML with each setting's origin behind it; secrets are masked.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        for (key, Setting { value, origin }) in &self.in_force.0 {
            let shown = if is_secret(key) && value.as_str() != Some("") {
                "\"***\"".to_owned()
            } else {
                value.to_string()
            };
            let name = match key.strip_prefix(KAFKA) {
                Some(inner) => format!("{KAFKA}\"{inner}\""),
                None => key.clone(),
            };
            text.push_str(&format!("{name} = {shown}  # {origin}\n"));
        }
        text
    }
}

/// Settings for librdkafka, verbatim.
#[derive(Clone, Default)]
pub struct Kafka(BTreeMap<String, String>);

impl std::fmt::Debug for Kafka {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |(key, value)| (key, if is_secret(key) { "***" } else { value });
        out.debug_map()
            .entries(self.0.iter().map(|(key, value)| shown((key.as_str(), value.as_str()))))
            .finish()
    }
}

impl Kafka {
    fn of(settings: &Settings) -> Self {
        let entries = settings.iter().filter_map(|(key, setting)| {
            let key = key.strip_prefix(KAFKA)?;
            Some((key.to_owned(), setting.value.as_str()?.to_owned()))
        });
        Self(entries.collect())
    }

    /// The brokers.
    pub fn bootstrap(&self) -> &str {
        self.0.get("bootstrap.servers").map_or("", String::as_str)
    }

    /// Points every client at these brokers: the demo's own.
    pub fn set_bootstrap(&mut self, servers: &str) {
        self.0.insert("bootstrap.servers".to_owned(), servers.to_owned());
    }

    /// With the defaults beneath: what every client of this program is made from.
    pub fn settings(&self) -> KafkaSettings {
        KafkaSettings::from_properties(self.0.clone())
    }

    /// A consumer of `group`; offsets are stored and committed by the caller, when all that depends on them is durable.
    pub fn consumer_config(&self, group: &str) -> ClientConfig {
        self.settings().consumer(group, "consumer")
    }

    /// An idempotent producer.
    pub fn producer_config(&self) -> ClientConfig {
        self.settings().producer("producer")
    }
}

/// Keys whose values are never shown.
fn is_secret(key: &str) -> bool {
    [
        "password",
        "secret",
        "api_key",
        "signing_key",
        "access.database",
        ".pem",
        "oauthbearer.config",
        "sasl.jaas",
        "token",
    ]
    .iter()
    .any(|part| key.contains(part))
}

fn surroundings(environment: &BTreeMap<String, String>) -> Surroundings {
    let path = |name: &str| {
        environment
            .get(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    Surroundings {
        cache: path("DUCTUS_CACHE")
            .or_else(|| Some(path("XDG_CACHE_HOME")?.join("ductus")))
            .or_else(|| Some(path("HOME")?.join(".cache/ductus"))),
        ort_dylib_path: path("ORT_DYLIB_PATH"),
        data: path("DUCTUS_DATA"),
    }
}

fn one_line(message: &str) -> String {
    message.trim().replace('\n', ", ")
}

#[cfg(test)]
mod tests;
