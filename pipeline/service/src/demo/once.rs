//! `demo --exit`: the scenario once at full speed, checked against the pure domain.
//!
//! Invariants: event time is simulated, so that the result does not depend on how fast this machine is; it ends when every
//! decision that the pure line predicts for the records as Kafka ordered them is there, or says which are missing.

use super::player::{RecordTime, send};
use super::scenario::{Cast, Entry, Scenario};
use crate::config::Config;
use crate::gateway::publisher::Publisher;
use crate::kafka::Logged;
use crate::shutdown::Shutdown;
use anyhow::{Context, bail, ensure};
use ductus_dynamics::line::{Accounting, Ingested, Line, Record};
use ductus_dynamics::wire::{Action, Decision};
use ductus_stream::ScoreHandle;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Event time at which the scenario starts: 2026-01-05 09:00 UTC.
const START_US: i64 = 1_767_603_600_000_000;
/// How long models and partitions may take.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// The last line on standard output.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Events read.
    pub events: u64,
    /// Windows that the domain predicts.
    pub windows: u64,
    /// Decisions made.
    pub decisions: u64,
    /// Events refused.
    pub rejected: u64,
    /// Mean risk of scored decisions while the subject was there, 0-100.
    pub risk_genuine: Option<f64>,
    /// Mean risk of scored decisions from the hand-over on, 0-100.
    pub risk_takeover: Option<f64>,
    /// Time taken.
    pub seconds: f64,
}

/// Plays and waits; gives the summary and the decisions by event time.
pub(super) fn play(
    config: &Config,
    cast: &Cast,
    score: &ScoreHandle,
    shutdown: &Shutdown,
) -> anyhow::Result<(Summary, Vec<Decision>)> {
    wait_until_ready(score, shutdown)?;
    let started = Instant::now();
    let scenario = cast.round(0, START_US);
    let log = publish(config, &scenario)?;
    let (predicted, expected) = predict(config, &log);
    tracing::info!(records = log.len(), windows = predicted.len(), "scenario is in kafka");
    let decisions = collect(config, &predicted, score, expected.batches, shutdown)?;
    let accounting = score.accounting();
    ensure!(
        accounting == expected,
        "scoring counted other events than the domain predicts: {accounting:?}, predicted {expected:?}"
    );
    let (risk_genuine, risk_takeover) = risks(&decisions, &scenario.entries);
    let summary = Summary {
        events: accounting.events,
        windows: predicted.len() as u64,
        decisions: decisions.len() as u64,
        rejected: accounting.rejected.total(),
        risk_genuine,
        risk_takeover,
        seconds: (started.elapsed().as_secs_f64() * 1e3).round() / 1e3,
    };
    Ok((summary, decisions))
}

