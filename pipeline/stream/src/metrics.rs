//! Every metric of the hot path: the only file that names them.
//!
//! Invariants: no label holds a user or a session, so the number of series is bounded by reasons, modalities and partitions;
//! events read = windowed + late + duplicate + rejected.

use ductus_dynamics::event::Modality;
use ductus_dynamics::line::Accounting;
use ductus_dynamics::wire::{Action, Closed, ModelRef};
use prometheus::{
    Error, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry,
};

/// Seconds: 50 µs to 10 s.
const SECONDS: [f64; 15] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 10.0,
];
/// Windows in a batch.
const WINDOWS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// What becomes of events; the first is the sum of the others.
const FATES: [&str; 5] = ["read", "windowed", "late", "duplicate", "rejected"];

/// The metrics of a process's shards; cheap to clone.
#[derive(Clone)]
pub struct StreamMetrics {
    events: IntCounterVec,
    batches: IntCounter,
    batches_rejected: IntCounterVec,
    gaps: IntCounter,
    odd_timestamps: IntCounter,
    windows: IntCounterVec,
    decisions: IntCounterVec,
    dead_letters: IntCounterVec,
    embed_seconds: HistogramVec,
    embed_windows: HistogramVec,
    embed_failures: IntCounterVec,
    decision_latency: Histogram,
    lag: IntGaugeVec,
    sessions: IntGaugeVec,
    watermark_lag: GaugeVec,
    in_flight: IntGaugeVec,
    model_info: IntGaugeVec,
    models_refused: IntCounter,
    restarts: IntCounter,
    references: IntCounterVec,
    checkpoint_seconds: Histogram,
    adopted: IntCounter,
    partition_events: IntGaugeVec,
}

impl StreamMetrics {
    /// Makes and registers all metrics.
    ///
    /// # Errors
    ///
    /// [`prometheus::Error`] when the registry has one of them already.
    pub fn register(registry: &Registry) -> Result<Self, Error> {
        let metrics = Self::new()?;
        let all: [Box<dyn prometheus::core::Collector>; 23] = [
            Box::new(metrics.events.clone()),
            Box::new(metrics.batches.clone()),
            Box::new(metrics.batches_rejected.clone()),
            Box::new(metrics.gaps.clone()),
            Box::new(metrics.odd_timestamps.clone()),
            Box::new(metrics.windows.clone()),
            Box::new(metrics.decisions.clone()),
            Box::new(metrics.dead_letters.clone()),
            Box::new(metrics.embed_seconds.clone()),
            Box::new(metrics.embed_windows.clone()),
            Box::new(metrics.embed_failures.clone()),
            Box::new(metrics.decision_latency.clone()),
            Box::new(metrics.lag.clone()),
            Box::new(metrics.sessions.clone()),
            Box::new(metrics.watermark_lag.clone()),
            Box::new(metrics.in_flight.clone()),
            Box::new(metrics.model_info.clone()),
            Box::new(metrics.models_refused.clone()),
            Box::new(metrics.restarts.clone()),
            Box::new(metrics.references.clone()),
            Box::new(metrics.checkpoint_seconds.clone()),
            Box::new(metrics.adopted.clone()),
            Box::new(metrics.partition_events.clone()),
        ];
        for collector in all {
            registry.register(collector)?;
        }
        Ok(metrics)
    }

