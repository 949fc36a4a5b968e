//! Models change while shards run.
//!
//! A [`ModelSlot`] holds the current model of one modality for all threads; each thread makes its own embedder of it when it
//! takes it up. Invariants: an embedder stays with its model; generations only grow, so that another turn is seen by its
//! number; a model that is refused changes nothing.

use std::path::{Component, Path};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ductus_dynamics::wire::ModelAnnouncement;

use crate::error::ModelError;
use crate::model::{Contract, Model};

/// A model and the number of its turn, from 1; going back to an earlier model is a new turn.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Grows by one with every swap.
    pub generation: u64,
    /// The model.
    pub model: Arc<Model>,
}

/// The current model of one modality, shared by all threads.
#[derive(Debug)]
pub struct ModelSlot {
    contract: Contract,
    current: Mutex<Turn>,
    /// The same number as in `current`, readable without the lock between any two batches.
    generation: AtomicU64,
}

impl ModelSlot {
    /// Loads the first model.
    ///
    /// # Errors
    ///
    /// As [`Model::load`].
    pub fn load(dir: &Path, contract: Contract) -> Result<Arc<Self>, ModelError> {
        let model = Arc::new(Model::load(dir, &contract)?);
        let current = Mutex::new(Turn { generation: 1, model });
        Ok(Arc::new(Self {
            contract,
            current,
            generation: AtomicU64::new(1),
        }))
    }

    /// The model to use for the next batch.
    pub fn current(&self) -> Turn {
        self.lock().clone()
    }

    /// Its number: one atomic load, for asking between batches.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Loads another model and makes it the current one; the work is done before anybody waits for it.
    ///
    /// # Errors
    ///
    /// As [`Model::load`]; the current model then stays.
    pub fn swap(&self, dir: &Path) -> Result<Turn, ModelError> {
        Ok(self.turn_to(Model::load(dir, &self.contract)?))
    }

    /// [`ModelSlot::swap`] to the model that was announced, from the folder `registry` that this process is configured with.
    /// Where that model is the current one already, nothing happens: announcements are read again after every restart.
    ///
    /// # Errors
    ///
    /// [`ModelError::BadAnnouncement`], [`ModelError::NotTheAnnounced`] and as [`Model::load`]; the current model then stays.
    pub fn swap_announced(&self, registry: &Path, announcement: &ModelAnnouncement) -> Result<Turn, ModelError> {
        let announced = &announcement.model;
        let refuse = |reason: &str| {
            let model = format!("{}/{}", announced.id, announced.version);
            Err(ModelError::BadAnnouncement {
                model,
                reason: reason.to_owned(),
            })
        };
        if announcement.modality != self.contract.modality {
            return refuse("it is for the other modality");
        }
        let path = Path::new(&announcement.path);
        // Whoever may write to the topic may not point outside the registry.
        if announcement.path.is_empty() || !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return refuse("its path must be a folder within the registry, relative to it");
        }
        let current = self.current();
        if current.model.manifest().model_ref() == *announced {
            return Ok(current);
        }
        Ok(self.turn_to(Model::load_announced(&registry.join(path), &self.contract, announced)?))
    }

    fn turn_to(&self, model: Model) -> Turn {
        let model = Arc::new(model);
        let mut current = self.lock();
        *current = Turn {
            generation: current.generation + 1,
            model,
        };
        self.generation.store(current.generation, Ordering::Release);
        current.clone()
    }

    /// A panic elsewhere cannot leave half a turn behind: it is replaced as a whole.
    fn lock(&self) -> MutexGuard<'_, Turn> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
