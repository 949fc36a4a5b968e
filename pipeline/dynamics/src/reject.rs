//! Why input was refused. Bad input is data, not an error: it is counted under one of these codes and the stream goes on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Reason codes, stable: dashboards and dead letters use their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum RejectReason {
    /// The value is not JSON, or not of the document's shape.
    Malformed,
    /// A version that this program does not know.
    UnsupportedVersion,
    /// A field that the contract does not have.
    UnknownField,
    /// A field known to carry a key, a code or text.
    ContentField,
    /// A value outside a closed list (a class, a purpose…).
    UnknownValue,
    /// A tenant, subject or session id of the wrong form.
    InvalidId,
    /// The person did not consent.
    NoConsent,
    /// More bytes than the limit.
    OversizeBatch,
    /// More events than the limit.
    TooManyEvents,
    /// A clock origin or a record timestamp that cannot be.
    AbsurdClock,
    /// Key detail finer than the deployment allows.
    FinerThanAllowed,
    /// More open sessions than the limit.
    TooManySessions,
    /// One event: a time that cannot be.
    AbsurdTime,
    /// One event: fields missing, or fields of another kind of event.
    InvalidEvent,
    /// One event: a release whose press was never seen.
    ReleaseWithoutPress,
    /// One event: a press number that was used before.
    RepeatedPress,
    /// Noted, counted as duplicate: a batch number that was seen before.
    RepeatedBatch,
    /// Noted, counted as gap: batch numbers that were skipped.
    MissingBatches,
    /// Noted, counted as late: events older than what their window holds already.
    LateEvents,
    /// A sink refused the document for good; the letter's detail says what the sink said.
    RefusedBySink,
}

impl RejectReason {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Self; 20] = [
        Self::Malformed,
        Self::UnsupportedVersion,
        Self::UnknownField,
        Self::ContentField,
        Self::UnknownValue,
        Self::InvalidId,
        Self::NoConsent,
        Self::OversizeBatch,
        Self::TooManyEvents,
        Self::AbsurdClock,
        Self::FinerThanAllowed,
        Self::TooManySessions,
        Self::AbsurdTime,
        Self::InvalidEvent,
        Self::ReleaseWithoutPress,
        Self::RepeatedPress,
        Self::RepeatedBatch,
        Self::MissingBatches,
        Self::LateEvents,
        Self::RefusedBySink,
    ];

    /// The code as it stands in documents and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnsupportedVersion => "unsupported_version",
            Self::UnknownField => "unknown_field",
            Self::ContentField => "content_field",
            Self::UnknownValue => "unknown_value",
            Self::InvalidId => "invalid_id",
            Self::NoConsent => "no_consent",
            Self::OversizeBatch => "oversize_batch",
            Self::TooManyEvents => "too_many_events",
            Self::AbsurdClock => "absurd_clock",
            Self::FinerThanAllowed => "finer_than_allowed",
            Self::TooManySessions => "too_many_sessions",
            Self::AbsurdTime => "absurd_time",
            Self::InvalidEvent => "invalid_event",
            Self::ReleaseWithoutPress => "release_without_press",
            Self::RepeatedPress => "repeated_press",
            Self::RepeatedBatch => "repeated_batch",
            Self::MissingBatches => "missing_batches",
            Self::LateEvents => "late_events",
            Self::RefusedBySink => "refused_by_sink",
        }
    }
}

/// How many events were refused, by reason. Stored as a list in the order of [`RejectReason::ALL`], to which reasons are only
/// appended, so that a shorter one of an earlier build is read as well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<u64>", try_from = "Vec<u64>")]
pub struct Rejections([u64; RejectReason::ALL.len()]);

impl From<Rejections> for Vec<u64> {
    fn from(rejections: Rejections) -> Self {
        rejections.0.to_vec()
    }
}

impl TryFrom<Vec<u64>> for Rejections {
    type Error = &'static str;

    fn try_from(counts: Vec<u64>) -> Result<Self, Self::Error> {
        let mut rejections = Self::default();
        let known = rejections
            .0
            .get_mut(..counts.len())
            .ok_or("more reasons than this build knows")?;
        known.copy_from_slice(&counts);
        Ok(rejections)
    }
}

impl Rejections {
    /// Counts `events` more under `reason`.
    pub fn add(&mut self, reason: RejectReason, events: u64) {
        self.0[reason as usize] += events;
    }

    /// Adds all of another count.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(other.0) {
            *mine += theirs;
        }
    }

    /// What these counts have more than earlier ones.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self(std::array::from_fn(|reason| self.0[reason] - before.0[reason]))
    }

    /// Whether none was refused.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; RejectReason::ALL.len()]
    }

    /// All events refused.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The reasons that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (RejectReason, u64)> + '_ {
        RejectReason::ALL
            .into_iter()
            .zip(self.0)
            .filter(|(_, count)| *count > 0)
    }

    /// Count of one reason.
    pub fn of(&self, reason: RejectReason) -> u64 {
        self.0[reason as usize]
    }
}
