//! When a shard writes a checkpoint, and what.
//!
//! Invariants: a checkpoint is written only when every decision before it is acknowledged; the hot path never waits for one,
//! except where something from outside takes effect with it, or partitions are given up; one at a time; when none succeeds
//! for too long, nothing more is read.

use super::partition::Partition;
use super::{Work, now_us};
use crate::error::StreamError;
use crate::log::{Checkpoint, Input, Outcome, Output};
use crate::metrics::PartitionState;
use std::time::Duration;

/// One wait for what becomes of a checkpoint.
const WAIT: Duration = Duration::from_millis(5);
/// The group is served again after this long without reading.
const SILENCE_MAX: Duration = Duration::from_millis(500);

/// Where the shard is with its checkpoint.
#[derive(Debug, Default)]
pub(super) enum Stage {
    /// Nowhere.
    #[default]
    Idle,
    /// Sessions are being sealed, some each turn, as they stood when it was begun.
    Begun(Checkpoint),
    /// It waits for the decisions before it to be acknowledged.
    Prepared(Checkpoint),
    /// It is being written.
    Writing,
}

/// The shard's checkpoints.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    stage: Stage,
    /// Whether something takes effect with the next one, or with the one under way.
    holding: bool,
    /// Whether that one is still to be begun.
    unbegun: bool,
    /// Whether the group did not accept our place in it since this was last looked at.
    refused: bool,
    /// When the last one was begun.
    begun: Duration,
    /// When the last one succeeded, or there was nothing to be written.
    fresh: Duration,
}

impl Checkpoints {
    pub(super) fn starting_at(now: Duration) -> Self {
        Self {
            stage: Stage::Idle,
            holding: false,
            unbegun: false,
            refused: false,
            begun: now,
            fresh: now,
        }
    }

    /// Nothing is decided until the next checkpoint is written.
    pub(super) fn hold(&mut self) {
        (self.holding, self.unbegun) = (true, true);
    }

    /// Whether the one under way still has sessions to seal: no time to wait.
    pub(super) fn are_sealing(&self) -> bool {
        matches!(self.stage, Stage::Begun(_))
    }

    /// Whether none is under way.
    pub(super) fn are_idle(&self) -> bool {
        matches!(self.stage, Stage::Idle)
    }
}

