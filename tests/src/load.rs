//! People at work: an endless stream of records for the events topic, in the order of their time, and who sends it.
//!
//! The same people come back for one session after the other, so that their references grow ripe and they are compared;
//! sessions overlap, some end and some fall silent.
//!
//! Invariants: the same seed gives the same records; time is the people's own and has nothing to do with the clock on the
//! wall; ids of sessions are never used again.

use crate::kafka::Kafka;
use ductus_dynamics::event::{EventKind, InputEvent, KeyDetail};
use ductus_dynamics::synthetic::{PointerUser, Typist};
use ductus_dynamics::wire::{self, Clock, Consent, Device, EventBatch, Keyboard, Pointer, Purpose};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer, ThreadedProducer};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// When the first session begins, µs since the Unix epoch: 2025-11-21.
pub const ORIGIN_US: i64 = 1_763_700_000_000_000;
const SECOND_US: i64 = 1_000_000;
/// Longest wait for the broker when the sender stops.
const FLUSH: Duration = Duration::from_secs(60);

/// Who works, and what goes wrong on the way.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// People who type.
    pub typists: usize,
    /// People who point.
    pub pointers: usize,
    /// Share of sessions that say that they end; the others fall silent.
    pub ends: f64,
    /// Share of sessions in the middle of which somebody else sits down at the keys.
    pub takeovers: f64,
    /// Share of records behind which one comes that is no event batch.
    pub poison: f64,
    /// Share of records that come twice.
    pub repeated: f64,
    /// Share of records that get lost before Kafka.
    pub missing: f64,
}

impl Default for Mix {
    /// A small office with an ordinary line: a little of everything.
    fn default() -> Self {
        Self {
            typists: 20,
            pointers: 4,
            ends: 0.6,
            takeovers: 0.2,
            poison: 0.002,
            repeated: 0.005,
            missing: 0.002,
        }
    }
}

/// A record for the events topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// Key.
    pub key: String,
    /// Timestamp, µs since the Unix epoch.
    pub timestamp_us: i64,
    /// Value.
    pub value: Vec<u8>,
    /// Events in it; 0 where it is no event batch.
    pub events: u64,
}

/// The records, one after the other, without end.
pub struct Load {
    // PROPERTIES
    mix: Mix,
    // STATES
    people: Vec<Person>,
    /// What comes before anybody does anything more.
    ahead: VecDeque<Outgoing>,
    rng: ChaCha8Rng,
}

enum Hand {
    /// The person, and who takes over.
    Keys(Box<[Typist; 2]>),
    Pointer(Box<PointerUser>),
}

struct Person {
    subject: String,
    hand: Hand,
    sessions: u64,
    /// The rest of the session.
    batches: VecDeque<Outgoing>,
    /// When the session's last event was, µs.
    last_us: i64,
}

impl Load {
    /// People drawn from `seed`.
    pub fn new(seed: u64, mix: Mix) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let person = |number: usize, rng: &mut ChaCha8Rng| {
            let drawn = seed.wrapping_mul(1_000).wrapping_add(number as u64);
            Person {
                subject: format!("s-{number}"),
                hand: if number < mix.typists {
                    let other = drawn.wrapping_add(500);
                    Hand::Keys(Box::new([drawn, other].map(|seed| Typist::draw(seed).flowing())))
                } else {
                    Hand::Pointer(Box::new(PointerUser::draw(drawn)))
                },
                sessions: 0,
                batches: VecDeque::new(),
                last_us: ORIGIN_US + rng.random_range(0..30 * SECOND_US),
            }
        };
        let people = (0..mix.typists + mix.pointers)
            .map(|number| person(number, &mut rng))
            .collect();
        Self {
            mix,
            people,
            ahead: VecDeque::new(),
            rng,
        }
    }

    /// What the person does next is at the front of `batches` afterwards.
    fn prepare(person: &mut Person, mix: &Mix, rng: &mut ChaCha8Rng) {
        if person.batches.is_empty() {
            // Shorter than a session may be idle, or longer.
            let start_us = person.last_us + rng.random_range(20 * SECOND_US..400 * SECOND_US);
            person.begin(start_us, mix, rng);
        }
    }
}

