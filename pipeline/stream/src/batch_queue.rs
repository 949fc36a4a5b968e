//! Fast reading: the queues of many partitions forwarded into one of our own, from which librdkafka hands out records by the
//! hundred. The only module with `unsafe`.
//!
//! A call for each record costs several times what the record itself costs. `rd_kafka_consume_batch_queue` must not be used on
//! the queue of a consumer that has subscribed (it takes the group's own messages for records, and the consumer loses its
//! partitions), so the consumer's own queue goes on being polled for those, and the records come here.
//!
//! Invariants, on which the `unsafe` blocks rest:
//! - the client outlives its queue: each holds a share of the consumer, and `drop` destroys records, then the queue, before it
//!   lets go of the consumer;
//! - a record is destroyed exactly once, after what borrowed from it has ended: its slot is taken out of `records` first;
//! - the queue is used by one thread at a time (`&mut self`), as librdkafka asks of consumers.
#![allow(unsafe_code)]

use crate::error::{StreamError, kafka};
use crate::kafka::report;
use crate::log::Incoming;
use rdkafka::bindings as native;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::VecDeque;
use std::ffi::CString;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

/// Most records that are asked for at once.
const BATCH: usize = 1_024;

/// One queue for the records of many partitions.
pub(crate) struct BatchQueue<C: ConsumerContext + 'static> {
    consumer: Arc<BaseConsumer<C>>,
    topic: CString,
    queue: NonNull<native::rd_kafka_queue_t>,
    /// Taken from the queue and not handed out yet.
    records: VecDeque<Owned>,
    /// Where librdkafka puts them.
    room: Vec<*mut native::rd_kafka_message_t>,
}

// SAFETY: librdkafka's queues and messages belong to no thread; `&mut self` keeps two from using them at once.
unsafe impl<C: ConsumerContext> Send for BatchQueue<C> {}

impl<C: ConsumerContext> BatchQueue<C> {
    /// An empty queue for partitions of `topic`.
    ///
    /// # Errors
    ///
    /// [`StreamError::Kafka`] for a topic whose name holds a zero byte.
    pub(crate) fn new(consumer: Arc<BaseConsumer<C>>, topic: &str) -> Result<Self, StreamError> {
        let topic = CString::new(topic)
            .map_err(KafkaError::Nul)
            .map_err(kafka("naming the topic"))?;
        // SAFETY: the client is alive.
        let queue = unsafe { native::rd_kafka_queue_new(consumer.client().native_ptr()) };
        Ok(Self {
            consumer,
            topic,
            // librdkafka ends the process rather than return without memory.
            queue: NonNull::new(queue).expect("a queue can always be made"),
            records: VecDeque::new(),
            room: vec![std::ptr::null_mut(); BATCH],
        })
    }

    /// Sends the records of a partition here. To be called before the consumer is told to read it: librdkafka then leaves the
    /// forward alone, and it ends when the partition is read no more.
    pub(crate) fn attach(&self, partition: i32) {
        // SAFETY: client, topic and both queues are alive; the partition's is given back at once, and lives on in the client.
        unsafe {
            let client = self.consumer.client().native_ptr();
            let source = native::rd_kafka_queue_get_partition(client, self.topic.as_ptr(), partition);
            if !source.is_null() {
                native::rd_kafka_queue_forward(source, self.queue.as_ptr());
                native::rd_kafka_queue_destroy(source);
            }
        }
    }

    /// Forgets records that were taken from the queue and whose partition is read no more, or from elsewhere again.
    pub(crate) fn forget(&mut self, partitions: &[i32]) {
        self.records
            .retain(|record| !partitions.contains(&record.get().partition));
    }

    /// Hands out the records that are there, at most `max`, until `take` says `false`; waits for the first one only. What is
    /// not taken is handed out the next time.
    ///
    /// # Errors
    ///
    /// What `take` fails with, and [`StreamError::Kafka`] when the client cannot go on.
    pub(crate) fn read(
        &mut self,
        wait: Duration,
        max: usize,
        take: &mut dyn FnMut(&Incoming<'_>) -> Result<bool, StreamError>,
    ) -> Result<(), StreamError> {
        if self.records.is_empty() {
            self.fill(Duration::ZERO, BATCH);
            // The call waits until it has as many as it was asked for: for one, and then for what came with it.
            if self.records.is_empty() && !wait.is_zero() && self.fill(wait, 1) {
                self.fill(Duration::ZERO, BATCH);
            }
        }
        for _ in 0..max {
            let Some(record) = self.next() else { break };
            if !take_one(&record, take)? {
                break;
            }
        }
        Ok(())
    }

    /// The next record: of those at hand, or of those that the client has ready.
    fn next(&mut self) -> Option<Owned> {
        if self.records.is_empty() {
            self.fill(Duration::ZERO, BATCH);
        }
        self.records.pop_front()
    }

    /// Takes up to `most` records over from the client; whether there were any.
    fn fill(&mut self, wait: Duration, most: usize) -> bool {
        let wait_ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        let most = most.min(self.room.len());
        // SAFETY: the queue is alive, and there is room for `most` pointers.
        let count =
            unsafe { native::rd_kafka_consume_batch_queue(self.queue.as_ptr(), wait_ms, self.room.as_mut_ptr(), most) };
        let count = usize::try_from(count).unwrap_or(0);
        let taken = self.room.iter().take(count).copied();
        self.records.extend(taken.filter_map(NonNull::new).map(Owned));
        count > 0
    }
}

impl<C: ConsumerContext> Drop for BatchQueue<C> {
    fn drop(&mut self) {
        self.records.clear();
        // SAFETY: nothing uses the queue any more, and the client is alive until after this.
        unsafe { native::rd_kafka_queue_destroy(self.queue.as_ptr()) }
    }
}

/// A record, until it is dropped.
struct Owned(NonNull<native::rd_kafka_message_t>);

impl Owned {
    fn get(&self) -> &native::rd_kafka_message_t {
        // SAFETY: librdkafka gave it to us, and it is destroyed only when `self` is dropped.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: it is ours, and nobody else destroys it.
        unsafe { native::rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}

fn take_one(
    record: &Owned,
    take: &mut dyn FnMut(&Incoming<'_>) -> Result<bool, StreamError>,
) -> Result<bool, StreamError> {
    let message = record.get();
    if message.err != native::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        let code = RDKafkaErrorCode::from(message.err);
        if code == RDKafkaErrorCode::Fatal {
            return Err(kafka("reading events")(KafkaError::MessageConsumptionFatal(code)));
        }
        // The client tries again by itself.
        report(&KafkaError::MessageConsumption(code), "reading events");
        return Ok(true);
    }
    let mut kind = native::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    // SAFETY: the record is alive, and `kind` is ours.
    let timestamp_ms = unsafe { native::rd_kafka_message_timestamp(message, &raw mut kind) };
    take(&Incoming {
        partition: message.partition,
        offset: message.offset,
        timestamp_us: timestamp_ms.max(0).saturating_mul(1_000),
        key: slice(record, message.key.cast(), message.key_len),
        value: slice(record, message.payload.cast(), message.len).unwrap_or_default(),
    })
}

/// Bytes of a record; none where it has none.
fn slice(_record: &Owned, bytes: *const u8, length: usize) -> Option<&[u8]> {
    // SAFETY: librdkafka keeps so many bytes for as long as the record lives, and nobody writes to them.
    NonNull::new(bytes.cast_mut()).map(|bytes| unsafe { std::slice::from_raw_parts(bytes.as_ptr(), length) })
}
