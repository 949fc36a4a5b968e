//! References of many subjects in memory, fed by the records of the references topic.
//!
//! ```text
//! tenant ─┬─ subject ── reference sets (modality, device class, network)      verify, what there is of a subject
//!         └─ gallery of each modality, device class and network               identify: only sets that may be compared with
//! ```
//! Invariants: a set is in its gallery exactly while it is mature, and its row is its mean; tenants share nothing; a search
//! that runs reads what was there when it began; the bounds of [`PoolPolicy`] hold at every moment; locks are held for moving
//! things, never for reading JSON, whitening or searching.

mod state;

use super::gallery::{Gallery, Rows};
use ductus_dynamics::backend::{BackEnd, Space};
use ductus_dynamics::compare::{ReferenceError, ReferenceKey, ReferencePolicy, ReferenceSet, read_reference};
use ductus_dynamics::event::Modality;
use ductus_dynamics::wire::{ModelRef, Reference};
use state::{Entry, GalleryKey, State};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Bounds on a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolPolicy {
    /// Most reference sets.
    pub references_max: usize,
    /// Most memory that they may take, bytes, as far as it can be reckoned from their lengths.
    pub bytes_max: usize,
    /// Largest record, bytes.
    pub record_bytes_max: usize,
}

impl Default for PoolPolicy {
    fn default() -> Self {
        Self {
            references_max: 400_000,
            bytes_max: 4 << 30,
            record_bytes_max: 1 << 20,
        }
    }
}

/// What became of a record.
#[derive(Debug)]
pub enum Fed {
    /// A reference set is there, or there in another version.
    Put,
    /// One is gone.
    Removed,
    /// A tombstone of what was not there.
    Absent,
    /// The pool is full: the set is not there, in no version.
    Full,
    /// The record is no reference: what was there before stays.
    Refused(RecordError),
}

/// Why a record is no reference.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It is larger than the pool takes.
    #[error("the record has {found} bytes, but at most {most} are taken")]
    Oversize {
        /// Its size, bytes.
        found: usize,
        /// The bound, bytes.
        most: usize,
    },
    /// Its content.
    #[error(transparent)]
    Content(#[from] ReferenceError),
    /// Its embeddings have another length than those of the same network that are there.
    #[error("its embeddings have {found} dimensions, but those of the same model have {expected}")]
    Dimensions {
        /// Theirs.
        expected: usize,
        /// Its own.
        found: usize,
    },
}

/// What there is of a subject for one modality, device class and model.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Keystroke or pointer.
    pub modality: Modality,
    /// Device class, see [`ductus_dynamics::compare::device_class`].
    pub device: String,
    /// Whose embeddings they are; only those of the live model are compared with.
    pub model: ModelRef,
    /// Counts every change.
    pub version: u32,
    /// How complete, 0-100: from 50 on it may be compared with.
    pub maturity: u8,
    /// Whether it may be compared with.
    pub mature: bool,
    /// Windows that it was learned from and keeps.
    pub windows: usize,
    /// Windows still to be learned until it may be compared with.
    pub windows_missing: usize,
    /// Event time of the last change, µs since the Unix epoch.
    pub updated_us: i64,
}

/// References in memory; shared by all threads.
#[derive(Debug)]
pub struct ReferencePool {
    policy: PoolPolicy,
    references: ReferencePolicy,
    state: RwLock<State>,
}

/// Names of subjects by their numbers in the galleries of a tenant; numbers that nobody has are left out.
pub(super) type Names = Vec<Option<Arc<str>>>;

/// What a search reads, all of one moment.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) names: Arc<Names>,
    /// Of each instrument asked for; none where nobody has mature references.
    pub(super) galleries: Vec<Option<Rows>>,
    /// Numbers of the subjects asked for, where a list was given.
    pub(super) among: Option<Vec<u32>>,
}

/// The references are not in the space of the model that is live yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unprepared;

impl ReferencePool {
    /// An empty pool; `references` says what is mature, as the stream's configuration does.
    pub fn new(policy: PoolPolicy, references: ReferencePolicy) -> Self {
        Self {
            policy,
            references,
            state: RwLock::default(),
        }
    }

    /// Takes a record of the references topic: a set under its key, or a tombstone.
    pub fn feed(&self, key: &[u8], value: Option<&[u8]>) -> Fed {
        let Some(value) = value else {
            return self.remove(&String::from_utf8_lossy(key));
        };
        if value.len() > self.policy.record_bytes_max {
            return Fed::Refused(RecordError::Oversize {
                found: value.len(),
                most: self.policy.record_bytes_max,
            });
        }
        match read_reference(value) {
            Ok(reference) => self.put(reference),
            Err(error) => Fed::Refused(error.into()),
        }
    }

    /// Puts a reference set in the place of the one with the same key.
    pub fn put(&self, reference: Reference) -> Fed {
        let bytes = bytes_of(&reference);
        let ReferenceKey {
            tenant,
            subject,
            modality,
            device,
            model_sha256,
        } = ReferenceKey::of(&reference);
        let key = GalleryKey {
            modality,
            device,
            model_sha256,
        };
        let mut set = ReferenceSet::from_stored(reference);
        let live = self.read().back_end_of(&key).cloned();
        if let Some(back_end) = &live {
            set.prepare(back_end);
        }
        let mut state = self.write();
        // It went live meanwhile; once in a pool's life.
        if let Some(back_end) = state.back_end_of(&key).filter(|live| !set.space().is(&live.space)) {
            set.prepare(back_end);
        }
        state.put(&tenant, &subject, key, Arc::new(set), bytes, self)
    }

