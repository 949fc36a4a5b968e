//! The tables and their columns.
//!
//! Invariants: only types that Delta knows (no unsigned ones); the partition column comes first and is not stored in the
//! files; a change here is a change of contract and shows in the snapshot test.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// Every table is partitioned by this column: the UTC day of event time.
pub const PARTITION_COLUMN: &str = "event_date";

/// A table of history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// One row an input event.
    Events,
    /// One row a closed window, with its features.
    Windows,
    /// One row a decision.
    Decisions,
    /// One row a word on a decision.
    Feedback,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 4] = [Self::Events, Self::Windows, Self::Decisions, Self::Feedback];

    /// Its name: folder under the root, and name in SQL.
    pub fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Windows => "windows",
            Self::Decisions => "decisions",
            Self::Feedback => "feedback",
        }
    }

    /// What it is for, kept in the table's own metadata.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Events => {
                "one row an input event; times in µs since the Unix epoch; a key is known by its class only"
            }
            Self::Windows => "one row a closed window; features are row-major, steps × features of layout_hash",
            Self::Decisions => "one row a decision; risk 0-100, confidence 0-1, reasons as JSON",
            Self::Feedback => {
                "one row a word on a decision: false_alarm, it was the subject; confirmed, it was somebody else; the latest counts"
            }
        }
    }

    /// Columns that rows are sorted by within a commit.
    pub(crate) fn sort_columns(self) -> &'static [&'static str] {
        match self {
            Self::Events => &[
                PARTITION_COLUMN,
                "tenant",
                "subject",
                "session",
                "source_partition",
                "source_offset",
                "index",
            ],
            Self::Windows | Self::Decisions => {
                &[PARTITION_COLUMN, "tenant", "subject", "session", "modality", "sequence"]
            }
            Self::Feedback => &[PARTITION_COLUMN, "tenant", "subject", "session", "time_us"],
        }
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The Arrow schema of a table, partition column included.
pub fn arrow_schema(table: Table) -> SchemaRef {
    Arc::new(Schema::new(match table {
        Table::Events => events(),
        Table::Windows => windows(),
        Table::Decisions => decisions(),
        Table::Feedback => feedback(),
    }))
}

fn must(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, false)
}

fn may(name: &str, data_type: DataType) -> Field {
    Field::new(name, data_type, true)
}

/// Whose rows they are: the same first columns in every table.
fn identity() -> Vec<Field> {
    vec![
        must(PARTITION_COLUMN, DataType::Date32),
        must("tenant", DataType::Utf8),
        may("subject", DataType::Utf8),
        must("session", DataType::Utf8),
    ]
}

fn events() -> Vec<Field> {
    let mut fields = identity();
    fields.extend([
        must("seq", DataType::Int64),
        must("purpose", DataType::Utf8),
        must("detail", DataType::Utf8),
        must("keyboard", DataType::Utf8),
        must("pointer", DataType::Utf8),
        must("layout", DataType::Utf8),
        must("touch", DataType::Boolean),
        must("clock_origin_us", DataType::Int64),
        must("clock_resolution_us", DataType::Int64),
        must("t_us", DataType::Int64),
        must("kind", DataType::Utf8),
        may("press", DataType::Int64),
        may("class", DataType::Utf8),
        may("x", DataType::Int32),
        may("y", DataType::Int32),
        may("dx", DataType::Int32),
        may("dy", DataType::Int32),
        may("button", DataType::Utf8),
        must("source_partition", DataType::Int32),
        must("source_offset", DataType::Int64),
        must("index", DataType::Int32),
        may("ingested_us", DataType::Int64),
    ]);
    fields
}

fn windows() -> Vec<Field> {
    let mut fields = identity();
    fields.extend([
        must("modality", DataType::Utf8),
        must("sequence", DataType::Int64),
        must("start_us", DataType::Int64),
        must("end_us", DataType::Int64),
        must("steps", DataType::Int32),
        must("fresh", DataType::Int32),
        must("closed", DataType::Utf8),
        must("purpose", DataType::Utf8),
        must("device", DataType::Utf8),
        must("layout_hash", DataType::Utf8),
        must("features", features_type()),
        must("source_partition", DataType::Int32),
        must("source_offset", DataType::Int64),
    ]);
    fields
}

/// Type of the column `features`; the item's name is the one that Delta's own conversion gives it.
pub(crate) fn features_type() -> DataType {
    DataType::List(features_item())
}

pub(crate) fn features_item() -> Arc<Field> {
    Arc::new(must("element", DataType::Float32))
}

fn decisions() -> Vec<Field> {
    let mut fields = identity();
    fields.extend([
        must("id", DataType::Utf8),
        must("modality", DataType::Utf8),
        must("sequence", DataType::Int64),
        must("start_us", DataType::Int64),
        must("end_us", DataType::Int64),
        must("steps", DataType::Int32),
        must("closed", DataType::Utf8),
        must("time_us", DataType::Int64),
        must("risk", DataType::Float32),
        must("confidence", DataType::Float32),
        must("action", DataType::Utf8),
        must("reasons", DataType::Utf8),
        may("comparison", DataType::Float32),
        may("llr", DataType::Float32),
        must("evidence", DataType::Float32),
        may("model_id", DataType::Utf8),
        may("model_version", DataType::Utf8),
        may("model_sha256", DataType::Utf8),
        may("reference_version", DataType::Int64),
        may("reference_maturity", DataType::Int32),
        may("reference_count", DataType::Int64),
        must("source_topic", DataType::Utf8),
        must("source_partition", DataType::Int32),
        must("source_offset", DataType::Int64),
    ]);
    fields
}

fn feedback() -> Vec<Field> {
    let mut fields = identity();
    fields.extend([
        must("id", DataType::Utf8),
        must("decision", DataType::Utf8),
        must("verdict", DataType::Utf8),
        may("by", DataType::Utf8),
        may("note", DataType::Utf8),
        must("time_us", DataType::Int64),
    ]);
    fields
}
