//! Taking up partitions from the log: session states, references, what was decided since.
//!
//! Invariants: a partition is taken up from the checkpoint that the group's offset was committed with, or not at all; what
//! cannot be read is refused, never guessed.

use super::Work;
use super::partition::Partition;
use crate::error::{StreamError, refused};
use crate::log::{Input, Output, Position};
use crate::marker::{MARKER_KEY, Marker};
use ductus_dynamics::event::Modality;
use ductus_dynamics::line::Recorded;
use ductus_dynamics::wire::Decision;
use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

/// Between two looks whether a checkpoint that was being written is there.
const AGAIN: Duration = Duration::from_millis(100);

impl<O: Output> Work<'_, O> {
    /// Takes up partitions; nothing of them is read yet.
    pub(super) fn load<I: Input>(&mut self, input: &mut I, partitions: &[i32]) -> Result<(), StreamError> {
        // The group tells of a new generation, and nothing changed.
        if partitions.is_empty() {
            return Ok(());
        }
        let positions = input.positions(partitions)?;
        let markers = self.load_states(input, &positions)?;
        for (number, marker) in &markers {
            if let Some(partition) = self.partitions.get_mut(number) {
                partition.restore(marker);
            }
        }
        self.wait_for_references(input, partitions, &markers)?;
        self.load_references(input, partitions)?;
        self.load_decisions(input, partitions)?;
        for position in &positions {
            self.take_up_models(position, markers.get(&position.partition));
        }
        let numbers = &mut self.status.accounting.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.extend(partitions.iter().filter_map(|number| {
            let partition = self.partitions.get(number)?;
            Some((*number, partition.line.accounting().clone()))
        }));
        Ok(())
    }

    /// Reads session states until the checkpoints are there that the group's offsets were committed with; gives the markers.
    fn load_states<I: Input>(
        &mut self,
        input: &mut I,
        positions: &[Position],
    ) -> Result<BTreeMap<i32, Marker>, StreamError> {
        let since = self.output.now();
        loop {
            let markers = self.read_states(input, positions)?;
            let missing = positions.iter().find_map(|position| {
                let expected = position.committed?.checkpoint?;
                let found = markers.get(&position.partition).map_or(0, |marker| marker.number);
                (found < expected).then_some(StreamError::CheckpointMissing {
                    partition: position.partition,
                    expected,
                    found,
                })
            });
            let Some(missing) = missing else {
                return Ok(markers);
            };
            // Its transaction is committed, but the broker of the session states may not know yet.
            self.look_again(since, |_| missing)?;
        }
    }

    /// Waits before the next look for what is missing, unless that has gone on for too long, ms: then that is the error.
    fn look_again(&self, since: Duration, missing: impl FnOnce(u64) -> StreamError) -> Result<(), StreamError> {
        let waited = self.output.now().saturating_sub(since);
        if waited > Duration::from_millis(self.config.request_timeout_ms) {
            return Err(missing(waited.as_millis() as u64));
        }
        self.output.sleep(AGAIN);
        Ok(())
    }

    fn read_states<I: Input>(
        &mut self,
        input: &mut I,
        positions: &[Position],
    ) -> Result<BTreeMap<i32, Marker>, StreamError> {
        let mut markers = BTreeMap::new();
        for position in positions {
            let partition = Partition::new(self.line.clone(), &self.config.topics.events, position);
            self.partitions.insert(position.partition, partition);
        }
        let numbers: Vec<i32> = positions.iter().map(|position| position.partition).collect();
        let partitions = &mut self.partitions;
        input.states(&numbers, &mut |kept| {
            let refused = refused(kept.partition, kept.offset);
            match (kept.key, kept.value) {
                (MARKER_KEY, Some(value)) => {
                    markers.insert(kept.partition, Marker::from_bytes(value).map_err(refused)?);
                }
                (MARKER_KEY, None) => {
                    markers.remove(&kept.partition);
                }
                (key, value) => {
                    if let Some(partition) = partitions.get_mut(&kept.partition) {
                        let key = String::from_utf8_lossy(key);
                        partition.line.restore_session(&key, value).map_err(refused)?;
                    }
                }
            }
            Ok(())
        })?;
        Ok(markers)
    }

    /// Waits until every reference can be read that was written up to the markers' checkpoints. Whoever died in the middle of a
    /// transaction hides what the next owner wrote behind it, until the broker ends that transaction.
    fn wait_for_references<I: Input>(
        &mut self,
        input: &mut I,
        partitions: &[i32],
        markers: &BTreeMap<i32, Marker>,
    ) -> Result<(), StreamError> {
        let since = self.output.now();
        let is_needed = |(partition, number): &(i32, u64)| {
            let marker = markers.get(partition);
            marker.is_some_and(|marker| *number <= marker.number)
        };
        while let Some((partition, checkpoint)) = input.unseen_references(partitions)?.into_iter().find(is_needed) {
            self.look_again(since, |waited_ms| StreamError::ReferencesUnseen {
                partition,
                checkpoint,
                waited_ms,
            })?;
        }
        Ok(())
    }

    fn load_references<I: Input>(&mut self, input: &mut I, partitions: &[i32]) -> Result<(), StreamError> {
        let (all, metrics) = (&mut self.partitions, self.metrics);
        input.references(partitions, &mut |kept| {
            // Of partitions that were ours before, it is news.
            let loading = partitions.contains(&kept.partition);
            let partition = all.get_mut(&kept.partition);
            if let Some(event) = partition.and_then(|partition| partition.take_reference(kept, loading)) {
                metrics.reference(event);
            }
            Ok(())
        })
    }

    /// Reads what was decided since the checkpoints.
    fn load_decisions<I: Input>(&mut self, input: &mut I, partitions: &[i32]) -> Result<(), StreamError> {
        let from = |number: &i32| {
            let partition = self.partitions.get(number)?;
            Some((*number, partition.decisions_from()))
        };
        let from: Vec<(i32, i64)> = partitions.iter().filter_map(from).collect();
        let all = &mut self.partitions;
        let ends = input.decisions(&from, &mut |kept| {
            let Some(partition) = all.get_mut(&kept.partition) else {
                return Ok(());
            };
            match serde_json::from_slice::<Decision>(kept.value.unwrap_or_default()) {
                Ok(decision) => partition.record(decision.id.clone(), Recorded::of(&decision)),
                Err(error) => {
                    let (partition, offset) = (kept.partition, kept.offset);
                    tracing::error!(partition, offset, %error, "what stands in the decisions topic is no decision, it is left out");
                }
            }
            Ok(())
        })?;
        for (number, end) in ends {
            if let Some(partition) = self.partitions.get_mut(&number) {
                partition.decisions_end(end);
            }
        }
        Ok(())
    }

    /// Takes up the models that the marker names.
    fn take_up_models(&mut self, position: &Position, marker: Option<&Marker>) {
        let partition = self.partitions.get_mut(&position.partition);
        let Some((partition, marker)) = partition.zip(marker) else {
            return;
        };
        for (modality, model) in Modality::ALL.into_iter().zip(&marker.models) {
            let Some(model) = model else {
                continue;
            };
            let live = self.embed.recorded(modality, &model.into());
            if live.is_none() {
                partition.begin_anew();
            }
            partition.models[modality.index()] = live;
        }
        let number = position.partition;
        if position.committed.is_some_and(|it| it.offset != marker.events_next) {
            tracing::warn!(
                partition = number,
                "the group's offset is not that of the last checkpoint; the checkpoint counts. To read again from elsewhere, \
                 remove the partition's session states as well"
            );
        }
        if marker.events_next < position.start {
            let lost = position.start - marker.events_next;
            tracing::error!(
                partition = number,
                records = lost,
                "records were deleted before they were read, lengthen their retention"
            );
        }
    }
}
