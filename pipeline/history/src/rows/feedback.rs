//! Rows of the feedback table.

use super::{day, record_batch};
use crate::error::HistoryError;
use crate::names::Named;
use crate::schema::Table;
use arrow::array::{Date32Builder, Int64Builder, RecordBatch, StringBuilder};
use ductus_dynamics::wire::Feedback;
use std::sync::Arc;

/// Collects rows of the feedback table.
#[derive(Debug, Default)]
pub struct FeedbackRows {
    rows: usize,
    event_date: Date32Builder,
    tenant: StringBuilder,
    subject: StringBuilder,
    session: StringBuilder,
    id: StringBuilder,
    decision: StringBuilder,
    verdict: StringBuilder,
    by: StringBuilder,
    note: StringBuilder,
    time_us: Int64Builder,
}

impl FeedbackRows {
    /// No rows yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Rows so far.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Appends a word on a decision.
    pub fn push(&mut self, feedback: &Feedback) {
        self.event_date.append_value(day(feedback.time_us));
        self.tenant.append_value(&feedback.tenant);
        self.subject.append_option(feedback.subject.as_deref());
        self.session.append_value(&feedback.session);
        self.id.append_value(&feedback.id);
        self.decision.append_value(&feedback.decision);
        self.verdict.append_value(feedback.verdict.word());
        self.by.append_option(feedback.by.as_deref());
        self.note.append_option(feedback.note.as_deref());
        self.time_us.append_value(feedback.time_us);
        self.rows += 1;
    }

    /// The rows as one Arrow batch; the builder is empty afterwards.
    ///
    /// # Errors
    /// Only by a mistake in this crate: the columns do not fit the schema.
    pub fn finish(&mut self) -> Result<RecordBatch, HistoryError> {
        self.rows = 0;
        record_batch(
            Table::Feedback,
            vec![
                Arc::new(self.event_date.finish()),
                Arc::new(self.tenant.finish()),
                Arc::new(self.subject.finish()),
                Arc::new(self.session.finish()),
                Arc::new(self.id.finish()),
                Arc::new(self.decision.finish()),
                Arc::new(self.verdict.finish()),
                Arc::new(self.by.finish()),
                Arc::new(self.note.finish()),
                Arc::new(self.time_us.finish()),
            ],
        )
    }
}
