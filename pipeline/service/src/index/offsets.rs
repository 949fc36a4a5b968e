//! Which offsets may be committed: those below which everything is durable.
//!
//! Invariants: what is committable never passes a record that is still on its way; it holds as many entries as records wait.

use super::batch::Place;
use std::collections::{BTreeSet, HashMap};

/// Progress of all partitions of a role.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    partitions: HashMap<(usize, i32), Progress>,
}

#[derive(Debug)]
struct Progress {
    /// Records read and not yet durable.
    waiting: BTreeSet<i64>,
    /// The offset after the last record read.
    next: i64,
    committed: i64,
}

impl Offsets {
    /// A record was read.
    pub(crate) fn read(&mut self, place: Place) {
        let progress = self
            .partitions
            .entry((place.topic, place.partition))
            .or_insert_with(|| Progress {
                waiting: BTreeSet::new(),
                next: place.offset,
                committed: place.offset,
            });
        if place.offset < progress.next {
            // The partition went away and came back: what was read then is read again.
            progress.waiting.clear();
            progress.committed = place.offset;
        }
        progress.waiting.insert(place.offset);
        progress.next = place.offset + 1;
    }

    /// A record is durable.
    pub(crate) fn done(&mut self, place: Place) {
        if let Some(progress) = self.partitions.get_mut(&(place.topic, place.partition)) {
            progress.waiting.remove(&place.offset);
        }
    }

    /// What may be committed and was not yet: `offset` is the next one to read. Taken as committed from now on.
    pub(crate) fn take_committable(&mut self) -> Vec<Place> {
        let mut places = Vec::new();
        for ((topic, partition), progress) in &mut self.partitions {
            let offset = progress.waiting.first().copied().unwrap_or(progress.next);
            if offset > progress.committed {
                progress.committed = offset;
                places.push(Place {
                    topic: *topic,
                    partition: *partition,
                    offset,
                });
            }
        }
        places.sort_unstable();
        places
    }

    /// The partition is another's now.
    pub(crate) fn forget(&mut self, topic: usize, partition: i32) {
        self.partitions.remove(&(topic, partition));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(offset: i64) -> Place {
        Place {
            topic: 1,
            partition: 2,
            offset,
        }
    }

    #[test]
    fn only_a_durable_prefix_is_committable() {
        let mut offsets = Offsets::default();
        for offset in [10, 11, 13] {
            offsets.read(place(offset));
        }
        offsets.done(place(11));
        assert_eq!(offsets.take_committable(), []);
        offsets.done(place(10));
        assert_eq!(offsets.take_committable(), [place(13)]);
        assert_eq!(offsets.take_committable(), []);
        offsets.done(place(13));
        assert_eq!(offsets.take_committable(), [place(14)]);
    }

    #[test]
    fn a_partition_that_came_back_starts_afresh() {
        let mut offsets = Offsets::default();
        offsets.read(place(10));
        offsets.read(place(11));
        offsets.done(place(11));
        offsets.read(place(10));
        // The first reading of 10 is durable by now; so is the document of the second.
        offsets.done(place(10));
        assert_eq!(offsets.take_committable(), [place(11)]);
        offsets.read(place(11));
        assert_eq!(offsets.take_committable(), []);
        offsets.done(place(11));
        assert_eq!(offsets.take_committable(), [place(12)]);
    }
}
