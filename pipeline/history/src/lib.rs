//! History in Arrow form: the Delta tables `events`, `windows`, `decisions` and `feedback` under one root.
//!
//! `archive` fills them from Kafka, `ductus-batch import` from public data sets, and the trainer reads them: one shape, whatever
//! the source. Rows are built with [`EventRows`], [`WindowRows`], [`DecisionRows`] and [`FeedbackRows`], appended and read through
//! [`Tables`].
//!
//! Invariants:
//! - Without DataFusion: who only appends or trains does not wait for a query engine.
//! - A table is partitioned by `event_date` (UTC day of event time) and sorted by subject and session within a commit.
//! - An append that names a transaction happens once, however often it is asked for.
//! - No clock: every time is an argument. No column can hold what was typed.

mod disowned;
mod error;
mod names;
mod read;
mod rows;
mod schema;
mod sessions;
mod tables;

pub use arrow::array::RecordBatch;
pub use disowned::Disowned;
pub use error::HistoryError;
pub use read::{StoredWindow, WindowFilter, WindowKey};
pub use rows::{DecisionRows, EventRows, FeedbackRows, RowSource, WindowRows};
pub use schema::{PARTITION_COLUMN, Table, arrow_schema};
pub use sessions::{SessionFilter, Sessions, StoredSession};
pub use tables::{Appended, Span, Tables, Txn};
