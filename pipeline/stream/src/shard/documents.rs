//! What a shard writes about a window or a record: decisions, audit records, dead letters.
//!
//! Invariants: keys are as the contract says, so that what concerns a subject stays in order; a dead letter holds the
//! payload only where it provably carries no content, and never without consent.

use crate::config::DeadLetterConfig;
use crate::error::StreamError;
use crate::log::{Incoming, Put, Written};
use ductus_dynamics::id::hex;
use ductus_dynamics::line::Refused;
use ductus_dynamics::reject::RejectReason;
use ductus_dynamics::wire::{AuditRecord, DeadLetter, Decision, Source, VERSION};
use sha2::{Digest, Sha256};

/// What refused a record.
const PROGRAM: &str = concat!("ductus ", env!("CARGO_PKG_VERSION"));
/// Key of audit records that concern no session.
const NO_SESSION: &str = "-";

/// Key of a decision.
pub(super) fn decision_key(decision: &Decision) -> &str {
    decision.subject.as_ref().unwrap_or(&decision.session)
}

pub(super) fn audit(audit: &AuditRecord) -> Result<Put, StreamError> {
    let key = audit.subject.as_ref().or(audit.session.as_ref());
    Ok(Put {
        topic: Written::Audit,
        partition: None,
        key: Some(key.map_or(NO_SESSION, String::as_str).as_bytes().to_vec()),
        value: Some(serde_json::to_vec(audit)?),
        headers: Vec::new(),
    })
}

/// The dead letters of one record of `topic`, with why and where it stood in the headers, for readers that do not open them.
pub(super) fn dead_letters(
    record: &Incoming<'_>,
    topic: &str,
    refused: &[Refused],
    config: DeadLetterConfig,
) -> Result<Vec<Put>, StreamError> {
    if refused.is_empty() {
        return Ok(Vec::new());
    }
    let sha256 = hex(&Sha256::digest(record.value));
    let letter = |refused: &Refused| {
        let letter = DeadLetter {
            v: VERSION,
            reason: refused.reason,
            source: Source {
                topic: topic.to_owned(),
                partition: record.partition,
                offset: record.offset,
            },
            size_bytes: record.value.len() as u64,
            sha256: sha256.clone(),
            timestamp_us: record.timestamp_us,
            program: PROGRAM.to_owned(),
            payload: payload(record.value, *refused, config),
        };
        Ok(Put {
            topic: Written::DeadLetters,
            partition: None,
            key: record.key.map(<[u8]>::to_vec),
            value: Some(serde_json::to_vec(&letter)?),
            headers: vec![
                ("reason", letter.reason.code().to_owned()),
                ("topic", letter.source.topic),
                ("partition", record.partition.to_string()),
                ("offset", record.offset.to_string()),
                ("timestamp_ms", (record.timestamp_us / 1_000).to_string()),
                ("program", letter.program),
            ],
        })
    };
    refused.iter().map(letter).collect()
}

fn payload(value: &[u8], refused: Refused, config: DeadLetterConfig) -> Option<String> {
    let allowed = refused.contentless || (config.keep_payload_unsafe && refused.reason != RejectReason::NoConsent);
    (allowed && value.len() <= config.payload_bytes_max).then(|| String::from_utf8_lossy(value).into_owned())
}
