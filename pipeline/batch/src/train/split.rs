//! Who is learned from and who is kept aside to judge: by person, never by window.
//!
//! Invariants: nobody is on both sides; which people are kept aside depends on their pseudonyms and the seed alone.

use crate::corpus::Person;
use anyhow::{Result, bail};
use sha2::{Digest, Sha256};
use std::str::FromStr;

/// Fewest people on the two sides: a loss and an error rate both need others.
pub(super) const TRAIN_MIN: usize = 4;
/// See [`TRAIN_MIN`].
pub(super) const JUDGE_MIN: usize = 2;

/// Whom to keep aside, on the command line: a number, or a list of pseudonyms in which `{73..96}` stands for numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldOut {
    /// So many, by chance.
    Count(usize),
    /// These.
    Named {
        /// As it was written.
        text: String,
        /// Pseudonyms.
        subjects: Vec<String>,
    },
}

impl HoldOut {
    /// People by their pseudonyms.
    pub(crate) fn named<'a>(subjects: impl IntoIterator<Item = &'a str>) -> Self {
        let subjects: Vec<String> = subjects.into_iter().map(str::to_owned).collect();
        Self::Named {
            text: subjects.join(","),
            subjects,
        }
    }
}

impl FromStr for HoldOut {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(count) = text.parse() {
            return Ok(Self::Count(count));
        }
        let mut subjects = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let Some((prefix, rest)) = part.split_once('{') else {
                subjects.push(part.to_owned());
                continue;
            };
            let range = rest.split_once('}').and_then(|(range, suffix)| {
                let (first, last) = range.split_once("..")?;
                Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok()?, suffix))
            });
            let Some((first, last, suffix)) = range.filter(|(first, last, _)| last - first.min(last) < 1_000_000)
            else {
                return Err(format!(
                    "{part:?} is neither a pseudonym nor a range such as user{{73..96}}"
                ));
            };
            subjects.extend((first..=last).map(|number| format!("{prefix}{number}{suffix}")));
        }
        Ok(Self::Named {
            text: text.to_owned(),
            subjects,
        })
    }
}

impl std::fmt::Display for HoldOut {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => write!(formatter, "{count}"),
            Self::Named { text, .. } => formatter.write_str(text),
        }
    }
}

/// People by side, as indices in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) train: Vec<usize>,
    pub(super) judge: Vec<usize>,
}

impl Split {
    /// Keeps people aside from those that can be judged (`may_judge`); everybody else is learned from.
    pub(super) fn hold_out(
        people: &[Person],
        may_judge: &[usize],
        hold_out: Option<&HoldOut>,
        seed: u64,
    ) -> Result<Self> {
        let judge = set_aside(people, may_judge, hold_out, seed);
        Self::without(people, judge)
    }

    /// The people that can be judged in `folds` parts of nearly the same size; each part is kept aside once.
    pub(super) fn folds(people: &[Person], may_judge: &[usize], folds: usize, seed: u64) -> Result<Vec<Self>> {
        let order = shuffled(people, may_judge, seed);
        (0..folds)
            .map(|fold| Self::without(people, order.iter().skip(fold).step_by(folds).copied().collect()))
            .collect()
    }

    fn without(people: &[Person], mut judge: Vec<usize>) -> Result<Self> {
        judge.sort_unstable();
        let train: Vec<usize> = (0..people.len())
            .filter(|index| judge.binary_search(index).is_err())
            .collect();
        if train.len() < TRAIN_MIN || judge.len() < JUDGE_MIN {
            bail!(
                "{} people would be learned from and {} kept aside to judge, but at least {TRAIN_MIN} and {JUDGE_MIN} are needed: \
                 collect more people, or keep others aside with --hold-out",
                train.len(),
                judge.len()
            );
        }
        Ok(Self { train, judge })
    }
}

/// Whom to keep aside of those who can be judged.
pub(crate) fn set_aside(people: &[Person], may_judge: &[usize], hold_out: Option<&HoldOut>, seed: u64) -> Vec<usize> {
    match hold_out {
        Some(HoldOut::Named { subjects, .. }) => {
            let named = |index: &&usize| subjects.contains(&people[**index].subject);
            may_judge.iter().filter(named).copied().collect()
        }
        Some(HoldOut::Count(count)) => first(shuffled(people, may_judge, seed), *count),
        None => {
            // A fifth, but no more than an error rate needs.
            let count = (people.len() / 5).clamp(JUDGE_MIN, 150);
            first(shuffled(people, may_judge, seed), count)
        }
    }
}

fn first(mut indices: Vec<usize>, count: usize) -> Vec<usize> {
    indices.truncate(count);
    indices
}

/// In an order that the seed decides and that other people coming or going does not disturb.
fn shuffled(people: &[Person], indices: &[usize], seed: u64) -> Vec<usize> {
    let key = |index: &usize| {
        let person = &people[*index];
        Sha256::digest(format!("{seed} {} {}", person.tenant, person.subject))
    };
    let mut indices = indices.to_vec();
    indices.sort_by_cached_key(key);
    indices
}

#[cfg(test)]
mod tests {
    use super::*;

    fn people(count: usize) -> Vec<Person> {
        let person = |i| Person {
            tenant: "t".to_owned(),
            subject: format!("p-{i}"),
            sessions: Vec::new(),
        };
        (0..count).map(person).collect()
    }

    #[test]
    fn named_people_and_ranges() {
        let hold_out: HoldOut = "p-{1..2},p-7".parse().unwrap();
        let split = Split::hold_out(&people(9), &(0..9).collect::<Vec<_>>(), Some(&hold_out), 1).unwrap();
        assert_eq!(split.judge, [1, 2, 7]);
        assert_eq!(split.train, [0, 3, 4, 5, 6, 8]);
        assert!("p-{1..x}".parse::<HoldOut>().is_err());
        assert_eq!("12".parse(), Ok(HoldOut::Count(12)));
    }

    #[test]
    fn every_fold_once_and_nobody_twice() {
        let all: Vec<usize> = (0..11).collect();
        let folds = Split::folds(&people(11), &all, 3, 5).unwrap();
        let mut judged: Vec<usize> = folds.iter().flat_map(|fold| fold.judge.clone()).collect();
        judged.sort_unstable();
        assert_eq!(judged, all);
        for Split { train, judge } in folds {
            assert!(train.iter().all(|index| !judge.contains(index)));
            assert_eq!(train.len() + judge.len(), 11);
        }
    }

    #[test]
    fn too_few_people_are_refused_with_words() {
        let error = Split::hold_out(&people(5), &[0, 1, 2, 3, 4], None, 1)
            .unwrap_err()
            .to_string();
        expect_test::expect!["3 people would be learned from and 2 kept aside to judge, but at least 4 and 2 are needed: collect more people, or keep others aside with --hold-out"].assert_eq(&error);
    }
}
