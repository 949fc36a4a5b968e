//! From a record's produce call to its decision in Kafka, at a fixed load.
//!
//! The schedule is fixed before it starts, and every record's time is the one at which it was due, so that whatever holds the
//! sender up is counted and not left out (coordinated omission). The line runs in this process, beside the sender.

use crate::fill::{self, Filled, kafka, topics};
use crate::{Anyhow, line, report};
use hdrhistogram::Histogram;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use rdkafka::{Message as _, Offset, TopicPartitionList};
use serde::Deserialize;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const EVENTS_PER_S: u64 = 20_000;
const BATCH: u64 = 20;
const SESSIONS: u64 = 1_000;
const PARTITIONS: i32 = 4;
const SECONDS: u64 = 20;
/// Not counted: caches, arenas and the group settle.
const WARM_UP_SECONDS: u64 = 5;
/// So long after the last record decisions are waited for.
const LINGER: Duration = Duration::from_secs(8);
/// What a peer needs to start; it begins at the end of the topic.
const PEER_STARTS: Duration = Duration::from_secs(15);

/// The rows: ours, with the released models, and others', without.
pub(crate) fn bench() -> Anyhow<()> {
    let filled = first_round()?;
    let score = line::start_released(&filled, 1)?;
    let ours = measure(&filled, Instant::now() + Duration::from_millis(200))?;
    score.stop();
    score.join()?;
    eprintln!("    {} decisions at {EVENTS_PER_S} events/s", ours.len());
    for (name, quantile) in QUANTILES {
        let name = format!("stream/latency {name}");
        report(&name, ms(&ours, quantile), "ms", None, None, true);
    }
    let peers = std::env::var("DUCTUS_BENCH_PEERS").unwrap_or_else(|_| "[]".to_owned());
    for peer in serde_json::from_str::<Vec<Peer>>(&peers)? {
        let filled = first_round()?;
        let theirs = peer.run(&filled, || measure(&filled, Instant::now() + PEER_STARTS))?;
        eprintln!("    {} windows of {}", theirs.len(), peer.name);
        for (name, quantile) in QUANTILES {
            let row = format!("stream/latency {name} beside {}", peer.name);
            let target = (name == "p99").then_some(0.2);
            report(
                &row,
                ms(&ours, quantile),
                "ms",
                Some(ms(&theirs, quantile)),
                target,
                true,
            );
        }
    }
    Ok(())
}

const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];

fn ms(latencies: &Histogram<u64>, quantile: f64) -> f64 {
    latencies.value_at_quantile(quantile) as f64 / 1e3
}

/// A topic with the first batch of every session: the schedule goes on from there.
fn first_round() -> Anyhow<Filled> {
    fill::sessions(&fill::Load {
        sessions: SESSIONS,
        events: 0,
        batch: BATCH as usize,
        partitions: PARTITIONS,
        poison: false,
    })
}

/// Sends the schedule and reads what comes of it.
fn measure(filled: &Filled, begins: Instant) -> Anyhow<Histogram<u64>> {
    let per_s = EVENTS_PER_S / BATCH;
    let over = Arc::new(AtomicBool::new(false));
    let reader = {
        let (filled, over) = (filled.clone(), Arc::clone(&over));
        std::thread::spawn(move || read(&filled, begins, per_s, &over).map_err(|error| error.to_string()))
    };
    send(filled, begins, per_s)?;
    std::thread::sleep(LINGER);
    over.store(true, Ordering::Release);
    Ok(reader.join().map_err(|_| "the reader panicked")??)
}

/// Another stream processor, as `cargo xtask bench` says how to start it.
#[derive(Deserialize)]
struct Peer {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    python_path: Option<PathBuf>,
}

impl Peer {
    /// Does something while the peer runs on the topic.
    fn run<T>(&self, filled: &Filled, during: impl FnOnce() -> Anyhow<T>) -> Anyhow<T> {
        let topics = topics(&filled.prefix, PARTITIONS);
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command.args(["--events", &topics.events, "--output", &topics.decisions]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        if let Some(path) = &self.python_path {
            command.env("PYTHONPATH", path);
        }
        let mut child = command.spawn()?;
        let done = during();
        child.kill()?;
        child.wait()?;
        done
    }
}

/// Sends record after record, each when it is due. Record number `n` goes to partition `n % PARTITIONS`.
fn send(filled: &Filled, begins: Instant, per_s: u64) -> Anyhow<()> {
    let mut config = kafka()?.producer("latency");
    config.set("linger.ms", "0").set("compression.type", "none");
    let producer: ThreadedProducer<DefaultProducerContext> = config.create()?;
    let topic = topics(&filled.prefix, PARTITIONS).events;
    let count = SECONDS * per_s;
    // The first round has been sent when the topic was filled.
    let keys = ((count / SESSIONS + 2) * BATCH).div_ceil(2) as usize + 50;
    let typists = fill::typists(keys);
    for number in 0..count {
        let (session, seq) = (number % SESSIONS, number / SESSIONS + 1);
        let from = (seq * BATCH) as usize;
        let events = &typists[session as usize % typists.len()][from..from + BATCH as usize];
        let value = serde_json::to_vec(&fill::batch(session, seq, events))?;
        let due = begins + Duration::from_nanos(number * 1_000_000_000 / per_s);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let key = format!("acme/{session}");
        let mut record = BaseRecord::to(&topic).key(&key).payload(&value);
        record = record.partition((session % PARTITIONS as u64) as i32);
        record.timestamp = events.last().map(|event| (fill::origin_us() + event.t_us) / 1_000);
        producer.send(record).map_err(|(error, _)| error)?;
    }
    Ok(producer.flush(LINGER)?)
}

/// Reads decisions until it is over; the time from when the record was due that closed the window, µs.
fn read(filled: &Filled, begins: Instant, per_s: u64, over: &AtomicBool) -> Anyhow<Histogram<u64>> {
    let topic = topics(&filled.prefix, PARTITIONS).decisions;
    let mut config = kafka()?.consumer(&format!("{}-decisions", filled.prefix), "latency");
    config
        .set("fetch.wait.max.ms", "1")
        .set("isolation.level", "read_committed");
    let consumer: BaseConsumer = config.create()?;
    let mut list = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        list.add_partition_offset(&topic, partition, Offset::Beginning)?;
    }
    consumer.assign(&list)?;
    let mut latencies = Histogram::<u64>::new(3)?;
    while !over.load(Ordering::Acquire) {
        let Some(Ok(record)) = consumer.poll(Duration::from_millis(10)) else {
            continue;
        };
        let now = Instant::now();
        let decision: serde_json::Value = serde_json::from_slice(record.payload().unwrap_or_default())?;
        // Peers say it without a source around it.
        let source = decision.get("source").unwrap_or(&decision);
        let number = |field: &str| source[field].as_i64();
        let (Some(partition), Some(offset)) = (number("partition"), number("offset")) else {
            return Err("a decision without its source".into());
        };
        // Each partition has as many records of each round as it has sessions, the first round before the schedule.
        let of_round = SESSIONS as i64 / i64::from(PARTITIONS);
        let number = (offset - of_round) * i64::from(PARTITIONS) + partition;
        let Ok(number) = u64::try_from(number) else { continue };
        let due = begins + Duration::from_nanos(number * 1_000_000_000 / per_s);
        if number >= WARM_UP_SECONDS * per_s {
            latencies.record(now.saturating_duration_since(due).as_micros() as u64)?;
        }
    }
    Ok(latencies)
}
