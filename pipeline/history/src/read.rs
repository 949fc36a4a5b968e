//! Reading the tables: files one after the other, row group by row group, only the columns that are needed.
//!
//! Invariants: a file that is not what the schema says is an error that names it, never a panic; windows come in the order of
//! tenant, subject, session, modality, sequence.

use crate::error::HistoryError;
use crate::names::Named;
use crate::schema::Table;
use crate::tables::Tables;
use arrow::array::{Array, BooleanArray, Float32Array, Int32Array, Int64Array, ListArray, RecordBatch, StringArray};
use deltalake::{DeltaTableError, ObjectStore, Path};
use ductus_dynamics::event::Modality;
use ductus_dynamics::wire::{Closed, Purpose};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::HashSet;

/// Rows that are decoded at once.
const BATCH_ROWS: usize = 8_192;

/// Names one window.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WindowKey {
    /// Session.
    pub session: String,
    /// Keystroke or pointer.
    pub modality: Modality,
    /// Running number within both.
    pub sequence: u64,
}

/// Which windows to read; the default reads all.
#[derive(Clone, Debug, Default)]
pub struct WindowFilter {
    /// Only this tenant's.
    pub tenant: Option<String>,
    /// Only this modality's.
    pub modality: Option<Modality>,
    /// Only these.
    pub keys: Option<HashSet<WindowKey>>,
    /// Only windows of somebody who is claimed.
    pub claimed: bool,
}

/// A window as it was archived.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredWindow {
    /// Tenant.
    pub tenant: String,
    /// Pseudonym of the subject, if one was claimed.
    pub subject: Option<String>,
    /// Session, modality, sequence.
    pub key: WindowKey,
    /// Event time of the first step, µs.
    pub start_us: i64,
    /// Event time of the last step's end, µs.
    pub end_us: i64,
    /// Steps.
    pub steps: usize,
    /// Steps that were in no earlier window.
    pub fresh: usize,
    /// What closed it.
    pub closed: Closed,
    /// What its events may be used for.
    pub purpose: Purpose,
    /// Device class.
    pub device: String,
    /// Layout that `features` follow.
    pub layout_hash: String,
    /// `[steps × FEATURES]`, row-major.
    pub features: Vec<f32>,
}

impl Tables {
    /// Reads windows with their features.
    ///
    /// # Errors
    /// The store failed, or a file is not what the schema says.
    pub fn read_windows(&mut self, filter: &WindowFilter) -> Result<Vec<StoredWindow>, HistoryError> {
        let mut windows = Vec::new();
        self.scan(Table::Windows, &WINDOW_COLUMNS, |columns| {
            take_windows(columns, filter, &mut windows)
        })?;
        windows.sort_by(|a: &StoredWindow, b| (&a.tenant, &a.subject, &a.key).cmp(&(&b.tenant, &b.subject, &b.key)));
        Ok(windows)
    }

    /// Rows of a table, as its log counts them.
    ///
    /// # Errors
    /// The store failed, or a file cannot be read.
    pub fn count(&mut self, table: Table) -> Result<usize, HistoryError> {
        let mut rows = 0;
        self.scan(table, &["session"], |columns| {
            rows += columns.len();
            Ok(())
        })?;
        Ok(rows)
    }

    /// Calls `take` for every batch of rows, in the order of the files' names.
    pub(crate) fn scan(
        &mut self,
        table: Table,
        names: &[&str],
        mut take: impl FnMut(&Columns<'_>) -> Result<(), HistoryError>,
    ) -> Result<(), HistoryError> {
        self.refresh(table)?;
        let delta = self.delta(table);
        let snapshot = self.outcome(table, "read", delta.snapshot())?;
        let mut files: Vec<Path> = snapshot
            .log_data()
            .into_iter()
            .map(|file| file.object_store_path())
            .collect();
        files.sort_unstable();
        let store = delta.object_store();
        for file in files {
            let bytes = self.block_on(async {
                let found = store.get_opts(&file, Default::default()).await?;
                found.bytes().await
            });
            let bytes = self.outcome(table, "read a file of", bytes.map_err(DeltaTableError::from))?;
            let file = file.to_string();
            let unreadable = |reason: String| HistoryError::Unreadable {
                table,
                file: file.clone(),
                reason,
            };
            let reader =
                ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(|error| unreadable(error.to_string()))?;
            let projection = ProjectionMask::columns(reader.parquet_schema(), names.iter().copied());
            let reader = reader
                .with_projection(projection)
                .with_batch_size(BATCH_ROWS)
                .build()
                .map_err(|error| unreadable(error.to_string()))?;
            for batch in reader {
                let batch = batch.map_err(|error| unreadable(error.to_string()))?;
                take(&Columns {
                    table,
                    file: &file,
                    batch: &batch,
                })?;
            }
        }
        Ok(())
    }
}

/// Columns by name and type of one batch of rows.
pub(crate) struct Columns<'a> {
    table: Table,
    file: &'a str,
    batch: &'a RecordBatch,
}

