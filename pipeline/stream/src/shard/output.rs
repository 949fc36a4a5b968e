//! What a shard writes: decisions, audit records, references, dead letters.
//!
//! Invariants: keys are as the contract says, so that what concerns a subject stays in order; a dead letter holds the
//! payload only where it provably carries no content, and never without consent.

use crate::config::DeadLetterConfig;
use crate::error::StreamError;
use crate::metrics::{ReferenceEvent, StreamMetrics};
use crate::producer::{Outgoing, Producer};
use crate::topics::Topics;
use ductus_dynamics::id::hex;
use ductus_dynamics::line::Refused;
use ductus_dynamics::reject::RejectReason;
use ductus_dynamics::wire::{AuditRecord, DeadLetter, Decision, Reference, Source, VERSION};
use rdkafka::message::{Header, OwnedHeaders};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What refused a record.
const PROGRAM: &str = concat!("ductus ", env!("CARGO_PKG_VERSION"));
/// Key of audit records that concern no session.
const NO_SESSION: &[u8] = b"-";

pub(super) struct Output {
    // PROPERTIES
    topics: Topics,
    dead_letters: DeadLetterConfig,
    metrics: StreamMetrics,
    // STATES
    pub(super) producer: Producer,
    /// The document being written; used again for each.
    document: Vec<u8>,
}

/// The record that a dead letter is about.
pub(super) struct Refusal<'a> {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) timestamp_us: i64,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: &'a [u8],
}

impl Output {
    pub(super) fn new(
        producer: Producer,
        topics: &Topics,
        dead_letters: DeadLetterConfig,
        metrics: &StreamMetrics,
    ) -> Self {
        Self {
            topics: topics.clone(),
            dead_letters,
            metrics: metrics.clone(),
            producer,
            document: Vec::new(),
        }
    }

    /// A decision about a window whose last record has the timestamp `timestamp_us`.
    pub(super) fn decision(&mut self, decision: &Decision, timestamp_us: i64) -> Result<(), StreamError> {
        let key = decision.subject.as_ref().unwrap_or(&decision.session);
        write(&mut self.document, decision)?;
        self.producer.send(Outgoing {
            topic: &self.topics.decisions,
            key: Some(key.as_bytes()),
            payload: Some(&self.document),
            ..Outgoing::default()
        })?;
        self.metrics.window(decision.window.modality, decision.window.closed);
        let latency_s = now_us().saturating_sub(timestamp_us).max(0) as f64 / 1e6;
        self.metrics.decision(decision.action, latency_s);
        Ok(())
    }

    pub(super) fn audits(&mut self, audits: &[AuditRecord]) -> Result<(), StreamError> {
        for audit in audits {
            let key = audit.subject.as_ref().or(audit.session.as_ref());
            write(&mut self.document, audit)?;
            self.producer.send(Outgoing {
                topic: &self.topics.audit,
                key: Some(key.map_or(NO_SESSION, |key| key.as_bytes())),
                payload: Some(&self.document),
                ..Outgoing::default()
            })?;
        }
        Ok(())
    }

    /// A changed reference set, onto the partition that its subject's events are on.
    pub(super) fn reference(&mut self, key: &str, reference: &Reference, partition: i32) -> Result<(), StreamError> {
        write(&mut self.document, reference)?;
        self.producer.send(Outgoing {
            topic: &self.topics.references,
            partition: Some(partition),
            key: Some(key.as_bytes()),
            payload: Some(&self.document),
            ..Outgoing::default()
        })?;
        self.metrics.reference(ReferenceEvent::Written);
        Ok(())
    }

    pub(super) fn dead_letters(&mut self, record: &Refusal<'_>, refused: &[Refused]) -> Result<(), StreamError> {
        if refused.is_empty() {
            return Ok(());
        }
        let sha256 = hex(&Sha256::digest(record.value));
        for refused in refused {
            let letter = DeadLetter {
                v: VERSION,
                reason: refused.reason,
                source: Source {
                    topic: self.topics.events.clone(),
                    partition: record.partition,
                    offset: record.offset,
                },
                size_bytes: record.value.len() as u64,
                sha256: sha256.clone(),
                timestamp_us: record.timestamp_us,
                program: PROGRAM.to_owned(),
                payload: self.payload(record.value, *refused),
            };
            write(&mut self.document, &letter)?;
            self.producer.send(Outgoing {
                topic: &self.topics.dead_letters,
                key: record.key,
                payload: Some(&self.document),
                headers: Some(headers(&letter)),
                ..Outgoing::default()
            })?;
            self.metrics.dead_letter(refused.reason.code());
        }
        Ok(())
    }

    fn payload(&self, value: &[u8], refused: Refused) -> Option<String> {
        let DeadLetterConfig {
            keep_payload_unsafe,
            payload_bytes_max,
        } = self.dead_letters;
        let allowed = refused.contentless || (keep_payload_unsafe && refused.reason != RejectReason::NoConsent);
        (allowed && value.len() <= payload_bytes_max).then(|| String::from_utf8_lossy(value).into_owned())
    }
}

/// Why, and where the record stood, for readers that do not open the document.
fn headers(letter: &DeadLetter) -> OwnedHeaders {
    let (partition, offset) = (letter.source.partition.to_string(), letter.source.offset.to_string());
    let timestamp_ms = (letter.timestamp_us / 1_000).to_string();
    [
        ("reason", letter.reason.code()),
        ("topic", &letter.source.topic),
        ("partition", &partition),
        ("offset", &offset),
        ("timestamp_ms", &timestamp_ms),
        ("program", &letter.program),
    ]
    .into_iter()
    .fold(OwnedHeaders::new_with_capacity(6), |headers, (key, value)| {
        headers.insert(Header {
            key,
            value: Some(value),
        })
    })
}

fn write(document: &mut Vec<u8>, value: &impl Serialize) -> Result<(), StreamError> {
    document.clear();
    Ok(serde_json::to_writer(document, value)?)
}

/// For latencies and lags only: no result depends on it.
pub(super) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    since.as_micros() as i64
}