    /// Removes the set that a record's key names.
    pub fn remove(&self, record_key: &str) -> Fed {
        let mut names = record_key.splitn(3, '/');
        let (Some(tenant), Some(subject)) = (names.next(), names.next()) else {
            return Fed::Absent;
        };
        let named = |entry: &Entry| entry.set.key().record_key() == record_key;
        match self.write().remove_where(tenant, subject, named) {
            0 => Fed::Absent,
            _ => Fed::Removed,
        }
    }

    /// Removes everything of a subject, as an erasure asks for before its tombstones come; returns how many sets it were.
    pub fn forget(&self, tenant: &str, subject: &str) -> usize {
        self.write().remove_where(tenant, subject, |_| true)
    }

    /// The model of a modality that went live: call it before the first record, and whenever another model or back-end goes
    /// live. Sets that are there are brought into its space one by one, which takes a while where it has a whitening
    /// (about a millisecond a set); until all are, identification answers that it is not ready. Verification goes on.
    pub fn go_live(&self, modality: Modality, model_sha256: &str, back_end: &BackEnd) {
        let concerned = self.write().go_live(modality, model_sha256, back_end);
        for (tenant, subject, key) in concerned {
            let found = self
                .read()
                .entry(&tenant, &subject, &key)
                .map(|entry| Arc::clone(&entry.set));
            let Some(set) = found.filter(|set| !set.space().is(&back_end.space)) else {
                continue;
            };
            let mut moved = (*set).clone();
            moved.prepare(back_end);
            self.write().exchange(&tenant, &subject, &key, &set, moved);
        }
    }

    /// What there is of a subject, in the order of modality, device class and model.
    pub fn subject(&self, tenant: &str, subject: &str) -> Vec<Held> {
        let sets = self.sets(tenant, subject);
        let mut held: Vec<Held> = sets.iter().map(|set| self.held(set)).collect();
        held.sort_by(|a, b| (a.modality, &a.device, &a.model.sha256).cmp(&(b.modality, &b.device, &b.model.sha256)));
        held
    }

    fn held(&self, set: &ReferenceSet) -> Held {
        let (key, summary) = (set.key(), set.summary(&self.references));
        Held {
            modality: key.modality,
            device: key.device,
            model: set.model().clone(),
            version: summary.version,
            maturity: summary.maturity,
            mature: set.is_mature(&self.references),
            windows: set.count(),
            windows_missing: self.references.anchors.saturating_sub(set.anchors()),
            updated_us: set.updated_us(),
        }
    }

    /// Reference sets in the pool.
    pub fn len(&self) -> usize {
        self.read().count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Memory that they take, bytes, as far as it can be reckoned from their lengths.
    pub fn bytes(&self) -> usize {
        self.read().bytes
    }

    /// The sets of a subject.
    pub(super) fn sets(&self, tenant: &str, subject: &str) -> Vec<Arc<ReferenceSet>> {
        let state = self.read();
        let subject = state
            .tenants
            .get(tenant)
            .and_then(|tenant| tenant.subjects.get(subject));
        subject.map_or_else(Vec::new, |subject| {
            subject.sets.iter().map(|entry| Arc::clone(&entry.set)).collect()
        })
    }

    /// The galleries of these modalities, device classes and networks, whose rows must be in these spaces.
    pub(super) fn snapshot(
        &self,
        tenant: &str,
        wanted: &[(Modality, &str, &str)],
        spaces: &[&Space],
        among: Option<&[&str]>,
    ) -> Result<Snapshot, Unprepared> {
        let state = self.read();
        let Some(tenant) = state.tenants.get(tenant) else {
            return Ok(Snapshot {
                names: Arc::default(),
                galleries: vec![None; wanted.len()],
                among: among.map(|_| Vec::new()),
            });
        };
        let rows = |((modality, device, model_sha256), space): (&(Modality, &str, &str), &&Space)| {
            let key = GalleryKey {
                modality: *modality,
                device: (*device).to_owned(),
                model_sha256: (*model_sha256).to_owned(),
            };
            match tenant.galleries.get(&key).filter(|gallery| !gallery.is_empty()) {
                Some(gallery) if !gallery.is_in(space) => Err(Unprepared),
                gallery => Ok(gallery.map(Gallery::rows)),
            }
        };
        let number = |subject: &&str| Some(tenant.subjects.get(*subject)?.number);
        Ok(Snapshot {
            names: Arc::clone(&tenant.names),
            galleries: wanted.iter().zip(spaces).map(rows).collect::<Result<_, _>>()?,
            among: among.map(|among| among.iter().filter_map(number).collect()),
        })
    }

    /// A panic between two steps of a change is not expected: every step is an assignment, or a copy of numbers.
    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Memory that a set takes, bytes: its numbers and texts, what the allocator and the maps add guessed.
fn bytes_of(reference: &Reference) -> usize {
    const EACH: usize = 80;
    let samples = reference.anchors.iter().chain(&reference.recent);
    let samples: usize = samples
        .map(|sample| EACH + 4 * sample.embedding.len() + sample.session.len())
        .sum();
    let sketches = reference.sketches.iter();
    let sketches: usize = sketches
        .map(|sketch| EACH + sketch.codes.len() + sketch.session.len())
        .sum();
    let dims = reference.anchors.first().map_or(0, |sample| sample.embedding.len());
    // Its key three times, two means of its own, and its row.
    let names =
        reference.tenant.len() + reference.subject.len() + reference.device.len() + reference.model.sha256.len();
    samples + sketches + EACH * reference.usual.len() + 3 * (names + EACH) + 12 * dims
}

#[cfg(test)]
mod tests;
