//! From what travels to rows: one builder a table.
//!
//! Invariants: a builder holds what its caller pushed and nothing else, so that the caller's flush limit bounds it; the
//! columns stand in the order of [`crate::arrow_schema`], which `finish` checks.

mod decisions;
mod events;
mod feedback;
mod windows;

pub use decisions::DecisionRows;
pub use events::EventRows;
pub use feedback::FeedbackRows;
pub use windows::WindowRows;

use crate::error::HistoryError;
use crate::schema::{Table, arrow_schema};
use arrow::array::{ArrayRef, RecordBatch};

/// Where the rows of one record come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowSource {
    /// Partition of the events topic (an importer numbers its own).
    pub partition: i32,
    /// Offset of the record (an importer numbers its batches).
    pub offset: i64,
    /// When the record reached Kafka, by its timestamp, µs since the Unix epoch.
    pub ingested_us: Option<i64>,
}

/// UTC day of a time, as Arrow's Date32 counts it.
fn day(t_us: i64) -> i32 {
    const DAY_US: i64 = 86_400 * 1_000_000;
    i32::try_from(t_us.div_euclid(DAY_US)).unwrap_or(if t_us < 0 { i32::MIN } else { i32::MAX })
}

/// Integers of the wire in the widest type of the table; beyond it they saturate.
fn int64(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn int32(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}

fn record_batch(table: Table, columns: Vec<ArrayRef>) -> Result<RecordBatch, HistoryError> {
    RecordBatch::try_new(arrow_schema(table), columns).map_err(|source| HistoryError::Rows { table, source })
}
