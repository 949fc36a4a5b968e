//! What became of the events: the sums that must add up.

use crate::reject::Rejections;
use serde::{Deserialize, Serialize};

/// No partition has so many events; what is below can be summed over all fates and reasons.
const COUNT_MAX: u64 = 1 << 56;

/// Counts of one partition from its first record on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounting {
    /// Records read.
    pub batches: u64,
    /// Events in them, as far as they could be counted.
    pub events: u64,
    /// Events that are in a window or told the windows something.
    pub windowed: u64,
    /// Events that came after their window was closed.
    pub late: u64,
    /// Events of batches that were seen before.
    pub duplicate: u64,
    /// Events refused, by reason.
    pub rejected: Rejections,
    /// Records refused whole, by reason (events of an unreadable record cannot be counted).
    pub batches_rejected: Rejections,
    /// Batch numbers that were skipped.
    pub gaps: u64,
    /// Records that were stamped by another clock than the one that the watermark follows; they count like any other.
    pub odd_timestamps: u64,
}

impl Accounting {
    /// Whether every event has exactly one fate.
    pub fn balances(&self) -> bool {
        self.events == self.windowed + self.late + self.duplicate + self.rejected.total()
    }

    /// Whether the counts can be those of a partition: small enough to be added up and to go on, and every event has one fate.
    pub(super) fn is_sound(&self) -> bool {
        let counts = [
            self.batches,
            self.events,
            self.windowed,
            self.late,
            self.duplicate,
            self.gaps,
            self.odd_timestamps,
        ];
        let reasons = self.rejected.iter().chain(self.batches_rejected.iter());
        let mut all = counts.into_iter().chain(reasons.map(|(_, count)| count));
        all.all(|count| count < COUNT_MAX) && self.balances()
    }

    /// Adds the counts of another partition.
    pub fn merge(&mut self, other: &Self) {
        self.batches += other.batches;
        self.events += other.events;
        self.windowed += other.windowed;
        self.late += other.late;
        self.duplicate += other.duplicate;
        self.rejected.merge(&other.rejected);
        self.batches_rejected.merge(&other.batches_rejected);
        self.gaps += other.gaps;
        self.odd_timestamps += other.odd_timestamps;
    }

    /// What these counts have more than earlier ones of the same partition.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            batches: self.batches - before.batches,
            events: self.events - before.events,
            windowed: self.windowed - before.windowed,
            late: self.late - before.late,
            duplicate: self.duplicate - before.duplicate,
            rejected: self.rejected.since(&before.rejected),
            batches_rejected: self.batches_rejected.since(&before.batches_rejected),
            gaps: self.gaps - before.gaps,
            odd_timestamps: self.odd_timestamps - before.odd_timestamps,
        }
    }
}
