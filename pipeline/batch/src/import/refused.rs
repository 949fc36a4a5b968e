//! What was not taken from a data set, counted by reason.

use serde::Serialize;
use std::collections::BTreeMap;

/// Why a row or a file was refused. The names stand in the result of `import`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// A row whose time is no whole number of the data set's unit, or no number.
    NonIntegerTime,
    /// A row whose key came up before it went down.
    ReleaseBeforePress,
    /// A row that repeats another one.
    DuplicateRow,
    /// A row with a coordinate that cannot be (Balabit and SapiMouse mark an unknown place by 65,535).
    InvalidCoordinates,
    /// A row older than the one before it, where the order of rows is the order of time.
    TimeGoesBack,
    /// The last row of a file, cut off in the middle.
    TruncatedFile,
    /// A row with another number of columns than the header.
    WrongColumns,
    /// A file whose header lacks a column: none of its rows is read.
    WrongHeader,
    /// A row with a button, a state or a number that the format does not know.
    UnknownValue,
    /// A row whose times contradict each other.
    InconsistentTimes,
    /// A file that is no text.
    NotText,
    /// A file that could not be read.
    UnreadableFile,
    /// A file without a row.
    EmptyFile,
}

impl Reason {
    /// The name in the result.
    pub fn code(self) -> &'static str {
        match self {
            Self::NonIntegerTime => "non_integer_time",
            Self::ReleaseBeforePress => "release_before_press",
            Self::DuplicateRow => "duplicate_row",
            Self::InvalidCoordinates => "invalid_coordinates",
            Self::TimeGoesBack => "time_goes_back",
            Self::TruncatedFile => "truncated_file",
            Self::WrongColumns => "wrong_columns",
            Self::WrongHeader => "wrong_header",
            Self::UnknownValue => "unknown_value",
            Self::InconsistentTimes => "inconsistent_times",
            Self::NotText => "not_text",
            Self::UnreadableFile => "unreadable_file",
            Self::EmptyFile => "empty_file",
        }
    }
}

/// Refusals by reason; reasons that did not occur are absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Refused(BTreeMap<&'static str, u64>);

impl Refused {
    /// Counts one.
    pub fn add(&mut self, reason: Reason) {
        self.add_code(reason.code(), 1);
    }

    /// Counts `count` under a reason of `dynamics`, whose codes do not collide with those here.
    pub fn add_code(&mut self, code: &'static str, count: u64) {
        if count > 0 {
            *self.0.entry(code).or_default() += count;
        }
    }

    /// Adds all of another count.
    pub fn merge(&mut self, other: &Self) {
        for (code, count) in &other.0 {
            self.add_code(code, *count);
        }
    }

    /// Count of one reason.
    pub fn of(&self, reason: Reason) -> u64 {
        self.0.get(reason.code()).copied().unwrap_or_default()
    }

    /// All together.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}
