//! Every metric of the role `index`: the only file that names them.
//!
//! Invariants: no label holds a user, a session or a text of Elasticsearch; what is shown is what happened, also before the
//! first record.

use prometheus::{Error, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Seconds: 5 ms to 30 s.
const SECONDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DocumentOutcome {
    /// Its document was created.
    Created,
    /// Its document was there already.
    Existed,
    /// It went to the dead letters.
    DeadLetter,
}

/// What a bulk request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestOutcome {
    Taken,
    TooLarge,
    Refused,
    Forbidden,
    Retry,
    NoAnswer,
}

/// Metrics of the role; clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct IndexMetrics {
    documents: IntCounterVec,
    requests: IntCounterVec,
    request_bytes: IntCounter,
    request_seconds: Histogram,
    items_retried: IntCounter,
    blocked: IntGauge,
    held_bytes: IntGauge,
    /// Records read and not yet indexed, by topic and partition.
    pub(super) lag: IntGaugeVec,
}

impl IndexMetrics {
    /// Makes and registers them.
    pub(super) fn register(registry: &Registry) -> Result<Self, Error> {
        let counters = |name: &str, help: &str, label: &str| IntCounterVec::new(Opts::new(name, help), &[label]);
        let metrics = Self {
            documents: counters(
                "ductus_index_documents_total",
                "Records by what became of them: created, existed, dead_letter.",
                "outcome",
            )?,
            requests: counters(
                "ductus_index_requests_total",
                "Bulk requests by what they came to: taken, too_large, refused, forbidden, retry, no_answer.",
                "outcome",
            )?,
            request_bytes: IntCounter::new("ductus_index_request_bytes_total", "Bytes sent in bulk requests.")?,
            request_seconds: Histogram::with_opts(
                HistogramOpts::new("ductus_index_request_seconds", "From a bulk request to its answer.")
                    .buckets(SECONDS.to_vec()),
            )?,
            items_retried: IntCounter::new(
                "ductus_index_items_retried_total",
                "Documents that one bulk request did not take and another will be asked to.",
            )?,
            blocked: IntGauge::new(
                "ductus_index_blocked",
                "1 while Elasticsearch refuses us (401, 403): somebody must mend credentials or privileges.",
            )?,
            held_bytes: IntGauge::new("ductus_index_held_bytes", "Bytes that wait or are on their way.")?,
            lag: IntGaugeVec::new(
                Opts::new(
                    "ductus_index_lag_records",
                    "Records of the partition that are not yet read.",
                ),
                &["topic", "partition"],
            )?,
        };
        for outcome in [
            DocumentOutcome::Created,
            DocumentOutcome::Existed,
            DocumentOutcome::DeadLetter,
        ] {
            metrics.documents(outcome, 0);
        }
        let all: [Box<dyn prometheus::core::Collector>; 8] = [
            Box::new(metrics.documents.clone()),
            Box::new(metrics.requests.clone()),
            Box::new(metrics.request_bytes.clone()),
            Box::new(metrics.request_seconds.clone()),
            Box::new(metrics.items_retried.clone()),
            Box::new(metrics.blocked.clone()),
            Box::new(metrics.held_bytes.clone()),
            Box::new(metrics.lag.clone()),
        ];
        for collector in all {
            registry.register(collector)?;
        }
        Ok(metrics)
    }

    pub(super) fn documents(&self, outcome: DocumentOutcome, count: u64) {
        let outcome = match outcome {
            DocumentOutcome::Created => "created",
            DocumentOutcome::Existed => "existed",
            DocumentOutcome::DeadLetter => "dead_letter",
        };
        self.documents.with_label_values(&[outcome]).inc_by(count);
    }

    pub(super) fn request(&self, outcome: RequestOutcome, bytes: usize, seconds: f64) {
        let outcome = match outcome {
            RequestOutcome::Taken => "taken",
            RequestOutcome::TooLarge => "too_large",
            RequestOutcome::Refused => "refused",
            RequestOutcome::Forbidden => "forbidden",
            RequestOutcome::Retry => "retry",
            RequestOutcome::NoAnswer => "no_answer",
        };
        self.requests.with_label_values(&[outcome]).inc();
        self.request_bytes.inc_by(bytes as u64);
        self.request_seconds.observe(seconds);
    }

    pub(super) fn retried(&self, items: usize) {
        self.items_retried.inc_by(items as u64);
    }

    pub(super) fn blocked(&self, blocked: bool) {
        self.blocked.set(i64::from(blocked));
    }

    pub(super) fn held(&self, bytes: usize) {
        self.held_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Value of a documents counter, for tests.
    #[cfg(test)]
    pub(super) fn counted(&self, outcome: &str) -> u64 {
        self.documents.with_label_values(&[outcome]).get()
    }
}