impl<'a> Columns<'a> {
    pub(crate) fn len(&self) -> usize {
        self.batch.num_rows()
    }

    pub(crate) fn string(&self, name: &str) -> Result<&'a StringArray, HistoryError> {
        self.column(name)
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<&'a BooleanArray, HistoryError> {
        self.column(name)
    }

    pub(crate) fn int32(&self, name: &str) -> Result<&'a Int32Array, HistoryError> {
        self.column(name)
    }

    pub(crate) fn int64(&self, name: &str) -> Result<&'a Int64Array, HistoryError> {
        self.column(name)
    }

    pub(crate) fn list(&self, name: &str) -> Result<&'a ListArray, HistoryError> {
        self.column(name)
    }

    /// A value of a closed list.
    pub(crate) fn named<T: Named>(&self, column: &StringArray, row: usize) -> Result<T, HistoryError> {
        let word = column.value(row);
        T::from_word(word).ok_or_else(|| self.unreadable(format!("row {row}: unknown word {word:?}")))
    }

    pub(crate) fn unreadable(&self, reason: String) -> HistoryError {
        HistoryError::Unreadable {
            table: self.table,
            file: self.file.to_owned(),
            reason,
        }
    }

    fn column<T: Array + 'static>(&self, name: &str) -> Result<&'a T, HistoryError> {
        self.batch
            .column_by_name(name)
            .and_then(|column| column.as_any().downcast_ref())
            .ok_or_else(|| self.unreadable(format!("no column {name} of the schema's type")))
    }
}

const WINDOW_COLUMNS: [&str; 14] = [
    "tenant",
    "subject",
    "session",
    "modality",
    "sequence",
    "start_us",
    "end_us",
    "steps",
    "fresh",
    "closed",
    "purpose",
    "device",
    "layout_hash",
    "features",
];

fn take_windows(
    columns: &Columns<'_>,
    filter: &WindowFilter,
    windows: &mut Vec<StoredWindow>,
) -> Result<(), HistoryError> {
    let (tenant, subject, session) = (
        columns.string("tenant")?,
        columns.string("subject")?,
        columns.string("session")?,
    );
    let (modality, sequence) = (columns.string("modality")?, columns.int64("sequence")?);
    let (start_us, end_us) = (columns.int64("start_us")?, columns.int64("end_us")?);
    let (steps, fresh) = (columns.int32("steps")?, columns.int32("fresh")?);
    let (closed, purpose) = (columns.string("closed")?, columns.string("purpose")?);
    let (device, layout_hash) = (columns.string("device")?, columns.string("layout_hash")?);
    let features = columns.list("features")?;
    for row in 0..columns.len() {
        let key = WindowKey {
            session: session.value(row).to_owned(),
            modality: columns.named(modality, row)?,
            sequence: sequence.value(row).unsigned_abs(),
        };
        let subject = subject.is_valid(row).then(|| subject.value(row).to_owned());
        if !filter.takes(tenant.value(row), subject.is_some(), &key) {
            continue;
        }
        let values = features.value(row);
        let values = values
            .as_any()
            .downcast_ref::<Float32Array>()
            .ok_or_else(|| columns.unreadable("column features holds no 32-bit floats".to_owned()))?;
        windows.push(StoredWindow {
            tenant: tenant.value(row).to_owned(),
            subject,
            key,
            start_us: start_us.value(row),
            end_us: end_us.value(row),
            steps: steps.value(row).unsigned_abs() as usize,
            fresh: fresh.value(row).unsigned_abs() as usize,
            closed: columns.named(closed, row)?,
            purpose: columns.named(purpose, row)?,
            device: device.value(row).to_owned(),
            layout_hash: layout_hash.value(row).to_owned(),
            features: values.values().to_vec(),
        });
    }
    Ok(())
}

impl WindowFilter {
    fn takes(&self, tenant: &str, claimed: bool, key: &WindowKey) -> bool {
        self.tenant.as_ref().is_none_or(|wanted| wanted == tenant)
            && self.modality.is_none_or(|wanted| wanted == key.modality)
            && self.keys.as_ref().is_none_or(|wanted| wanted.contains(key))
            && (claimed || !self.claimed)
    }
}
