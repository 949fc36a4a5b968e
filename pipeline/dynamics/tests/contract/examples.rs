//! The examples beside the schemas: good ones validate and parse, bad ones have the reason that their name says.

use ductus_dynamics::parse::{ParseLimits, parse};
use ductus_dynamics::reject::Rejections;
use ductus_dynamics::wire;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::PathBuf;

fn files(folder: &str) -> Vec<(String, String)> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(super::schemas_dir().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no examples in {folder}");
    let name = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    files
        .iter()
        .map(|path| (name(path), std::fs::read_to_string(path).unwrap()))
        .collect()
}

/// Whether `text` is a `T`, and comes back the same.
fn read<T: DeserializeOwned + serde::Serialize>(text: &str) -> bool {
    let value: Value = serde_json::from_str(text).unwrap();
    serde_json::from_str::<T>(text).is_ok_and(|document| serde_json::to_value(document).unwrap() == value)
}

#[test]
fn good_examples_validate_and_read() {
    let schemas = super::schemas::all();
    for (name, text) in files("examples") {
        let kind = schemas
            .iter()
            .map(|(kind, _)| *kind)
            .find(|kind| name.starts_with(kind))
            .unwrap_or_else(|| panic!("{name}: of no known kind"));
        let schema = &schemas.iter().find(|(known, _)| *known == kind).unwrap().1;
        let value: Value = serde_json::from_str(&text).unwrap();
        if let Err(error) = jsonschema::draft202012::new(schema).unwrap().validate(&value) {
            panic!("{name}: {error}");
        }
        let reads = match kind {
            "event-batch" => read::<wire::EventBatch>(&text),
            "decision" => read::<wire::Decision>(&text),
            "audit-record" => read::<wire::AuditRecord>(&text),
            "reference" => read::<wire::Reference>(&text),
            "feedback" => read::<wire::Feedback>(&text),
            "model-announcement" => read::<wire::ModelAnnouncement>(&text),
            "webhook-message" => read::<wire::WebhookMessage>(&text),
            _ => read::<wire::DeadLetter>(&text),
        };
        assert!(reads, "{name} does not read as it stands");
    }
}

#[test]
fn bad_examples_are_refused_for_the_reason_they_are_named_after() {
    let schema = super::schemas::schema::<wire::EventBatch>("event-batch");
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for (name, text) in files("examples-refused") {
        let mut rejections = Rejections::default();
        let refused = match parse(
            text.as_bytes(),
            &ParseLimits::default(),
            &mut Vec::new(),
            &mut rejections,
        ) {
            Err(refusal) => refusal.reason.code(),
            Ok(_) => rejections.iter().next().map_or("nothing", |(reason, _)| reason.code()),
        };
        assert_eq!(refused, name);
        // What the schema can say, it says too.
        if [
            "unknown_field",
            "content_field",
            "unknown_value",
            "invalid_id",
            "unsupported_version",
        ]
        .contains(&name.as_str())
        {
            let value: Value = serde_json::from_str(&text).unwrap();
            assert!(!validator.is_valid(&value), "{name}: the schema lets it through");
        }
    }
}
