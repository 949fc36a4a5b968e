//! The OpenAPI document is the reviewed one, and whole.

use super::*;
use crate::gateway::openapi::finish;
use std::collections::BTreeSet;

#[test]
fn the_document_is_the_reviewed_one() {
    let document = finish(Gateway::routes().1);
    let text = serde_json::to_string_pretty(&document).expect("json") + "\n";
    expect_test::expect_file!["../../../../../schemas/openapi.json"].assert_eq(&text);
}

#[test]
fn every_reference_leads_somewhere_and_every_operation_has_a_name() {
    let document = finish(Gateway::routes().1);
    let mut references = BTreeSet::new();
    walk(&document, &mut |value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            references.insert(reference.to_owned());
        }
    });
    assert!(references.contains("#/components/schemas/EventBatch"), "{references:?}");
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    let mut names = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let name = operation["operationId"].as_str().expect("a name");
            assert!(names.insert(name.to_owned()), "{method} {path}: {name} is there twice");
            assert!(operation["summary"].is_string(), "{method} {path}");
        }
    }
}

fn walk(value: &Value, see: &mut impl FnMut(&Value)) {
    see(value);
    match value {
        Value::Array(values) => values.iter().for_each(|value| walk(value, see)),
        Value::Object(values) => values.values().for_each(|value| walk(value, see)),
        _ => {}
    }
}
