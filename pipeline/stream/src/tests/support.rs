//! A broker in the process, people who type, an embedding step without a network, and the oracle.

use crate::marker::{MARKER_KEY, Marker};
use crate::{
    Embed, EmbedFailure, Embedders, KafkaSettings, LiveModel, Score, ScoreConfig, ScoreHandle, StreamMetrics, Topics,
};
use ductus_dynamics::backend::{BackEnd, Calibration};
use ductus_dynamics::event::{KeyClass, KeyDetail, Modality};
use ductus_dynamics::feature::features;
use ductus_dynamics::line::{Accounting, Embedded, Ingested, Line, LineConfig, Outcome, Record};
use ductus_dynamics::wire::{
    AuditRecord, Clock, Consent, Device, Event, EventBatch, Keyboard, ModelRef, Purpose, Reference,
};
use prometheus::Registry;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message, OwnedMessage};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Bound on every wait: a test that needs it has failed.
pub(super) const BOUND: Duration = Duration::from_secs(60);
/// 2026-01-01.
pub(super) const ORIGIN_US: i64 = 1_767_225_600_000_000;

/// A broker with the topics of a configuration.
pub(super) struct Broker {
    pub(super) cluster: MockCluster<'static, DefaultProducerContext>,
    pub(super) config: ScoreConfig,
    producer: BaseProducer,
    /// Next offset of each partition of the events topic.
    next: Vec<i64>,
}

impl Broker {
    pub(super) fn start(partitions: i32, shards: usize) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        let topics = Topics {
            partitions,
            ..Topics::default()
        };
        for spec in topics.specs() {
            cluster.create_topic(&spec.name, spec.partitions, 1).unwrap();
        }
        // The mock cluster waits for a session's time-out where a broker would rebalance at once.
        let kafka = KafkaSettings::from_properties([
            ("bootstrap.servers", cluster.bootstrap_servers().as_str()),
            ("consumer.session.timeout.ms", "4000"),
            ("consumer.heartbeat.interval.ms", "500"),
        ]);
        let producer = kafka
            .producer("test")
            .set("message.max.bytes", "2000000")
            .create()
            .unwrap();
        let mut config = ScoreConfig {
            kafka,
            topics,
            shards,
            checkpoint_interval_ms: 50,
            checkpoint_turn_sessions: 1,
            restart_backoff_ms: 10,
            restart_backoff_ms_max: 100,
            ..ScoreConfig::default()
        };
        // Few, so that short recordings are compared.
        config.line.references.anchors = 2;
        // The stand-ins for people are scripts, and are found to be.
        config.line.liveness.enabled = false;
        Self {
            cluster,
            config,
            producer,
            next: vec![0; partitions as usize],
        }
    }

    pub(super) fn score(&self, embedders: &Arc<FakeEmbedders>) -> ScoreHandle {
        self.score_measured(embedders, StreamMetrics::default())
    }

    pub(super) fn score_measured(&self, embedders: &Arc<FakeEmbedders>, metrics: StreamMetrics) -> ScoreHandle {
        let (embedders, stop): (Arc<dyn Embedders>, _) = (embedders.clone(), Arc::new(AtomicBool::new(false)));
        Score::start_with(self.config.clone(), metrics, stop, embedders).unwrap()
    }

    /// Produces records of the events topic, in order.
    pub(super) fn publish(&mut self, inputs: &[Input]) {
        for input in inputs {
            assert_eq!(input.offset, self.next[input.partition as usize], "offsets run on");
            self.next[input.partition as usize] += 1;
            let topic = self.config.topics.events.clone();
            let record = BaseRecord::to(&topic)
                .partition(input.partition)
                .key(&input.key)
                .payload(&input.value)
                .timestamp(input.timestamp_us / 1_000);
            self.producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        self.producer.flush(BOUND).unwrap();
    }

    /// Produces one record of another topic.
    pub(super) fn put(&self, topic: &str, partition: i32, key: &str, value: Option<&[u8]>) {
        let mut record = BaseRecord::<str, [u8]>::to(topic).partition(partition).key(key);
        record.payload = value;
        self.producer.send(record).map_err(|(error, _)| error).unwrap();
        self.producer.flush(BOUND).unwrap();
    }

    /// Every record of a topic, by partition and offset.
    pub(super) fn read(&self, topic: &str) -> Vec<OwnedMessage> {
        let consumer: BaseConsumer = self.config.kafka.reader("test", "read").create().unwrap();
        let metadata = consumer.fetch_metadata(Some(topic), BOUND).unwrap();
        let mut list = TopicPartitionList::new();
        let mut left = 0;
        for partition in metadata.topics()[0].partitions() {
            let (low, high) = consumer.fetch_watermarks(topic, partition.id(), BOUND).unwrap();
            left += high - low;
            list.add_partition_offset(topic, partition.id(), Offset::Beginning)
                .unwrap();
        }
        consumer.assign(&list).unwrap();
        let deadline = Instant::now() + BOUND;
        let mut messages = Vec::new();
        while left > 0 {
            assert!(Instant::now() < deadline, "{left} records of {topic} are missing");
            if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
                messages.push(message.detach());
                left -= 1;
            }
        }
        messages.sort_by_key(|message| (message.partition(), message.offset()));
        messages
    }

    /// Waits until a topic holds `count` records at least.
    pub(super) fn wait_for(&self, topic: &str, count: usize) {
        let consumer: BaseConsumer = self.config.kafka.reader("test", "wait").create().unwrap();
        let partitions = consumer.fetch_metadata(Some(topic), BOUND).unwrap().topics()[0]
            .partitions()
            .len();
        until(&format!("{count} records in {topic}"), || {
            let held: i64 = (0..partitions as i32)
                .map(|partition| consumer.fetch_watermarks(topic, partition, BOUND).unwrap().1)
                .sum();
            held >= count as i64
        });
    }

    /// Where the last checkpoints stand: next offset by partition. The mock cluster commits no offsets in transactions.
    pub(super) fn checkpoints(&self) -> BTreeMap<i32, i64> {
        let mut next = BTreeMap::new();
        for message in self.read(&self.config.topics.session_state) {
            if message.key() == Some(MARKER_KEY) {
                let marker = Marker::from_bytes(message.payload().unwrap()).unwrap();
                next.insert(message.partition(), marker.events_next);
            }
        }
        next
    }
}

