//! Every metric of the role `archive`: the only file that names them.
//!
//! Invariant: labels are tables, topics and partitions, never a user or a session.

use ductus_history::Table;
use prometheus::{Error, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Seconds: 10 ms to 60 s.
const SECONDS: [f64; 11] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 20.0, 60.0];

/// Metrics of the role; clones are the same.
#[derive(Clone, Debug)]
pub(super) struct ArchiveMetrics {
    rows: IntCounterVec,
    flush_seconds: Histogram,
    failures: IntCounter,
    unreadable: IntCounter,
    repeated: IntCounter,
    blocked: IntGauge,
    held_rows: IntGauge,
    /// Records not yet read, by topic and partition.
    pub(super) lag: IntGaugeVec,
}

impl ArchiveMetrics {
    /// Makes and registers them.
    pub(super) fn register(registry: &Registry) -> Result<Self, Error> {
        let metrics = Self {
            rows: IntCounterVec::new(
                Opts::new("ductus_archive_rows_total", "Rows written, by table."),
                &["table"],
            )?,
            flush_seconds: Histogram::with_opts(
                HistogramOpts::new("ductus_archive_flush_seconds", "Time of a flush of all tables.")
                    .buckets(SECONDS.to_vec()),
            )?,
            failures: IntCounter::new(
                "ductus_archive_flush_failures_total",
                "Flushes that failed and are tried again.",
            )?,
            unreadable: IntCounter::new(
                "ductus_archive_records_skipped_total",
                "Records that are no batch or decision; other roles write their dead letters.",
            )?,
            repeated: IntCounter::new(
                "ductus_archive_decisions_repeated_total",
                "Decisions that were said twice and are in the table once.",
            )?,
            blocked: IntGauge::new(
                "ductus_archive_blocked",
                "1 while the tables cannot be written and nothing is read.",
            )?,
            held_rows: IntGauge::new(
                "ductus_archive_held_rows",
                "Rows that wait for a flush, windows weighted by their steps.",
            )?,
            lag: IntGaugeVec::new(
                Opts::new(
                    "ductus_archive_lag_records",
                    "Records of the partition that are not yet read.",
                ),
                &["topic", "partition"],
            )?,
        };
        for table in Table::ALL {
            metrics.rows.with_label_values(&[table.name()]).inc_by(0);
        }
        let all: [Box<dyn prometheus::core::Collector>; 8] = [
            Box::new(metrics.rows.clone()),
            Box::new(metrics.flush_seconds.clone()),
            Box::new(metrics.failures.clone()),
            Box::new(metrics.unreadable.clone()),
            Box::new(metrics.repeated.clone()),
            Box::new(metrics.blocked.clone()),
            Box::new(metrics.held_rows.clone()),
            Box::new(metrics.lag.clone()),
        ];
        for collector in all {
            registry.register(collector)?;
        }
        Ok(metrics)
    }

    pub(super) fn flushed(&self, rows: &[(Table, usize)], seconds: f64) {
        for (table, rows) in rows {
            self.rows.with_label_values(&[table.name()]).inc_by(*rows as u64);
        }
        self.flush_seconds.observe(seconds);
    }

    pub(super) fn failed(&self) {
        self.failures.inc();
    }

    pub(super) fn unreadable(&self, records: u64) {
        self.unreadable.inc_by(records);
    }

    pub(super) fn repeated(&self) {
        self.repeated.inc();
    }

    pub(super) fn blocked(&self, blocked: bool) {
        self.blocked.set(i64::from(blocked));
    }

    pub(super) fn held(&self, rows: usize) {
        self.held_rows.set(i64::try_from(rows).unwrap_or(i64::MAX));
    }
}
