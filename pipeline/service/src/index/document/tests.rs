//! Tests of this module.

use super::*;
use expect_test::{Expect, expect};
use serde_json::Value;

const DECISION: &str = include_str!("../../../../../schemas/examples/decision.json");
const INSUFFICIENT: &str = include_str!("../../../../../schemas/examples/decision-insufficient.json");
const AUDIT: &str = include_str!("../../../../../schemas/examples/audit-record.json");
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
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
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
    check(&decision(DECISION), expect![[r#""#]]);
}

#[test]
fn insufficient_data_is_no_alert() {
    check(&decision(INSUFFICIENT), expect![[r#""#]]);
}

#[test]
fn an_audit_record() {
    check(&audit(AUDIT), expect![[r#""#]]);
}

#[test]
fn every_field_is_mapped_with_a_fitting_type() {
    let mapped = mapped();
    for lines in [decision(DECISION), decision(INSUFFICIENT), audit(AUDIT)] {
        let document = lines.split(|byte| *byte == b'\n').nth(1).unwrap();
        let document: Value = serde_json::from_slice(document).unwrap();
        for (path, value) in leaves(&document) {
            let kind = mapped.get(&path).unwrap_or_else(|| panic!("{path} is not in component-mappings.json"));
            let one = value.as_array().map_or(&value, |list| &list[0]);
            let fits = match kind.as_str() {
                "keyword" | "text" | "date" => one.is_string(),
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
        shown.push(format!("{action:?} {risk}: {} {}", severity(&decision), level(&decision)));
    }
    expect![[r#""#]].assert_eq(&shown.join("\n"));
}
