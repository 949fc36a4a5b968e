//! From decisions and audit records to the documents that a SOC searches: ECS fields, and ours under `ductus.`.
//!
//! Invariants: pure; the same record gives the same `_id` and, but for `event.ingested`, the same bytes; every field stands in
//! `schemas/elasticsearch/component-mappings.json` (a test says so); an action that asks for something is an alert.

use super::json::{Members, object};
use super::said::Said;
use ductus_dynamics::event::Modality;
use ductus_dynamics::wire::{
    Action, AuditAccess, AuditRecord, Closed, Decision, ModelRef, Outcome, ReferenceRef, Source,
};

/// Version of the Elastic Common Schema that the fields follow.
const ECS_VERSION: &str = "9.2.0";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What stands in `event.module`, `service.name` and `observer.product`.
const PRODUCT: &str = "ductus";

/// Names of the data streams of one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streams {
    namespace: String,
    decision: String,
    audit: String,
}

impl Streams {
    /// The streams of a namespace.
    pub fn new(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            decision: format!("logs-ductus.decision-{namespace}"),
            audit: format!("logs-ductus.audit-{namespace}"),
        }
    }

    /// Where decisions go.
    pub fn decision(&self) -> &str {
        &self.decision
    }

    /// Where audit records go.
    pub fn audit(&self) -> &str {
        &self.audit
    }
}

/// Appends the two lines of a bulk request that create a decision's document.
pub fn write_decision(out: &mut Vec<u8>, decision: &Decision, streams: &Streams, ingested_us: i64) {
    write_create(out, &streams.decision, &decision.id);
    object(out, |doc| {
        doc.time("@timestamp", decision.time_us);
        doc.joined("message", message(decision), "");
        write_common(doc, streams, "ductus.decision");
        doc.object("event", |event| decision_event(event, decision, ingested_us));
        write_subject(doc, decision.subject.as_deref(), |user| {
            user.object("risk", |risk| {
                risk.number("calculated_score_norm", decision.risk);
                risk.text("calculated_level", level(decision));
            });
        });
        doc.object("organization", |it| it.text("id", &decision.tenant));
        if is_alert(decision.action) {
            write_alert(doc, decision.action);
        }
        doc.object("ductus", |ductus| decision_own(ductus, decision));
    });
    out.push(b'\n');
}

