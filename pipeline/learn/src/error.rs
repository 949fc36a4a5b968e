//! What can go wrong, in the caller's words. Every text names what is wrong, where, and what to do about it.

use thiserror::Error;

/// Everything that this crate refuses.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LearnError {
    /// A setting is outside its bounds.
    #[error("setting {field} is {found}: it must be {expected}")]
    Setting {
        /// Name of the field, as in the configuration types.
        field: &'static str,
        /// The value that was given.
        found: String,
        /// What would have been accepted.
        expected: String,
    },
    /// A sequence is empty, too long, or no whole number of rows.
    #[error("sequence {index} has {values} values: give 1 to {steps_max} rows of {features} values each")]
    SequenceShape {
        /// Position among the sequences of the call.
        index: usize,
        /// How many values it has.
        values: usize,
        /// Features a row.
        features: usize,
        /// The longest sequence accepted.
        steps_max: usize,
    },
    /// A feature is NaN or infinite.
    #[error("sequence {index} has a value that is not finite at position {position}: drop or repair the sequence")]
    SequenceNotFinite {
        /// Position among the sequences of the call.
        index: usize,
        /// Position of the value inside the sequence.
        position: usize,
    },
    /// There is nothing to learn from.
    #[error(
        "the data has {people} people, {pairable} of them with two sequences or more: at least two of each are needed"
    )]
    TooFewPeople {
        /// People in the data set.
        people: usize,
        /// People with at least two sequences.
        pairable: usize,
    },
    /// The loss or a gradient is no longer a number.
    #[error("training diverged at step {step}: lower the learning rate or look for extreme feature values")]
    Diverged {
        /// The step that failed; the weights are those before it.
        step: u64,
    },
    /// The bytes are not what they should be, and say so in their first bytes.
    #[error("these bytes are no {expected}: they do not begin with its mark")]
    Mark {
        /// What was to be read.
        expected: &'static str,
    },
    /// Written by another version of the format.
    #[error(
        "this {what} has format version {found}, this build reads version {supported}: use the build that wrote it, or train again"
    )]
    Version {
        /// What was to be read.
        what: &'static str,
        /// The version in the bytes.
        found: u32,
        /// The version that this build writes and reads.
        supported: u32,
    },
    /// Cut off, changed or otherwise damaged.
    #[error("this {what} is damaged ({problem}): take another copy")]
    Damaged {
        /// What was to be read.
        what: &'static str,
        /// How one can tell.
        problem: String,
    },
    /// A checkpoint belongs to other data than it is resumed with.
    #[error(
        "the checkpoint was made from data with fingerprint {expected:016x}, this data has {found:016x}: resume with the same data in the same order"
    )]
    OtherData {
        /// Fingerprint kept in the checkpoint.
        expected: u64,
        /// Fingerprint of the data given.
        found: u64,
    },
}

impl LearnError {
    pub(crate) fn setting(field: &'static str, found: impl ToString, expected: impl Into<String>) -> Self {
        Self::Setting {
            field,
            found: found.to_string(),
            expected: expected.into(),
        }
    }
}