/// Writes decisions, one a line.
pub(super) fn write(path: &Path, decisions: &[Decision]) -> anyhow::Result<()> {
    let write = || -> anyhow::Result<()> {
        let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
        for decision in decisions {
            serde_json::to_writer(&mut file, decision)?;
            file.write_all(b"\n")?;
        }
        Ok(file.flush()?)
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn wait_until_ready(score: &ScoreHandle, shutdown: &Shutdown) -> anyhow::Result<()> {
    let started = Instant::now();
    while !score.ready() {
        ensure!(!shutdown.wait_timeout(LOOK), "stopped before scoring was ready");
        ensure!(
            started.elapsed() < READY_TIMEOUT,
            "scoring is not ready after {} s: no model is live, or no partition was assigned; `ductus doctor` looks at it",
            READY_TIMEOUT.as_secs()
        );
    }
    Ok(())
}

/// A record as Kafka has it.
struct Stored {
    partition: i32,
    offset: i64,
    timestamp_us: i64,
    value: Vec<u8>,
}

fn publish(config: &Config, scenario: &Scenario) -> anyhow::Result<Vec<Stored>> {
    let publisher = Publisher::open(&config.kafka.settings(), &config.topics.events, "player")?;
    let mut under_way = Vec::with_capacity(scenario.records.len());
    for record in &scenario.records {
        under_way.push((record, send(&publisher, record, RecordTime::Event)?));
    }
    under_way
        .into_iter()
        .map(|(record, on_its_way)| {
            let published = futures::executor::block_on(on_its_way.acknowledged())?;
            Ok(Stored {
                partition: published.partition,
                offset: published.offset,
                timestamp_us: record.due_us.div_euclid(1_000) * 1_000,
                value: record.value.clone(),
            })
        })
        .collect()
}

/// The ids of all decisions that follow from the records, and what becomes of the events.
fn predict(config: &Config, log: &[Stored]) -> (HashSet<String>, Accounting) {
    let mut partitions: BTreeMap<i32, Vec<&Stored>> = BTreeMap::new();
    for logged in log {
        partitions.entry(logged.partition).or_default().push(logged);
    }
    let line_config = Arc::new(config.line());
    let (mut ids, mut accounting) = (HashSet::new(), Accounting::default());
    for (partition, mut records) in partitions {
        records.sort_by_key(|logged| logged.offset);
        let mut line = Line::new(Arc::clone(&line_config), &config.topics.events, partition);
        let mut ingested = Ingested::default();
        for logged in records {
            ingested.clear();
            let record = Record {
                offset: logged.offset,
                timestamp_us: logged.timestamp_us,
                value: &logged.value,
            };
            line.ingest(&record, &mut ingested);
            // Which windows there are does not depend on embeddings.
            ids.extend(
                ingested
                    .ready
                    .drain(..)
                    .map(|ready| line.conclude(ready, None).decision.id),
            );
        }
        accounting.merge(line.accounting());
    }
    (ids, accounting)
}

/// Reads decisions until every predicted one is there.
fn collect(
    config: &Config,
    predicted: &HashSet<String>,
    score: &ScoreHandle,
    batches: u64,
    shutdown: &Shutdown,
) -> anyhow::Result<Vec<Decision>> {
    let settings = config.kafka.settings();
    let consumer: BaseConsumer<Logged> = settings
        .reader("ductus-demo", "collector")
        .create_with_context(Logged)?;
    let mut list = TopicPartitionList::new();
    for partition in 0..config.topics.partitions {
        list.add_partition_offset(&config.topics.decisions, partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let started = Instant::now();
    let timeout = Duration::from_millis(config.demo.timeout_ms);
    let mut found: HashMap<String, Decision> = HashMap::new();
    let mut missing = predicted.len();
    while missing > 0 || score.accounting().batches < batches {
        ensure!(
            !shutdown.is_requested(),
            "stopped while {missing} decisions were missing"
        );
        if started.elapsed() > timeout {
            bail!(
                "{missing} of {} decisions are missing after {} s (demo.timeout_ms)",
                predicted.len(),
                timeout.as_secs()
            );
        }
        // Errors here are the ends of partitions.
        let Some(Ok(message)) = consumer.poll(LOOK) else {
            continue;
        };
        let decision: Decision = serde_json::from_slice(message.payload().unwrap_or_default())
            .context("a record of the decisions topic is no decision")?;
        let known = predicted.contains(&decision.id);
        ensure!(
            known,
            "a decision was made that the domain does not predict: {}",
            decision.id
        );
        if found.insert(decision.id.clone(), decision).is_none() {
            missing -= 1;
        }
    }
    let mut decisions: Vec<Decision> = found.into_values().collect();
    decisions.sort_by(|a, b| {
        let key = |decision: &Decision| (decision.time_us, decision.session.clone(), decision.window.sequence);
        key(a).cmp(&key(b))
    });
    Ok(decisions)
}

/// Mean risk before and from the hand-over on.
fn risks(decisions: &[Decision], entries: &[Entry]) -> (Option<f64>, Option<f64>) {
    let hand_over: HashMap<&str, Option<i64>> = entries
        .iter()
        .map(|entry| (entry.session.as_str(), entry.hand_over_at_us))
        .collect();
    let (mut genuine, mut taken_over) = (Vec::new(), Vec::new());
    for decision in decisions
        .iter()
        .filter(|decision| decision.action != Action::InsufficientData)
    {
        let at_us = hand_over.get(decision.session.as_str()).copied().flatten();
        if at_us.is_some_and(|at_us| decision.time_us >= at_us) {
            taken_over.push(f64::from(decision.risk));
        } else {
            genuine.push(f64::from(decision.risk));
        }
    }
    let mean = |risks: &[f64]| {
        let mean = risks.iter().sum::<f64>() / risks.len() as f64;
        (!risks.is_empty()).then(|| (mean * 100.0).round() / 100.0)
    };
    (mean(&genuine), mean(&taken_over))
}
