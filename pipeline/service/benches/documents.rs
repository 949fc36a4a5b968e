//! CPU a document of writing decisions into the body of a bulk request.
//!
//! The yardstick is what a program does with the client crate alone: the same document as a `serde_json::Value`, pushed as a
//! bulk operation. Beside it stands the push without building the value. Prints one JSON object a line, as `cargo xtask bench`
//! reads them.
#![allow(missing_docs, clippy::print_stdout, reason = "a benchmark's result is its output")]

use ductus_dynamics::wire::Decision;
use ductus_service::index::{Streams, write_decision};
use elasticsearch::{BulkOperation, BulkOperations};
use serde_json::Value;
use std::hint::black_box;
use std::time::Instant;

const EXAMPLE: &str = include_str!("../../../schemas/examples/decision.json");
/// Documents of one request.
const DOCUMENTS: usize = 500;
const ROUNDS: usize = 41;

fn main() {
    let decision: Decision = serde_json::from_str(EXAMPLE).expect("the example is a decision");
    let streams = Streams::new("default");
    let mut body = Vec::new();
    let ours = median_ns(|| {
        body.clear();
        for number in 0..DOCUMENTS {
            write_decision(&mut body, black_box(&decision), &streams, number as i64);
        }
        black_box(&body);
    });
    body.clear();
    write_decision(&mut body, &decision, &streams, 0);
    let document = body
        .split(|byte| *byte == b'\n')
        .nth(1)
        .expect("an action and a document");
    let document: Value = serde_json::from_slice(document).expect("what we write is JSON");
    let push = |operations: &mut BulkOperations, document: &Value| {
        let create = BulkOperation::create(black_box(document));
        let create = create.id(decision.id.as_str()).index(streams.decision());
        operations.push(create).expect("a value is always serialisable");
    };
    let pushed = median_ns(|| {
        let mut operations = BulkOperations::new();
        (0..DOCUMENTS).for_each(|_| push(&mut operations, &document));
        black_box(&operations);
    });
    let built = median_ns(|| {
        let mut operations = BulkOperations::new();
        for _ in 0..DOCUMENTS {
            // Copying a value costs what building it does: an allocation a member.
            push(&mut operations, &document.clone());
        }
        black_box(&operations);
    });
    let line = |name: &str, yardstick: f64, target: Option<f64>| {
        println!(
            "{}",
            serde_json::json!({
                "name": name,
                "value": ours,
                "unit": "ns/document",
                "yardstick": yardstick,
                "target": target,
                "lower_is_better": true,
            })
        );
    };
    line("index/encode beside the client crate", built, Some(0.1));
    line("index/encode beside the client crate's push alone", pushed, None);
}

/// Nanoseconds a document in the middle one of the rounds.
fn median_ns(mut round: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            round();
            start.elapsed().as_nanos() as f64 / DOCUMENTS as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}
