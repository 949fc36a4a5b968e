//! The Delta tables under one root: open, append once, read.
//!
//! Invariants:
//! - An append with a transaction is committed against the very snapshot in which the table's last version of that application
//!   was looked up, so that two writers cannot both be first (delta-rs itself does not refuse a repeated version).
//! - A failed append commits nothing; files that it wrote are referenced by nobody and go with the next vacuum.
//! - Synchronous for its callers; it drives the store with a runtime of its own, so it must not be called from within one.

use crate::error::HistoryError;
use crate::schema::{PARTITION_COLUMN, Table, arrow_schema};
use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, SortOptions, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::error::ArrowError;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::transaction::{CommitBuilder, CommitConflictError, CommitProperties, TransactionError};
use deltalake::kernel::{Action, Add, StructType, Transaction};
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::writer::{DeltaWriter, RecordBatchWriter};
use deltalake::{DeltaTable, DeltaTableBuilder, DeltaTableError, ensure_table_uri};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

/// Most rows in a row group: what a reader decodes at once.
const ROW_GROUP_ROWS_MAX: usize = 131_072;
/// How often an append is tried against other writers before it gives up (the store's own retries come on top).
const APPEND_ATTEMPTS_MAX: usize = 8;

/// Names an append, so that it is done once: per application, versions only grow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Txn {
    /// Who appends: `<group>/<topic>/<partition>`, or the name of an import.
    pub app_id: String,
    /// Last offset that the append covers.
    pub version: i64,
}

/// An append that covers the offsets after `after`, up to the transaction's version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its name and last offset.
    pub txn: Txn,
    /// The version that the application's last append must have; `None` = it never appended.
    pub after: Option<i64>,
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is in the table, from this table version on.
    Committed {
        /// Version of the Delta table.
        table_version: u64,
    },
    /// The table had it already, or stands elsewhere than expected.
    Skipped {
        /// Last version of the application that does not fit.
        last: Option<i64>,
    },
}

/// The tables under one root.
#[derive(Debug)]
pub struct Tables {
    // PROPERTIES
    runtime: tokio::runtime::Runtime,
    root: String,
    // STATES
    /// In the order of [`Table::ALL`].
    tables: Vec<DeltaTable>,
}

impl Tables {
    /// Opens the tables under `root`, a folder or a URL, and creates those that are missing.
    ///
    /// # Errors
    /// The root is none, or the store cannot be reached.
    pub fn open(root: &str) -> Result<Self, HistoryError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("history")
            .enable_all()
            .build()
            .map_err(HistoryError::Runtime)?;
        let root = root.trim_end_matches('/').to_owned();
        let mut tables = Vec::with_capacity(Table::ALL.len());
        for table in Table::ALL {
            tables.push(runtime.block_on(open(&root, table))?);
        }
        Ok(Self { runtime, root, tables })
    }

    /// The root as it was given.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Name and URL of every table, for a query engine to register.
    pub fn table_uris(&self) -> Vec<(&'static str, String)> {
        Table::ALL.map(|table| (table.name(), self.uri(table))).to_vec()
    }

    /// URL of a table.
    pub fn uri(&self, table: Table) -> String {
        self.delta(table).table_url().to_string()
    }

    /// Appends `batches` in one commit, sorted and split by day. With a transaction whose version the table has reached
    /// already, nothing is done.
    ///
    /// # Errors
    /// The rows do not fit the table, or the store failed: nothing was committed.
    pub fn append(
        &mut self,
        table: Table,
        batches: &[RecordBatch],
        txn: Option<&Txn>,
    ) -> Result<Appended, HistoryError> {
        let txns: Vec<Txn> = txn.into_iter().cloned().collect();
        self.append_if(table, batches, &txns, |txn, last| {
            last.is_none_or(|last| last < txn.version)
        })
    }

    /// Appends the rows of several sources in one commit, if the table stands where each span begins; otherwise somebody
    /// else wrote for one of them, and nothing is done.
    ///
    /// # Errors
    /// As [`Tables::append`].
    pub fn append_spans(
        &mut self,
        table: Table,
        batches: &[RecordBatch],
        spans: &[Span],
    ) -> Result<Appended, HistoryError> {
        let txns: Vec<Txn> = spans.iter().map(|span| span.txn.clone()).collect();
        let after = |txn: &Txn| spans.iter().find(|span| span.txn == *txn).and_then(|span| span.after);
        self.append_if(table, batches, &txns, |txn, last| last == after(txn))
    }

    fn append_if(
        &mut self,
        table: Table,
        batches: &[RecordBatch],
        txns: &[Txn],
        fits: impl Fn(&Txn, Option<i64>) -> bool,
    ) -> Result<Appended, HistoryError> {
        // Checked before the files are written: a repeated append is the usual case after a restart.
        if let Some(skipped) = self.look(table, txns, &fits)? {
            return Ok(skipped);
        }
        let rows = sorted(table, batches).map_err(|source| HistoryError::Rows { table, source })?;
        let adds = self.write_files(table, rows)?;
        for _ in 1..APPEND_ATTEMPTS_MAX {
            match self.commit(table, &adds, txns) {
                Err(error) if is_same_application(&error) => {}
                outcome => return self.outcome(table, "append to", outcome),
            }
            // Another writer of the same application came first.
            if let Some(skipped) = self.look(table, txns, &fits)? {
                return Ok(skipped);
            }
        }
        let outcome = self.commit(table, &adds, txns);
        self.outcome(table, "append to", outcome)
    }

    /// Loads the table's latest snapshot and says whether an append does not fit it.
    fn look(
        &mut self,
        table: Table,
        txns: &[Txn],
        fits: impl Fn(&Txn, Option<i64>) -> bool,
    ) -> Result<Option<Appended>, HistoryError> {
        self.refresh(table)?;
        for txn in txns {
            let last = self.last_loaded(table, &txn.app_id)?;
            if !fits(txn, last) {
                return Ok(Some(Appended::Skipped { last }));
            }
        }
        Ok(None)
    }

    /// The version of the last append of `app_id` to a table.
    ///
    /// # Errors
    /// The store failed.
    pub fn last_txn(&mut self, table: Table, app_id: &str) -> Result<Option<i64>, HistoryError> {
        self.refresh(table)?;
        self.last_loaded(table, app_id)
    }

    fn last_loaded(&self, table: Table, app_id: &str) -> Result<Option<i64>, HistoryError> {
        let delta = self.delta(table);
        let last = self.runtime.block_on(async {
            let log_store = delta.log_store();
            delta.snapshot()?.transaction_version(log_store.as_ref(), app_id).await
        });
        self.outcome(table, "read transactions of", last)
    }

    /// Takes notice of what others committed.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) fn refresh(&mut self, table: Table) -> Result<(), HistoryError> {
        let delta = &mut self.tables[table as usize];
        let refreshed = self.runtime.block_on(delta.update_state());
        self.outcome(table, "read the log of", refreshed)
    }

    pub(crate) fn delta(&self, table: Table) -> &DeltaTable {
        &self.tables[table as usize]
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    pub(crate) fn outcome<T>(
        &self,
        table: Table,
        action: &'static str,
        result: Result<T, DeltaTableError>,
    ) -> Result<T, HistoryError> {
        result.map_err(|source| HistoryError::Storage {
            action,
            table,
            uri: self.uri(table),
            source: Box::new(source),
        })
    }

    fn write_files(&self, table: Table, rows: Option<RecordBatch>) -> Result<Vec<Action>, HistoryError> {
        let Some(rows) = rows else {
            return Ok(Vec::new());
        };
        let delta = self.delta(table);
        let written: Result<Vec<Add>, DeltaTableError> = self.runtime.block_on(async {
            let mut writer = RecordBatchWriter::for_table(delta)?.with_writer_properties(writer_properties());
            writer.write(rows).await?;
            writer.flush().await
        });
        let adds = self.outcome(table, "write files of", written)?;
        Ok(adds.into_iter().map(Action::Add).collect())
    }

    /// One commit against the snapshot that is loaded now.
    fn commit(&mut self, table: Table, adds: &[Action], txns: &[Txn]) -> Result<Appended, DeltaTableError> {
        let delta = &mut self.tables[table as usize];
        let transactions = txns.iter().map(|txn| Transaction::new(&txn.app_id, txn.version));
        let properties = CommitProperties::default().with_application_transactions(transactions.collect());
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(vec![PARTITION_COLUMN.to_owned()]),
            predicate: None,
        };
        let finalized = self.runtime.block_on(async {
            CommitBuilder::from(properties)
                .with_actions(adds.to_vec())
                .build(Some(delta.snapshot()?), delta.log_store(), operation)
                .await
        })?;
        delta.state = Some(finalized.snapshot());
        Ok(Appended::Committed {
            table_version: finalized.version(),
        })
    }
}