/// Waits for something to become true.
#[track_caller]
pub(super) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + BOUND;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(super) fn text(message: &OwnedMessage) -> String {
    String::from_utf8(message.payload().unwrap_or_default().to_vec()).unwrap()
}

pub(super) fn header(message: &OwnedMessage, name: &str) -> String {
    let headers = message.headers().unwrap();
    let found = headers.iter().find(|header| header.key == name).unwrap();
    String::from_utf8(found.value.unwrap_or_default().to_vec()).unwrap()
}

/// The sum of a metric over all labels.
pub(super) fn metric(registry: &Registry, name: &str) -> f64 {
    let families = registry.gather();
    let of_name = families.iter().filter(|family| family.name() == name);
    of_name
        .flat_map(|family| family.get_metric())
        .map(|metric| metric.get_counter().get_value() + metric.get_gauge().get_value())
        .sum()
}

/// A record of the events topic.
#[derive(Clone, Debug)]
pub(super) struct Input {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) timestamp_us: i64,
    pub(super) key: String,
    pub(super) value: Vec<u8>,
}

/// Puts records one after the other, each on its partition.
#[derive(Default)]
pub(super) struct Tape {
    next: BTreeMap<i32, i64>,
    clock_us: i64,
    pub(super) inputs: Vec<Input>,
}

impl Tape {
    pub(super) fn push(&mut self, partition: i32, key: &str, value: Vec<u8>) {
        self.push_after(20_000, partition, key, value);
    }

    /// A record `later_us` after the one before it.
    pub(super) fn push_after(&mut self, later_us: i64, partition: i32, key: &str, value: Vec<u8>) {
        let offset = self.next.entry(partition).or_default();
        self.clock_us += later_us;
        self.inputs.push(Input {
            partition,
            offset: *offset,
            timestamp_us: ORIGIN_US + self.clock_us,
            key: key.to_owned(),
            value,
        });
        *offset += 1;
    }
}

/// Somebody who types with a rhythm of their own.
pub(super) struct Typist {
    subject: String,
    session: String,
    seq: u32,
    press: u32,
    t_us: i64,
    dwell_us: i64,
    state: u32,
}

