//! Tests of this module.

use super::*;
use expect_test::{Expect, expect};
use serde_json::Value;

const DECISION: &str = include_str!("../../../../../schemas/examples/decision.json");
const INSUFFICIENT: &str = include_str!("../../../../../schemas/examples/decision-insufficient.json");
const AUDIT: &str = include_str!("../../../../../schemas/examples/audit-record.json");
const ACCESS: &str = include_str!("../../../../../schemas/examples/audit-record-access.json");
const MAPPINGS: &str = include_str!("../../../../../schemas/elasticsearch/component-mappings.json");
const INGESTED_US: i64 = 1_763_714_172_000_000;

fn decision(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let decision: Decision = serde_json::from_str(text).unwrap();
    write_decision(&mut out, &decision, &Streams::new("default"), INGESTED_US);
    out
}

fn audit(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let audit: AuditRecord = serde_json::from_str(text).unwrap();
    write_audit(&mut out, &audit, &Streams::new("default"), INGESTED_US);
    out
}

/// The action line as it is, and the document one member a line.
#[track_caller]
fn check(lines: &[u8], expect: Expect) {
    let text = std::str::from_utf8(lines).unwrap();
    let (action, document) = text.trim_end().split_once('\n').unwrap();
    let mut shown = vec![action.to_owned()];
    let document: Value = serde_json::from_str(document).unwrap();
    for (path, value) in leaves(&document) {
        shown.push(format!("{path} = {value}"));
    }
    expect.assert_eq(&shown.join("\n"));
}

/// Paths with values; lists of objects are walked, lists of scalars are values.
fn leaves(document: &Value) -> Vec<(String, Value)> {
    fn walk(path: &str, value: &Value, found: &mut Vec<(String, Value)>) {
        let below = |name: &str| {
            if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}.{name}")
            }
        };
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    walk(&below(name), value, found);
                }
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                for item in items {
                    walk(path, item, found);
                }
            }
            _ => found.push((path.to_owned(), value.clone())),
        }
    }
    let mut found = Vec::new();
    walk("", document, &mut found);
    found
}

/// Type of every mapped field.
fn mapped() -> std::collections::BTreeMap<String, String> {
    fn walk(path: &str, properties: &Value, found: &mut std::collections::BTreeMap<String, String>) {
        for (name, field) in properties.as_object().unwrap() {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            match field.get("properties") {
                Some(inner) => walk(&path, inner, found),
                None => {
                    found.insert(path, field["type"].as_str().unwrap().to_owned());
                }
            }
        }
    }
    let mappings: Value = serde_json::from_str(MAPPINGS).unwrap();
    let mut found = std::collections::BTreeMap::new();
    walk("", &mappings["template"]["mappings"]["properties"], &mut found);
    found
}

