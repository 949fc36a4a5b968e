//! A shard's producer: bounded, and it knows what was acknowledged.
//!
//! Invariants: no delivery error is lost, the first one stays until the producer is dropped and every later call returns it;
//! at most `queue.buffering.max.*` waits inside; waiting for room is bounded. A *line* drawn under what was sent so far tells
//! when all of that is acknowledged, without stopping what is sent meanwhile: this is what offsets are committed behind.

use crate::error::{StreamError, kafka};
use crate::kafka::{KafkaSettings, create, log, report};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// One wait for room in the queue.
const ROOM_WAIT: Duration = Duration::from_millis(10);
/// Delivery reports come in events of one broker answer each; so many are taken at once at most.
const REPORT_EVENTS_MAX: usize = 64;

/// A record to produce; what it borrows is copied.
#[derive(Debug, Default)]
pub struct Outgoing<'a> {
    /// Topic.
    pub topic: &'a str,
    /// Partition; by hash of the key where absent.
    pub partition: Option<i32>,
    /// Key.
    pub key: Option<&'a [u8]>,
    /// Value; a tombstone where absent.
    pub payload: Option<&'a [u8]>,
    /// Headers.
    pub headers: Option<OwnedHeaders>,
    /// Timestamp, ms since the Unix epoch; now where absent.
    pub timestamp_ms: Option<i64>,
    /// Whether [`Producer::acknowledged`] is to know where it stands.
    pub noted: bool,
}

/// In a record's opaque number: the side of the line, and whether its place is noted.
const SIDE: usize = 1;
const NOTED: usize = 2;

/// A producer of one thread.
pub struct Producer {
    // PROPERTIES
    inner: BaseProducer<Deliveries>,
    queue_full_wait: Duration,
    // STATES
    /// Which of the two counters counts what is sent now.
    side: usize,
}

impl Producer {
    /// A producer; `queue_full_wait` bounds how long one record waits for room.
    ///
    /// # Errors
    ///
    /// [`StreamError::Kafka`].
    pub fn open(settings: &KafkaSettings, member: &str, queue_full_wait: Duration) -> Result<Self, StreamError> {
        Self::open_with(&settings.producer(member), queue_full_wait)
    }

    /// The same with a configuration of its own.
    pub(crate) fn open_with(config: &ClientConfig, queue_full_wait: Duration) -> Result<Self, StreamError> {
        let inner = create(config, Deliveries::default(), "making a producer")?;
        Ok(Self {
            inner,
            queue_full_wait,
            side: 0,
        })
    }

    /// Hands a record over; waits for room within the bound.
    ///
    /// # Errors
    ///
    /// [`StreamError::Delivery`] when this or an earlier record is refused, [`StreamError::QueueFull`].
    pub fn send(&mut self, outgoing: Outgoing<'_>) -> Result<(), StreamError> {
        self.check()?;
        let topic = outgoing.topic;
        let mut record: BaseRecord<'_, [u8], [u8], usize> =
            BaseRecord::with_opaque_to(topic, self.side | if outgoing.noted { NOTED } else { 0 });
        record.partition = outgoing.partition;
        record.key = outgoing.key;
        record.payload = outgoing.payload;
        record.headers = outgoing.headers;
        record.timestamp = outgoing.timestamp_ms;
        // Counted before it is sent: its report may come within the call.
        self.inner.context().waiting[self.side].fetch_add(1, Ordering::Relaxed);
        let mut full_since = None;
        loop {
            let Err((error, returned)) = self.inner.send(record) else {
                return Ok(());
            };
            let since = *full_since.get_or_insert_with(Instant::now);
            let full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if full && since.elapsed() < self.queue_full_wait {
                record = returned;
                self.inner.poll(ROOM_WAIT);
                continue;
            }
            self.inner.context().waiting[self.side].fetch_sub(1, Ordering::Relaxed);
            if full {
                let waited_ms = self.queue_full_wait.as_millis() as u64;
                return Err(StreamError::QueueFull { waited_ms });
            }
            return Err(refused(topic, &error));
        }
    }

    /// Takes the delivery reports that are there, without waiting.
    ///
    /// # Errors
    ///
    /// [`StreamError::Delivery`] when any record was refused.
    pub fn poll(&self) -> Result<(), StreamError> {
        for _ in 0..REPORT_EVENTS_MAX {
            let before = self.in_flight();
            if before == 0 {
                break;
            }
            self.inner.poll(Duration::ZERO);
            if self.in_flight() == before {
                break;
            }
        }
        self.check()
    }