impl<O: Output> Work<'_, O> {
    /// Goes on with the checkpoint that is under way, or begins one when it is time. Never waits.
    pub(super) fn checkpoint_when_due<I>(&mut self, input: &mut I) -> Result<(), StreamError>
    where
        I: Input<Membership = O::Membership>,
    {
        self.advance(input, Duration::ZERO)?;
        if self.checkpoints.are_idle() {
            let since = self.output.now().saturating_sub(self.checkpoints.begun);
            let kept_bytes: usize = self.partitions.values().map(|partition| partition.kept_bytes).sum();
            let due = since >= Duration::from_millis(self.config.checkpoint_interval_ms)
                || kept_bytes > self.config.checkpoint_bytes_max;
            let outside = self.is_outside_due(due);
            if due || outside {
                // With more windows than one turn can embed, the checkpoint is taken when they are through.
                if self.batch.len() > self.affordable() {
                    return Ok(());
                }
                self.conclude()?;
                self.observe(input);
                if outside {
                    self.take_outside(input)?;
                }
                self.begin()?;
            }
        }
        Ok(())
    }

    /// Whether no checkpoint has succeeded for so long that nothing more may be read.
    pub(super) fn is_checkpoint_overdue(&self) -> bool {
        let age = self.output.now().saturating_sub(self.checkpoints.fresh);
        age > Duration::from_millis(self.config.checkpoint_age_ms_max)
    }

    /// While something takes effect with a checkpoint, nothing is read or decided: waits a little for it, and serves the group
    /// if it takes long. Returns whether it still does.
    pub(super) fn hold<I>(&mut self, input: &mut I) -> Result<bool, StreamError>
    where
        I: Input<Membership = O::Membership>,
    {
        if !self.checkpoints.holding {
            return Ok(false);
        }
        self.output.serve()?;
        self.advance(input, WAIT)?;
        if self.checkpoints.are_idle() && self.checkpoints.unbegun {
            self.begin()?;
        } else if self.checkpoints.are_idle() {
            self.checkpoints.holding = false;
            return Ok(false);
        }
        if self.output.now().saturating_sub(self.checkpoints.begun) > SILENCE_MAX {
            input.pause(true);
            input.read(WAIT, 1, &mut |_| Err(StreamError::Astray))?;
        }
        Ok(true)
    }

    /// One step towards a checkpoint of everything; says whether it is written. Nothing is read or decided any more.
    pub(super) fn checkpoint_step<I>(&mut self, input: &mut I) -> Result<bool, StreamError>
    where
        I: Input<Membership = O::Membership>,
    {
        if self.checkpoints.are_idle() {
            self.begin()?;
        }
        self.output.serve()?;
        self.advance(input, WAIT)?;
        let news = self.partitions.values().any(Partition::has_news);
        Ok(self.checkpoints.are_idle() && !news)
    }

    /// Writes the last checkpoint of partitions that are given up, and waits for it.
    ///
    /// # Errors
    ///
    /// [`StreamError::Lost`] where the group goes on without us: as long as it has no answer it cannot tell us so, and a place
    /// that is not accepted for as long as it lets a member be silent will not be accepted any more.
    pub(super) fn checkpoint_now<I>(&mut self, input: &mut I, partitions: &[i32]) -> Result<(), StreamError>
    where
        I: Input<Membership = O::Membership>,
    {
        self.wait_until_idle(input, partitions)?;
        self.conclude()?;
        self.begin()?;
        self.wait_until_idle(input, partitions)
    }

    fn wait_until_idle<I>(&mut self, input: &mut I, partitions: &[i32]) -> Result<(), StreamError>
    where
        I: Input<Membership = O::Membership>,
    {
        let (since, bound) = (self.output.now(), Duration::from_millis(self.config.flush_timeout_ms));
        self.checkpoints.refused = false;
        while !self.checkpoints.are_idle() {
            self.output.serve()?;
            self.advance(input, WAIT)?;
            let waited = self.output.now().saturating_sub(since);
            if self.checkpoints.refused && waited > self.silence_max {
                return Err(StreamError::Lost(partitions.to_vec()));
            }
            if waited > bound {
                let waited_ms = waited.as_millis() as u64;
                return Err(StreamError::CheckpointTimeout { waited_ms });
            }
        }
        Ok(())
    }

    /// Begins a checkpoint of where everything stands; nothing waits to be concluded.
    pub(super) fn begin(&mut self) -> Result<(), StreamError> {
        let now = self.output.now();
        self.checkpoints.begun = now;
        self.checkpoints.unbegun = false;
        let mut checkpoint = Checkpoint::default();
        for partition in self.partitions.values_mut().filter(|partition| partition.has_news()) {
            let said = self.output.said(partition.number);
            let offset = partition.begin_checkpoint(said, &mut checkpoint.records, self.metrics)?;
            checkpoint.offsets.push(offset);
        }
        if checkpoint.offsets.is_empty() {
            self.checkpoints.fresh = now;
        } else {
            self.output.draw_line();
            self.checkpoints.stage = Stage::Begun(checkpoint);
        }
        Ok(())
    }

    /// One step further, if it can be taken; waits at most so long for it.
    fn advance<I>(&mut self, input: &mut I, wait: Duration) -> Result<(), StreamError>
    where
        I: Input<Membership = O::Membership>,
    {
        // Where this fails, it is under way for good.
        match std::mem::replace(&mut self.checkpoints.stage, Stage::Writing) {
            Stage::Idle => self.checkpoints.stage = Stage::Idle,
            Stage::Begun(mut checkpoint) => {
                self.checkpoints.stage = if self.seal(&mut checkpoint)? {
                    Stage::Prepared(checkpoint)
                } else {
                    Stage::Begun(checkpoint)
                };
            }
            Stage::Prepared(checkpoint) if self.output.settled() => {
                self.output.commit(checkpoint, input.membership()?)?;
            }
            Stage::Prepared(checkpoint) => self.checkpoints.stage = Stage::Prepared(checkpoint),
            Stage::Writing => match self.output.outcome(wait)? {
                Some(Outcome::Committed) => {
                    self.checkpoints.stage = Stage::Idle;
                    self.checkpoints.fresh = self.checkpoints.begun;
                    let seconds = self.output.now().saturating_sub(self.checkpoints.begun).as_secs_f64();
                    self.metrics.checkpoint(seconds);
                }
                // The group has moved on; whether these partitions are still ours, the next turns tell.
                Some(Outcome::Stale(checkpoint)) => self.retry(checkpoint)?,
                None => {}
            },
        }
        Ok(())
    }

    /// Seals some sessions; returns whether these were the last.
    fn seal(&mut self, checkpoint: &mut Checkpoint) -> Result<bool, StreamError> {
        let Checkpoint { records, offsets } = checkpoint;
        let most = self.config.checkpoint_turn_sessions;
        for (number, ..) in offsets {
            if let Some(partition) = self.partitions.get_mut(number)
                && !partition.save_sessions(most, records)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn retry(&mut self, checkpoint: Checkpoint) -> Result<(), StreamError> {
        self.checkpoints.refused = true;
        let waited = self.output.now().saturating_sub(self.checkpoints.begun);
        if waited > Duration::from_millis(self.config.flush_timeout_ms) {
            let waited_ms = waited.as_millis() as u64;
            return Err(StreamError::CheckpointTimeout { waited_ms });
        }
        self.checkpoints.stage = Stage::Prepared(checkpoint);
        Ok(())
    }

    fn observe<I: Input>(&self, input: &I) {
        self.metrics.in_flight(self.index, self.output.in_flight());
        for (number, partition) in &self.partitions {
            let lag = input.end(*number).map(|end| (end - partition.next_offset).max(0));
            let watermark_us = partition.line.watermark_us();
            let state = PartitionState {
                sessions: partition.line.sessions(),
                lag_records: lag,
                watermark_lag_s: watermark_us.map(|watermark_us| now_us().saturating_sub(watermark_us) as f64 / 1e6),
            };
            self.metrics.partition(*number, state, partition.line.accounting());
        }
    }
}
