//! The log as a shard sees it: what it reads ([`Input`]) and what it writes ([`Output`]). Kafka in production, memory in the
//! simulator; the shard between them is the same code.
//!
//! Invariants that a shard may rely on: records of a partition come in their order; a checkpoint is written as a whole or
//! not at all, and only while its member still has its place in the group; [`Input::positions`] waits for a checkpoint that
//! is being written; what [`Input::states`] and [`Input::references`] hand out was committed, but not everything that was
//! committed can be read yet: an open transaction hides what stands behind it.

use crate::error::StreamError;
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

/// Where a partition of the events topic stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    /// Partition.
    pub(crate) partition: i32,
    /// What the group committed, if it ever did.
    pub(crate) committed: Option<Committed>,
    /// The first record that is still there, or the end, where the operator wants to begin there.
    pub(crate) start: i64,
    /// The end of the partition now: the frontier.
    pub(crate) end: i64,
}

/// A committed offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Committed {
    /// The next record to be read.
    pub(crate) offset: i64,
    /// The number of the checkpoint that it was committed with; none where somebody else committed it.
    pub(crate) checkpoint: Option<u64>,
}

/// A record of the events topic.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming<'a> {
    /// Partition.
    pub(crate) partition: i32,
    /// Offset.
    pub(crate) offset: i64,
    /// Timestamp of the record, µs since the Unix epoch.
    pub(crate) timestamp_us: i64,
    /// Key.
    pub(crate) key: Option<&'a [u8]>,
    /// Value.
    pub(crate) value: &'a [u8],
}

/// One record of a topic that keeps something.
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
    /// The number of the checkpoint that it was written in; none where somebody else wrote it.
    pub checkpoint: Option<u64>,
}

/// Takes records of a topic that keeps something.
pub(crate) type Take<'a> = dyn FnMut(Kept<'_>) -> Result<(), StreamError> + 'a;

/// What a shard reads.
pub(crate) trait Input {
    /// Proof of its place in the group, as a checkpoint needs it.
    type Membership;

    /// The oldest change of the group that was not taken yet.
    fn change(&mut self) -> Option<Change>;

    /// Where partitions stand.
    ///
    /// # Errors
    ///
    /// [`StreamError::Kafka`].
    fn positions(&mut self, partitions: &[i32]) -> Result<Vec<Position>, StreamError>;

