//! Writing what waits: one commit a table for all partitions, then the offsets.
//!
//! Invariants: a table is written only where its transactions stand as this process last saw them; after a failure between two
//! tables the next try goes on with those that are missing; offsets are given only when all tables are written.

use super::partition::{Events, Waiting};
use super::{Archive, DECISIONS, EVENTS, FEEDBACK};
use crate::index::batch::Place;
use crate::index::consumer::Commit;
use ductus_history::{Appended, HistoryError, RecordBatch, Span, Table, Txn};

/// What a flush came to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Everything is written: rows by table.
    Written(Vec<(Table, usize)>),
    /// Somebody else wrote rows of our partitions.
    Conflict,
}

/// The topic whose rows a table has.
fn topic_of(table: Table) -> usize {
    match table {
        Table::Events | Table::Windows => EVENTS,
        Table::Decisions => DECISIONS,
        Table::Feedback => FEEDBACK,
    }
}

impl Archive {
    /// Writes all rows that wait.
    pub(super) fn write(&mut self) -> Result<Outcome, HistoryError> {
        for events in self.events.values_mut() {
            events.seal()?;
        }
        for decisions in self.decisions.values_mut() {
            decisions.seal()?;
        }
        for words in self.words.values_mut() {
            words.seal()?;
        }
        let mut written = Vec::new();
        for table in Table::ALL {
            match self.write_table(table)? {
                Some(rows) => written.push((table, rows)),
                None => return Ok(Outcome::Conflict),
            }
        }
        Ok(Outcome::Written(written))
    }

    /// Writes one table; returns the rows, or `None` when somebody else wrote for one of our partitions.
    fn write_table(&mut self, table: Table) -> Result<Option<usize>, HistoryError> {
        let mut batches: Vec<RecordBatch> = Vec::new();
        let mut spans = Vec::new();
        for (partition, waiting) in self.waiting(table) {
            if let Some((rows, after, version)) = waiting.to_write() {
                batches.extend_from_slice(rows);
                let app_id = self.app_id(topic_of(table), partition);
                spans.push(Span {
                    txn: Txn { app_id, version },
                    after,
                });
            }
        }
        if batches.is_empty() {
            return Ok(Some(0));
        }
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let appended = self.tables.append_spans(table, &batches, &spans)?;
        if let Appended::Skipped { .. } = appended
            && !self.is_ours(table, &spans)?
        {
            return Ok(None);
        }
        self.note_written(table);
        Ok(Some(rows))
    }

    /// Whether a skipped append is one of ours whose answer was lost: every transaction stands exactly where it would leave it.
    fn is_ours(&mut self, table: Table, spans: &[Span]) -> Result<bool, HistoryError> {
        for Span { txn, .. } in spans {
            if self.tables.last_txn(table, &txn.app_id)? != Some(txn.version) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What waits for a table, by partition.
    fn waiting(&self, table: Table) -> Vec<(i32, &Waiting)> {
        match table {
            Table::Events => self
                .events
                .iter()
                .map(|(partition, it)| (*partition, &it.events))
                .collect(),
            Table::Windows => self
                .events
                .iter()
                .map(|(partition, it)| (*partition, &it.windows))
                .collect(),
            Table::Decisions => self
                .decisions
                .iter()
                .map(|(partition, it)| (*partition, &it.decisions))
                .collect(),
            Table::Feedback => self
                .words
                .iter()
                .map(|(partition, it)| (*partition, &it.feedback))
                .collect(),
        }
    }

    fn note_written(&mut self, table: Table) {
        match table {
            Table::Events => self.events.values_mut().for_each(|events| events.events.written()),
            Table::Windows => self.events.values_mut().for_each(Events::windows_written),
            Table::Decisions => self.decisions.values_mut().for_each(|it| it.decisions.written()),
            Table::Feedback => self.words.values_mut().for_each(|it| it.feedback.written()),
        }
    }

    /// Offsets to commit after everything was written; those of the last time are left out.
    pub(super) fn take_commits(&mut self) -> Vec<Commit> {
        let events = self.events.iter().filter_map(|(partition, events)| {
            let (offset, position) = events.commit()?;
            Some(Commit {
                place: Place {
                    topic: EVENTS,
                    partition: *partition,
                    offset,
                },
                metadata: position.metadata(offset),
            })
        });
        let plain = |topic, partition: &i32, offset| Commit {
            place: Place {
                topic,
                partition: *partition,
                offset,
            },
            metadata: String::new(),
        };
        let decisions = self
            .decisions
            .iter()
            .filter_map(|(partition, it)| Some(plain(DECISIONS, partition, it.next()?)));
        let words = self
            .words
            .iter()
            .map(|(partition, it)| plain(FEEDBACK, partition, it.next()));
        let now: Vec<Commit> = events.chain(decisions).chain(words).collect();
        let new = now
            .iter()
            .filter(|commit| !self.committed.contains(commit))
            .cloned()
            .collect();
        self.committed = now;
        new
    }
}
