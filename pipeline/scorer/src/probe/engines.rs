//! A few embedders for many threads, because one takes milliseconds and megabytes to make.
//!
//! Invariants: never more than so many of a modality are out and idle together; one that failed is not used again; one of a
//! model that is no longer live is dropped when it comes back or is met.

use super::ProbeError;
use crate::embedder::Embedder;
use crate::model::Model;
use crate::swap::Turn;
use ductus_dynamics::event::Modality;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Says which model is live, if one is: asked once a modality and call.
pub type Live = Box<dyn Fn(Modality) -> Option<Turn> + Send + Sync>;

/// The embedders of a process.
pub(super) struct Engines {
    live: Live,
    shelves: [Shelf; Modality::ALL.len()],
    /// Most of a modality at once.
    most: usize,
}

#[derive(Default)]
struct Shelf {
    kept: Mutex<Kept>,
    returned: Condvar,
}

#[derive(Default)]
struct Kept {
    idle: Vec<Embedder>,
    out: usize,
}

/// An embedder that is out; it goes back when this is dropped.
pub(super) struct Engine<'a> {
    shelf: &'a Shelf,
    most: usize,
    model: Arc<Model>,
    embedder: Option<Embedder>,
}

impl Engines {
    pub(super) fn new(live: Live, most: usize) -> Self {
        Self {
            live,
            shelves: Default::default(),
            most: most.max(1),
        }
    }

    /// The model that is live.
    pub(super) fn model(&self, modality: Modality) -> Option<Arc<Model>> {
        (self.live)(modality).map(|turn| turn.model)
    }

    /// An embedder of this model, once one may be had.
    pub(super) fn take(&self, modality: Modality, model: &Arc<Model>) -> Result<Engine<'_>, ProbeError> {
        let shelf = &self.shelves[modality.index()];
        let mut kept = shelf.lock();
        while kept.out >= self.most {
            kept = shelf.returned.wait(kept).unwrap_or_else(PoisonError::into_inner);
        }
        kept.out += 1;
        kept.idle.retain(|idle| Arc::ptr_eq(idle.model(), model));
        let mut engine = Engine {
            shelf,
            most: self.most,
            model: Arc::clone(model),
            embedder: kept.idle.pop(),
        };
        drop(kept);
        if engine.embedder.is_none() {
            engine.embedder = Some(model.embedder().map_err(failed)?);
        }
        Ok(engine)
    }
}

impl Shelf {
    /// What is locked is only ever held for moving an embedder, so that no panic leaves it half done.
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine<'_> {
    /// Embeds `windows` into `out` and says where each one's embedding lies; as in the stream, a window that the engine refuses
    /// has none, and the others are embedded all the same.
    pub(super) fn embed(
        &mut self,
        windows: &[&[f32]],
        out: &mut Vec<f32>,
    ) -> Result<Vec<Option<Range<usize>>>, ProbeError> {
        let mut rows = vec![None; windows.len()];
        let mut left: Vec<usize> = (0..windows.len()).collect();
        let dims = self.model.dims();
        // Every turn leaves one window out, so that this ends.
        loop {
            let these: Vec<&[f32]> = left.iter().map(|&index| windows[index]).collect();
            let Some(embedder) = &mut self.embedder else {
                return Err(failed("the embedder is gone"));
            };
            match embedder.embed(&these, out) {
                Ok(()) => break,
                Err(error) => match error.window().filter(|index| *index < left.len()) {
                    Some(index) => {
                        left.remove(index);
                    }
                    None => {
                        self.embedder = None;
                        return Err(failed(error));
                    }
                },
            }
        }
        for (at, index) in left.into_iter().enumerate() {
            rows[index] = Some(at * dims..(at + 1) * dims);
        }
        Ok(rows)
    }
}

impl Drop for Engine<'_> {
    fn drop(&mut self) {
        let mut kept = self.shelf.lock();
        kept.out -= 1;
        if let Some(embedder) = self.embedder.take().filter(|_| kept.idle.len() < self.most) {
            kept.idle.push(embedder);
        }
        drop(kept);
        self.shelf.returned.notify_one();
    }
}

fn failed(error: impl ToString) -> ProbeError {
    ProbeError::Engine(error.to_string())
}
