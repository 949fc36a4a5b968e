//! What `/livez` and `/readyz` say.
//!
//! Invariants: ready = nothing is missing and nobody asked to stop; each part of a role notes what it lacks under its own
//! name, so that the answer says what to look at.

use crate::shutdown::Shutdown;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Readiness of a process; clones share it.
#[derive(Clone, Debug)]
pub struct Health {
    missing: Arc<Mutex<BTreeMap<&'static str, String>>>,
    shutdown: Shutdown,
}

/// The body of `/readyz`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Readiness {
    /// Whether work may be sent here.
    pub ready: bool,
    /// What is missing, by part.
    pub missing: BTreeMap<&'static str, String>,
}

impl Health {
    /// Nothing is missing yet.
    pub fn new(shutdown: &Shutdown) -> Self {
        Self {
            missing: Arc::default(),
            shutdown: shutdown.clone(),
        }
    }

    /// Notes what `part` lacks.
    pub fn lacks(&self, part: &'static str, what: impl Into<String>) {
        self.lock().insert(part, what.into());
    }

    /// `part` has what it needs.
    pub fn has(&self, part: &'static str) {
        self.lock().remove(part);
    }

    /// Notes one or the other.
    pub fn set(&self, part: &'static str, missing: Option<String>) {
        match missing {
            Some(what) => self.lacks(part, what),
            None => self.has(part),
        }
    }

    /// What `/readyz` says now.
    pub fn readiness(&self) -> Readiness {
        let mut missing = self.lock().clone();
        if self.shutdown.is_requested() {
            missing.insert("process", "is draining".to_owned());
        }
        Readiness {
            ready: missing.is_empty(),
            missing,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
