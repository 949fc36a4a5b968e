//! What can go wrong with history, sorted by what the caller does next.

use crate::schema::Table;

/// An error of the history tables.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The store could not be reached, read or written: try again later, nothing was committed.
    #[error("{action} table {table} at {uri}: {source}")]
    Storage {
        /// What was being done.
        action: &'static str,
        /// The table.
        table: Table,
        /// Where it lies.
        uri: String,
        /// What the Delta library says.
        source: Box<deltalake::DeltaTableError>,
    },
    /// The location cannot be a table's: mend the configuration.
    #[error("history root {root:?} is not a folder or a URL that this build can open: {source}")]
    Root {
        /// The root as configured.
        root: String,
        /// Why.
        source: Box<deltalake::DeltaTableError>,
    },
    /// A file of the table cannot be read or does not hold what the schema says.
    #[error("read {file} of table {table}: {reason}")]
    Unreadable {
        /// The table.
        table: Table,
        /// The file, relative to the table.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Rows of the wrong shape: a mistake in the program.
    #[error("rows for table {table}: {source}")]
    Rows {
        /// The table.
        table: Table,
        /// What Arrow says.
        source: arrow::error::ArrowError,
    },
    /// The runtime that drives the store could not be started.
    #[error("start the runtime of the history tables: {0}")]
    Runtime(std::io::Error),
}

impl HistoryError {
    /// Whether the same call may succeed later without anybody changing the program or its configuration.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Storage { .. })
    }
}