    /// Every session state and marker of these partitions, in order.
    ///
    /// # Errors
    ///
    /// [`StreamError`], and what `take` fails with.
    fn states(&mut self, partitions: &[i32], take: &mut Take<'_>) -> Result<(), StreamError>;

    /// The decisions from these offsets on, `(partition, offset)`; returns where each partition ended.
    ///
    /// # Errors
    ///
    /// [`StreamError`], and what `take` fails with.
    fn decisions(&mut self, from: &[(i32, i64)], take: &mut Take<'_>) -> Result<Vec<(i32, i64)>, StreamError>;

    /// Every reference record of these partitions, in order; they are followed from then on. Records of partitions that are
    /// followed already may come in between.
    ///
    /// # Errors
    ///
    /// [`StreamError`], and what `take` fails with.
    fn references(&mut self, partitions: &[i32], take: &mut Take<'_>) -> Result<(), StreamError>;

    /// Checkpoints whose references stand in these partitions and cannot be read yet, `(partition, number of the checkpoint)`.
    /// Not all of them need ever be committed.
    ///
    /// # Errors
    ///
    /// [`StreamError`].
    fn unseen_references(&mut self, partitions: &[i32]) -> Result<Vec<(i32, u64)>, StreamError>;

    /// At most `max` reference records that came since. With `to_end`, all that are there, however many; they may be handed out
    /// once more later.
    ///
    /// # Errors
    ///
    /// [`StreamError`], and what `take` fails with.
    fn new_references(&mut self, max: usize, to_end: bool, take: &mut Take<'_>) -> Result<(), StreamError>;

    /// Starts to read partitions from these offsets on, `(partition, offset)`: answers the assignment.
    ///
    /// # Errors
    ///
    /// [`StreamError::Kafka`].
    fn assign(&mut self, from: &[(i32, i64)]) -> Result<(), StreamError>;

    /// Reads them no more and follows their references no more: answers the revocation.
    ///
    /// # Errors
    ///
    /// [`StreamError::Kafka`].
    fn unassign(&mut self, partitions: &[i32]) -> Result<(), StreamError>;

    /// While it pauses, [`Input::read`] hands out nothing and only serves the group.
    fn pause(&mut self, pause: bool);

    /// Hands out the records that are there, at most `max`, until `take` says `false`; waits for the first one only.
    ///
    /// # Errors
    ///
    /// [`StreamError`], and what `take` fails with.
    fn read(
        &mut self,
        wait: Duration,
        max: usize,
        take: &mut dyn FnMut(&Incoming<'_>) -> Result<bool, StreamError>,
    ) -> Result<(), StreamError>;

    /// Its place in the group, as of the last change.
    ///
    /// # Errors
    ///
    /// [`StreamError::Lost`].
    fn membership(&mut self) -> Result<Self::Membership, StreamError>;

    /// The end of a partition, as was last heard.
    fn end(&self, partition: i32) -> Option<i64>;
}

/// What a shard writes.
pub(crate) trait Output {
    /// As in [`Input::Membership`].
    type Membership;

    /// Monotonic time, which goes on while the process is stopped.
    fn now(&self) -> Duration;

    /// Waits.
    fn sleep(&self, time: Duration);

    /// Sends a decision.
    ///
    /// # Errors
    ///
    /// [`StreamError::Delivery`] when this or an earlier one was refused, [`StreamError::QueueFull`].
    fn say(&mut self, partition: i32, key: &[u8], value: &[u8]) -> Result<(), StreamError>;

    /// Takes acknowledgements that have come.
    ///
    /// # Errors
    ///
    /// [`StreamError::Delivery`].
    fn serve(&mut self) -> Result<(), StreamError>;

    /// Decisions that are not acknowledged yet.
    fn in_flight(&self) -> u64;

    /// Draws a line under the decisions so far. The line before it must be [`Output::settled`].
    fn draw_line(&mut self);

    /// Whether everything above the line is acknowledged.
    fn settled(&self) -> bool;

    /// The offset after the last acknowledged decision of a partition; none where none was sent.
    fn said(&self, partition: i32) -> Option<i64>;

    /// Begins to write a checkpoint. One at a time.
    ///
    /// # Errors
    ///
    /// [`StreamError`] when nobody writes checkpoints any more.
    fn commit(&mut self, checkpoint: Checkpoint, membership: Self::Membership) -> Result<(), StreamError>;

    /// What became of it; none while it is being written.
    ///
    /// # Errors
    ///
    /// [`StreamError`]: it was not written, or nobody knows. The shard begins anew and sees.
    fn outcome(&mut self, wait: Duration) -> Result<Option<Outcome>, StreamError>;
}

/// What became of a checkpoint.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is written.
    Committed,
    /// It is not: the group has moved on meanwhile. It may be tried again by who still has its partitions.
    Stale(Checkpoint),
}

/// Everything that a checkpoint writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Records, in order.
    pub(crate) records: Vec<Put>,
    /// Next offset of the events and number of the checkpoint, by partition.
    pub(crate) offsets: Vec<(i32, i64, u64)>,
}

/// A record of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Put {
    /// Topic.
    pub(crate) topic: Written,
    /// Partition; by hash of the key where absent.
    pub(crate) partition: Option<i32>,
    /// Key.
    pub(crate) key: Option<Vec<u8>>,
    /// Value; a tombstone where absent.
    pub(crate) value: Option<Vec<u8>>,
    /// Headers.
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Put {
    /// Bytes that it holds.
    pub(crate) fn bytes(&self) -> usize {
        let of = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        of(&self.key) + of(&self.value)
    }
}

/// Topics that checkpoints write to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// Session states and markers.
    SessionState,
    /// References.
    References,
    /// Audit records.
    Audit,
    /// Dead letters.
    DeadLetters,
}

/// The header by which records of a checkpoint are known in topics that others write to as well.
pub(crate) const CHECKPOINT_HEADER: &str = "checkpoint";
