//! Reading a compacted topic from its beginning, then following it.
//!
//! Invariants: whoever has caught up with a partition has seen every record that was there when it began; nothing is
//! committed, and no group is joined, so every process sees all.

use crate::error::{StreamError, kafka};
use crate::kafka::{KafkaSettings, Quiet, create};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

/// One wait for the next record while catching up.
const WAIT: Duration = Duration::from_millis(100);

/// One record of a compacted topic.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a> {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
    /// Key.
    pub key: &'a [u8],
    /// Value; a tombstone where absent.
    pub value: Option<&'a [u8]>,
}

/// A reader of one compacted topic.
pub struct Follower {
    consumer: BaseConsumer<Quiet>,
    topic: String,
    timeout: Duration,
}

enum Polled {
    Record,
    End(i32),
    Nothing,
}

impl Follower {
    /// A reader that follows no partition yet; `timeout` bounds catching up.
    ///
    /// # Errors
    ///
    /// [`StreamError::Kafka`].
    pub fn open(
        settings: &KafkaSettings,
        group: &str,
        topic: &str,
        member: &str,
        timeout: Duration,
    ) -> Result<Self, StreamError> {
        let consumer = create(
            &settings.reader(group, member),
            Quiet,
            "making a reader of a compacted topic",
        )?;
        Ok(Self {
            consumer,
            topic: topic.to_owned(),
            timeout,
        })
    }

    /// Reads `partition` from the beginning to its end, and follows it from then on. Records of partitions followed before
    /// may come in between.
    ///
    /// # Errors
    ///
    /// [`StreamError::Kafka`], [`StreamError::ReadTimeout`].
    pub fn follow(&self, partition: i32, mut take: impl FnMut(Kept<'_>)) -> Result<(), StreamError> {
        let (low, high) = self
            .consumer
            .fetch_watermarks(&self.topic, partition, self.timeout)
            .map_err(kafka("asking for the end of a compacted topic"))?;
        self.consumer
            .incremental_assign(&self.list(partition)?)
            .map_err(kafka("following a compacted topic"))?;
        let deadline = Instant::now() + self.timeout;
        // The record before the high watermark may be a transaction's marker, which is never handed out: then the end of
        // the partition is what is waited for.
        let mut next = low;
        while next < high {
            let polled = self.poll_one(WAIT, &mut |kept: Kept<'_>| {
                if kept.partition == partition {
                    next = kept.offset + 1;
                }
                take(kept);
            })?;
            match polled {
                Polled::End(ended) if ended == partition => break,
                _ if Instant::now() >= deadline => {
                    return Err(StreamError::ReadTimeout {
                        topic: self.topic.clone(),
                        partition,
                        timeout_ms: self.timeout.as_millis() as u64,
                    });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Stops following `partition`.
    ///
    /// # Errors
    ///
    /// [`StreamError::Kafka`].
    pub fn leave(&self, partition: i32) -> Result<(), StreamError> {
        self.consumer
            .incremental_unassign(&self.list(partition)?)
            .map_err(kafka("leaving a compacted topic"))
    }

    /// Takes up to `max` new records; waits for the first one only.
    ///
    /// # Errors
    ///
    /// [`StreamError::Kafka`] for what the client cannot recover from.
    pub fn poll(&self, wait: Duration, max: usize, mut take: impl FnMut(Kept<'_>)) -> Result<(), StreamError> {
        let mut wait = wait;
        for _ in 0..max {
            match self.poll_one(wait, &mut take)? {
                Polled::Nothing => break,
                Polled::Record | Polled::End(_) => wait = Duration::ZERO,
            }
        }
        Ok(())
    }

    fn poll_one(&self, wait: Duration, take: &mut dyn FnMut(Kept<'_>)) -> Result<Polled, StreamError> {
        match self.consumer.poll(wait) {
            None => Ok(Polled::Nothing),
            Some(Ok(message)) => {
                take(Kept {
                    partition: message.partition(),
                    offset: message.offset(),
                    key: message.key().unwrap_or_default(),
                    value: message.payload(),
                });
                Ok(Polled::Record)
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => Ok(Polled::End(partition)),
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => Err(kafka("reading a compacted topic")(error)),
            Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
                Err(kafka("reading a compacted topic")(error))
            }
            // The client goes on by itself and has reported it.
            Some(Err(_)) => Ok(Polled::Nothing),
        }
    }

    fn list(&self, partition: i32) -> Result<TopicPartitionList, StreamError> {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition_offset(&self.topic, partition, Offset::Beginning)
            .map_err(kafka("naming a partition"))?;
        Ok(list)
    }
}
