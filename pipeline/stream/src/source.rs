//! What a shard reads from Kafka: its member of the consumer group, and the topics that keep something.
//!
//! Invariants: rebalance callbacks only write down what changed; assigning and unassigning is done by the shard between two
//! batches, when it has loaded or saved what belongs to the partitions; the number of a checkpoint stands in the metadata of
//! the offset that was committed with it.

use crate::batch_queue::BatchQueue;
use crate::compacted::Follower;
use crate::error::{StreamError, kafka};
use crate::kafka::{KafkaSettings, create, log, report};
use crate::log::{Change, Committed, Incoming, Input, Position, Take};
use crate::topics::Topics;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, ConsumerGroupMetadata, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use rdkafka::{Offset, Statistics, TopicPartitionList};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A subscribed consumer of the events topic, and readers of the others.
pub(crate) struct Source {
    // PROPERTIES
    settings: KafkaSettings,
    group: String,
    member: String,
    topics: Topics,
    timeout: Duration,
    // STATES
    consumer: Arc<BaseConsumer<Assignments>>,
    /// The records of the partitions that are read.
    records: BatchQueue<Assignments>,
    references: Follower,
    /// Partitions that are read.
    assigned: BTreeSet<i32>,
    paused: bool,
    /// The change that was taken last, until it is answered: the group waits for every answer.
    unanswered: Option<Change>,
    /// Its place in the group since the last change; none once it was lost. It is not asked for at a checkpoint, because a
    /// client that was thrown out of the group forgets its place, and the broker does not check one that names none.
    membership: Option<Membership>,
    /// Kafka 4's protocol moves a member's epoch on without a change; there the broker checks every one.
    epochs: bool,
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
        topics: &Topics,
        member: &str,
        timeout: Duration,
    ) -> Result<Self, StreamError> {
        let config = settings.consumer(group, member);
        let consumer: BaseConsumer<Assignments> = create(&config, Assignments::default(), "making a consumer")?;
        let consumer = Arc::new(consumer);
        let records = BatchQueue::new(Arc::clone(&consumer), &topics.events)?;
        consumer
            .subscribe(&[&topics.events])
            .map_err(kafka("subscribing to events"))?;
        let references = Follower::open(
            settings,
            group,
            &topics.references,
            &format!("{member}-references"),
            timeout,
        )?;
        Ok(Self {
            settings: settings.clone(),
            group: group.to_owned(),
            member: member.to_owned(),
            topics: topics.clone(),
            timeout,
            consumer,
            records,
            references,
            assigned: BTreeSet::new(),
            paused: false,
            unanswered: None,
            membership: None,
            epochs: config.get("group.protocol") == Some("consumer"),
        })
    }

    /// Serves the group, so it is called at every turn. The records come by the other queue.
    fn serve(&self, wait: Duration) -> Result<(), StreamError> {
        match self.consumer.poll(wait) {
            Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => Err(kafka("reading events")(error)),
            Some(Ok(_)) => Err(StreamError::Astray),
            // An error was reported by the context already.
            None | Some(Err(_)) => Ok(()),
        }
    }

    /// A reader of one topic from these offsets to its end.
    fn read_kept(
        &self,
        topic: &str,
        from: &[(i32, Offset)],
        take: &mut Take<'_>,
    ) -> Result<Vec<(i32, i64)>, StreamError> {
        let member = format!("{}-kept", self.member);
        let config = self.settings.reader(&self.group, &member);
        self.read_by(&config, topic, from, take)
    }

    /// The same by a reader of this configuration.
    fn read_by(
        &self,
        config: &ClientConfig,
        topic: &str,
        from: &[(i32, Offset)],
        take: &mut Take<'_>,
    ) -> Result<Vec<(i32, i64)>, StreamError> {
        let reader = Follower::of(config, topic, self.timeout)?;
        let ends = reader.read_to_end(from, take);
        reader.retire();
        ends
    }

    fn start_reading(&self, from: &[(i32, i64)]) -> Result<(), StreamError> {
        let list = self.list(
            from.iter()
                .map(|&(partition, offset)| (partition, Offset::Offset(offset))),
        )?;
        match self.consumer.rebalance_protocol() {
            RebalanceProtocol::Cooperative => self.consumer.incremental_assign(&list),
            RebalanceProtocol::Eager | RebalanceProtocol::None => self.consumer.assign(&list),
        }
        .map_err(kafka("taking partitions"))
    }

    fn stop_reading(&self, partitions: &[i32]) -> Result<(), StreamError> {
        let list = self.list(partitions.iter().map(|&partition| (partition, Offset::Invalid)))?;
        give_back(&self.consumer, &list).map_err(kafka("giving partitions back"))
    }

    /// Takes down the place in the group, unless it is lost.
    fn renew_membership(&mut self) {
        let membership = self.consumer.group_metadata();
        self.membership = membership.filter(|_| !self.consumer.assignment_lost()).map(Arc::new);
    }

    fn begins_at_the_end(&self) -> bool {
        let config = self.settings.consumer(&self.group, &self.member);
        let reset = config.get("auto.offset.reset");
        matches!(reset, Some("latest" | "largest" | "end"))
    }

    fn list(&self, partitions: impl Iterator<Item = (i32, Offset)>) -> Result<TopicPartitionList, StreamError> {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in partitions {
            list.add_partition_offset(&self.topics.events, partition, offset)
                .map_err(kafka("naming a partition"))?;
        }
        Ok(list)
    }
}

