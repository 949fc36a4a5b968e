//! Topics filled before anything is measured: plain records of 200 bytes, or people who type.
//!
//! Invariants: the same load gives the same records; all sessions go on side by side, a batch each in turn, so that every
//! one of them is live until the end.

use crate::Anyhow;
use ductus_dynamics::event::InputEvent;
use ductus_dynamics::synthetic::Typist;
use ductus_dynamics::wire::{Clock, Consent, Device, Event, EventBatch, Keyboard, Purpose};
use ductus_stream::{KafkaSettings, Topics, ensure_topics};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// When everybody begins, µs: now, because the broker deletes records whose timestamps are older than what it keeps.
pub(crate) fn origin_us() -> i64 {
    static ORIGIN_US: OnceLock<i64> = OnceLock::new();
    *ORIGIN_US.get_or_init(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        since.as_micros() as i64
    })
}

const RAW_BYTES: usize = 200;
const POISON_ONE_IN: u64 = 100;
/// Different typists; the sessions take turns with them.
const TYPISTS: u64 = 64;
const TIMEOUT: Duration = Duration::from_secs(120);
/// With a consumer's wide prefetch a partition is read at the speed of the loopback.
pub(crate) const RAW_PARTITIONS: i32 = 4;

/// The broker of this run.
pub(crate) fn kafka() -> Anyhow<KafkaSettings> {
    let servers =
        std::env::var("DUCTUS_TEST_KAFKA").map_err(|_| "DUCTUS_TEST_KAFKA is not set: run cargo xtask bench")?;
    Ok(KafkaSettings::for_brokers(&servers))
}

/// Topics of their own under a prefix.
pub(crate) fn topics(prefix: &str, partitions: i32) -> Topics {
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
        partitions,
    }
}

/// People who type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) sessions: u64,
    /// In all.
    pub(crate) events: u64,
    /// Events a record.
    pub(crate) batch: usize,
    pub(crate) partitions: i32,
    /// Whether one more record in a hundred is no batch.
    pub(crate) poison: bool,
}

/// A filled topic.
#[derive(Clone, Debug)]
pub(crate) struct Filled {
    pub(crate) prefix: String,
    pub(crate) load: Load,
    pub(crate) records: u64,
    pub(crate) events: u64,
}

impl Filled {
    /// Names the topic to whoever compares other programs on it, with the rows in which our own costs stand.
    pub(crate) fn note(&self, rows: &[&str], model: Option<&Path>, memory: bool) -> Anyhow<()> {
        let Ok(file) = std::env::var("DUCTUS_BENCH_KEEP") else {
            return Ok(());
        };
        let mut file = std::fs::File::options().append(true).create(true).open(file)?;
        let topics = topics(&self.prefix, self.load.partitions);
        let line = serde_json::json!({
            "rows": rows, "events": topics.events, "output": topics.decisions, "records": self.records,
            "sessions": self.load.sessions, "model": model, "memory": memory,
        });
        Ok(writeln!(file, "{line}")?)
    }
}

fn fresh(partitions: i32) -> Anyhow<String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let prefix = format!(
        "bench-{}-{}",
        std::process::id(),
        NUMBER.fetch_add(1, Ordering::Relaxed)
    );
    ensure_topics(&kafka()?, &topics(&prefix, partitions).specs(), 1, TIMEOUT)?;
    Ok(prefix)
}

/// The same events, and topics of their own for what follows from them.
pub(crate) fn topics_for(prefix: &str, run: &str, partitions: i32) -> Anyhow<Topics> {
    let topics = Topics {
        events: topics(prefix, partitions).events,
        ..topics(run, partitions)
    };
    ensure_topics(&kafka()?, &topics.specs(), 1, TIMEOUT)?;
    Ok(topics)
}

type Sender = ThreadedProducer<DefaultProducerContext>;

fn sender() -> Anyhow<Sender> {
    let mut config = kafka()?.producer("fill");
    config.set("linger.ms", "20").set("batch.size", "1000000");
    config.set("compression.type", "none");
    Ok(config.create()?)
}