    fn new() -> Result<Self, Error> {
        let counters = |name: &str, help: &str, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let gauges = |name: &str, help: &str, labels: &[&str]| IntGaugeVec::new(Opts::new(name, help), labels);
        let seconds = |name: &str, help: &str| HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        let windows = |name: &str, help: &str| HistogramOpts::new(name, help).buckets(WINDOWS.to_vec());
        Ok(Self {
            events: counters(
                "ductus_stream_events_total",
                "Input events by fate; reason is empty unless rejected.",
                &["fate", "reason"],
            )?,
            batches: IntCounter::new("ductus_stream_batches_total", "Records read from the events topic.")?,
            batches_rejected: counters(
                "ductus_stream_batches_rejected_total",
                "Records refused whole, by reason.",
                &["reason"],
            )?,
            gaps: IntCounter::new("ductus_stream_batch_gaps_total", "Batch numbers that were skipped.")?,
            odd_timestamps: IntCounter::new(
                "ductus_stream_odd_timestamps_total",
                "Records that were stamped by another clock than the one that the watermark follows.",
            )?,
            windows: counters(
                "ductus_stream_windows_total",
                "Closed windows.",
                &["modality", "closed"],
            )?,
            decisions: counters("ductus_stream_decisions_total", "Decisions produced.", &["action"])?,
            dead_letters: counters(
                "ductus_stream_dead_letters_total",
                "Dead letters produced.",
                &["reason"],
            )?,
            embed_seconds: HistogramVec::new(
                seconds("ductus_stream_embed_seconds", "Time to embed one batch of windows."),
                &["modality"],
            )?,
            embed_windows: HistogramVec::new(
                windows("ductus_stream_embed_batch_windows", "Windows embedded together."),
                &["modality"],
            )?,
            embed_failures: counters(
                "ductus_stream_embed_failures_total",
                "Windows that could not be embedded.",
                &["modality"],
            )?,
            decision_latency: Histogram::with_opts(seconds(
                "ductus_stream_decision_latency_seconds",
                "From the timestamp of the record that closed a window to its decision.",
            ))?,
            lag: gauges(
                "ductus_stream_lag_records",
                "Records between the end of the partition and what was read.",
                &["partition"],
            )?,
            sessions: gauges("ductus_stream_sessions_open", "Open sessions.", &["partition"])?,
            watermark_lag: GaugeVec::new(
                Opts::new(
                    "ductus_stream_watermark_lag_seconds",
                    "How far the watermark stays behind now.",
                ),
                &["partition"],
            )?,
            in_flight: gauges(
                "ductus_stream_records_in_flight",
                "Produced records that are not acknowledged yet.",
                &["shard"],
            )?,
            model_info: gauges(
                "ductus_stream_model_info",
                "The live model of each modality: always 1.",
                &["modality", "version", "sha256"],
            )?,
            models_refused: IntCounter::new(
                "ductus_stream_models_refused_total",
                "Announced models that were refused.",
            )?,
            restarts: IntCounter::new(
                "ductus_stream_shard_restarts_total",
                "Shards started again after an error.",
            )?,
            references: counters(
                "ductus_stream_references_total",
                "Reference sets written, read from elsewhere, erased, refused.",
                &["event"],
            )?,
            checkpoint_seconds: Histogram::with_opts(seconds(
                "ductus_stream_checkpoint_seconds",
                "From taking down where everything stands to the end of its transaction.",
            ))?,
            adopted: IntCounter::new(
                "ductus_stream_decisions_adopted_total",
                "Decisions of an earlier owner that were adopted instead of being made again.",
            )?,
            partition_events: gauges(
                "ductus_stream_partition_events",
                "Input events of a partition by fate, from its first record on, whoever read them; they add up to read.",
                &["partition", "fate"],
            )?,
        })
    }

    /// Adds what a partition's line counted since the last time.
    pub(crate) fn count(&self, new: &Accounting) {
        self.batches.inc_by(new.batches);
        self.gaps.inc_by(new.gaps);
        self.odd_timestamps.inc_by(new.odd_timestamps);
        let fates = [
            ("windowed", new.windowed),
            ("late", new.late),
            ("duplicate", new.duplicate),
        ];
        for (fate, events) in fates {
            if events > 0 {
                self.events.with_label_values(&[fate, ""]).inc_by(events);
            }
        }
        for (reason, events) in new.rejected.iter() {
            self.events
                .with_label_values(&["rejected", reason.code()])
                .inc_by(events);
        }
        for (reason, batches) in new.batches_rejected.iter() {
            self.batches_rejected
                .with_label_values(&[reason.code()])
                .inc_by(batches);
        }
    }

    pub(crate) fn window(&self, modality: Modality, closed: Closed) {
        let closed = match closed {
            Closed::Count => "count",
            Closed::Pause => "pause",
            Closed::End => "end",
            Closed::ClockStep => "clock_step",
        };
        self.windows.with_label_values(&[modality.name(), closed]).inc();
    }