impl Input for Source {
    type Membership = Membership;

    fn change(&mut self) -> Option<Change> {
        let change = self.consumer.context().take()?;
        self.unanswered = Some(change.clone());
        match change {
            Change::Revoked { lost: true, .. } => self.membership = None,
            _ => self.renew_membership(),
        }
        Some(change)
    }

    fn positions(&mut self, partitions: &[i32]) -> Result<Vec<Position>, StreamError> {
        let asked = self.list(partitions.iter().map(|&partition| (partition, Offset::Invalid)))?;
        // Waits for a transaction that is about to commit offsets of these partitions.
        let committed =
            self.consumer
                .committed_offsets(asked, self.timeout)
                .map_err(|error| match error.rdkafka_error_code() {
                    Some(RDKafkaErrorCode::OperationTimedOut) => StreamError::Pending {
                        partitions: partitions.to_vec(),
                        waited_ms: self.timeout.as_millis() as u64,
                    },
                    _ => kafka("reading committed offsets")(error),
                })?;
        let mut positions = Vec::with_capacity(partitions.len());
        for element in committed.elements() {
            element.error().map_err(kafka("reading committed offsets"))?;
            let partition = element.partition();
            let (low, end) = self
                .consumer
                .fetch_watermarks(&self.topics.events, partition, self.timeout)
                .map_err(kafka("asking for the end of events"))?;
            let committed = element.offset().to_raw().filter(|raw| *raw >= 0);
            positions.push(Position {
                partition,
                committed: committed.map(|offset| Committed {
                    offset,
                    checkpoint: number(element.metadata()),
                }),
                start: if self.begins_at_the_end() { end } else { low },
                end,
            });
        }
        Ok(positions)
    }

    fn states(&mut self, partitions: &[i32], take: &mut Take<'_>) -> Result<(), StreamError> {
        self.read_kept(&self.topics.session_state, &from_beginning(partitions), take)
            .map(drop)
    }

    fn decisions(&mut self, from: &[(i32, i64)], take: &mut Take<'_>) -> Result<Vec<(i32, i64)>, StreamError> {
        let from: Vec<_> = from
            .iter()
            .map(|&(partition, offset)| (partition, Offset::Offset(offset)))
            .collect();
        self.read_kept(&self.topics.decisions, &from, take)
    }

    fn references(&mut self, partitions: &[i32], take: &mut Take<'_>) -> Result<(), StreamError> {
        self.references.read_to_end(&from_beginning(partitions), take).map(drop)
    }

    fn unseen_references(&mut self, partitions: &[i32]) -> Result<Vec<(i32, u64)>, StreamError> {
        let mut seen = Vec::with_capacity(partitions.len());
        for &partition in partitions {
            seen.push((partition, Offset::Offset(self.references.end(partition)?)));
        }
        let member = format!("{}-unseen", self.member);
        let config = self.settings.uncommitted_reader(&self.group, &member);
        let mut unseen = Vec::new();
        self.read_by(&config, &self.topics.references, &seen, &mut |kept| {
            unseen.extend(kept.checkpoint.map(|number| (kept.partition, number)));
            Ok(())
        })?;
        Ok(unseen)
    }

