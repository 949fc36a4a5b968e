//! A member of a consumer group whose records go to a slow store: it can be held without leaving the group.
//!
//! Invariants: it is polled also while it is held, so that the group does not take it for dead; a partition that comes while
//! it is held is held too; offsets are committed by its owner only, explicitly.

use super::batch::Place;
use crate::config::Config;
use anyhow::Context as _;
use prometheus::IntGaugeVec;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Offset, Statistics, TopicPartitionList};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often lag is measured.
const STATISTICS_INTERVAL_MS: &str = "5000";
/// A member that died is missed after this long, where the operator says nothing else: until then nobody reads its partitions.
const SESSION_TIMEOUT_MS: &str = "15000";
/// How long one question to the broker may take.
const BROKER_TIMEOUT: Duration = Duration::from_secs(10);

/// A member of a consumer group.
pub(crate) struct Member {
    // PROPERTIES
    consumer: BaseConsumer<Context>,
    topics: Vec<String>,
    // STATES
    held: bool,
}

/// What the group did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The partition is ours now.
    Assigned(usize, i32),
    /// It no longer is.
    Revoked(usize, i32),
}

/// An offset to commit: the next one to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) place: Place,
    /// What the next owner needs to know.
    pub(crate) metadata: String,
}

impl Member {
    /// Joins `group` for `topics`, whose numbers are their places in the list.
    pub(crate) fn join(config: &Config, group: &str, topics: &[&str], lag: IntGaugeVec) -> anyhow::Result<Self> {
        let topics: Vec<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let mut client = config.kafka.consumer_config(group);
        client.set("statistics.interval.ms", STATISTICS_INTERVAL_MS);
        if client.get("session.timeout.ms").is_none() {
            client.set("session.timeout.ms", SESSION_TIMEOUT_MS);
        }
        client.set_log_level(RDKafkaLogLevel::Warning);
        let context = Context {
            topics: topics.clone(),
            changes: Mutex::default(),
            lag,
        };
        let consumer: BaseConsumer<Context> = client
            .create_with_context(context)
            .context("the Kafka consumer cannot be made")?;
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        consumer
            .subscribe(&names)
            .with_context(|| format!("cannot subscribe to {}", names.join(", ")))?;
        Ok(Self {
            consumer,
            topics,
            held: false,
        })
    }

