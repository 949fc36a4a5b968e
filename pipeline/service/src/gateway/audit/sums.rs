//! Refusals of one kind, counted together.
//!
//! Invariants: the first of a kind is told at once, the others with the next turn; at most `kinds_max` kinds are remembered,
//! beyond it all of an action are one kind, which nobody is named in.

use ductus_dynamics::wire::AuditAction;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// What refusals have in common that are told together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    pub(super) action: AuditAction,
    pub(super) tenant: Option<String>,
    pub(super) by: Option<String>,
    pub(super) address: Option<IpAddr>,
    pub(super) reason: String,
}

/// What came since the last turn.
pub(super) struct Sums {
    kinds_max: usize,
    untold: Mutex<HashMap<Kind, u64>>,
}

impl Sums {
    pub(super) fn new(kinds_max: usize) -> Self {
        Self {
            kinds_max,
            untold: Mutex::default(),
        }
    }

    /// One more; gives it back if it is the first of its kind and is to be told now.
    pub(super) fn one_more(&self, kind: Kind) -> Option<Kind> {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = untold.get_mut(&kind) {
            *count += 1;
            return None;
        }
        if untold.len() >= self.kinds_max {
            let many = Kind {
                tenant: None,
                by: None,
                address: None,
                reason: "many".to_owned(),
                ..kind
            };
            *untold.entry(many).or_default() += 1;
            return None;
        }
        untold.insert(kind.clone(), 0);
        Some(kind)
    }

    /// What is to be told now. What was quiet since the last turn is forgotten.
    pub(super) fn turn(&self) -> Vec<(Kind, u64)> {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        let mut told = Vec::new();
        untold.retain(|kind, count| {
            let news = std::mem::take(count);
            if news > 0 {
                told.push((kind.clone(), news));
            }
            news > 0
        });
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(reason: &str) -> Kind {
        Kind {
            action: AuditAction::CredentialRefused,
            tenant: None,
            by: None,
            address: None,
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn the_first_is_told_at_once_and_the_others_together() {
        let sums = Sums::new(10);
        assert_eq!(sums.one_more(kind("key")), Some(kind("key")));
        for _ in 0..5 {
            assert_eq!(sums.one_more(kind("key")), None);
        }
        assert_eq!(sums.turn(), [(kind("key"), 5)]);
        assert_eq!(sums.one_more(kind("key")), None, "it goes on");
        assert_eq!(sums.turn(), [(kind("key"), 1)]);
        assert_eq!(sums.turn(), []);
        assert_eq!(sums.one_more(kind("key")), Some(kind("key")), "it begins anew");
    }

    #[test]
    fn a_flood_of_kinds_is_one_kind() {
        let sums = Sums::new(2);
        for number in 0..100 {
            let told = sums.one_more(kind(&number.to_string()));
            assert_eq!(told.is_some(), number < 2);
        }
        assert_eq!(sums.turn(), [(kind("many"), 98)]);
    }
}