impl Iterator for Load {
    type Item = Outgoing;

    fn next(&mut self) -> Option<Outgoing> {
        if let Some(ahead) = self.ahead.pop_front() {
            return Some(ahead);
        }
        for person in &mut self.people {
            Self::prepare(person, &self.mix, &mut self.rng);
        }
        let next = |person: &Person| person.batches.front().map(|batch| batch.timestamp_us);
        let person = self.people.iter_mut().min_by_key(|person| next(person))?;
        let record = person.batches.pop_front()?;
        if self.rng.random_bool(self.mix.missing) {
            return self.next();
        }
        if self.rng.random_bool(self.mix.repeated) {
            self.ahead.push_back(record.clone());
        }
        if self.rng.random_bool(self.mix.poison) {
            self.ahead.push_back(Outgoing {
                value: format!("poison {}", self.rng.random_range(0..u32::MAX)).into_bytes(),
                events: 0,
                ..record.clone()
            });
        }
        Some(record)
    }
}

impl Person {
    fn begin(&mut self, start_us: i64, mix: &Mix, rng: &mut ChaCha8Rng) {
        self.sessions += 1;
        let (mut events, events_a_batch) = match &self.hand {
            Hand::Keys(typists) => {
                let mut events = typists[0].session(self.sessions, rng.random_range(80..260), start_us, 0);
                if rng.random_bool(mix.takeovers) {
                    // Later than any release of the first.
                    let from_us = events.last().map_or(start_us, |event| event.t_us) + 2 * SECOND_US;
                    let keys = rng.random_range(80..160);
                    events.extend(typists[1].session(self.sessions, keys, from_us, 1_000));
                }
                (events, rng.random_range(16..40))
            }
            Hand::Pointer(pointer) => (
                pointer.session(self.sessions, rng.random_range(300..900), start_us),
                rng.random_range(60..120),
            ),
        };
        self.last_us = events.last().map_or(start_us, |event| event.t_us);
        if rng.random_bool(mix.ends) {
            events.push(InputEvent {
                t_us: self.last_us,
                kind: EventKind::End,
            });
        }
        let device = match self.hand {
            Hand::Keys(_) => Device {
                keyboard: Keyboard::Physical,
                ..Device::default()
            },
            Hand::Pointer(_) => Device {
                pointer: Pointer::Mouse,
                ..Device::default()
            },
        };
        for (events, seq) in events.chunks(events_a_batch).zip(0..) {
            self.batches.push_back(self.record(events, seq, start_us, device));
        }
    }

    fn record(&self, events: &[InputEvent], seq: u32, start_us: i64, device: Device) -> Outgoing {
        let batch = Batch {
            subject: &self.subject,
            session: &format!("{}-{}", self.subject, self.sessions),
            purpose: Purpose::Session,
            device,
            start_us,
        };
        Outgoing {
            key: self.subject.clone(),
            timestamp_us: events.last().map_or(start_us, |event| event.t_us),
            value: batch.of(seq, events),
            events: events.len() as u64,
        }
    }
}

/// What the batches of a session have in common.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// Subject.
    pub subject: &'a str,
    /// Session.
    pub session: &'a str,
    /// What the events may be used for.
    pub purpose: Purpose,
    /// Device class.
    pub device: Device,
    /// The clock's origin, µs since the Unix epoch.
    pub start_us: i64,
}

