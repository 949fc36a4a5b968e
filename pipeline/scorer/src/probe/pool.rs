//! References of many subjects in memory, fed by the records of the references topic.
//!
//! ```text
//! tenant ─┬─ subject ── reference sets (modality, device class, network)      verify, what there is of a subject
//!         └─ gallery of each modality, device class and network               identify: only sets that may be compared with
//! ```
//! Invariants: a set is in its gallery exactly while it is mature, and its row is its mean; tenants share nothing; a search
//! that runs reads what was there when it began; the bounds of [`PoolPolicy`] hold at every moment; locks are held for moving
//! things, never for reading JSON, whitening or searching.

use super::gallery::{Gallery, Rows};
use ductus_dynamics::backend::{BackEnd, Space};
use ductus_dynamics::compare::{ReferenceError, ReferenceKey, ReferencePolicy, ReferenceSet, read_reference};
use ductus_dynamics::event::Modality;
use ductus_dynamics::wire::{ModelRef, Reference};
use std::collections::{BTreeMap, HashMap};
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

#[derive(Debug, Default)]
struct State {
    tenants: HashMap<String, Tenant>,
    count: usize,
    bytes: usize,
    /// The network that is live, and how its embeddings are compared.
    live: [Option<(String, BackEnd)>; Modality::ALL.len()],
}

#[derive(Debug, Default)]
struct Tenant {
    subjects: HashMap<Arc<str>, Subject>,
    galleries: BTreeMap<GalleryKey, Gallery>,
    /// Names by number; a search that reads them has its own copy.
    names: Arc<Names>,
    /// Numbers that nobody has.
    free: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct GalleryKey {
    modality: Modality,
    device: String,
    model_sha256: String,
}

#[derive(Debug)]
struct Subject {
    number: u32,
    sets: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    key: GalleryKey,
    set: Arc<ReferenceSet>,
    bytes: usize,
    /// Its row in the gallery, while it is mature.
    row: Option<usize>,
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

impl State {
    /// How the sets of a key are compared, if their network is live.
    fn back_end_of(&self, key: &GalleryKey) -> Option<&BackEnd> {
        let (sha256, back_end) = self.live[key.modality.index()].as_ref()?;
        (*sha256 == key.model_sha256).then_some(back_end)
    }

    fn entry(&self, tenant: &str, subject: &str, key: &GalleryKey) -> Option<&Entry> {
        let subject = self.tenants.get(tenant)?.subjects.get(subject)?;
        subject.sets.iter().find(|entry| entry.key == *key)
    }

    fn put(
        &mut self,
        tenant: &str,
        subject: &str,
        key: GalleryKey,
        set: Arc<ReferenceSet>,
        bytes: usize,
        pool: &ReferencePool,
    ) -> Fed {
        let gallery = self.tenants.get(tenant).and_then(|tenant| tenant.galleries.get(&key));
        if let Some(gallery) = gallery.filter(|gallery| !set.mean().is_empty() && gallery.dims() != set.mean().len()) {
            return Fed::Refused(RecordError::Dimensions {
                expected: gallery.dims(),
                found: set.mean().len(),
            });
        }
        if self.replace(tenant, subject, &key, &set, bytes, pool) {
            return Fed::Put;
        }
        // An older version may not stay where the newer one has no room.
        self.remove_where(tenant, subject, |entry| entry.key == key);
        if self.count >= pool.policy.references_max || self.bytes + bytes > pool.policy.bytes_max {
            return Fed::Full;
        }
        self.count += 1;
        self.bytes += bytes;
        let space = self
            .back_end_of(&key)
            .map_or_else(Space::default, |back_end| back_end.space.clone());
        let tenant = self.tenants.entry(tenant.to_owned()).or_default();
        let mut entry = Entry {
            key,
            set,
            bytes,
            row: None,
        };
        let number = tenant.number_of(subject);
        if entry.set.is_mature(&pool.references) && !entry.set.mean().is_empty() {
            let mean = entry.set.mean();
            let gallery = tenant.galleries.entry(entry.key.clone());
            let gallery = gallery.or_insert_with(|| Gallery::new(mean.len(), space));
            entry.row = Some(gallery.push(number, mean));
            gallery.came(entry.set.space());
        }
        if let Some(subject) = tenant.subjects.get_mut(subject) {
            subject.sets.push(entry);
        }
        Fed::Put
    }

    /// Puts another version in the place of a set, where both are in the gallery: what happens most, whenever somebody is
    /// learned from. Returns whether it did.
    fn replace(
        &mut self,
        tenant: &str,
        subject: &str,
        key: &GalleryKey,
        set: &Arc<ReferenceSet>,
        bytes: usize,
        pool: &ReferencePool,
    ) -> bool {
        let Some(tenant) = self.tenants.get_mut(tenant) else {
            return false;
        };
        let sets = tenant.subjects.get_mut(subject).map(|subject| subject.sets.iter_mut());
        let entry = sets.and_then(|mut sets| sets.find(|entry| entry.key == *key));
        let Some((entry, gallery)) = entry.zip(tenant.galleries.get_mut(key)) else {
            return false;
        };
        let fits = self.bytes - entry.bytes + bytes <= pool.policy.bytes_max;
        let Some(row) = entry
            .row
            .filter(|_| fits && set.is_mature(&pool.references) && !set.mean().is_empty())
        else {
            return false;
        };
        self.bytes = self.bytes - entry.bytes + bytes;
        gallery.left(entry.set.space());
        gallery.write(row, set.mean());
        gallery.came(set.space());
        (entry.set, entry.bytes) = (Arc::clone(set), bytes);
        true
    }

