//! Rows of the windows table.

use super::{day, int32, int64, record_batch};
use crate::error::HistoryError;
use crate::names::Named;
use crate::schema::{Table, features_item};
use arrow::array::{
    Date32Builder, Float32Builder, Int32Builder, Int64Builder, ListBuilder, RecordBatch, StringBuilder,
};
use ductus_dynamics::compare::device_class;
use ductus_dynamics::event::Modality;
use ductus_dynamics::feature::layout_hash;
use ductus_dynamics::line::Ready;
use std::sync::Arc;

/// Collects rows of the windows table.
#[derive(Debug)]
pub struct WindowRows {
    // PROPERTIES
    layout_hashes: [String; 2],
    // STATES
    rows: usize,
    event_date: Date32Builder,
    tenant: StringBuilder,
    subject: StringBuilder,
    session: StringBuilder,
    modality: StringBuilder,
    sequence: Int64Builder,
    start_us: Int64Builder,
    end_us: Int64Builder,
    steps: Int32Builder,
    fresh: Int32Builder,
    closed: StringBuilder,
    purpose: StringBuilder,
    device: StringBuilder,
    layout_hash: StringBuilder,
    features: ListBuilder<Float32Builder>,
    source_partition: Int32Builder,
    source_offset: Int64Builder,
}

impl Default for WindowRows {
    fn default() -> Self {
        Self {
            layout_hashes: Modality::ALL.map(layout_hash),
            rows: 0,
            event_date: Date32Builder::new(),
            tenant: StringBuilder::new(),
            subject: StringBuilder::new(),
            session: StringBuilder::new(),
            modality: StringBuilder::new(),
            sequence: Int64Builder::new(),
            start_us: Int64Builder::new(),
            end_us: Int64Builder::new(),
            steps: Int32Builder::new(),
            fresh: Int32Builder::new(),
            closed: StringBuilder::new(),
            purpose: StringBuilder::new(),
            device: StringBuilder::new(),
            layout_hash: StringBuilder::new(),
            features: ListBuilder::new(Float32Builder::new()).with_field(features_item()),
            source_partition: Int32Builder::new(),
            source_offset: Int64Builder::new(),
        }
    }
}

impl WindowRows {
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

    /// Appends a window; it was closed by the record at its offset in `source_partition`.
    pub fn push(&mut self, ready: &Ready, source_partition: i32) {
        let window = &ready.window;
        self.event_date.append_value(day(window.end_us));
        self.tenant.append_value(&ready.id.tenant);
        self.subject.append_option(ready.id.subject.as_deref());
        self.session.append_value(&ready.id.session);
        self.modality.append_value(window.modality.word());
        self.sequence.append_value(int64(window.sequence));
        self.start_us.append_value(window.start_us);
        self.end_us.append_value(window.end_us);
        self.steps.append_value(int32(window.steps.len()));
        self.fresh.append_value(int32(window.fresh));
        self.closed.append_value(window.closed.word());
        self.purpose.append_value(ready.purpose.word());
        self.device.append_value(device_class(window.modality, &ready.device));
        self.layout_hash
            .append_value(&self.layout_hashes[window.modality.index()]);
        self.features.values().append_slice(&ready.features().values);
        self.features.append(true);
        self.source_partition.append_value(source_partition);
        self.source_offset.append_value(ready.offset);
        self.rows += 1;
    }

    /// The rows as one Arrow batch; the builder is empty afterwards.
    ///
    /// # Errors
    /// Only by a mistake in this crate: the columns do not fit the schema.
    pub fn finish(&mut self) -> Result<RecordBatch, HistoryError> {
        self.rows = 0;
        record_batch(
            Table::Windows,
            vec![
                Arc::new(self.event_date.finish()),
                Arc::new(self.tenant.finish()),
                Arc::new(self.subject.finish()),
                Arc::new(self.session.finish()),
                Arc::new(self.modality.finish()),
                Arc::new(self.sequence.finish()),
                Arc::new(self.start_us.finish()),
                Arc::new(self.end_us.finish()),
                Arc::new(self.steps.finish()),
                Arc::new(self.fresh.finish()),
                Arc::new(self.closed.finish()),
                Arc::new(self.purpose.finish()),
                Arc::new(self.device.finish()),
                Arc::new(self.layout_hash.finish()),
                Arc::new(self.features.finish()),
                Arc::new(self.source_partition.finish()),
                Arc::new(self.source_offset.finish()),
            ],
        )
    }
}