/// Appends the two lines of a bulk request that create an audit record's document.
pub fn write_audit(out: &mut Vec<u8>, audit: &AuditRecord, streams: &Streams, ingested_us: i64) {
    let said = Said::of(audit.action);
    write_create(out, &streams.audit, &audit.id);
    object(out, |doc| {
        doc.time("@timestamp", audit.time_us);
        doc.text("message", said.message);
        write_common(doc, streams, "ductus.audit");
        doc.object("event", |event| {
            event.text("id", &audit.id);
            event.text("kind", "event");
            event.texts("category", &[said.category]);
            event.texts("type", &[said.r#type]);
            event.text("outcome", outcome(audit.access.as_ref()));
            event.text("action", said.action);
            if let Some(reason) = audit.access.as_ref().and_then(|access| access.reason.as_deref()) {
                event.text("reason", reason);
            }
            event.text("dataset", "ductus.audit");
            event.text("module", PRODUCT);
            event.time("ingested", ingested_us);
        });
        write_subject(doc, audit.subject.as_deref(), |_| {});
        if let Some(address) = audit.access.as_ref().and_then(|access| access.address) {
            doc.object("source", |it| it.text("ip", &address.to_string()));
        }
        doc.object("organization", |it| it.text("id", &audit.tenant));
        doc.object("ductus", |ductus| {
            if let Some(session) = &audit.session {
                ductus.object("session", |it| it.text("id", session));
            }
            if let Some(decision) = &audit.decision {
                ductus.object("decision", |it| it.text("id", decision));
            }
            write_model(ductus, audit.model.as_ref());
            write_reference(ductus, audit.reference.as_ref());
            if let Some(source) = &audit.source {
                write_source(ductus, source);
            }
            if let Some(access) = &audit.access {
                ductus.object("access", |it| write_access(it, access));
            }
        });
    });
    out.push(b'\n');
}

fn outcome(access: Option<&AuditAccess>) -> &'static str {
    match access.map(|access| access.outcome) {
        None | Some(Outcome::Success) => "success",
        Some(Outcome::Failure) => "failure",
    }
}

fn write_access(it: &mut Members<'_>, access: &AuditAccess) {
    if let Some(by) = &access.by {
        it.text("by", by);
    }
    if let Some(object) = &access.object {
        it.text("object", object);
    }
    it.integer("count", signed(access.count));
}

fn write_create(out: &mut Vec<u8>, stream: &str, id: &str) {
    object(out, |action| {
        action.object("create", |create| {
            create.text("_index", stream);
            create.text("_id", id);
        });
    });
    out.push(b'\n');
}

fn decision_event(event: &mut Members<'_>, decision: &Decision, ingested_us: i64) {
    let window = &decision.window;
    let (categories, types): (&[&str], &[&str]) = match decision.action {
        Action::Allow | Action::InsufficientData => (&["authentication"], &["info"]),
        // The session goes on until the second proof fails.
        Action::StepUp => (&["authentication", "intrusion_detection"], &["info", "allowed"]),
        Action::Terminate => (&["authentication", "intrusion_detection"], &["info", "denied"]),
    };
    event.text("id", &decision.id);
    event.text("kind", if is_alert(decision.action) { "alert" } else { "event" });
    event.texts("category", categories);
    event.texts("type", types);
    event.text(
        "outcome",
        match decision.action {
            Action::Allow => "success",
            Action::StepUp | Action::Terminate => "failure",
            Action::InsufficientData => "unknown",
        },
    );
    event.text("action", action_word(decision.action));
    event.joined(
        "reason",
        decision.reasons.iter().map(|reason| reason.text.as_str()),
        "; ",
    );
    event.text("dataset", "ductus.decision");
    event.text("module", PRODUCT);
    event.time("start", window.start_us);
    event.time("end", window.end_us);
    event.integer(
        "duration",
        window.end_us.saturating_sub(window.start_us).saturating_mul(1_000),
    );
    event.time("ingested", ingested_us);
    event.integer("sequence", signed(window.sequence));
    event.integer("severity", severity(decision));
    event.number("risk_score", decision.risk);
    event.number("risk_score_norm", decision.risk);
}

fn decision_own(ductus: &mut Members<'_>, decision: &Decision) {
    let window = &decision.window;
    ductus.object("session", |it| it.text("id", &decision.session));
    ductus.object("window", |it| {
        it.text("modality", window.modality.name());
        it.integer("sequence", signed(window.sequence));
        it.integer("steps", i64::from(window.steps));
        it.text(
            "closed",
            match window.closed {
                Closed::Count => "count",
                Closed::Pause => "pause",
                Closed::End => "end",
                Closed::ClockStep => "clock_step",
            },
        );
    });
    ductus.text("action", action_word(decision.action));
    ductus.number("confidence", decision.confidence);
    ductus.objects("reasons", &decision.reasons, |it, reason| {
        it.text("measure", &reason.measure);
        it.text("text", &reason.text);
        it.number("delta", reason.delta);
        it.text("unit", &reason.unit);
        it.number("z", reason.z);
    });
    ductus.object("score", |it| {
        let own = match window.modality {
            Modality::Keystroke => "keystroke",
            Modality::Pointer => "pointer",
        };
        it.optional_number(own, decision.score.comparison);
        it.optional_number("llr", decision.score.llr);
        it.number("fused", decision.score.evidence);
    });
    write_model(ductus, decision.model.as_ref());
    write_reference(ductus, decision.reference.as_ref());
    write_source(ductus, &decision.source);
}

fn write_common(doc: &mut Members<'_>, streams: &Streams, dataset: &str) {
    doc.object("data_stream", |it| {
        it.text("type", "logs");
        it.text("dataset", dataset);
        it.text("namespace", &streams.namespace);
    });
    doc.object("ecs", |it| it.text("version", ECS_VERSION));
    doc.object("service", |it| {
        it.text("name", PRODUCT);
        it.text("version", VERSION);
    });
    doc.object("observer", |it| {
        it.text("vendor", "Ductus");
        it.text("product", PRODUCT);
        it.text("version", VERSION);
        it.text("type", "behavioural-biometrics");
    });
}

fn write_subject(doc: &mut Members<'_>, subject: Option<&str>, risk: impl FnOnce(&mut Members<'_>)) {
    let Some(subject) = subject else {
        return;
    };
    doc.object("user", |user| {
        user.text("id", subject);
        // Elastic's entity risk scoring reads the name; ours is the pseudonym too.
        user.text("name", subject);
        risk(user);
    });
    doc.object("related", |related| related.texts("user", &[subject]));
}