    /// Removes the sets of a subject that it says; returns how many.
    fn remove_where(&mut self, tenant_name: &str, name: &str, gone: impl Fn(&Entry) -> bool) -> usize {
        let Some(tenant) = self.tenants.get_mut(tenant_name) else {
            return 0;
        };
        let Some(subject) = tenant.subjects.get_mut(name) else {
            return 0;
        };
        let removed: Vec<Entry> = subject.sets.extract_if(.., |entry| gone(entry)).collect();
        let is_empty = subject.sets.is_empty();
        for entry in &removed {
            self.count -= 1;
            self.bytes -= entry.bytes;
            tenant.remove_row(entry);
        }
        if is_empty {
            tenant.drop_subject(name);
        }
        if tenant.subjects.is_empty() {
            self.tenants.remove(tenant_name);
        }
        removed.len()
    }

    /// Notes what is live; gives the sets that have to move.
    fn go_live(&mut self, modality: Modality, sha256: &str, back_end: &BackEnd) -> Vec<(String, Arc<str>, GalleryKey)> {
        self.live[modality.index()] = Some((sha256.to_owned(), back_end.clone()));
        let mut concerned = Vec::new();
        for (name, tenant) in &mut self.tenants {
            let of_model = |key: &GalleryKey| key.modality == modality && key.model_sha256 == sha256;
            let mut stale: BTreeMap<&GalleryKey, usize> = BTreeMap::new();
            for (subject, sets) in &tenant.subjects {
                let elsewhere = |entry: &&Entry| of_model(&entry.key) && !entry.set.space().is(&back_end.space);
                for entry in sets.sets.iter().filter(elsewhere) {
                    *stale.entry(&entry.key).or_default() += usize::from(entry.row.is_some());
                    concerned.push((name.clone(), Arc::clone(subject), entry.key.clone()));
                }
            }
            for (key, gallery) in tenant.galleries.iter_mut().filter(|(key, _)| of_model(key)) {
                gallery.move_to(&back_end.space, stale.get(key).copied().unwrap_or_default());
            }
        }
        concerned
    }

    /// Puts a set that was brought into the live space in the place of itself, unless another version came meanwhile.
    fn exchange(&mut self, tenant: &str, subject: &str, key: &GalleryKey, old: &Arc<ReferenceSet>, new: ReferenceSet) {
        let is_live = self.back_end_of(key).is_some_and(|live| new.space().is(&live.space));
        let Some(tenant) = self.tenants.get_mut(tenant).filter(|_| is_live) else {
            return;
        };
        let Some(subject) = tenant.subjects.get_mut(subject) else {
            return;
        };
        let Some(entry) = subject.sets.iter_mut().find(|entry| Arc::ptr_eq(&entry.set, old)) else {
            return;
        };
        if let Some((row, gallery)) = entry.row.zip(tenant.galleries.get_mut(key)) {
            gallery.left(old.space());
            gallery.write(row, new.mean());
            gallery.came(new.space());
        }
        entry.set = Arc::new(new);
    }
}

impl Tenant {
    /// The number of a subject, who is there from now on.
    fn number_of(&mut self, name: &str) -> u32 {
        if let Some(subject) = self.subjects.get(name) {
            return subject.number;
        }
        let name: Arc<str> = name.into();
        let names = Arc::make_mut(&mut self.names);
        let number = self.free.pop().unwrap_or(names.len() as u32);
        if number as usize == names.len() {
            names.push(None);
        }
        names[number as usize] = Some(Arc::clone(&name));
        let sets = Vec::new();
        self.subjects.insert(name, Subject { number, sets });
        number
    }

    fn drop_subject(&mut self, name: &str) {
        if let Some(subject) = self.subjects.remove(name) {
            Arc::make_mut(&mut self.names)[subject.number as usize] = None;
            self.free.push(subject.number);
        }
    }

    /// Takes the row of a set out of its gallery.
    fn remove_row(&mut self, entry: &Entry) {
        let Some((row, gallery)) = entry.row.zip(self.galleries.get_mut(&entry.key)) else {
            return;
        };
        gallery.left(entry.set.space());
        let moved = gallery.remove(row);
        if gallery.is_empty() {
            self.galleries.remove(&entry.key);
        }
        let name = moved.and_then(|number| self.names.get(number as usize)?.clone());
        let subject = name.and_then(|name| self.subjects.get_mut(&name));
        let moved = subject.and_then(|subject| subject.sets.iter_mut().find(|other| other.key == entry.key));
        if let Some(moved) = moved {
            moved.row = Some(row);
        }
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
