//! Rows of the decisions table.

use super::{day, int64, record_batch};
use crate::error::HistoryError;
use crate::names::Named;
use crate::schema::Table;
use arrow::array::{Date32Builder, Float32Builder, Int32Builder, Int64Builder, RecordBatch, StringBuilder};
use ductus_dynamics::wire::Decision;
use std::sync::Arc;

/// Collects rows of the decisions table.
#[derive(Debug, Default)]
pub struct DecisionRows {
    rows: usize,
    event_date: Date32Builder,
    tenant: StringBuilder,
    subject: StringBuilder,
    session: StringBuilder,
    id: StringBuilder,
    modality: StringBuilder,
    sequence: Int64Builder,
    start_us: Int64Builder,
    end_us: Int64Builder,
    steps: Int32Builder,
    closed: StringBuilder,
    time_us: Int64Builder,
    risk: Float32Builder,
    confidence: Float32Builder,
    action: StringBuilder,
    reasons: StringBuilder,
    comparison: Float32Builder,
    llr: Float32Builder,
    evidence: Float32Builder,
    model_id: StringBuilder,
    model_version: StringBuilder,
    model_sha256: StringBuilder,
    reference_version: Int64Builder,
    reference_maturity: Int32Builder,
    reference_count: Int64Builder,
    source_topic: StringBuilder,
    source_partition: Int32Builder,
    source_offset: Int64Builder,
}

impl DecisionRows {
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

    /// Appends a decision.
    pub fn push(&mut self, decision: &Decision) {
        let window = &decision.window;
        self.event_date.append_value(day(decision.time_us));
        self.tenant.append_value(&decision.tenant);
        self.subject.append_option(decision.subject.as_deref());
        self.session.append_value(&decision.session);
        self.id.append_value(&decision.id);
        self.modality.append_value(window.modality.word());
        self.sequence.append_value(int64(window.sequence));
        self.start_us.append_value(window.start_us);
        self.end_us.append_value(window.end_us);
        self.steps.append_value(i32::try_from(window.steps).unwrap_or(i32::MAX));
        self.closed.append_value(window.closed.word());
        self.time_us.append_value(decision.time_us);
        self.risk.append_value(decision.risk);
        self.confidence.append_value(decision.confidence);
        self.action.append_value(decision.action.word());
        // Numbers that are not finite cannot be written as JSON; the reasons then say nothing rather than stop the archive.
        self.reasons
            .append_value(serde_json::to_string(&decision.reasons).unwrap_or_else(|_| "[]".to_owned()));
        self.comparison.append_option(decision.score.comparison);
        self.llr.append_option(decision.score.llr);
        self.evidence.append_value(decision.score.evidence);
        let model = decision.model.as_ref();
        self.model_id.append_option(model.map(|model| &model.id));
        self.model_version.append_option(model.map(|model| &model.version));
        self.model_sha256.append_option(model.map(|model| &model.sha256));
        let reference = decision.reference;
        self.reference_version
            .append_option(reference.map(|reference| i64::from(reference.version)));
        self.reference_maturity
            .append_option(reference.map(|reference| i32::from(reference.maturity)));
        self.reference_count
            .append_option(reference.map(|reference| i64::from(reference.count)));
        self.source_topic.append_value(&decision.source.topic);
        self.source_partition.append_value(decision.source.partition);
        self.source_offset.append_value(decision.source.offset);
        self.rows += 1;
    }

    /// The rows as one Arrow batch; the builder is empty afterwards.
    ///
    /// # Errors
    /// Only by a mistake in this crate: the columns do not fit the schema.
    pub fn finish(&mut self) -> Result<RecordBatch, HistoryError> {
        self.rows = 0;
        record_batch(
            Table::Decisions,
            vec![
                Arc::new(self.event_date.finish()),
                Arc::new(self.tenant.finish()),
                Arc::new(self.subject.finish()),
                Arc::new(self.session.finish()),
                Arc::new(self.id.finish()),
                Arc::new(self.modality.finish()),
                Arc::new(self.sequence.finish()),
                Arc::new(self.start_us.finish()),
                Arc::new(self.end_us.finish()),
                Arc::new(self.steps.finish()),
                Arc::new(self.closed.finish()),
                Arc::new(self.time_us.finish()),
                Arc::new(self.risk.finish()),
                Arc::new(self.confidence.finish()),
                Arc::new(self.action.finish()),
                Arc::new(self.reasons.finish()),
                Arc::new(self.comparison.finish()),
                Arc::new(self.llr.finish()),
                Arc::new(self.evidence.finish()),
                Arc::new(self.model_id.finish()),
                Arc::new(self.model_version.finish()),
                Arc::new(self.model_sha256.finish()),
                Arc::new(self.reference_version.finish()),
                Arc::new(self.reference_maturity.finish()),
                Arc::new(self.reference_count.finish()),
                Arc::new(self.source_topic.finish()),
                Arc::new(self.source_partition.finish()),
                Arc::new(self.source_offset.finish()),
            ],
        )
    }
}