impl Typist {
    pub(super) fn new(subject: &str, session: &str, seed: u32) -> Self {
        Self {
            subject: subject.to_owned(),
            session: session.to_owned(),
            seq: 0,
            press: 0,
            t_us: 1_000_000,
            dwell_us: 60_000 + i64::from(seed) * 25_000,
            state: seed.wrapping_mul(2_654_435_761).wrapping_add(97),
        }
    }

    /// Up to `below`, from a fixed sequence.
    fn number(&mut self, below: i64) -> i64 {
        self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        i64::from(self.state >> 8) % below
    }

    /// The next batch of `presses` keys.
    pub(super) fn batch(&mut self, presses: usize) -> Vec<u8> {
        let mut events = Vec::new();
        for _ in 0..presses {
            self.press += 1;
            let dwell_us = self.dwell_us + self.number(20_000);
            let class = [KeyClass::Letter, KeyClass::Letter, KeyClass::Space][self.number(3) as usize];
            events.push(Event::Down {
                t_us: self.t_us,
                press: self.press,
                class,
            });
            events.push(Event::Up {
                t_us: self.t_us + dwell_us,
                press: self.press,
            });
            self.t_us += dwell_us + 40_000 + self.number(80_000);
        }
        self.envelope(events)
    }

    /// The batch that ends the session.
    pub(super) fn end(&mut self) -> Vec<u8> {
        let t_us = self.t_us;
        self.envelope(vec![Event::End { t_us }])
    }

    pub(super) fn envelope(&mut self, events: Vec<Event>) -> Vec<u8> {
        let batch = EventBatch {
            v: 1,
            tenant: "acme".to_owned(),
            subject: Some(self.subject.clone()),
            session: self.session.clone(),
            seq: self.seq,
            purpose: Purpose::Session,
            consent: Consent::Granted,
            clock: Clock {
                origin_us: ORIGIN_US,
                resolution_us: 100,
            },
            device: Device {
                keyboard: Keyboard::Physical,
                ..Device::default()
            },
            detail: KeyDetail::Class,
            events,
        };
        self.seq += 1;
        serde_json::to_vec(&batch).unwrap()
    }
}

/// Several people on several partitions, each with two sessions one after the other.
pub(super) fn office(people: u32, partitions: i32) -> Vec<Input> {
    let mut tape = Tape::default();
    for session in 0..2 {
        let mut typists: Vec<(i32, Typist)> = (0..people)
            .map(|person| {
                let (subject, session) = (format!("person-{person}"), format!("s-{person}-{session}"));
                (person as i32 % partitions, Typist::new(&subject, &session, person))
            })
            .collect();
        for _ in 0..16 {
            for (partition, typist) in &mut typists {
                let batch = typist.batch(7);
                tape.push(*partition, &typist.subject.clone(), batch);
            }
        }
        if session == 0 {
            for (partition, typist) in &mut typists {
                let end = typist.end();
                tape.push(*partition, &typist.subject.clone(), end);
            }
        }
    }
    tape.inputs
}

/// An embedding step whose result follows from the window alone.
pub(super) struct FakeEmbedders {
    /// Which model is live; anybody may change it.
    pub(super) model: Arc<AtomicU64>,
}

impl FakeEmbedders {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            model: Arc::new(AtomicU64::new(1)),
        })
    }
}

impl FakeEmbedders {
    /// An embedder of a machine that rounds differently from those with another number.
    pub(super) fn rounding(&self, machine: u32) -> Box<dyn Embed> {
        Box::new(FakeEmbed {
            wanted: Arc::clone(&self.model),
            live: BTreeMap::new(),
            rounding: machine as f32 * 1e-6,
        })
    }
}

impl Embedders for FakeEmbedders {
    fn embedder(&self) -> Box<dyn Embed> {
        Box::new(FakeEmbed {
            wanted: Arc::clone(&self.model),
            live: BTreeMap::new(),
            rounding: 0.0,
        })
    }

    fn loaded(&self) -> bool {
        true
    }
}

pub(super) struct FakeEmbed {
    wanted: Arc<AtomicU64>,
    live: BTreeMap<(Modality, u64), Arc<LiveModel>>,
    rounding: f32,
}

pub(super) fn fake_model(modality: Modality, model: u64) -> LiveModel {
    LiveModel {
        model: ModelRef {
            id: modality.name().to_owned(),
            version: format!("fake-{model}"),
            sha256: format!("{model:064x}").chars().rev().collect(),
        },
        back_end: BackEnd::identity(Calibration {
            slope: 20.0,
            intercept: -18.0,
        }),
    }
}

