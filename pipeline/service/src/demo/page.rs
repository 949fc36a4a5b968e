//! `demo` with its page: gateway and scoring run until a stop, players play one round after the other.
//!
//! Invariants: at the end of a round event time has caught up with the clock on the wall, so that players and visitors share
//! one time axis; a new round ends the decision streams, and pages load anew.

use super::cluster::Cluster;
use super::player::play_in_time;
use super::scenario::{Cast, Scenario};
use super::script::TENANT;
use crate::config::{AccessMode, Config, Secret};
use crate::gateway::publisher::Publisher;
use crate::gateway::{Extra, Gateway};
use crate::health::Health;
use crate::shutdown::Shutdown;
use crate::{admin, archive, index, metrics, output, score};
use ductus_accounts::Mailbox;
use ductus_dynamics::line::Accounting;
use ductus_stream::ScoreHandle;
use prometheus::Registry;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Mails that the demo's mailbox keeps.
const MAILS_MAX: usize = 50;

/// Between two looks at whether scoring is ready.
const LOOK: Duration = Duration::from_millis(100);

/// What only the demo's gateway knows.
struct Stage {
    score: Arc<ScoreHandle>,
    scenario: Arc<Mutex<Value>>,
    mailbox: Option<Arc<Mailbox>>,
}

impl Extra for Stage {
    fn scenario(&self) -> Option<Value> {
        Some(self.scenario.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn accounting(&self) -> Option<Accounting> {
        Some(self.score.accounting())
    }

    fn mailbox(&self) -> Option<Arc<Mailbox>> {
        self.mailbox.clone()
    }
}

pub(super) fn run(mut config: Config, cast: &Cast, shutdown: &Shutdown) -> anyhow::Result<()> {
    let listener = admin::bind(&config.gateway.listen, "gateway.listen (or say --listen)")?;
    // Nobody has a key yet, and whoever plays is on this machine.
    if config.is_default("access.mode") {
        config.access.mode = AccessMode::Open;
    }
    let mailbox = sign_people_in(&mut config, listener.local_addr()?.port());
    let cluster = if config.demo.embedded_broker {
        Some(Cluster::start(&mut config)?)
    } else {
        None
    };
    let registry = Registry::new();
    metrics::register_build(&registry, "demo")?;
    let health = Health::new(shutdown);
    health.lacks("score", "is starting");
    let score = Arc::new(score::start(&config, &registry)?);
    let scenario = Arc::new(Mutex::new(describe(&config, cast, &[])));
    let stage = Stage {
        score: Arc::clone(&score),
        scenario: Arc::clone(&scenario),
        mailbox,
    };
    let running = Gateway::start(&config, listener, Box::new(stage), &health, shutdown, &registry)?;
    let sinks = start_sinks(&config, &health, shutdown, &registry)?;
    output::text(&format!(
        "ductus demo: open http://{}/ (Ctrl-C ends it)",
        running.address
    ));
    let played = play_rounds(&config, cast, &running.gateway, &scenario, &score, &health, shutdown);
    // Players end only by a stop or a broken broker; either way everybody goes.
    shutdown.request();
    running.join();
    for sink in sinks {
        // Its errors were told by its own thread.
        let _ = sink.join();
    }
    score.stop();
    while score.partitions() > 0 && Arc::strong_count(&score) > 1 {
        std::thread::sleep(LOOK);
    }
    if let Some(Err(error)) = Arc::into_inner(score).map(ScoreHandle::join) {
        // Its broker ends as well: what was not committed is not read again.
        tracing::debug!(%error, "a shard did not commit at the end");
    }
    drop(cluster);
    played
}

/// Lets visitors sign in, with accounts that end with the demo and mails that stay in it, where nobody configured otherwise.
fn sign_people_in(config: &mut Config, port: u16) -> Option<Arc<Mailbox>> {
    if config.is_default("identity.enabled") {
        config.identity.enabled = true;
    }
    if config.is_default("identity.tenant") {
        config.identity.tenant = TENANT.to_owned();
    }
    if config.is_default("identity.public_url") {
        // By name, as browsers bind passkeys to no bare address.
        config.identity.public_url = format!("http://localhost:{port}");
    }
    if config.is_default("access.database") {
        config.access.database = Secret::new("sqlite::memory:");
    }
    let sends = !config.identity.enabled || !config.identity.smtp_url.is_empty();
    (!sends).then(|| Arc::new(Mailbox::new(MAILS_MAX)))
}

/// `index` and `archive` play along where somebody configured them.
fn start_sinks(
    config: &Config,
    health: &Health,
    shutdown: &Shutdown,
    registry: &Registry,
) -> anyhow::Result<Vec<JoinHandle<()>>> {
    type Sink = fn(&Config, &Health, Shutdown, &Registry) -> anyhow::Result<()>;
    let sinks: [(&'static str, &str, Sink); 2] = [
        ("index", "elasticsearch.url", index::run),
        ("archive", "archive.tables", archive::run),
    ];
    let mut threads = Vec::new();
    for (role, key, run) in sinks {
        if config.is_default(key) {
            continue;
        }
        let (config, health) = (config.clone(), health.clone());
        let (shutdown, registry) = (shutdown.clone(), registry.clone());
        let thread = std::thread::Builder::new().name(role.to_owned());
        threads.push(thread.spawn(move || {
            if let Err(error) = run(&config, &health, shutdown, &registry) {
                tracing::error!(
                    role,
                    error = output::explain(&error),
                    "a role of the demo ended, the others go on"
                );
            }
        })?);
    }
    Ok(threads)
}

fn play_rounds(
    config: &Config,
    cast: &Cast,
    gateway: &Gateway,
    shown: &Mutex<Value>,
    score: &ScoreHandle,
    health: &Health,
    shutdown: &Shutdown,
) -> anyhow::Result<()> {
    while !score.ready() {
        if shutdown.wait_timeout(LOOK) {
            return Ok(());
        }
    }
    health.has("score");
    let publisher = Publisher::open(&config.kafka.settings(), &config.topics.events, "player")?;
    let mut before: Vec<String> = Vec::new();
    for round in 0.. {
        let (scenario, start_us) = round_that_ends_now(cast, round, config.demo.speed);
        gateway
            .board()
            .forget(|session| before.iter().any(|old| old == session));
        before = scenario.entries.iter().map(|entry| entry.session.clone()).collect();
        *shown.lock().unwrap_or_else(PoisonError::into_inner) = describe(config, cast, &scenario.entries);
        gateway.start_round();
        tracing::info!(round, records = scenario.records.len(), "round starts");
        play_in_time(&publisher, &scenario.records, start_us, config.demo.speed, shutdown)?;
        if shutdown.wait_timeout(Duration::from_millis(config.demo.round_pause_ms)) {
            break;
        }
    }
    Ok(())
}

/// A round whose event time, played `speed` times as fast, meets the clock on the wall at its end.
fn round_that_ends_now(cast: &Cast, round: u64, speed: f64) -> (Scenario, i64) {
    let now_us = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as i64);
    let length_us = cast.round(round, now_us).end_us() - now_us;
    let start_us = now_us - length_us + (length_us as f64 / speed) as i64;
    (cast.round(round, start_us), start_us)
}

/// The body of `GET /v1/demo`.
fn describe(config: &Config, cast: &Cast, entries: &[super::scenario::Entry]) -> Value {
    json!({
        "mode": "demo",
        "tenant": TENANT,
        "recordings": cast.source(),
        "speed": config.demo.speed,
        "thresholds": { "step_up": config.decision.step_up_risk, "terminate": config.decision.terminate_risk },
        "scenario": entries,
    })
}