    /// Records that are not acknowledged yet.
    pub fn in_flight(&self) -> u64 {
        let [a, b] = &self.inner.context().waiting;
        a.load(Ordering::Relaxed) + b.load(Ordering::Relaxed)
    }

    /// The offset after the last acknowledged record of a partition, of those that were to be noted.
    pub fn acknowledged(&self, partition: i32) -> Option<i64> {
        let next = self.inner.context().next.lock().unwrap_or_else(PoisonError::into_inner);
        next.get(usize::try_from(partition).ok()?).copied().flatten()
    }

    /// Draws the line. The one before it must be [`Producer::settled`].
    pub fn draw_line(&mut self) {
        debug_assert!(self.settled(), "one line at a time");
        self.side = 1 - self.side;
    }

    /// Whether everything above the line is acknowledged.
    pub fn settled(&self) -> bool {
        self.inner.context().waiting[1 - self.side].load(Ordering::Relaxed) == 0
    }

    /// Waits until everything is acknowledged.
    ///
    /// # Errors
    ///
    /// [`StreamError::Delivery`] when any record was refused, [`StreamError::Kafka`] when it takes longer than `timeout`.
    pub fn flush(&self, timeout: Duration) -> Result<(), StreamError> {
        let flushed = self.inner.flush(timeout);
        self.check()?;
        flushed.map_err(kafka("waiting for acknowledgements"))
    }

    fn check(&self) -> Result<(), StreamError> {
        let deliveries = self.inner.context();
        if !deliveries.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let failure = deliveries.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let (topic, reason) = failure.clone().unwrap_or_default();
        Err(StreamError::Delivery { topic, reason })
    }
}

fn refused(topic: &str, error: &KafkaError) -> StreamError {
    StreamError::Delivery {
        topic: topic.to_owned(),
        reason: error.to_string(),
    }
}

/// What became of the records: counted on two sides, so that a line can be drawn.
#[derive(Default)]
struct Deliveries {
    waiting: [AtomicU64; 2],
    /// The offset after the last acknowledged record that was noted, by partition.
    next: Mutex<Vec<Option<i64>>>,
    failed: AtomicBool,
    /// Topic and reason of the first failure.
    failure: Mutex<Option<(String, String)>>,
}

impl Deliveries {
    fn note(&self, partition: i32, offset: i64) {
        let Ok(index) = usize::try_from(partition) else {
            return;
        };
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        if next.len() <= index {
            next.resize(index + 1, None);
        }
        next[index] = next[index].max(Some(offset + 1));
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(level, facility, text);
    }
    fn stats(&self, _: rdkafka::Statistics) {}
    fn error(&self, error: KafkaError, reason: &str) {
        report(&error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        match result {
            Err((error, message)) => {
                let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert_with(|| (message.topic().to_owned(), error.to_string()));
                self.failed.store(true, Ordering::Release);
            }
            Ok(message) if opaque & NOTED != 0 => self.note(message.partition(), message.offset()),
            Ok(_) => {}
        }
        self.waiting[opaque & SIDE].fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    const BOUND: Duration = Duration::from_secs(10);

    fn outgoing(topic: &str) -> Outgoing<'_> {
        Outgoing {
            topic,
            key: Some(b"k"),
            payload: Some(b"v"),
            ..Outgoing::default()
        }
    }

    #[test]
    fn a_line_settles_when_all_above_it_is_acknowledged() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        let settings = KafkaSettings::for_brokers(&cluster.bootstrap_servers());
        let mut producer = Producer::open(&settings, "t", BOUND).unwrap();
        producer.send(outgoing("t")).unwrap();
        producer.draw_line();
        assert!(!producer.settled());
        producer.flush(BOUND).unwrap();
        assert!(producer.settled());
        assert_eq!(producer.in_flight(), 0);
        producer.draw_line();
        assert!(producer.settled());
    }

    #[test]
    fn a_refused_record_fails_every_later_call() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("t", 1, 1).unwrap();
        cluster.request_errors(
            RDKafkaApiKey::Produce,
            &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED],
        );
        let settings = KafkaSettings::for_brokers(&cluster.bootstrap_servers());
        let mut producer = Producer::open(&settings, "t", BOUND).unwrap();
        producer.send(outgoing("t")).unwrap();
        let error = producer.flush(BOUND).unwrap_err();
        assert!(
            matches!(&error, StreamError::Delivery { topic, .. } if topic == "t"),
            "{error}"
        );
        assert!(matches!(
            producer.send(outgoing("t")),
            Err(StreamError::Delivery { .. })
        ));
        assert!(matches!(producer.poll(), Err(StreamError::Delivery { .. })));
    }
}
