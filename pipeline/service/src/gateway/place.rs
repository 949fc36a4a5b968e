//! Where a decision stands in its topic: the id of an event of a monitor, by which a reader says how far it came.
//!
//! Invariant: within a partition later decisions have greater places; a session's decisions stand in one partition.

use std::fmt;
use std::str::FromStr;

/// Partition and offset in the decisions topic, written `3-1742`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

impl Place {
    /// Whether a reader that came as far as `seen` has not had this one. One of another partition always is news: the
    /// session's key has changed.
    pub fn is_news_after(self, seen: Place) -> bool {
        self.partition != seen.partition || self.offset > seen.offset
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.partition, self.offset)
    }
}

/// What was given is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (partition, offset) = text.split_once('-').ok_or(NoPlace)?;
        // `parse` takes a sign as well, which no place has.
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(partition) || !digits(offset) {
            return Err(NoPlace);
        }
        Ok(Self {
            partition: partition.parse().map_err(|_| NoPlace)?,
            offset: offset.parse().map_err(|_| NoPlace)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        let place = Place {
            partition: 3,
            offset: 1742,
        };
        assert_eq!(place.to_string().parse(), Ok(place));
        for text in [
            "",
            "-",
            "3",
            "3-",
            "-3",
            "3--1",
            "+3-1",
            "3-1-2",
            "3-9223372036854775808",
            "a-1",
            "3-1 ",
        ] {
            assert_eq!(text.parse::<Place>(), Err(NoPlace), "{text}");
        }
    }
}