impl Embed for FakeEmbed {
    fn newest(&mut self, modality: Modality) -> Option<Arc<LiveModel>> {
        let wanted = self.wanted.load(Ordering::Acquire);
        let live = self.live.entry((modality, wanted));
        Some(Arc::clone(
            live.or_insert_with(|| Arc::new(fake_model(modality, wanted))),
        ))
    }

    fn recorded(&mut self, modality: Modality, model: &ModelRef) -> Option<Arc<LiveModel>> {
        let number: u64 = model.version.strip_prefix("fake-")?.parse().ok()?;
        let live = self.live.entry((modality, number));
        Some(Arc::clone(
            live.or_insert_with(|| Arc::new(fake_model(modality, number))),
        ))
    }

    /// The mean step, scaled to unit length. Windows of which a value is not finite are refused, as by a real engine.
    fn embed(
        &mut self,
        modality: Modality,
        _: &ModelRef,
        windows: &[&[f32]],
        out: &mut Vec<f32>,
    ) -> Result<(), EmbedFailure> {
        out.clear();
        for window in windows {
            let start = out.len();
            out.extend(fake_embedding(modality, window));
            out[start] += self.rounding;
        }
        Ok(())
    }
}

pub(super) fn fake_embedding(modality: Modality, window: &[f32]) -> Vec<f32> {
    let width = features(modality);
    let mut mean = vec![0.0_f32; width];
    for step in window.chunks_exact(width) {
        for (sum, value) in mean.iter_mut().zip(step) {
            *sum += value;
        }
    }
    let norm = mean.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-9);
    mean.iter().map(|value| value / norm).collect()
}

/// What the pure line says about the same records, each window concluded at once.
#[derive(Default)]
pub(super) struct Oracle {
    /// JSON text of decisions, by id.
    pub(super) decisions: BTreeMap<String, String>,
    /// Ids of audit records.
    pub(super) audits: Vec<String>,
    /// The last state of each reference set, by record key.
    pub(super) references: BTreeMap<String, Reference>,
    pub(super) accounting: Accounting,
    /// Next offset by partition.
    pub(super) positions: BTreeMap<i32, i64>,
}

impl Oracle {
    pub(super) fn of(config: &ScoreConfig, inputs: &[Input]) -> Self {
        let mut oracle = Self::default();
        let mut lines: BTreeMap<i32, Line> = BTreeMap::new();
        let line_config: Arc<LineConfig> = Arc::new(config.line.clone());
        for input in inputs {
            let line = lines
                .entry(input.partition)
                .or_insert_with(|| Line::new(line_config.clone(), &config.topics.events, input.partition));
            let mut ingested = Ingested::default();
            line.ingest(
                &Record {
                    offset: input.offset,
                    timestamp_us: input.timestamp_us,
                    value: &input.value,
                },
                &mut ingested,
            );
            oracle.audits(&ingested.audits);
            for ready in ingested.ready {
                let modality = ready.window.modality;
                let live = fake_model(modality, 1);
                let embedding = fake_embedding(modality, &ready.features().values);
                let embedded = line.wants_embedding(&ready).then_some(Embedded {
                    model: &live.model,
                    back_end: &live.back_end,
                    embedding: &embedding,
                });
                oracle.outcome(line.conclude(ready, embedded));
            }
            for reference in line.changed_references() {
                let key = ductus_dynamics::compare::ReferenceKey::of(&reference).record_key();
                oracle.references.insert(key, reference);
            }
        }
        for (partition, line) in &lines {
            oracle.accounting.merge(line.accounting());
            let next = inputs.iter().filter(|input| input.partition == *partition).count() as i64;
            oracle.positions.insert(*partition, next);
        }
        oracle.audits.sort();
        oracle
    }

    fn outcome(&mut self, outcome: Outcome) {
        self.audits(&outcome.audits);
        let text = serde_json::to_string(&outcome.decision).unwrap();
        let before = self.decisions.insert(outcome.decision.id, text);
        assert!(before.is_none(), "ids are unique");
    }

    fn audits(&mut self, audits: &[AuditRecord]) {
        self.audits.extend(audits.iter().map(|audit| audit.id.clone()));
    }
}