    pub(crate) fn decision(&self, action: Action, latency_s: f64) {
        let action = match action {
            Action::Allow => "allow",
            Action::StepUp => "step_up",
            Action::Terminate => "terminate",
            Action::InsufficientData => "insufficient_data",
        };
        self.decisions.with_label_values(&[action]).inc();
        self.decision_latency.observe(latency_s);
    }

    pub(crate) fn dead_letter(&self, reason: &str) {
        self.dead_letters.with_label_values(&[reason]).inc();
    }

    pub(crate) fn embedded(&self, modality: Modality, windows: usize, seconds: f64) {
        self.embed_seconds
            .with_label_values(&[modality.name()])
            .observe(seconds);
        self.embed_windows
            .with_label_values(&[modality.name()])
            .observe(windows as f64);
    }

    pub(crate) fn embed_failed(&self, modality: Modality) {
        self.embed_failures.with_label_values(&[modality.name()]).inc();
    }

    pub(crate) fn reference(&self, event: ReferenceEvent) {
        let event = match event {
            ReferenceEvent::Written => "written",
            ReferenceEvent::Read => "read",
            ReferenceEvent::Erased => "erased",
            ReferenceEvent::Refused => "refused",
        };
        self.references.with_label_values(&[event]).inc();
    }

    /// A checkpoint was written.
    pub(crate) fn checkpoint(&self, seconds: f64) {
        self.checkpoint_seconds.observe(seconds);
    }

    pub(crate) fn adopted(&self) {
        self.adopted.inc();
    }

    pub(crate) fn partition(&self, partition: i32, seen: PartitionState, events: &Accounting) {
        let label = partition.to_string();
        let fates = [
            events.events,
            events.windowed,
            events.late,
            events.duplicate,
            events.rejected.total(),
        ];
        for (fate, events) in FATES.into_iter().zip(fates) {
            self.partition_events
                .with_label_values(&[&label, fate])
                .set(events as i64);
        }
        self.sessions.with_label_values(&[&label]).set(seen.sessions as i64);
        if let Some(lag) = seen.lag_records {
            self.lag.with_label_values(&[&label]).set(lag);
        }
        if let Some(seconds) = seen.watermark_lag_s {
            self.watermark_lag.with_label_values(&[&label]).set(seconds);
        }
    }

    /// The partition is another process's now.
    pub(crate) fn forget_partition(&self, partition: i32) {
        let label = partition.to_string();
        // Absent already is as good.
        let _ = self.sessions.remove_label_values(&[&label]);
        let _ = self.lag.remove_label_values(&[&label]);
        let _ = self.watermark_lag.remove_label_values(&[&label]);
        for fate in FATES {
            let _ = self.partition_events.remove_label_values(&[&label, fate]);
        }
    }

    pub(crate) fn in_flight(&self, shard: usize, records: u64) {
        self.in_flight
            .with_label_values(&[&shard.to_string()])
            .set(records as i64);
    }

    pub(crate) fn model_live(&self, modality: Modality, model: &ModelRef) {
        for family in prometheus::core::Collector::collect(&self.model_info) {
            for metric in family.get_metric() {
                let value = |name: &str| {
                    let labels = metric.get_label();
                    labels
                        .iter()
                        .find(|label| label.name() == name)
                        .map(|label| label.value().to_owned())
                };
                if let (Some(of), Some(version), Some(sha256)) = (value("modality"), value("version"), value("sha256"))
                    && of == modality.name()
                {
                    let _ = self.model_info.remove_label_values(&[&of, &version, &sha256]);
                }
            }
        }
        self.model_info
            .with_label_values(&[modality.name(), &model.version, &model.sha256])
            .set(1);
    }

    pub(crate) fn model_refused(&self) {
        self.models_refused.inc();
    }

    pub(crate) fn restarted(&self) {
        self.restarts.inc();
    }
}

/// What happened to a reference set.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ReferenceEvent {
    Written,
    Read,
    Erased,
    Refused,
}

/// What a partition shows from outside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartitionState {
    pub(crate) sessions: usize,
    pub(crate) lag_records: Option<i64>,
    pub(crate) watermark_lag_s: Option<f64>,
}

impl Default for StreamMetrics {
    /// Metrics that nobody scrapes.
    fn default() -> Self {
        Self::new().expect("the names and labels above are valid")
    }
}