fn write_alert(doc: &mut Members<'_>, action: Action) {
    doc.object("rule", |rule| {
        rule.text(
            "id",
            if action == Action::Terminate {
                "ductus-terminate"
            } else {
                "ductus-step-up"
            },
        );
        rule.text("name", "Typing or pointing is not the subject's");
        rule.text("version", VERSION);
    });
    doc.object("threat", |threat| {
        threat.text("framework", "MITRE ATT&CK");
        threat.object("technique", |technique| {
            technique.texts("id", &["T1078"]);
            technique.texts("name", &["Valid Accounts"]);
        });
    });
}

fn write_model(ductus: &mut Members<'_>, model: Option<&ModelRef>) {
    if let Some(model) = model {
        ductus.object("model", |it| {
            it.text("id", &model.id);
            it.text("version", &model.version);
            it.text("sha256", &model.sha256);
        });
    }
}

fn write_reference(ductus: &mut Members<'_>, reference: Option<&ReferenceRef>) {
    if let Some(reference) = reference {
        ductus.object("reference", |it| {
            it.integer("version", i64::from(reference.version));
            it.integer("maturity", i64::from(reference.maturity));
            it.integer("count", i64::from(reference.count));
        });
    }
}

fn write_source(ductus: &mut Members<'_>, source: &Source) {
    ductus.object("source", |it| {
        it.text("topic", &source.topic);
        it.integer("partition", i64::from(source.partition));
        it.integer("offset", source.offset);
    });
}

fn is_alert(action: Action) -> bool {
    matches!(action, Action::StepUp | Action::Terminate)
}

fn action_word(action: Action) -> &'static str {
    match action {
        Action::Allow => "allow",
        Action::StepUp => "step_up",
        Action::Terminate => "terminate",
        Action::InsufficientData => "insufficient_data",
    }
}

/// What an analyst reads first; the parts are joined without a copy.
fn message(decision: &Decision) -> impl Iterator<Item = &str> {
    let asked = match decision.action {
        Action::Allow => "it is still the same person",
        Action::StepUp => "ask for a second proof of identity",
        Action::Terminate => "end the session",
        Action::InsufficientData => "not enough to say who it is",
    };
    let strongest = decision.reasons.first().map(|reason| reason.text.as_str());
    let separator = strongest.map(|_| ": ");
    [Some(asked), separator, strongest].into_iter().flatten()
}

/// 21, 47, 73, 99 are what Elastic's rules map to low, medium, high and critical.
fn severity(decision: &Decision) -> i64 {
    match decision.action {
        Action::Terminate => 99,
        Action::StepUp => 73,
        Action::Allow if decision.risk >= 40.0 => 47,
        Action::Allow | Action::InsufficientData => 21,
    }
}

/// Elastic's levels of risk.
fn level(decision: &Decision) -> &'static str {
    match decision.risk {
        risk if risk > 90.0 => "Critical",
        risk if risk >= 70.0 => "High",
        risk if risk >= 40.0 => "Moderate",
        risk if risk >= 20.0 => "Low",
        _ => "Unknown",
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