#[test]
fn an_alert() {
    check(
        &decision(DECISION),
        expect![[r#"
        {"create":{"_index":"logs-ductus.decision-default","_id":"5c1f0f3b9a8d4e7f8a1b2c3d4e5f6071"}}
        @timestamp = "2025-11-21T08:36:11.091000Z"
        data_stream.dataset = "ductus.decision"
        data_stream.namespace = "default"
        data_stream.type = "logs"
        ductus.action = "step_up"
        ductus.confidence = 0.75
        ductus.model.id = "keystroke"
        ductus.model.sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
        ductus.model.version = "2026-11-21-pace-ensemble"
        ductus.reasons.delta = 38.0
        ductus.reasons.measure = "flight_letter_letter"
        ductus.reasons.text = "letter→letter flight +38 ms against the usual, z 3.4"
        ductus.reasons.unit = "ms"
        ductus.reasons.z = 3.5
        ductus.reference.count = 15
        ductus.reference.maturity = 100
        ductus.reference.version = 15
        ductus.score.fused = -3.5
        ductus.score.keystroke = 0.25
        ductus.score.llr = -4.5
        ductus.session.id = "9d2e"
        ductus.source.offset = 4711
        ductus.source.partition = 3
        ductus.source.topic = "ductus.events.v1"
        ductus.window.closed = "count"
        ductus.window.modality = "keystroke"
        ductus.window.sequence = 3
        ductus.window.steps = 50
        ecs.version = "9.2.0"
        event.action = "step_up"
        event.category = ["authentication","intrusion_detection"]
        event.dataset = "ductus.decision"
        event.duration = 9090000000
        event.end = "2025-11-21T08:36:11.091000Z"
        event.id = "5c1f0f3b9a8d4e7f8a1b2c3d4e5f6071"
        event.ingested = "2025-11-21T08:36:12.000000Z"
        event.kind = "alert"
        event.module = "ductus"
        event.outcome = "failure"
        event.reason = "letter→letter flight +38 ms against the usual, z 3.4"
        event.risk_score = 83.5
        event.risk_score_norm = 83.5
        event.sequence = 3
        event.severity = 73
        event.start = "2025-11-21T08:36:02.001000Z"
        event.type = ["info","allowed"]
        message = "ask for a second proof of identity: letter→letter flight +38 ms against the usual, z 3.4"
        observer.product = "ductus"
        observer.type = "behavioural-biometrics"
        observer.vendor = "Ductus"
        observer.version = "0.1.0"
        organization.id = "acme"
        related.user = ["s-8f3a"]
        rule.id = "ductus-step-up"
        rule.name = "Typing or pointing is not the subject's"
        rule.version = "0.1.0"
        service.name = "ductus"
        service.version = "0.1.0"
        threat.framework = "MITRE ATT&CK"
        threat.technique.id = ["T1078"]
        threat.technique.name = ["Valid Accounts"]
        user.id = "s-8f3a"
        user.name = "s-8f3a"
        user.risk.calculated_level = "High"
        user.risk.calculated_score_norm = 83.5"#]],
    );
}

#[test]
fn insufficient_data_is_no_alert() {
    check(
        &decision(INSUFFICIENT),
        expect![[r#"
        {"create":{"_index":"logs-ductus.decision-default","_id":"6c1f0f3b9a8d4e7f8a1b2c3d4e5f6071"}}
        @timestamp = "2025-11-21T08:36:11.091000Z"
        data_stream.dataset = "ductus.decision"
        data_stream.namespace = "default"
        data_stream.type = "logs"
        ductus.action = "insufficient_data"
        ductus.confidence = 0.0
        ductus.reasons.delta = 0.0
        ductus.reasons.measure = "short_window"
        ductus.reasons.text = "12 steps, at least 64 are needed"
        ductus.reasons.unit = ""
        ductus.reasons.z = 0.0
        ductus.score.fused = 0.0
        ductus.session.id = "9d2e"
        ductus.source.offset = 4711
        ductus.source.partition = 3
        ductus.source.topic = "ductus.events.v1"
        ductus.window.closed = "end"
        ductus.window.modality = "pointer"
        ductus.window.sequence = 0
        ductus.window.steps = 12
        ecs.version = "9.2.0"
        event.action = "insufficient_data"
        event.category = ["authentication"]
        event.dataset = "ductus.decision"
        event.duration = 9090000000
        event.end = "2025-11-21T08:36:11.091000Z"
        event.id = "6c1f0f3b9a8d4e7f8a1b2c3d4e5f6071"
        event.ingested = "2025-11-21T08:36:12.000000Z"
        event.kind = "event"
        event.module = "ductus"
        event.outcome = "unknown"
        event.reason = "12 steps, at least 64 are needed"
        event.risk_score = 12.0
        event.risk_score_norm = 12.0
        event.sequence = 0
        event.severity = 21
        event.start = "2025-11-21T08:36:02.001000Z"
        event.type = ["info"]
        message = "not enough to say who it is: 12 steps, at least 64 are needed"
        observer.product = "ductus"
        observer.type = "behavioural-biometrics"
        observer.vendor = "Ductus"
        observer.version = "0.1.0"
        organization.id = "acme"
        service.name = "ductus"
        service.version = "0.1.0""#]],
    );
}

#[test]
fn an_audit_record() {
    check(
        &audit(AUDIT),
        expect![[r#"
        {"create":{"_index":"logs-ductus.audit-default","_id":"7c1f0f3b9a8d4e7f8a1b2c3d4e5f6071"}}
        @timestamp = "2025-11-21T08:36:11.091000Z"
        data_stream.dataset = "ductus.audit"
        data_stream.namespace = "default"
        data_stream.type = "logs"
        ductus.decision.id = "5c1f0f3b9a8d4e7f8a1b2c3d4e5f6071"
        ductus.model.id = "keystroke"
        ductus.model.sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
        ductus.model.version = "2026-11-21-pace-ensemble"
        ductus.reference.count = 15
        ductus.reference.maturity = 100
        ductus.reference.version = 15
        ductus.session.id = "9d2e"
        ductus.source.offset = 4711
        ductus.source.partition = 3
        ductus.source.topic = "ductus.events.v1"
        ecs.version = "9.2.0"
        event.action = "action_raised"
        event.category = ["authentication"]
        event.dataset = "ductus.audit"
        event.id = "7c1f0f3b9a8d4e7f8a1b2c3d4e5f6071"
        event.ingested = "2025-11-21T08:36:12.000000Z"
        event.kind = "event"
        event.module = "ductus"
        event.outcome = "success"
        event.type = ["change"]
        message = "a more severe action is asked for"
        observer.product = "ductus"
        observer.type = "behavioural-biometrics"
        observer.vendor = "Ductus"
        observer.version = "0.1.0"
        organization.id = "acme"
        related.user = ["s-8f3a"]
        service.name = "ductus"
        service.version = "0.1.0"
        user.id = "s-8f3a"
        user.name = "s-8f3a""#]],
    );
}

#[test]
fn an_audit_record_of_a_gateway() {
    check(
        &audit(ACCESS),
        expect![[r#"
        {"create":{"_index":"logs-ductus.audit-default","_id":"0d5b2f6e1a3c4b7d8e9f0a1b2c3d4e5f"}}
        @timestamp = "2025-11-21T08:36:11.091000Z"
        data_stream.dataset = "ductus.audit"
        data_stream.namespace = "default"
        data_stream.type = "logs"
        ductus.access.by = "k-41c7"
        ductus.access.count = 1
        ductus.access.object = "everybody"
        ecs.version = "9.2.0"
        event.action = "identified"
        event.category = ["authentication"]
        event.dataset = "ductus.audit"
        event.id = "0d5b2f6e1a3c4b7d8e9f0a1b2c3d4e5f"
        event.ingested = "2025-11-21T08:36:12.000000Z"
        event.kind = "event"
        event.module = "ductus"
        event.outcome = "success"
        event.reason = "call centre, consent by contract"
        event.type = ["info"]
        message = "somebody was looked for among many"
        observer.product = "ductus"
        observer.type = "behavioural-biometrics"
        observer.vendor = "Ductus"
        observer.version = "0.1.0"
        organization.id = "acme"
        service.name = "ductus"
        service.version = "0.1.0"
        source.ip = "192.0.2.7""#]],
    );
}

#[test]
fn every_field_is_mapped_with_a_fitting_type() {
    let mapped = mapped();
    for lines in [decision(DECISION), decision(INSUFFICIENT), audit(AUDIT), audit(ACCESS)] {
        let document = lines.split(|byte| *byte == b'\n').nth(1).unwrap();
        let document: Value = serde_json::from_slice(document).unwrap();
        for (path, value) in leaves(&document) {
            let kind = mapped
                .get(&path)
                .unwrap_or_else(|| panic!("{path} is not in component-mappings.json"));
            let one = value.as_array().map_or(&value, |list| &list[0]);
            let fits = match kind.as_str() {
                "keyword" | "text" | "date" | "ip" => one.is_string(),
                "long" | "integer" => one.is_i64(),
                "float" => one.is_number(),
                other => panic!("{path}: unexpected type {other}"),
            };
            assert!(fits, "{path} is mapped as {kind}, but holds {value}");
        }
    }
}

#[test]
fn severity_and_level_follow_action_and_risk() {
    let mut decision: Decision = serde_json::from_str(DECISION).unwrap();
    let mut shown = Vec::new();
    for (action, risk) in [
        (Action::Allow, 5.0),
        (Action::Allow, 45.0),
        (Action::StepUp, 75.0),
        (Action::Terminate, 97.0),
        (Action::InsufficientData, 30.0),
    ] {
        (decision.action, decision.risk) = (action, risk);
        shown.push(format!(
            "{action:?} {risk}: {} {}",
            severity(&decision),
            level(&decision)
        ));
    }
    expect![[r#"
        Allow 5: 21 Unknown
        Allow 45: 47 Moderate
        StepUp 75: 73 High
        Terminate 97: 99 Critical
        InsufficientData 30: 21 Low"#]]
    .assert_eq(&shown.join("\n"));
}
