//! Sessions that were forgotten lately: all that is left of them is which batch would have come next.
//!
//! Invariant: there are never more than the bound; the one that departed first gives way.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};

/// What is left of a session.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Gone {
    /// The batch number that would have come next.
    pub(super) seq_next: u32,
    /// The watermark up to which this is remembered, µs.
    pub(super) until_us: i64,
}

#[derive(Debug, Default)]
pub(super) struct Departed {
    sessions: HashMap<Box<str>, Gone>,
    until: BTreeSet<(i64, Box<str>)>,
}

impl Departed {
    pub(super) fn get(&self, key: &str) -> Option<&Gone> {
        self.sessions.get(key)
    }

    /// Remembers a session, if any may be remembered; returns the key of the one that gave way to it.
    pub(super) fn insert(&mut self, key: Box<str>, gone: Gone, most: usize) -> Option<Box<str>> {
        if most == 0 {
            return None;
        }
        let first = (self.sessions.len() >= most)
            .then(|| self.until.first().cloned())
            .flatten();
        if let Some((_, first)) = &first {
            self.remove(first);
        }
        self.until.insert((gone.until_us, key.clone()));
        self.sessions.insert(key, gone);
        first.map(|(_, first)| first)
    }

    /// Remembers it no more.
    pub(super) fn remove(&mut self, key: &str) {
        if let Some(gone) = self.sessions.remove(key) {
            self.until.remove(&(gone.until_us, key.into()));
        }
    }

    /// Takes out one that is remembered long enough.
    pub(super) fn expire(&mut self, watermark_us: i64) -> Option<Box<str>> {
        let (_, key) = self.until.first().filter(|(until_us, _)| *until_us < watermark_us)?;
        let key = key.clone();
        self.remove(&key);
        Some(key)
    }
}