    /// The next record, if one comes within `timeout`. Also serves the group; call it often.
    ///
    /// # Errors
    /// Only what a new start would have to mend; what librdkafka mends itself is a warning.
    pub(crate) fn poll(&self, timeout: Duration) -> anyhow::Result<Option<BorrowedMessage<'_>>> {
        if self.held {
            self.hold_assigned();
        }
        match self.consumer.poll(timeout) {
            None => Ok(None),
            Some(Ok(message)) => Ok(Some(message)),
            Some(Err(error)) if is_fatal(&error) => Err(error).context("the Kafka consumer cannot go on"),
            Some(Err(error)) => {
                tracing::warn!(%error, "reading from kafka failed, trying again");
                Ok(None)
            }
        }
    }

    /// Number of a topic in the list given to [`Member::join`].
    pub(crate) fn topic_number(&self, topic: &str) -> usize {
        number(&self.topics, topic)
    }

    /// Stops the flow of records.
    pub(crate) fn hold(&mut self) {
        if !self.held {
            self.held = true;
            self.hold_assigned();
        }
    }

    /// Lets the records flow again.
    pub(crate) fn go_on(&mut self) {
        if self.held {
            self.held = false;
            self.with_assigned("resumed", |assigned| self.consumer.resume(assigned));
        }
    }

    /// What the group did since the last call, in order.
    pub(crate) fn take_changes(&self) -> Vec<Change> {
        let mut changes = self
            .consumer
            .context()
            .changes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *changes)
    }

    /// Commits offsets of partitions that are ours. A failure only means that records are read again.
    pub(crate) fn commit(&self, commits: &[Commit], mode: CommitMode) {
        if commits.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::with_capacity(commits.len());
        for Commit { place, metadata } in commits {
            let mut element = list.add_partition(&self.topics[place.topic], place.partition);
            element.set_metadata(metadata.as_str());
            if let Err(error) = element.set_offset(Offset::Offset(place.offset)) {
                tracing::warn!(%error, offset = place.offset, "offset cannot be committed");
                return;
            }
        }
        if let Err(error) = self.consumer.commit(&list, mode) {
            tracing::warn!(%error, "committing offsets failed, records will be read again");
        }
    }

    /// Offset and metadata of the last commit of a partition.
    pub(crate) fn committed(&self, topic: usize, partition: i32) -> anyhow::Result<Option<(i64, String)>> {
        let mut list = TopicPartitionList::with_capacity(1);
        list.add_partition(&self.topics[topic], partition);
        let committed = self
            .consumer
            .committed_offsets(list, BROKER_TIMEOUT)
            .with_context(|| format!("cannot read the committed offset of {} {partition}", self.topics[topic]))?;
        let found = committed
            .elements()
            .into_iter()
            .find_map(|element| match element.offset() {
                Offset::Offset(offset) => Some((offset, element.metadata().to_owned())),
                _ => None,
            });
        Ok(found)
    }

    /// Reads a partition again from `offset`; from the beginning where there is none.
    pub(crate) fn seek(&self, topic: usize, partition: i32, offset: Option<i64>) -> anyhow::Result<()> {
        let offset = offset.map_or(Offset::Beginning, Offset::Offset);
        self.consumer
            .seek(&self.topics[topic], partition, offset, BROKER_TIMEOUT)
            .with_context(|| format!("cannot go back in {} {partition}", self.topics[topic]))
    }

    fn hold_assigned(&self) {
        self.with_assigned("paused", |assigned| self.consumer.pause(assigned));
    }

    fn with_assigned(&self, what: &str, act: impl FnOnce(&TopicPartitionList) -> Result<(), KafkaError>) {
        if let Err(error) = self.consumer.assignment().and_then(|assigned| act(&assigned)) {
            tracing::warn!(%error, what, "partitions could not be paused or resumed");
        }
    }
}

fn number(topics: &[String], topic: &str) -> usize {
    // Only subscribed topics come; an unknown one would show as the last.
    topics
        .iter()
        .position(|known| known == topic)
        .unwrap_or(topics.len() - 1)
}

fn is_fatal(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::Fatal)
}

/// Notes what the group does and how far behind we are.
struct Context {
    topics: Vec<String>,
    /// Bounded by the group's own pace: it is emptied at every turn of the role's loop.
    changes: Mutex<Vec<Change>>,
    lag: IntGaugeVec,
}

impl Context {
    fn note(&self, list: &TopicPartitionList, change: fn(usize, i32) -> Change) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        for element in list.elements() {
            changes.push(change(number(&self.topics, element.topic()), element.partition()));
        }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        match level {
            RDKafkaLogLevel::Debug | RDKafkaLogLevel::Info | RDKafkaLogLevel::Notice => {
                tracing::debug!(facility, text, "kafka client");
            }
            _ => tracing::warn!(facility, text, "kafka client warns"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::warn!(%error, reason, "kafka client reports an error");
    }

    fn stats(&self, statistics: Statistics) {
        for (name, topic) in &statistics.topics {
            for (partition, seen) in &topic.partitions {
                let labels = [name.as_str(), &partition.to_string()];
                if seen.desired && seen.consumer_lag >= 0 {
                    self.lag.with_label_values(&labels).set(seen.consumer_lag);
                } else {
                    // Absent already is as good.
                    let _ = self.lag.remove_label_values(&labels);
                }
            }
        }
    }
}

impl ConsumerContext for Context {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(list) => self.note(list, Change::Assigned),
            Rebalance::Revoke(list) => self.note(list, Change::Revoked),
            Rebalance::Error(error) => tracing::warn!(%error, "kafka could not share out the partitions"),
        }
    }

    fn commit_callback(&self, result: Result<(), KafkaError>, _: &TopicPartitionList) {
        match result {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
            Err(error) => tracing::warn!(%error, "committing offsets failed, records will be read again"),
        }
    }
}