    fn new_references(&mut self, max: usize, to_end: bool, take: &mut Take<'_>) -> Result<(), StreamError> {
        if !to_end {
            return self.references.try_poll(Duration::ZERO, max, take);
        }
        // A reader is told of the end only once, and the last record may be a transaction's marker that nobody sees: only a
        // reader of its own knows when it has read everything. What it hands out, the other one hands out again.
        let from = self.references.positions()?;
        self.read_kept(&self.topics.references, &from, take).map(drop)
    }

    fn assign(&mut self, from: &[(i32, i64)]) -> Result<(), StreamError> {
        // What was still on its way when they were given back must not come before what is read now.
        let partitions: Vec<i32> = from.iter().map(|&(partition, _)| partition).collect();
        self.records.forget(&partitions);
        partitions.iter().for_each(|&partition| self.records.attach(partition));
        self.start_reading(from)?;
        self.unanswered = None;
        self.assigned.extend(partitions);
        Ok(())
    }

    fn unassign(&mut self, partitions: &[i32]) -> Result<(), StreamError> {
        self.stop_reading(partitions)?;
        self.records.forget(partitions);
        self.unanswered = None;
        self.assigned.retain(|partition| !partitions.contains(partition));
        self.references.leave(partitions)
    }

    fn pause(&mut self, pause: bool) {
        // What the client fetches meanwhile is bounded by `queued.max.messages.kbytes`.
        self.paused = pause;
    }

    fn read(
        &mut self,
        wait: Duration,
        max: usize,
        take: &mut dyn FnMut(&Incoming<'_>) -> Result<bool, StreamError>,
    ) -> Result<(), StreamError> {
        // Where no records can come, only the group can have something to say.
        let idle = self.paused || self.assigned.is_empty();
        self.serve(if idle { wait } else { Duration::ZERO })?;
        if idle {
            Ok(())
        } else {
            self.records.read(wait, max, take)
        }
    }

    fn membership(&mut self) -> Result<Membership, StreamError> {
        if self.epochs {
            self.renew_membership();
        }
        let assigned = || self.assigned.iter().copied().collect();
        self.membership.clone().ok_or_else(|| StreamError::Lost(assigned()))
    }

    fn end(&self, partition: i32) -> Option<i64> {
        lock(&self.consumer.context().high_watermarks).get(&partition).copied()
    }
}

fn from_beginning(partitions: &[i32]) -> Vec<(i32, Offset)> {
    partitions
        .iter()
        .map(|&partition| (partition, Offset::Beginning))
        .collect()
}

impl Drop for Source {
    /// Leaves the group; whoever wanted to commit has done so. A change that was never answered would keep it waiting.
    fn drop(&mut self) {
        self.consumer.context().closing.store(true, Ordering::Release);
        let mut next = self.unanswered.take().or_else(|| self.consumer.context().take());
        while let Some(change) = next {
            let answered = match &change {
                // Takes partitions only to give them back at once.
                Change::Assigned(partitions) => {
                    let nowhere: Vec<_> = partitions.iter().map(|&partition| (partition, 0)).collect();
                    self.start_reading(&nowhere)
                }
                Change::Revoked { partitions, .. } => self.stop_reading(partitions),
            };
            if let Err(error) = answered {
                tracing::warn!(%error, "group was left with a question unanswered");
            }
            next = self.consumer.context().take();
        }
    }
}

fn give_back<C: ConsumerContext>(consumer: &BaseConsumer<C>, list: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(list),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    }
}

const METADATA: &str = "checkpoint=";

/// What a commit says of its checkpoint.
pub(crate) fn metadata(number: u64) -> String {
    format!("{METADATA}{number}")
}

/// The number that it says, and nothing from anybody else's metadata.
fn number(metadata: &str) -> Option<u64> {
    metadata.strip_prefix(METADATA)?.parse().ok()
}

/// A place in the group.
pub(crate) type Membership = Arc<ConsumerGroupMetadata>;

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

impl Assignments {
    fn take(&self) -> Option<Change> {
        if !self.changed.load(Ordering::Acquire) {
            return None;
        }
        let mut changes = lock(&self.changes);
        let change = changes.pop_front();
        self.changed.store(!changes.is_empty(), Ordering::Release);
        change
    }
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
        for (text, expected) in [
            (metadata(12).as_str(), Some(12)),
            ("checkpoint=", None),
            ("", None),
            ("high=1", None),
            ("checkpoint=1 ", None),
        ] {
            assert_eq!(number(text), expected, "{text:?}");
        }
    }
}
