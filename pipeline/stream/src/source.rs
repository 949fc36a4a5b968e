//! A shard's member of the consumer group.
//!
//! Invariants: rebalance callbacks only write down what changed; assigning and unassigning is done by the shard between two
//! batches, when it has loaded or saved what belongs to the partitions; an offset is committed together with `high`, the
//! next offset to be read, in the commit's metadata.

use crate::error::{StreamError, kafka};
use crate::kafka::{KafkaSettings, create, log, report};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::BorrowedMessage;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, Statistics, TopicPartitionList};
use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a rebalance changed, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// These partitions are ours from now on.
    Assigned(Vec<i32>),
    /// These are not ours any more.
    Revoked {
        /// The partitions.
        partitions: Vec<i32>,
        /// Another member may have them already: nothing can be committed for them.
        lost: bool,
    },
}

/// Where to read a partition from, as the last owner left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Partition.
    pub(crate) partition: i32,
    /// Where the oldest open session began; `None` when nothing was ever committed.
    pub(crate) low: Option<i64>,
    /// Records below it were decided about before, and only rebuild state.
    pub(crate) high: i64,
}

/// A subscribed consumer of the events topic.
pub(crate) struct Source {
    consumer: BaseConsumer<Assignments>,
    topic: String,
    timeout: Duration,
    /// The change that was taken last, until it is answered: the group waits for every answer.
    unanswered: Cell<Option<Change>>,
}

impl Source {
    /// Joins the group.
    ///
    /// # Errors
    ///
    /// [`StreamError::Kafka`].
    pub(crate) fn open(
        settings: &KafkaSettings,
        group: &str,
        topic: &str,
        member: &str,
        timeout: Duration,
    ) -> Result<Self, StreamError> {
        let config = settings.consumer(group, member);
        let consumer: BaseConsumer<Assignments> = create(&config, Assignments::default(), "making a consumer")?;
        consumer.subscribe(&[topic]).map_err(kafka("subscribing to events"))?;
        Ok(Self {
            consumer,
            topic: topic.to_owned(),
            timeout,
            unanswered: Cell::new(None),
        })
    }

    /// The next record, or none after `wait`. Serves the group, so it is called at every turn.
    ///
    /// # Errors
    ///
    /// [`StreamError::Kafka`] for what the client cannot recover from; it reports the rest itself and goes on.
    pub(crate) fn poll(&self, wait: Duration) -> Result<Option<BorrowedMessage<'_>>, StreamError> {
        match self.consumer.poll(wait) {
            None => Ok(None),
            Some(Ok(message)) => Ok(Some(message)),
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => Err(kafka("reading events")(error)),
            // Already reported by the context's `error`.
            Some(Err(_)) => Ok(None),
        }
    }

    /// The oldest change that was not taken yet.
    pub(crate) fn change(&self) -> Option<Change> {
        let assignments = self.consumer.context();
        if !assignments.changed.load(Ordering::Acquire) {
            return None;
        }
        let mut changes = lock(&assignments.changes);
        let change = changes.pop_front();
        assignments.changed.store(!changes.is_empty(), Ordering::Release);
        self.unanswered.set(change.clone());
        change
    }

    /// Where the last owner left these partitions.
    ///
    /// # Errors
    ///
    /// [`StreamError::Kafka`].
    pub(crate) fn positions(&self, partitions: &[i32]) -> Result<Vec<Position>, StreamError> {
        let asked = self.list(partitions.iter().map(|&partition| (partition, Offset::Invalid)))?;
        let committed = self
            .consumer
            .committed_offsets(asked, self.timeout)
            .map_err(kafka("reading committed offsets"))?;
        let mut positions = Vec::with_capacity(partitions.len());
        for element in committed.elements() {
            element.error().map_err(kafka("reading committed offsets"))?;
            let partition = element.partition();
            positions.push(match element.offset() {
                Offset::Offset(low) => Position {
                    partition,
                    low: Some(low),
                    high: high(element.metadata()).unwrap_or(low).max(low),
                },
                _ => Position {
                    partition,
                    low: None,
                    high: 0,
                },
            });
        }
        Ok(positions)
    }

    /// Starts fetching.
    ///
    /// # Errors
    ///
    /// [`StreamError::Kafka`].
    pub(crate) fn assign(&self, positions: &[Position]) -> Result<(), StreamError> {
        let offset = |position: &Position| position.low.map_or(Offset::Invalid, Offset::Offset);
        let list = self.list(positions.iter().map(|position| (position.partition, offset(position))))?;
        match self.consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.consumer.incremental_assign(&list),
            RebalanceProtocol::Eager | RebalanceProtocol::None => self.consumer.assign(&list),
        }
        .map_err(kafka("taking partitions"))?;
        self.unanswered.set(None);
        Ok(())
    }

    /// Stops fetching, which lets the group go on.
    ///
    /// # Errors
    ///
    /// [`StreamError::Kafka`].
    pub(crate) fn unassign(&self, partitions: &[i32]) -> Result<(), StreamError> {
        let list = self.list(partitions.iter().map(|&partition| (partition, Offset::Invalid)))?;
        give_back(&self.consumer, &list).map_err(kafka("giving partitions back"))?;
        self.unanswered.set(None);
        Ok(())
    }

    /// Commits `(partition, low, high)`. Waiting for the answer costs a round trip, so only the last commit of a partition
    /// waits; the others learn nothing of it.
    ///
    /// # Errors
    ///
    /// [`StreamError::Kafka`].
    pub(crate) fn commit(&self, positions: &[(i32, i64, i64)], wait: bool) -> Result<(), StreamError> {
        if positions.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for &(partition, low, high) in positions {
            let mut element = list.add_partition(&self.topic, partition);
            element
                .set_offset(Offset::Offset(low))
                .map_err(kafka("committing offsets"))?;
            element.set_metadata(format!("high={high}"));
        }
        let mode = if wait { CommitMode::Sync } else { CommitMode::Async };
        self.consumer.commit(&list, mode).map_err(kafka("committing offsets"))
    }

    /// High watermark of a partition, as the client last heard.
    pub(crate) fn high_watermark(&self, partition: i32) -> Option<i64> {
        lock(&self.consumer.context().high_watermarks).get(&partition).copied()
    }

    /// Takes partitions only to give them back at once.
    fn answer_assigned(&self, partitions: &[i32]) -> Result<(), StreamError> {
        let nowhere = |&partition: &i32| Position {
            partition,
            low: None,
            high: 0,
        };
        self.assign(&partitions.iter().map(nowhere).collect::<Vec<_>>())
    }

    fn list(&self, partitions: impl Iterator<Item = (i32, Offset)>) -> Result<TopicPartitionList, StreamError> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in partitions {
            list.add_partition_offset(&self.topic, partition, offset)
                .map_err(kafka("naming a partition"))?;
        }
        Ok(list)
    }
}

