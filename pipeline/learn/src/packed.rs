//! Sequences of different lengths laid out without padding.
//!
//! Sorted by length, longest first, and stored step by step: step 0 of all sequences, then step 1 of those that have
//! one, and so on. The rows of one step are contiguous, and the sequences still running are always the first ones.
//!
//! ```text
//! lengths 3, 2, 1      rows   a0 b0 c0 | a1 b1 | a2
//! ```
//!
//! Invariants: lengths never grow from one sequence to the next; each is at least 1; `mirror` is its own inverse.

use std::ops::Range;

/// The layout of one chunk of sequences.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    lengths: Vec<usize>,
    /// First row of each step, and the number of rows at the end.
    offsets: Vec<usize>,
    /// Row of the step that mirrors a row's step within its sequence.
    mirror: Vec<usize>,
}

impl Packed {
    /// Lays out sequences of these lengths, which must be positive and sorted from long to short.
    pub(crate) fn new(lengths: Vec<usize>) -> Self {
        assert!(
            lengths.is_sorted_by(|a, b| a >= b) && lengths.last() != Some(&0),
            "sorted, longest first, none empty"
        );
        let steps = lengths.first().copied().unwrap_or(0);
        let mut offsets = Vec::with_capacity(steps + 1);
        let (mut rows, mut running) = (0, lengths.len());
        for step in 0..steps {
            while lengths[running - 1] <= step {
                running -= 1;
            }
            offsets.push(rows);
            rows += running;
        }
        offsets.push(rows);
        let mut mirror = vec![0; rows];
        for (sequence, &length) in lengths.iter().enumerate() {
            for step in 0..length {
                mirror[offsets[step] + sequence] = offsets[length - 1 - step] + sequence;
            }
        }
        Self {
            lengths,
            offsets,
            mirror,
        }
    }

    /// Number of sequences.
    pub(crate) fn sequences(&self) -> usize {
        self.lengths.len()
    }

    /// Length of each sequence.
    pub(crate) fn lengths(&self) -> &[usize] {
        &self.lengths
    }

    /// Length of the longest sequence.
    pub(crate) fn steps(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Rows altogether: the sum of the lengths.
    pub(crate) fn rows(&self) -> usize {
        self.mirror.len()
    }

    /// The rows of one step, one for each sequence that is still running.
    pub(crate) fn step(&self, step: usize) -> Range<usize> {
        self.offsets[step]..self.offsets[step + 1]
    }

    /// For each row the row of the same sequence read from its end.
    pub(crate) fn mirror(&self) -> &[usize] {
        &self.mirror
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lays_out_step_by_step() {
        let packed = Packed::new(vec![3, 2, 1]);
        assert_eq!((packed.sequences(), packed.steps(), packed.rows()), (3, 3, 6));
        assert_eq!(
            (0..3).map(|step| packed.step(step)).collect::<Vec<_>>(),
            [0..3, 3..5, 5..6]
        );
        assert_eq!(packed.mirror(), [5, 4, 2, 3, 1, 0]);
    }

    #[test]
    fn nothing_is_a_valid_layout() {
        let packed = Packed::new(Vec::new());
        assert_eq!((packed.sequences(), packed.steps(), packed.rows()), (0, 0, 0));
    }

    proptest! {
        #[test]
        fn every_step_of_every_sequence_has_its_row(mut lengths in proptest::collection::vec(1..20_usize, 1..20)) {
            lengths.sort_by(|a, b| b.cmp(a));
            let packed = Packed::new(lengths.clone());
            prop_assert_eq!(packed.rows(), lengths.iter().sum::<usize>());
            for step in 0..packed.steps() {
                prop_assert_eq!(packed.step(step).len(), lengths.iter().filter(|&&length| length > step).count());
            }
            for (row, &mirrored) in packed.mirror().iter().enumerate() {
                prop_assert_eq!(packed.mirror()[mirrored], row);
            }
        }
    }
}
