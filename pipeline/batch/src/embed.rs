//! Windows to embeddings in bulk: through the scorer on a few threads, or through the trainer's own network.

use crate::interrupt;
use anyhow::{Context, Result};
use ductus_dynamics::backend::Space;
use ductus_dynamics::feature::FeatureWindow;
use ductus_learn::Ensemble;
use ductus_scorer::{BATCH_WINDOWS_MAX, Model};
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Embeddings of a list of windows, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    dims: usize,
    values: Vec<f32>,
}

impl Embeddings {
    /// The embedding of window `index`. Panics when there is no such window.
    pub fn of(&self, index: usize) -> &[f32] {
        &self.values[index * self.dims..(index + 1) * self.dims]
    }

    /// The same in the space in which a back-end compares: plain cosines there are its cosines.
    pub fn in_space(&self, space: &Space) -> Self {
        let rows = self.values.chunks_exact(self.dims.max(1));
        Self {
            dims: self.dims,
            values: rows.flat_map(|row| space.apply(row)).collect(),
        }
    }

    /// The largest difference of any value to the same one of `other`.
    pub fn difference_max(&self, other: &Self) -> f32 {
        self.values
            .iter()
            .zip(&other.values)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max)
    }
}

/// Embeds through the scorer, the windows split over the threads.
pub fn with_model(model: &Arc<Model>, windows: &[FeatureWindow], threads: NonZeroUsize) -> Result<Embeddings> {
    let dims = model.dims();
    let mut values = vec![0.0; windows.len() * dims];
    let share = windows.len().div_ceil(threads.get()).max(1);
    std::thread::scope(|scope| {
        let parts = windows.chunks(share).zip(values.chunks_mut(share * dims));
        let workers: Vec<_> = parts
            .map(|(windows, values)| scope.spawn(|| embed_part(model, windows, values)))
            .collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .map_err(|_| anyhow::anyhow!("a thread that embeds windows panicked"))?
        })
    })?;
    Ok(Embeddings { dims, values })
}

fn embed_part(model: &Arc<Model>, windows: &[FeatureWindow], values: &mut [f32]) -> Result<()> {
    let mut embedder = model.embedder()?;
    let mut out = Vec::new();
    let dims = model.dims();
    for (windows, values) in windows
        .chunks(BATCH_WINDOWS_MAX)
        .zip(values.chunks_mut(BATCH_WINDOWS_MAX * dims))
    {
        interrupt::check()?;
        let batch: Vec<&[f32]> = windows.iter().map(|window| window.values.as_slice()).collect();
        embedder.embed(&batch, &mut out)?;
        values.copy_from_slice(&out);
    }
    Ok(())
}

/// Embeds with the trainer's own forward pass.
pub fn with_network(network: &Ensemble, windows: &[FeatureWindow], threads: NonZeroUsize) -> Result<Embeddings> {
    let batch: Vec<&[f32]> = windows.iter().map(|window| window.values.as_slice()).collect();
    let values = network.embed(&batch, threads).context("cannot embed windows")?;
    Ok(Embeddings {
        dims: network.dims(),
        values,
    })
}
