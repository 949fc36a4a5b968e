//! Windows of all partitions and sessions of a shard that wait to be embedded together.
//!
//! Invariants: windows leave in the order in which they came; each is embedded with the model that its partition used when it
//! came, and windows of two models are never in one call; a window that the engine refuses is left out and concluded without
//! an embedding, the others of its batch are embedded all the same.

use crate::embed::{Embed, EmbedFailure, LiveModel};
use crate::error::StreamError;
use crate::metrics::StreamMetrics;
use ductus_dynamics::line::Ready;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A window that waits.
pub(super) struct Waiting {
    pub(super) partition: i32,
    pub(super) ready: Ready,
    /// The model to embed it with; none where no embedding would be of use, or there is no model.
    pub(super) model: Option<Arc<LiveModel>>,
    /// Timestamp of the record that closed it, µs.
    pub(super) timestamp_us: i64,
}

#[derive(Default)]
pub(super) struct Batch {
    waiting: Vec<Waiting>,
    /// When the first of them came.
    since: Option<Duration>,
    /// Embeddings of all windows, one after the other.
    embeddings: Vec<f32>,
    /// Where each window's embedding lies; empty where it has none.
    rows: Vec<Range<usize>>,
    /// One call's output.
    scratch: Vec<f32>,
}

impl Batch {
    pub(super) fn push(&mut self, waiting: Waiting, now: Duration) {
        self.since.get_or_insert(now);
        self.waiting.push(waiting);
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How much longer the first window may wait for others; `None` when none waits.
    pub(super) fn patience(&self, bound: Duration, now: Duration) -> Option<Duration> {
        self.since.map(|since| bound.saturating_sub(now.saturating_sub(since)))
    }

    /// Embeds what is to be embedded of the first `most` windows, at most `together` at a time; returns how many were.
    pub(super) fn embed(
        &mut self,
        embed: &mut dyn Embed,
        most: usize,
        together: usize,
        metrics: &StreamMetrics,
    ) -> Result<usize, StreamError> {
        self.embeddings.clear();
        self.rows.clear();
        self.rows.resize(self.waiting.len().min(most), 0..0);
        let mut done = vec![false; self.rows.len()];
        let mut embedded = 0;
        // Few models are in use at a time: one, or two while a partition is rebuilt.
        while let Some(first) = (0..done.len()).find(|&index| !done[index] && self.waiting[index].model.is_some()) {
            let Some(model) = self.waiting[first].model.clone() else {
                break;
            };
            let same = |waiting: &Waiting| waiting.model.as_ref().is_some_and(|other| Arc::ptr_eq(other, &model));
            let of_model: Vec<usize> = (first..done.len())
                .filter(|&index| same(&self.waiting[index]))
                .collect();
            for chunk in of_model.chunks(together.max(1)) {
                self.embed_chunk(embed, &model, chunk.to_vec(), metrics)?;
            }
            embedded += of_model.len();
            of_model.iter().for_each(|&index| done[index] = true);
        }
        Ok(embedded)
    }

    /// Embeds the windows at `chunk`, without those that the engine refuses.
    fn embed_chunk(
        &mut self,
        embed: &mut dyn Embed,
        live: &LiveModel,
        mut chunk: Vec<usize>,
        metrics: &StreamMetrics,
    ) -> Result<(), StreamError> {
        // Every turn leaves one window out, so that this ends.
        while let Some(&first) = chunk.first() {
            let modality = self.waiting[first].ready.window.modality;
            let windows: Vec<&[f32]> = chunk
                .iter()
                .map(|&index| self.waiting[index].ready.features().values.as_slice())
                .collect();
            let started = Instant::now();
            match embed.embed(modality, &live.model, &windows, &mut self.scratch) {
                Ok(()) => {
                    metrics.embedded(modality, chunk.len(), started.elapsed().as_secs_f64());
                    let dims = self.scratch.len() / chunk.len();
                    for (&index, row) in chunk.iter().zip(self.scratch.chunks_exact(dims.max(1))) {
                        let start = self.embeddings.len();
                        self.embeddings.extend_from_slice(row);
                        self.rows[index] = start..self.embeddings.len();
                    }
                    return Ok(());
                }
                Err(EmbedFailure::Window { index, reason }) if index < chunk.len() => {
                    let offset = self.waiting[chunk[index]].ready.offset;
                    tracing::error!(
                        modality = modality.name(),
                        offset,
                        reason,
                        "window is left out of its batch"
                    );
                    metrics.embed_failed(modality);
                    chunk.remove(index);
                }
                Err(EmbedFailure::Window { reason, .. } | EmbedFailure::Engine(reason)) => {
                    return Err(StreamError::Engine(reason));
                }
            }
        }
        Ok(())
    }

    /// Hands out the windows that were embedded last with their embeddings; the others wait on.
    pub(super) fn conclude(
        &mut self,
        now: Duration,
        mut each: impl FnMut(Waiting, Option<&[f32]>) -> Result<(), StreamError>,
    ) -> Result<(), StreamError> {
        let concluded = self.rows.len();
        self.since = (concluded < self.waiting.len()).then_some(now);
        for (waiting, row) in self.waiting.drain(..concluded).zip(self.rows.drain(..)) {
            let embedding = self.embeddings.get(row).filter(|embedding| !embedding.is_empty());
            each(waiting, embedding)?;
        }
        Ok(())
    }
}