impl Batch<'_> {
    /// The tenant of everybody.
    pub const TENANT: &'static str = "acme";

    /// The batch with this number, as JSON.
    pub fn of(&self, seq: u32, events: &[InputEvent]) -> Vec<u8> {
        let wire_event = |event: &InputEvent| {
            wire::Event::from(&InputEvent {
                t_us: event.t_us - self.start_us,
                kind: coarse(event.kind),
            })
        };
        let batch = EventBatch {
            v: wire::VERSION,
            tenant: Self::TENANT.to_owned(),
            subject: Some(self.subject.to_owned()),
            session: self.session.to_owned(),
            seq,
            purpose: self.purpose,
            consent: Consent::Granted,
            clock: Clock {
                origin_us: self.start_us,
                resolution_us: 100,
            },
            device: self.device,
            detail: KeyDetail::Class,
            events: events.iter().map(wire_event).collect(),
        };
        serde_json::to_vec(&batch).unwrap()
    }
}

/// Without the hand, as the default key detail asks.
fn coarse(kind: EventKind) -> EventKind {
    match kind {
        EventKind::KeyDown { press, class } => EventKind::KeyDown {
            press,
            class: class.coarse(),
        },
        other => other,
    }
}

/// Sends a load to a world's events topic, at an even pace, until it is stopped.
pub struct Sender {
    stop: Arc<AtomicBool>,
    /// Nobody cares any more for what was sent.
    abandon: Arc<AtomicBool>,
    events: Arc<AtomicU64>,
    thread: Option<JoinHandle<Load>>,
}

impl Sender {
    /// Sends `records_per_s` records a second.
    pub fn start(kafka: &Kafka, mut load: Load, records_per_s: f64) -> Self {
        let (stop, events) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (topic, producer) = (kafka.topic("events"), producer(kafka));
        let abandon = Arc::new(AtomicBool::new(false));
        let (stopped, abandoned, sent) = (Arc::clone(&stop), Arc::clone(&abandon), Arc::clone(&events));
        let thread = std::thread::spawn(move || {
            let started = Instant::now();
            for number in 0.. {
                let due = Duration::from_secs_f64(f64::from(number) / records_per_s);
                while started.elapsed() < due && !stopped.load(Ordering::Acquire) {
                    std::thread::sleep(Duration::from_millis(2));
                }
                if stopped.load(Ordering::Acquire) {
                    break;
                }
                let Some(record) = load.next() else { break };
                send(&producer, &topic, &record);
                sent.fetch_add(record.events, Ordering::Relaxed);
            }
            if !abandoned.load(Ordering::Acquire) {
                producer.flush(FLUSH).unwrap();
            }
            load
        });
        Self {
            stop,
            abandon,
            events,
            thread: Some(thread),
        }
    }

    /// Events sent so far.
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// Stops once everything that was sent is acknowledged; what comes next in the load.
    pub fn stop(mut self) -> Load {
        self.stop.store(true, Ordering::Release);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.abandon.store(true, Ordering::Release);
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Sends so many records at once; the events in them.
pub fn send_all(kafka: &Kafka, records: impl IntoIterator<Item = Outgoing>) -> u64 {
    let (topic, producer) = (kafka.topic("events"), producer(kafka));
    let mut events = 0;
    for record in records {
        send(&producer, &topic, &record);
        events += record.events;
    }
    producer.flush(FLUSH).unwrap();
    events
}

fn producer(kafka: &Kafka) -> ThreadedProducer<rdkafka::producer::DefaultProducerContext> {
    kafka
        .config()
        .set("partitioner", "murmur2_random")
        .set("enable.idempotence", "true")
        .set("linger.ms", "5")
        .create()
        .unwrap()
}

fn send(producer: &ThreadedProducer<rdkafka::producer::DefaultProducerContext>, topic: &str, record: &Outgoing) {
    let mut outgoing = BaseRecord::to(topic)
        .key(&record.key)
        .payload(&record.value)
        .timestamp(record.timestamp_us / 1_000);
    while let Err((error, again)) = producer.send(outgoing) {
        let full = matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull));
        assert!(full, "{error}");
        std::thread::sleep(Duration::from_millis(5));
        outgoing = again;
    }
}
