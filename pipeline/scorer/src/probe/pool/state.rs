//! What a pool holds, behind its lock: tenants, their subjects, and the galleries in which these are searched.
//!
//! Invariants: a row in a gallery belongs to exactly one set, which knows it; the sums are those of the sets that are there; a
//! subject without sets is none, nor a tenant without subjects.

use super::{Fed, Names, RecordError, ReferencePool};
use crate::probe::gallery::Gallery;
use ductus_dynamics::backend::{BackEnd, Space};
use ductus_dynamics::compare::ReferenceSet;
use ductus_dynamics::event::Modality;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) tenants: HashMap<String, Tenant>,
    pub(super) count: usize,
    pub(super) bytes: usize,
    /// The network that is live, and how its embeddings are compared.
    live: [Option<(String, BackEnd)>; Modality::ALL.len()],
}

#[derive(Debug, Default)]
pub(super) struct Tenant {
    pub(super) subjects: HashMap<Arc<str>, Subject>,
    pub(super) galleries: BTreeMap<GalleryKey, Gallery>,
    /// Names by number; a search that reads them has its own copy.
    pub(super) names: Arc<Names>,
    /// Numbers that nobody has.
    free: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct GalleryKey {
    pub(super) modality: Modality,
    pub(super) device: String,
    pub(super) model_sha256: String,
}

#[derive(Debug)]
pub(super) struct Subject {
    pub(super) number: u32,
    pub(super) sets: Vec<Entry>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: GalleryKey,
    pub(super) set: Arc<ReferenceSet>,
    pub(super) bytes: usize,
    /// Its row in the gallery, while it is mature.
    pub(super) row: Option<usize>,
}

impl State {
    /// How the sets of a key are compared, if their network is live.
    pub(super) fn back_end_of(&self, key: &GalleryKey) -> Option<&BackEnd> {
        let (sha256, back_end) = self.live[key.modality.index()].as_ref()?;
        (*sha256 == key.model_sha256).then_some(back_end)
    }

    pub(super) fn entry(&self, tenant: &str, subject: &str, key: &GalleryKey) -> Option<&Entry> {
        let subject = self.tenants.get(tenant)?.subjects.get(subject)?;
        subject.sets.iter().find(|entry| entry.key == *key)
    }

    pub(super) fn put(
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
    pub(super) fn remove_where(&mut self, tenant_name: &str, name: &str, gone: impl Fn(&Entry) -> bool) -> usize {
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
    pub(super) fn go_live(
        &mut self,
        modality: Modality,
        sha256: &str,
        back_end: &BackEnd,
    ) -> Vec<(String, Arc<str>, GalleryKey)> {
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
    pub(super) fn exchange(
        &mut self,
        tenant: &str,
        subject: &str,
        key: &GalleryKey,
        old: &Arc<ReferenceSet>,
        new: ReferenceSet,
    ) {
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