fn send(sender: &Sender, topic: &str, partition: i32, key: &str, timestamp_us: i64, value: &[u8]) -> Anyhow<()> {
    loop {
        let mut record = BaseRecord::to(topic).partition(partition).key(key).payload(value);
        record.timestamp = Some(timestamp_us / 1_000);
        match sender.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err((error, _)) => return Err(error.into()),
        }
    }
}

/// Records that only have a size; the prefix of their topic.
pub(crate) fn raw(records: u64) -> Anyhow<String> {
    let prefix = fresh(RAW_PARTITIONS)?;
    let (topic, sender) = (topics(&prefix, RAW_PARTITIONS).events, sender()?);
    let value = [b'x'; RAW_BYTES];
    for number in 0..records {
        let partition = (number % RAW_PARTITIONS as u64) as i32;
        send(&sender, &topic, partition, "key", origin_us(), &value)?;
    }
    sender.flush(TIMEOUT)?;
    Ok(prefix)
}

/// Everybody's batches, in turn.
pub(crate) fn sessions(load: &Load) -> Anyhow<Filled> {
    let mut filled = Filled {
        prefix: fresh(load.partitions)?,
        load: *load,
        records: 0,
        events: 0,
    };
    let rounds = load.events / load.sessions / load.batch as u64;
    write(&mut filled, 0..rounds.max(1))?;
    Ok(filled)
}

/// One more batch of the first so many people.
pub(crate) fn more(filled: &Filled, sessions: u64) -> Anyhow<()> {
    let mut filled = filled.clone();
    let done = filled.events / filled.load.sessions / filled.load.batch as u64;
    filled.load.sessions = sessions;
    write(&mut filled, done..done + 1)
}

fn write(filled: &mut Filled, rounds: std::ops::Range<u64>) -> Anyhow<()> {
    let load = filled.load;
    let keys = (rounds.end as usize * load.batch).div_ceil(2) + 50;
    let typists = typists(keys);
    let (topic, sender) = (topics(&filled.prefix, load.partitions).events, sender()?);
    let mut value = Vec::new();
    for round in rounds {
        for session in 0..load.sessions {
            let events = &typists[session as usize % typists.len()];
            let from = round as usize * load.batch;
            let events = &events[from..from + load.batch];
            let batch = batch(session, round, events);
            value.clear();
            serde_json::to_writer(&mut value, &batch)?;
            let partition = (session % load.partitions as u64) as i32;
            let at_us = origin_us() + events.last().map_or(0, |event| event.t_us);
            send(&sender, &topic, partition, &format!("acme/{session}"), at_us, &value)?;
            if load.poison && filled.records.is_multiple_of(POISON_ONE_IN) {
                value.truncate(value.len() - 1);
                send(&sender, &topic, partition, "poison", at_us, &value)?;
            }
            filled.records += 1;
            filled.events += events.len() as u64;
        }
    }
    sender.flush(TIMEOUT)?;
    Ok(())
}

/// What typists who take turns among the sessions type, so many keys each.
pub(crate) fn typists(keys: usize) -> Vec<Vec<InputEvent>> {
    (0..TYPISTS)
        .map(|seed| Typist::draw(seed).flowing().session(0, keys, 0, 0))
        .collect()
}

/// One batch of one session.
pub(crate) fn batch(session: u64, seq: u64, events: &[InputEvent]) -> EventBatch {
    EventBatch {
        v: 1,
        tenant: "acme".to_owned(),
        subject: Some(format!("s-{session}")),
        session: format!("x-{session}"),
        seq: seq as u32,
        purpose: Purpose::Session,
        consent: Consent::Granted,
        clock: Clock {
            origin_us: origin_us(),
            resolution_us: 100,
        },
        device: Device {
            keyboard: Keyboard::Physical,
            ..Device::default()
        },
        detail: Default::default(),
        events: events.iter().map(Event::from).collect(),
    }
}
