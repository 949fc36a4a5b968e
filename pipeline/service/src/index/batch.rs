//! Documents on their way, in one buffer, with the records that they come from.
//!
//! Invariants: `bytes` is the body of a bulk request as it stands; the items follow its order; a record that could not be
//! read has no lines in it and waits for its dead letter.

use ductus_dynamics::reject::RejectReason;
use std::ops::Range;

/// Where a record stands: topic (by number within the role), partition, offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) topic: usize,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
}

/// A record as a dead letter needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Original<'a> {
    pub(super) place: Place,
    pub(super) timestamp_us: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: &'a [u8],
}

/// A bulk request in the making, or a part of one that is tried again.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    /// Keys and values of the records, one after the other.
    originals: Vec<u8>,
    items: Vec<Item>,
}

#[derive(Clone, Debug)]
struct Item {
    place: Place,
    timestamp_us: i64,
    lines: Range<usize>,
    key: Option<Range<usize>>,
    value: Range<usize>,
    unreadable: Option<RejectReason>,
}

impl Batch {
    /// Takes a record whose lines `write` appends; where it fails the record waits for a dead letter.
    pub(super) fn push(
        &mut self,
        original: &Original<'_>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), RejectReason>,
    ) {
        let start = self.bytes.len();
        let unreadable = write(&mut self.bytes).err();
        if unreadable.is_some() {
            self.bytes.truncate(start);
        }
        self.add(original, start, unreadable);
    }

    /// Records in it.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Bytes that it holds in memory: the request's body, and the records.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.len() + self.originals.len()
    }

    /// Bytes of the request's body.
    pub(super) fn body_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The body of the request.
    pub(super) fn body(&self) -> &[u8] {
        &self.bytes
    }

    /// Where its records stand.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> + '_ {
        self.items.iter().map(|item| item.place)
    }

    /// The record of one item.
    pub(super) fn original(&self, index: usize) -> Original<'_> {
        let item = &self.items[index];
        Original {
            place: item.place,
            timestamp_us: item.timestamp_us,
            key: item.key.clone().map(|range| &self.originals[range]),
            value: &self.originals[item.value.clone()],
        }
    }

    /// The items whose record could not be read, with why.
    pub(super) fn unreadable(&self) -> impl Iterator<Item = (usize, RejectReason)> + '_ {
        let reasons = self.items.iter().map(|item| item.unreadable).enumerate();
        reasons.filter_map(|(index, reason)| Some((index, reason?)))
    }

    /// The items for which `keep` holds, as a batch of their own.
    pub(super) fn select(&self, mut keep: impl FnMut(usize) -> bool) -> Self {
        let mut selected = Self::default();
        for (index, item) in self.items.iter().enumerate() {
            if keep(index) {
                let start = selected.bytes.len();
                selected.bytes.extend_from_slice(&self.bytes[item.lines.clone()]);
                selected.add(&self.original(index), start, item.unreadable);
            }
        }
        selected
    }

    /// The items that have lines.
    pub(super) fn readable(&self) -> Self {
        self.select(|index| self.items[index].unreadable.is_none())
    }

    /// Both halves.
    pub(super) fn split(&self) -> (Self, Self) {
        let middle = self.len() / 2;
        (
            self.select(|index| index < middle),
            self.select(|index| index >= middle),
        )
    }

    fn add(&mut self, original: &Original<'_>, start: usize, unreadable: Option<RejectReason>) {
        let mut keep = |bytes: &[u8]| {
            let start = self.originals.len();
            self.originals.extend_from_slice(bytes);
            start..self.originals.len()
        };
        let key = original.key.map(&mut keep);
        let value = keep(original.value);
        self.items.push(Item {
            place: original.place,
            timestamp_us: original.timestamp_us,
            lines: start..self.bytes.len(),
            key,
            value,
            unreadable,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn original(offset: i64, value: &[u8]) -> Original<'_> {
        Original {
            place: Place {
                topic: 0,
                partition: 1,
                offset,
            },
            timestamp_us: offset * 1_000,
            key: (offset != 2).then_some(b"key"),
            value,
        }
    }

    fn batch() -> Batch {
        let mut batch = Batch::default();
        for (offset, line) in [(0, "a\n"), (1, ""), (2, "bb\n"), (3, "c\n")] {
            let value = format!("value {offset}");
            batch.push(&original(offset, value.as_bytes()), |out| {
                out.extend_from_slice(b"half");
                out.truncate(out.len() - 4);
                out.extend_from_slice(line.as_bytes());
                if line.is_empty() {
                    Err(RejectReason::Malformed)
                } else {
                    Ok(())
                }
            });
        }
        batch
    }

    #[test]
    fn parts_keep_their_lines_and_records() {
        let batch = batch();
        assert_eq!(batch.body(), b"a\nbb\nc\n");
        assert_eq!(batch.unreadable().collect::<Vec<_>>(), [(1, RejectReason::Malformed)]);
        let readable = batch.readable();
        assert_eq!((readable.body(), readable.len()), (&b"a\nbb\nc\n"[..], 3));
        let (left, right) = readable.split();
        assert_eq!((left.body(), right.body()), (&b"a\n"[..], &b"bb\nc\n"[..]));
        assert_eq!(right.original(0), original(2, b"value 2"));
        assert_eq!(right.original(1), original(3, b"value 3"));
    }
}