async fn open(root: &str, table: Table) -> Result<DeltaTable, HistoryError> {
    let bad_root = |source| HistoryError::Root {
        root: root.to_owned(),
        source: Box::new(source),
    };
    let url = ensure_table_uri(format!("{root}/{table}")).map_err(bad_root)?;
    let storage = |source| HistoryError::Storage {
        action: "open",
        table,
        uri: url.to_string(),
        source: Box::new(source),
    };
    let mut delta = DeltaTableBuilder::from_url(url.clone())
        .and_then(DeltaTableBuilder::build)
        .map_err(bad_root)?;
    if delta.verify_deltatable_existence().await.map_err(storage)? {
        delta.load().await.map_err(storage)?;
        return Ok(delta);
    }
    let schema: StructType = arrow_schema(table)
        .try_into_kernel()
        .map_err(|source| HistoryError::Rows { table, source })?;
    let created = delta
        .create()
        .with_table_name(table.name())
        .with_comment(table.description())
        .with_columns(schema.fields().cloned())
        .with_partition_columns([PARTITION_COLUMN])
        // Another process may create it at the same time.
        .with_save_mode(SaveMode::Ignore)
        .await;
    match created {
        Ok(delta) => Ok(delta),
        Err(_) if delta.load().await.is_ok() => Ok(delta),
        Err(source) => Err(storage(source)),
    }
}

/// All rows of an append in the table's order, as one batch; `None` if there is no row.
fn sorted(table: Table, batches: &[RecordBatch]) -> Result<Option<RecordBatch>, ArrowError> {
    let rows = concat_batches(&arrow_schema(table), batches)?;
    if rows.num_rows() == 0 {
        return Ok(None);
    }
    let schema = rows.schema();
    let mut columns = Vec::new();
    for name in table.sort_columns() {
        columns.push(SortColumn {
            values: rows.column(schema.index_of(name)?).clone(),
            options: Some(SortOptions::default()),
        });
    }
    let order: UInt32Array = lexsort_to_indices(&columns, None)?;
    take_record_batch(&rows, &order).map(Some)
}

fn writer_properties() -> WriterProperties {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS_MAX))
        .set_created_by(concat!("ductus-history ", env!("CARGO_PKG_VERSION")).to_owned())
        .build()
}

/// Whether a commit failed because another writer of the same application committed first.
fn is_same_application(error: &DeltaTableError) -> bool {
    matches!(
        error,
        DeltaTableError::Transaction {
            source: TransactionError::CommitConflict(CommitConflictError::ConcurrentTransaction)
        }
    )
}
