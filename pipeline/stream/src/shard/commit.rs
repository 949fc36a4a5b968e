//! When a shard commits, and what.
//!
//! Invariants: what is committed was offered first, and everything produced before the offer is acknowledged since; the
//! hot path never waits for a commit, only giving up partitions does; a commit that was refused is repeated.

use super::Work;
use super::output::now_us;
use crate::error::StreamError;
use crate::metrics::PartitionState;
use crate::source::Source;
use std::time::{Duration, Instant};

/// A commit that nobody waits for has no answer (librdkafka logs a refusal, and calls nobody), so that even what did not
/// change is committed again every so many intervals.
const REPEAT_TICKS: u64 = 10;

impl Work<'_> {
    /// Commits what was offered once it may be, and offers anew when it is time. Never waits.
    pub(super) fn commit_when_due(&mut self, source: &Source) -> Result<(), StreamError> {
        if let Some(offered) = self.offered.take() {
            if !self.output.producer.settled() {
                self.offered = Some(offered);
                return Ok(());
            }
            source.commit(&offered, false)?;
            self.note_committed(&offered);
        }
        if self.committed_at.elapsed() < Duration::from_millis(self.config.commit_interval_ms) {
            return Ok(());
        }
        self.committed_at = Instant::now();
        self.conclude()?;
        self.observe(source);
        self.commit_ticks += 1;
        let repeat = self.commit_ticks.is_multiple_of(REPEAT_TICKS);
        let mut positions = self.positions(None);
        positions.retain(|&(number, low, high)| {
            let committed = self.partitions.get(&number).and_then(|partition| partition.committed);
            repeat || committed != Some((low, high))
        });
        if !positions.is_empty() {
            self.output.producer.draw_line();
            self.offered = Some(positions);
        }
        Ok(())
    }

    /// Waits until everything is acknowledged, then commits, and waits for that as well. All is committed anew, because a
    /// commit that nobody waited for may be refused yet.
    pub(super) fn settle(&mut self, source: &Source, partitions: Option<&[i32]>) -> Result<(), StreamError> {
        let timeout = Duration::from_millis(self.config.flush_timeout_ms);
        self.output.producer.flush(timeout)?;
        source.commit(&self.positions(partitions), true)
    }

    /// Where these partitions stand, or all: (partition, low, high).
    fn positions(&self, partitions: Option<&[i32]>) -> Vec<(i32, i64, i64)> {
        let mut positions = Vec::new();
        for (number, partition) in &self.partitions {
            if partitions.is_none_or(|partitions| partitions.contains(number))
                && let Some((low, high)) = partition.position()
            {
                positions.push((*number, low, high));
            }
        }
        positions
    }

    fn note_committed(&mut self, positions: &[(i32, i64, i64)]) {
        for &(number, low, high) in positions {
            if let Some(partition) = self.partitions.get_mut(&number) {
                partition.committed = Some((low, high));
            }
        }
    }

    fn observe(&mut self, source: &Source) {
        self.metrics.in_flight(self.index, self.output.producer.in_flight());
        for (number, partition) in &self.partitions {
            let end = source.high_watermark(*number);
            let state = PartitionState {
                sessions: partition.line.sessions(),
                lag_records: end.zip(partition.next_offset).map(|(end, next)| (end - next).max(0)),
                watermark_lag_s: partition
                    .line
                    .watermark_us()
                    .map(|watermark_us| now_us().saturating_sub(watermark_us) as f64 / 1e6),
            };
            self.metrics.partition(*number, state);
        }
    }
}
