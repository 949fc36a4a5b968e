//! What can go wrong, sorted by what the caller does next.
//!
//! Invariant: every text says what failed, where, and what to do; none holds an event or a feature value.

use ductus_dynamics::state::StateError;
use rdkafka::error::KafkaError;

/// Why scoring did not start, or why a shard stopped. Bad records are no errors: they become dead letters.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// Settings that cannot work: correct all of them, then start again.
    #[error("kafka settings are refused: {}", .0.join("; "))]
    Settings(Vec<String>),
    /// Topics that are missing or do not fit together: create them as said.
    #[error("{0}")]
    Topics(String),
    /// The broker cannot be reached, or refuses: look at the broker, then the supervisor's next try succeeds.
    #[error("kafka: {what} failed: {source}")]
    Kafka {
        /// What was tried.
        what: &'static str,
        /// What librdkafka said.
        source: KafkaError,
    },
    /// A produced record was not acknowledged: nothing is committed past it, the shard starts again from its last commit.
    #[error(
        "kafka did not take a record for topic {topic}: {reason}; nothing is committed past it, and its input is read \
         again; check that the topic exists, its max.message.bytes, its access rights and the brokers' disks"
    )]
    Delivery {
        /// Topic of the record.
        topic: String,
        /// What librdkafka said.
        reason: String,
    },
    /// The brokers take records slower than they are made, for longer than the bound.
    #[error("kafka took nothing for {waited_ms} ms while the producer's queue was full; check the brokers")]
    QueueFull {
        /// How long room was waited for.
        waited_ms: u64,
    },
    /// A compacted topic was not read to its end in time.
    #[error("topic {topic} partition {partition} was not read to its end within {timeout_ms} ms; check the brokers")]
    ReadTimeout {
        /// Topic.
        topic: String,
        /// Partition.
        partition: i32,
        /// The bound.
        timeout_ms: u64,
    },
    /// Kafka has not said whether the last transaction over the group's offsets counts.
    #[error(
        "the group's offsets of partitions {partitions:?} stayed pending for {waited_ms} ms: kafka has not finished the transaction \
         of a checkpoint. It is asked again; if this stays, the transaction hangs: see 'A transaction that kafka never finishes' in \
         docs/delivery.md"
    )]
    Pending {
        /// Whose offsets were asked for.
        partitions: Vec<i32>,
        /// How long they were waited for.
        waited_ms: u64,
    },
    /// What a checkpoint kept cannot be read: nothing is guessed, the partition stands still until somebody decides.
    #[error("session state in partition {partition} at offset {offset} is refused: {source}")]
    State {
        /// Partition.
        partition: i32,
        /// Offset in the session-state topic.
        offset: i64,
        /// Why.
        source: StateError,
    },
    /// The checkpoint that the group's offsets were committed with is not there.
    #[error(
        "partition {partition} was committed with checkpoint {expected}, but the session states end with {found}; wait for the \
         brokers to recover, or reset the group's offsets to where sessions may begin anew"
    )]
    CheckpointMissing {
        /// Partition.
        partition: i32,
        /// Number in the group's metadata.
        expected: u64,
        /// Number of the last marker, 0 for none.
        found: u64,
    },
    /// References that a checkpoint wrote stand behind a transaction that somebody else has not ended.
    #[error(
        "partition {partition}: references of checkpoint {checkpoint} stand behind a transaction that was still open after {waited_ms} \
         ms. They are looked for again; if this stays, the transaction hangs: see 'A transaction that kafka never finishes' in \
         docs/delivery.md"
    )]
    ReferencesUnseen {
        /// Partition.
        partition: i32,
        /// Number of the checkpoint.
        checkpoint: u64,
        /// How long they were waited for.
        waited_ms: u64,
    },
    /// No checkpoint was written for too long, or the group moved on while one was tried.
    #[error("no checkpoint could be written for {waited_ms} ms; the shard begins anew from its last one")]
    CheckpointTimeout {
        /// How long was tried.
        waited_ms: u64,
    },
    /// This member was silent for so long that its partitions may be somebody else's: what it holds is dropped.
    #[error("the shard stood still for {stood_ms} ms, longer than its session in the group: what it held is dropped")]
    Overslept {
        /// How long.
        stood_ms: u64,
    },
    /// The client handed out a record while nothing was read, or among the messages of the group: it is read again in its order.
    #[error("a record was handed out where none was asked for; the shard begins anew from its last checkpoint")]
    Astray,
    /// The group gave our partitions to somebody else.
    #[error("partitions {0:?} were lost to other members: what was held of them is dropped")]
    Lost(Vec<i32>),
    /// The model's engine failed, not a window: the supervisor makes a new one.
    #[error("embedding failed: {0}")]
    Engine(String),
    /// A state could not be encoded: a mistake in the program.
    #[error("session state cannot be encoded: {0}")]
    Seal(#[from] StateError),
    /// A document could not be written as JSON: a mistake in the program.
    #[error("document cannot be written as json: {0}")]
    Encode(#[from] serde_json::Error),
    /// A shard panicked: a mistake in the program; the supervisor starts it again.
    #[error("shard panicked: {0}")]
    Panicked(String),
    /// The system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

impl StreamError {
    /// Whether the group went on without this member: what it had read is others' to finish, from its last checkpoint.
    pub(crate) fn is_theirs_to_finish(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Overslept { .. })
    }
}

/// Says which record of the session states was refused; never its key, which names a session.
pub(crate) fn refused(partition: i32, offset: i64) -> impl FnOnce(StateError) -> StreamError {
    move |source| StreamError::State {
        partition,
        offset,
        source,
    }
}

/// Names the step that failed.
pub(crate) fn kafka(what: &'static str) -> impl FnOnce(KafkaError) -> StreamError {
    move |source| StreamError::Kafka { what, source }
}
