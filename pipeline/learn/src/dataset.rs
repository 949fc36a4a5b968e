//! What is learned from: people, and the sequences of each.

use crate::error::LearnError;
use crate::network::check_sequence;
use std::ops::Range;

/// People and their sequences, kept in one block of memory.
#[derive(Debug, Clone)]
pub struct Dataset {
    features: usize,
    values: Vec<f32>,
    sequences: Vec<Sequence>,
    people: Vec<Range<usize>>,
    fingerprint: u64,
}

#[derive(Debug, Clone)]
struct Sequence {
    occasion: u32,
    values: Range<usize>,
}

impl Dataset {
    /// An empty data set of rows with so many features.
    pub fn new(features: usize) -> Result<Self, LearnError> {
        if features == 0 {
            return Err(LearnError::setting("features", features, "at least 1"));
        }
        let (values, sequences, people) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self {
            features,
            values,
            sequences,
            people,
            fingerprint: mix(FINGERPRINT_START, features as u64),
        })
    }

    /// Adds a person and returns their number. Each sequence is row-major `[steps × features]` and belongs to an
    /// occasion, a number that sequences of one session share: batches spread over occasions first, because the same
    /// person on another day is what is hard. Nothing is added when a sequence is refused.
    pub fn add_person<'a>(
        &mut self,
        sequences: impl IntoIterator<Item = (u32, &'a [f32])>,
    ) -> Result<usize, LearnError> {
        let (first, values_before) = (self.sequences.len(), self.values.len());
        for (index, (occasion, values)) in sequences.into_iter().enumerate() {
            if let Err(error) = check_sequence(index, values, self.features) {
                self.sequences.truncate(first);
                self.values.truncate(values_before);
                return Err(error);
            }
            let start = self.values.len();
            self.values.extend_from_slice(values);
            self.sequences.push(Sequence {
                occasion,
                values: start..self.values.len(),
            });
        }
        for sequence in &self.sequences[first..] {
            self.fingerprint = mix(self.fingerprint, u64::from(sequence.occasion));
            for value in &self.values[sequence.values.clone()] {
                self.fingerprint = mix(self.fingerprint, u64::from(value.to_bits()));
            }
            self.fingerprint = mix(self.fingerprint, sequence.values.len() as u64);
        }
        self.fingerprint = mix(self.fingerprint, u64::MAX);
        self.people.push(first..self.sequences.len());
        Ok(self.people.len() - 1)
    }

    /// Values a row.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Number of people.
    pub fn people(&self) -> usize {
        self.people.len()
    }

    /// Number of sequences of a person. Panics when there is no such person.
    pub fn sequences(&self, person: usize) -> usize {
        self.people[person].len()
    }

    /// A sequence of a person. Panics when there is no such sequence.
    pub fn sequence(&self, person: usize, index: usize) -> &[f32] {
        &self.values[self.entry(person, index).values.clone()]
    }

    /// Tells this data from other data, in content and order.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    pub(crate) fn occasion(&self, person: usize, index: usize) -> u32 {
        self.entry(person, index).occasion
    }

    fn entry(&self, person: usize, index: usize) -> &Sequence {
        &self.sequences[self.people[person].clone()][index]
    }
}

/// Starting value of FNV-1a.
const FINGERPRINT_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a over whole words, with the high half folded back so that every bit reaches every other.
fn mix(state: u64, word: u64) -> u64 {
    let product = (state ^ word).wrapping_mul(0x0000_0100_0000_01b3);
    product ^ (product >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(people: &[&[(u32, &[f32])]]) -> Dataset {
        let mut data = Dataset::new(2).unwrap();
        for person in people {
            data.add_person(person.iter().copied()).unwrap();
        }
        data
    }

    #[test]
    fn keeps_what_was_added() {
        let data = with(&[
            &[(0, &[1.0, 2.0]), (7, &[3.0, 4.0, 5.0, 6.0])],
            &[],
            &[(1, &[7.0, 8.0])],
        ]);
        assert_eq!((data.people(), data.features()), (3, 2));
        assert_eq!(
            (0..3).map(|person| data.sequences(person)).collect::<Vec<_>>(),
            [2, 0, 1]
        );
        assert_eq!(data.sequence(0, 1), [3.0, 4.0, 5.0, 6.0]);
        assert_eq!(data.occasion(0, 1), 7);
        assert_eq!(data.sequence(2, 0), [7.0, 8.0]);
    }

    #[test]
    fn a_refused_sequence_leaves_nothing_behind() {
        let mut data = with(&[&[(0, &[1.0, 2.0])]]);
        let before = format!("{data:?}");
        for bad in [&[1.0][..], &[], &[1.0, f32::NAN], &[0.0; 2 * 4_097]] {
            data.add_person([(0, &[1.0, 2.0][..]), (0, bad)]).unwrap_err();
            assert_eq!(format!("{data:?}"), before);
        }
    }

    #[test]
    fn the_fingerprint_tells_data_apart() {
        let base = with(&[&[(0, &[1.0, 2.0]), (0, &[3.0, 4.0])], &[(0, &[5.0, 6.0])]]);
        let others = [
            with(&[&[(0, &[1.0, 2.0]), (0, &[3.0, 4.0])], &[(0, &[5.0, 6.5])]]),
            with(&[&[(0, &[1.0, 2.0])], &[(0, &[3.0, 4.0]), (0, &[5.0, 6.0])]]),
            with(&[&[(0, &[1.0, 2.0, 3.0, 4.0])], &[(0, &[5.0, 6.0])]]),
            with(&[&[(0, &[1.0, 2.0]), (1, &[3.0, 4.0])], &[(0, &[5.0, 6.0])]]),
            with(&[&[(0, &[5.0, 6.0])], &[(0, &[1.0, 2.0]), (0, &[3.0, 4.0])]]),
        ];
        for other in others {
            assert_ne!(base.fingerprint(), other.fingerprint(), "{other:?}");
        }
    }
}
