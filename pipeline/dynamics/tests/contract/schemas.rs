//! JSON Schemas are generated from the Rust types; the reviewed copy must be the same.

use ductus_dynamics::wire;
use schemars::JsonSchema;
use serde_json::{Value, json};

/// The schema of `T` as `schemas/<name>.schema.json` holds it.
pub(crate) fn schema<T: JsonSchema>(name: &str) -> Value {
    let generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let mut schema = serde_json::to_value(generator.into_root_schema_for::<T>()).unwrap();
    schema["$id"] = json!(format!("urn:ductus:schema:{name}:v1"));
    schema
}

/// Every document of the contract: its file name and its schema.
pub(crate) fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("event-batch", schema::<wire::EventBatch>("event-batch")),
        ("decision", schema::<wire::Decision>("decision")),
        ("audit-record", schema::<wire::AuditRecord>("audit-record")),
        ("reference", schema::<wire::Reference>("reference")),
        (
            "model-announcement",
            schema::<wire::ModelAnnouncement>("model-announcement"),
        ),
        ("feedback", schema::<wire::Feedback>("feedback")),
        ("dead-letter", schema::<wire::DeadLetter>("dead-letter")),
        ("webhook-message", schema::<wire::WebhookMessage>("webhook-message")),
    ]
}

#[test]
fn the_reviewed_copies_are_what_the_types_say() {
    for (name, schema) in all() {
        let path = super::schemas_dir().join(format!("{name}.schema.json"));
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        expect_test::expect_file![path].assert_eq(&text);
    }
}

/// Every object in a schema must be closed: a field nobody knows could hold what was typed.
#[test]
fn every_object_is_closed_and_no_string_is_free() {
    fn walk(value: &Value, path: &str, open: &mut Vec<String>) {
        let Value::Object(object) = value else {
            if let Value::Array(list) = value {
                list.iter()
                    .enumerate()
                    .for_each(|(i, item)| walk(item, &format!("{path}/{i}"), open));
            }
            return;
        };
        if object.get("properties").is_some_and(Value::is_object)
            && object.get("additionalProperties") != Some(&json!(false))
        {
            open.push(format!("{path}: additional properties"));
        }
        let is_string =
            object.get("type") == Some(&json!("string")) || object.get("type") == Some(&json!(["string", "null"]));
        if is_string
            && !["enum", "const", "pattern"]
                .iter()
                .any(|bound| object.contains_key(*bound))
        {
            open.push(format!("{path}: free text"));
        }
        object
            .iter()
            .for_each(|(key, item)| walk(item, &format!("{path}/{key}"), open));
    }
    let mut open = Vec::new();
    walk(&schema::<wire::EventBatch>("event-batch"), "", &mut open);
    assert_eq!(open, Vec::<String>::new());
}
