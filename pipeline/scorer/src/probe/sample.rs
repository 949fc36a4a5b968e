//! From batches to windows: what is read of a question, and what is refused of it.
//!
//! Invariants: all batches of a sample are of one tenant and one session, in the order of their numbers; no text of a batch
//! reaches an error.

use super::{ProbeError, Prober};
use ductus_dynamics::event::InputEvent;
use ductus_dynamics::line::{Ingested, Line, Ready, Record};
use ductus_dynamics::parse::{BatchHead, parse};
use ductus_dynamics::reject::{RejectReason, Rejections};
use ductus_dynamics::wire::Purpose;

/// A batch that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its place in the question, from 0.
    pub batch: usize,
    /// Why.
    pub reason: RefusalReason,
}

/// Why a batch cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalReason {
    /// What the stream would refuse or leave out as well.
    Rejected(RejectReason),
    /// It names another tenant than the question.
    ForgedTenant,
    /// It names another subject than the question.
    ForgedSubject,
    /// It is of another session than the first batch.
    OtherSession,
    /// Its purpose is not `session`: the person agreed to something else.
    OtherPurpose,
}

impl RefusalReason {
    /// The code in answers and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::Rejected(reason) => reason.code(),
            Self::ForgedTenant => "forged_tenant",
            Self::ForgedSubject => "forged_subject",
            Self::OtherSession => "other_session",
            Self::OtherPurpose => "other_purpose",
        }
    }
}

/// Whom a sample may be of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<'a> {
    pub(super) tenant: &'a str,
    /// None where that is the question.
    pub(super) subject: Option<&'a str>,
}

/// A batch that was read.
struct Read<'a> {
    head: BatchHead<'a>,
    events: Vec<InputEvent>,
    rejections: Rejections,
    value: &'a [u8],
}

impl Prober {
    /// Runs the batches of a sample through `line`, to the end of their session; gives the windows.
    pub(super) fn cut(&self, line: &mut Line, batches: &[&[u8]], owner: Owner<'_>) -> Result<Vec<Ready>, ProbeError> {
        let bound = |what, found, most| {
            if found > most {
                return Err(ProbeError::TooMany { what, found, most });
            }
            Ok(())
        };
        bound("batches", batches.len(), self.policy.batches_max)?;
        let read = self.read(batches, owner)?;
        let events = read.iter().map(|batch| batch.events.len()).sum();
        bound("events", events, self.policy.events_max)?;
        let mut out = Ingested::default();
        for (offset, mut batch) in (0..).zip(read) {
            batch.head.subject = owner.subject;
            let record = Record {
                offset,
                timestamp_us: batch
                    .events
                    .last()
                    .map_or(batch.head.clock.origin_us, |event| event.t_us),
                value: batch.value,
            };
            line.ingest_parsed(&batch.head, &batch.events, &batch.rejections, &record, &mut out);
        }
        line.finish(&mut out);
        Ok(out.ready)
    }

    /// Parses and judges the batches, all of them before any is used.
    fn read<'a>(&self, batches: &[&'a [u8]], owner: Owner<'_>) -> Result<Vec<Read<'a>>, ProbeError> {
        let mut read: Vec<Read<'_>> = Vec::with_capacity(batches.len());
        let mut refusals = Vec::new();
        for (batch, value) in batches.iter().enumerate() {
            let (mut events, mut rejections) = (Vec::new(), Rejections::default());
            let parsed = parse(value, &self.config.parse, &mut events, &mut rejections);
            let judged = parsed
                .map_err(|refused| RefusalReason::Rejected(refused.reason))
                .and_then(|head| judge(&head, owner, read.last().map(|before| &before.head)).map(|()| head));
            match judged {
                Ok(head) => read.push(Read {
                    head,
                    events,
                    rejections,
                    value,
                }),
                Err(reason) => refusals.push(Refusal { batch, reason }),
            }
        }
        if !refusals.is_empty() {
            return Err(ProbeError::Refused(refusals));
        }
        if read.is_empty() {
            return Err(ProbeError::Empty);
        }
        Ok(read)
    }
}

fn judge(head: &BatchHead<'_>, owner: Owner<'_>, before: Option<&BatchHead<'_>>) -> Result<(), RefusalReason> {
    if head.tenant != owner.tenant {
        return Err(RefusalReason::ForgedTenant);
    }
    if owner.subject.is_some() && head.subject.is_some() && head.subject != owner.subject {
        return Err(RefusalReason::ForgedSubject);
    }
    if head.purpose != Purpose::Session {
        return Err(RefusalReason::OtherPurpose);
    }
    match before {
        Some(before) if before.session != head.session => Err(RefusalReason::OtherSession),
        Some(before) if head.seq <= before.seq => Err(RefusalReason::Rejected(RejectReason::RepeatedBatch)),
        _ => Ok(()),
    }
}
