//! Writes checkpoints: one Kafka transaction each, in a thread of its own beside the shard.
//!
//! Invariants: one checkpoint at a time; it is committed as a whole, with the consumer group's offsets, or aborted; a member
//! that has lost its place in the group commits nothing; every wait is bounded.

use crate::error::{StreamError, kafka};
use crate::kafka::{KafkaSettings, Quiet, create};
use crate::log::{Checkpoint, Outcome, Put, Written};
use crate::source::Membership;
use crate::topics::Topics;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, PurgeConfig};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// One wait for room in the queue.
const ROOM_WAIT: Duration = Duration::from_millis(10);

/// Hands checkpoints to the thread that writes them.
pub(crate) struct Checkpointer {
    /// None once it is dropped.
    jobs: Option<SyncSender<(Checkpoint, Membership)>>,
    outcomes: Receiver<Result<Outcome, StreamError>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Fences whoever had this transactional id before, and starts the thread.
    ///
    /// # Errors
    ///
    /// [`StreamError::Kafka`], [`StreamError::Thread`].
    pub(crate) fn open(
        settings: &KafkaSettings,
        topics: &Topics,
        group: &str,
        member: &str,
        timeout: Duration,
    ) -> Result<Self, StreamError> {
        let config = settings.transactional(group, member);
        let producer: BaseProducer<Quiet> = create(&config, Quiet, "making a transactional producer")?;
        producer
            .init_transactions(timeout)
            .map_err(kafka("registering the transactional id"))?;
        let (jobs, taken) = sync_channel::<(Checkpoint, Membership)>(1);
        let (done, outcomes) = sync_channel(1);
        let writer = Writer {
            producer,
            topics: topics.clone(),
            timeout,
        };
        let thread = std::thread::Builder::new()
            .name(format!("{member}-checkpoints"))
            .spawn(move || {
                for (checkpoint, membership) in taken {
                    let outcome = writer.write(checkpoint, &membership);
                    if done.send(outcome).is_err() {
                        return;
                    }
                }
            })
            .map_err(StreamError::Thread)?;
        Ok(Self {
            jobs: Some(jobs),
            outcomes,
            thread: Some(thread),
        })
    }

    pub(crate) fn commit(&mut self, checkpoint: Checkpoint, membership: Membership) -> Result<(), StreamError> {
        let sent = self
            .jobs
            .as_ref()
            .is_some_and(|jobs| jobs.send((checkpoint, membership)).is_ok());
        if sent { Ok(()) } else { Err(gone()) }
    }

    pub(crate) fn outcome(&mut self, wait: Duration) -> Result<Option<Outcome>, StreamError> {
        match self.outcomes.recv_timeout(wait) {
            Ok(outcome) => outcome.map(Some),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(gone()),
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic in there has been reported by then.
            let _ = thread.join();
        }
    }
}

fn gone() -> StreamError {
    StreamError::Panicked("the thread that writes checkpoints has ended".to_owned())
}

struct Writer {
    producer: BaseProducer<Quiet>,
    topics: Topics,
    timeout: Duration,
}

impl Writer {
    fn write(&self, checkpoint: Checkpoint, membership: &ConsumerGroupMetadata) -> Result<Outcome, StreamError> {
        let Err(error) = self.try_write(&checkpoint, membership) else {
            return Ok(Outcome::Committed);
        };
        // Aborting waits until every record has its report, and this client's reports come only where somebody takes them.
        self.producer.purge(PurgeConfig::default().queue().inflight());
        self.producer
            .flush(self.timeout)
            .and_then(|()| self.producer.abort_transaction(self.timeout))
            .map_err(kafka("aborting a checkpoint"))?;
        if is_stale(&error) {
            Ok(Outcome::Stale(checkpoint))
        } else {
            Err(error)
        }
    }

    fn try_write(&self, checkpoint: &Checkpoint, membership: &ConsumerGroupMetadata) -> Result<(), StreamError> {
        self.producer
            .begin_transaction()
            .map_err(kafka("beginning a checkpoint"))?;
        for put in &checkpoint.records {
            self.send(put)?;
        }
        let mut offsets = TopicPartitionList::with_capacity(checkpoint.offsets.len());
        for &(partition, next, number) in &checkpoint.offsets {
            let mut element = offsets.add_partition(&self.topics.events, partition);
            element
                .set_offset(Offset::Offset(next))
                .map_err(kafka("naming an offset"))?;
            element.set_metadata(crate::source::metadata(number));
        }
        self.producer
            .send_offsets_to_transaction(&offsets, membership, self.timeout)
            .map_err(kafka("writing the offsets of a checkpoint"))?;
        self.producer
            .commit_transaction(self.timeout)
            .map_err(kafka("committing a checkpoint"))
    }

    fn send(&self, put: &Put) -> Result<(), StreamError> {
        let topic = match put.topic {
            Written::SessionState => &self.topics.session_state,
            Written::References => &self.topics.references,
            Written::Audit => &self.topics.audit,
            Written::DeadLetters => &self.topics.dead_letters,
        };
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic);
        record.partition = put.partition;
        record.key = put.key.as_deref();
        record.payload = put.value.as_deref();
        let headers = put.headers.iter().map(|(key, value)| Header {
            key,
            value: Some(value),
        });
        record.headers = (!put.headers.is_empty()).then(|| {
            let empty = OwnedHeaders::new_with_capacity(put.headers.len());
            headers.fold(empty, OwnedHeaders::insert)
        });
        let since = Instant::now();
        loop {
            let Err((error, returned)) = self.producer.send(record) else {
                self.producer.poll(Duration::ZERO);
                return Ok(());
            };
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) || since.elapsed() > self.timeout {
                return Err(kafka("writing a checkpoint")(error));
            }
            record = returned;
            self.producer.poll(ROOM_WAIT);
        }
    }
}

/// Whether the group has moved on: another generation, or this member is none of it.
fn is_stale(error: &StreamError) -> bool {
    let StreamError::Kafka { source, .. } = error else {
        return false;
    };
    matches!(
        source.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::RebalanceInProgress
                | RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::StaleMemberEpoch
        )
    )
}
