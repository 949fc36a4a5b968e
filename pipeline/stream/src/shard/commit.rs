//! When a shard commits, and what.
//!
//! Invariants: what is committed was offered first, and everything produced before the offer is acknowledged since; the
//! hot path never waits for a commit, only giving up partitions does; a commit that was refused is repeated by the next one.

use super::Work;
use super::output::now_us;
use crate::error::StreamError;
use crate::metrics::PartitionState;
use crate::source::Source;
use std::time::{Duration, Instant};

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
        let refused = source.commits_refused();
        if refused != self.commits_refused {
            self.commits_refused = refused;
            for partition in self.partitions.values_mut() {
                partition.committed = None;
            }
        }
        let positions = self.positions(None);
        if !positions.is_empty() {
            self.output.producer.draw_line();
            self.offered = Some(positions);
        }
        Ok(())
    }

    /// Waits until everything is acknowledged, then commits, and waits for that as well.
    pub(super) fn settle(&mut self, source: &Source, partitions: Option<&[i32]>) -> Result<(), StreamError> {
        let timeout = Duration::from_millis(self.config.flush_timeout_ms);
        self.output.producer.flush(timeout)?;
        let positions = self.positions(partitions);
        source.commit(&positions, true)?;
        self.note_committed(&positions);
        Ok(())
    }

    /// What there is to commit, of these partitions or of all.
    fn positions(&self, partitions: Option<&[i32]>) -> Vec<(i32, i64, i64)> {
        let mut positions = Vec::new();
        for (number, partition) in &self.partitions {
            let asked = partitions.is_none_or(|partitions| partitions.contains(number));
            if let Some((low, high)) = partition.position()
                && asked
                && partition.committed != Some((low, high))
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