impl Drop for Source {
    /// Leaves the group; whoever wanted to commit has done so. A change that was never answered would keep it waiting.
    fn drop(&mut self) {
        self.consumer.context().closing.store(true, Ordering::Release);
        let mut next = self.unanswered.take().or_else(|| self.change());
        while let Some(change) = next {
            let answered = match &change {
                Change::Assigned(partitions) => self.answer_assigned(partitions),
                Change::Revoked { partitions, .. } => self.unassign(partitions),
            };
            if let Err(error) = answered {
                tracing::warn!(%error, "group was left with a question unanswered");
            }
            next = self.change();
        }
    }
}

fn give_back<C: ConsumerContext>(consumer: &BaseConsumer<C>, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    }
}

/// `high=<offset>`, and nothing from anybody else's metadata.
fn high(metadata: &str) -> Option<i64> {
    metadata.strip_prefix("high=")?.parse().ok()
}

/// What the callbacks write down.
#[derive(Default)]
struct Assignments {
    /// At most one change waits: the group goes on only when it was answered.
    changes: Mutex<VecDeque<Change>>,
    changed: AtomicBool,
    /// The consumer is being dropped: nobody takes changes any more.
    closing: AtomicBool,
    high_watermarks: Mutex<HashMap<i32, i64>>,
}

impl ClientContext for Assignments {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(level, facility, text);
    }

    fn stats(&self, statistics: Statistics) {
        let mut watermarks = lock(&self.high_watermarks);
        for partition in statistics.topics.values().flat_map(|topic| topic.partitions.values()) {
            if partition.hi_offset >= 0 {
                watermarks.insert(partition.partition, partition.hi_offset);
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        report(&error, reason);
    }
}

impl ConsumerContext for Assignments {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let assigned = kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.closing.load(Ordering::Acquire) {
            let answered = if assigned { Ok(()) } else { give_back(consumer, list) };
            if let Err(error) = answered {
                tracing::warn!(%error, "partitions could not be given back on the way out");
            }
            return;
        }
        let partitions = list.elements().iter().map(|element| element.partition()).collect();
        let change = if assigned {
            Change::Assigned(partitions)
        } else {
            Change::Revoked {
                partitions,
                lost: consumer.assignment_lost(),
            }
        };
        lock(&self.changes).push_back(change);
        self.changed.store(true, Ordering::Release);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_of_others_is_not_taken_for_ours() {
        for (metadata, expected) in [
            ("high=12", Some(12)),
            ("high=", None),
            ("", None),
            ("low=1", None),
            ("high=1 ", None),
        ] {
            assert_eq!(high(metadata), expected, "{metadata:?}");
        }
    }
}
