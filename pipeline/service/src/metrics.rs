//! The metrics of the gateway and of the process: the only file of this crate that names them. Those of the hot path stand
//! in `ductus_stream`.
//!
//! Invariant: no label holds a user, a session or an address, so that the number of series is bounded.

use prometheus::{Error, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Seconds: 1 ms to 10 s.
const SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 10.0];

/// Metrics of the gateway; clones are the same.
#[derive(Clone, Debug)]
pub struct GatewayMetrics {
    /// Batches by outcome: `accepted`, a reason code, `oversize_batch`, `busy`, `unavailable`.
    pub batches: IntCounterVec,
    /// Events in accepted batches.
    pub events: IntCounter,
    /// Events refused: in refused batches, as far as they can be counted, and one by one.
    pub events_rejected: IntCounter,
    /// From the end of the request to Kafka's acknowledgement.
    pub produce_seconds: Histogram,
    /// Batches that wait for Kafka.
    pub in_flight: IntGauge,
    /// WebSocket connections and decision streams.
    pub connections: IntGauge,
    /// Decisions read for the board and the streams.
    pub decisions: IntCounter,
    /// Decisions that slow readers of a stream missed.
    pub decisions_missed: IntCounter,
    /// Requests without a credential that holds: `no_credential`, `key`, `token`.
    pub refused: IntCounterVec,
    /// Connections that found no room.
    pub sockets_refused: IntCounter,
    /// Audit records that did not get into Kafka.
    pub audit_lost: IntCounter,
}

impl GatewayMetrics {
    /// Makes and registers them.
    ///
    /// # Errors
    /// The registry has one of them already.
    pub fn register(registry: &Registry) -> Result<Self, Error> {
        let metrics = Self {
            batches: IntCounterVec::new(
                Opts::new("ductus_gateway_batches_total", "Event batches received, by outcome."),
                &["outcome"],
            )?,
            events: IntCounter::new("ductus_gateway_events_total", "Events in accepted batches.")?,
            events_rejected: IntCounter::new("ductus_gateway_events_rejected_total", "Events refused.")?,
            produce_seconds: Histogram::with_opts(
                HistogramOpts::new(
                    "ductus_gateway_produce_seconds",
                    "From a whole batch to Kafka's acknowledgement.",
                )
                .buckets(SECONDS.to_vec()),
            )?,
            in_flight: IntGauge::new("ductus_gateway_in_flight_batches", "Batches that wait for Kafka.")?,
            connections: IntGauge::new(
                "ductus_gateway_connections",
                "WebSocket connections and decision streams.",
            )?,
            decisions: IntCounter::new("ductus_gateway_decisions_total", "Decisions read from Kafka.")?,
            decisions_missed: IntCounter::new(
                "ductus_gateway_decisions_missed_total",
                "Decisions that slow readers of the decision stream missed.",
            )?,
            refused: IntCounterVec::new(
                Opts::new(
                    "ductus_gateway_refused_total",
                    "Requests without a credential that holds, by what was shown.",
                ),
                &["shown"],
            )?,
            sockets_refused: IntCounter::new(
                "ductus_gateway_sockets_refused_total",
                "Connections that found no room.",
            )?,
            audit_lost: IntCounter::new(
                "ductus_gateway_audit_lost_total",
                "Audit records that did not get into Kafka.",
            )?,
        };
        registry.register(Box::new(metrics.batches.clone()))?;
        registry.register(Box::new(metrics.events.clone()))?;
        registry.register(Box::new(metrics.events_rejected.clone()))?;
        registry.register(Box::new(metrics.produce_seconds.clone()))?;
        registry.register(Box::new(metrics.in_flight.clone()))?;
        registry.register(Box::new(metrics.connections.clone()))?;
        registry.register(Box::new(metrics.decisions.clone()))?;
        registry.register(Box::new(metrics.decisions_missed.clone()))?;
        registry.register(Box::new(metrics.refused.clone()))?;
        registry.register(Box::new(metrics.sockets_refused.clone()))?;
        registry.register(Box::new(metrics.audit_lost.clone()))?;
        Ok(metrics)
    }
}

/// Seconds: 50 ms to a day.
const LONG_SECONDS: [f64; 10] = [0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 60.0, 600.0, 3_600.0, 86_400.0];

/// Metrics of webhooks; clones are the same.
#[derive(Clone, Debug)]
pub struct WebhookMetrics {
    /// What became of attempts: `done`, `failed` (tried again later), `dead`; and `dropped`: too many waited.
    pub deliveries: IntCounterVec,
    /// Deliveries that wait or are being made, of all gateways on this database.
    pub waiting: IntGauge,
    /// From a decision that is read to its receiver's 2xx.
    pub seconds: Histogram,
    /// Decisions that are not yet read for webhooks, by topic and partition.
    pub lag: IntGaugeVec,
}

impl WebhookMetrics {
    /// Makes and registers them.
    ///
    /// # Errors
    /// The registry has one of them already.
    pub fn register(registry: &Registry) -> Result<Self, Error> {
        let metrics = Self {
            deliveries: IntCounterVec::new(
                Opts::new(
                    "ductus_webhooks_deliveries_total",
                    "What became of deliveries to webhooks: done, failed (tried again later), dead, dropped.",
                ),
                &["outcome"],
            )?,
            waiting: IntGauge::new(
                "ductus_webhooks_waiting_deliveries",
                "Deliveries to webhooks that wait or are being made, of all gateways on this database.",
            )?,
            seconds: Histogram::with_opts(
                HistogramOpts::new(
                    "ductus_webhooks_delivery_seconds",
                    "From a decision that is read to its receiver's 2xx.",
                )
                .buckets(LONG_SECONDS.to_vec()),
            )?,
            lag: IntGaugeVec::new(
                Opts::new(
                    "ductus_webhooks_lag_records",
                    "Decisions of the partition that are not yet read for webhooks.",
                ),
                &["topic", "partition"],
            )?,
        };
        for outcome in ["done", "failed", "dead", "dropped"] {
            metrics.deliveries.with_label_values(&[outcome]).inc_by(0);
        }
        registry.register(Box::new(metrics.deliveries.clone()))?;
        registry.register(Box::new(metrics.waiting.clone()))?;
        registry.register(Box::new(metrics.seconds.clone()))?;
        registry.register(Box::new(metrics.lag.clone()))?;
        Ok(metrics)
    }
}

/// Registers what names the build.
///
/// # Errors
/// The registry has it already.
pub fn register_build(registry: &Registry, role: &str) -> Result<(), Error> {
    let info = IntGaugeVec::new(
        Opts::new("ductus_build_info", "Version and role of this process; always 1."),
        &["version", "role"],
    )?;
    info.with_label_values(&[env!("CARGO_PKG_VERSION"), role]).set(1);
    registry.register(Box::new(info))
}
