//! Reading a topic that keeps something to its end, then following it.
//!
//! Invariants: whoever has caught up with a partition has seen every record that could be read when it began (one behind an
//! open transaction cannot); nothing is committed, and no group is joined, so every process
//! sees all.

use crate::error::{StreamError, kafka};
use crate::kafka::{KafkaSettings, Quiet, create};
use crate::log::{CHECKPOINT_HEADER, Kept, Take};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedHeaders, Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// One wait for the next record while catching up.
const WAIT: Duration = Duration::from_millis(100);

/// A reader of one topic.
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
        Self::of(&settings.reader(group, member), topic, timeout)
    }

    /// The same by a configuration of [`KafkaSettings`].
    ///
    /// # Errors
    ///
    /// [`StreamError::Kafka`].
    pub(crate) fn of(config: &ClientConfig, topic: &str, timeout: Duration) -> Result<Self, StreamError> {
        Ok(Self {
            consumer: create(config, Quiet, "making a reader of a topic")?,
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
        let beginning = [(partition, Offset::Beginning)];
        self.read_to_end(&beginning, &mut |kept| {
            take(kept);
            Ok(())
        })
        .map(drop)
    }

    /// Reads partitions from where it says to their ends, and follows them from then on; returns the ends, by partition.
    ///
    /// # Errors
    ///
    /// As [`Follower::follow`], and what `take` fails with.
    pub(crate) fn read_to_end(
        &self,
        from: &[(i32, Offset)],
        take: &mut Take<'_>,
    ) -> Result<Vec<(i32, i64)>, StreamError> {
        let mut ends = Vec::with_capacity(from.len());
        let mut open = BTreeMap::new();
        for &(partition, offset) in from {
            let (low, high) = self
                .consumer
                .fetch_watermarks(&self.topic, partition, self.timeout)
                .map_err(kafka("asking for the end of a topic"))?;
            ends.push((partition, high));
            let next = offset.to_raw().filter(|raw| *raw >= 0).unwrap_or(low).max(low);
            if next < high {
                open.insert(partition, high);
            }
        }
        self.consumer
            .incremental_assign(&self.list(from)?)
            .map_err(kafka("following a topic"))?;
        let mut deadline = Instant::now() + self.timeout;
        // The record before the high watermark may be a transaction's marker, which is never handed out: then the end of
        // the partition is what is waited for.
        while let Some((&partition, _)) = open.first_key_value() {
            let polled = self.poll_one(WAIT, &mut |kept| {
                if open.get(&kept.partition).is_some_and(|high| kept.offset + 1 >= *high) {
                    open.remove(&kept.partition);
                }
                take(kept)
            })?;
            match polled {
                // The bound is on standing still, however much there is to read.
                Polled::Record => deadline = Instant::now() + self.timeout,
                Polled::End(ended) => {
                    open.remove(&ended);
                }
                Polled::Nothing if Instant::now() >= deadline => {
                    return Err(StreamError::ReadTimeout {
                        topic: self.topic.clone(),
                        partition,
                        timeout_ms: self.timeout.as_millis() as u64,
                    });
                }
                Polled::Nothing => {}
            }
        }
        Ok(ends)
    }

    /// The end of a partition, as far as this reader sees it.
    ///
    /// # Errors
    ///
    /// [`StreamError::Kafka`].
    pub(crate) fn end(&self, partition: i32) -> Result<i64, StreamError> {
        let ends = self.consumer.fetch_watermarks(&self.topic, partition, self.timeout);
        ends.map(|(_, high)| high)
            .map_err(kafka("asking for the end of a topic"))
    }

    /// Where it stands in the partitions that it follows: after the last record that it handed out.
    ///
    /// # Errors
    ///
    /// [`StreamError::Kafka`].
    pub(crate) fn positions(&self) -> Result<Vec<(i32, Offset)>, StreamError> {
        let followed = self
            .consumer
            .position()
            .map_err(kafka("asking where a reader stands"))?;
        let of = |element: rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            let offset = match element.offset() {
                Offset::Offset(offset) => Offset::Offset(offset),
                _ => Offset::Beginning,
            };
            (element.partition(), offset)
        };
        Ok(followed.elements().into_iter().map(of).collect())
    }

    /// Closes it without anybody waiting for that: a client that is in no group takes a tenth of a second to say so, and
    /// partitions that are taken up stand still meanwhile.
    pub(crate) fn retire(self) {
        let thread = std::thread::Builder::new().name("retired-reader".to_owned());
        // Where there are no threads left, the closure is dropped here, and the reader with it.
        let _ = thread.spawn(move || drop(self));
    }

    /// Stops following partitions.
    ///
    /// # Errors
    ///
    /// [`StreamError::Kafka`].
    pub fn leave(&self, partitions: &[i32]) -> Result<(), StreamError> {
        let left: Vec<_> = partitions
            .iter()
            .map(|&partition| (partition, Offset::Beginning))
            .collect();
        self.consumer
            .incremental_unassign(&self.list(&left)?)
            .map_err(kafka("leaving a topic"))
    }

    /// Takes up to `max` new records; waits for the first one only.
    ///
    /// # Errors
    ///
    /// [`StreamError::Kafka`] for what the client cannot recover from.
    pub fn poll(&self, wait: Duration, max: usize, mut take: impl FnMut(Kept<'_>)) -> Result<(), StreamError> {
        self.try_poll(wait, max, &mut |kept| {
            take(kept);
            Ok(())
        })
    }

    /// As [`Follower::poll`], with what may fail.
    ///
    /// # Errors
    ///
    /// As [`Follower::poll`], and what `take` fails with.
    pub(crate) fn try_poll(&self, wait: Duration, max: usize, take: &mut Take<'_>) -> Result<(), StreamError> {
        let mut wait = wait;
        for _ in 0..max {
            match self.poll_one(wait, take)? {
                Polled::Nothing => break,
                Polled::Record | Polled::End(_) => wait = Duration::ZERO,
            }
        }
        Ok(())
    }

    fn poll_one(&self, wait: Duration, take: &mut Take<'_>) -> Result<Polled, StreamError> {
        match self.consumer.poll(wait) {
            None => Ok(Polled::Nothing),
            Some(Ok(message)) => {
                take(Kept {
                    partition: message.partition(),
                    offset: message.offset(),
                    key: message.key().unwrap_or_default(),
                    value: message.payload(),
                    checkpoint: message.headers().and_then(checkpoint),
                })?;
                Ok(Polled::Record)
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => Ok(Polled::End(partition)),
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => Err(kafka("reading a topic")(error)),
            Some(Err(error)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::TopicAuthorizationFailed) => {
                Err(kafka("reading a topic")(error))
            }
            // The client goes on by itself and has reported it.
            Some(Err(_)) => Ok(Polled::Nothing),
        }
    }

    fn list(&self, from: &[(i32, Offset)]) -> Result<TopicPartitionList, StreamError> {
        let mut list = TopicPartitionList::with_capacity(from.len());
        for &(partition, offset) in from {
            list.add_partition_offset(&self.topic, partition, offset)
                .map_err(kafka("naming a partition"))?;
        }
        Ok(list)
    }
}

/// What the headers say of the checkpoint.
fn checkpoint(headers: &BorrowedHeaders) -> Option<u64> {
    let header = headers.iter().find(|header| header.key == CHECKPOINT_HEADER)?;
    let number = std::str::from_utf8(header.value.unwrap_or_default()).ok()?;
    number.parse().ok()
}
