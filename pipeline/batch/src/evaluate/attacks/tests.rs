//! The protocol on synthetic people with a small model: that it runs, counts and repeats, not how well anything does.

use super::super::{EvaluateArgs, Outcome, evaluate};
use crate::fixtures;
use clap::Parser;
use std::path::Path;

fn attacked(data: &Path, model: &Path, report: &Path) -> super::AttackReport {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        evaluate: EvaluateArgs,
    }
    let (data, model, report) = (
        data.to_str().unwrap(),
        model.to_str().unwrap(),
        report.to_str().unwrap(),
    );
    let words = [
        "evaluate",
        "--protocol",
        "attacks",
        "--data",
        data,
        "--model",
        model,
        "--report",
        report,
    ];
    match evaluate(&Line::try_parse_from(words).unwrap().evaluate).unwrap() {
        Outcome::Attacks(report) => *report,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_attack_is_presented_counted_and_repeats() {
    let dir = tempfile::tempdir().unwrap();
    fixtures::aalto(dir.path(), 8, 15, 60);
    let model = fixtures::model(dir.path(), &dir.path().join("model"), "1", &[]);
    let path = dir.path().join("out/attacks.json");
    let report = attacked(dir.path(), &model, &path);
    let row = |name: &str| report.attacks.iter().find(|row| row.name == name).unwrap();
    assert_eq!(report.subjects, 8);
    // Typists are draws: some are found out while they enrol, have too few references, and are not attacked.
    let met = row("genuine").presentations;
    assert!((3..=8).contains(&met), "{met}");
    assert_eq!(row("zero_effort").presentations, 7 * met);
    assert_eq!(row("replay_exact").presentations, met);
    assert_eq!(row("forgery_victim_digraphs").presentations, 3 * met);
    for name in ["bot_constant", "paste_or_autofill", "replay_exact"] {
        assert_eq!(row(name).detected, 1.0, "{name}");
        assert!(row(name).iapar <= row(name).iapar_without_detectors, "{name}");
    }
    for row in &report.attacks {
        assert!(
            row.genuine == row.iapar.is_none() && row.genuine == row.false_step_ups.is_some(),
            "{}",
            row.name
        );
        assert!(row.windows > 0 && (0.0..=1.0).contains(&row.detected), "{}", row.name);
    }
    let table = std::fs::read_to_string(path.with_extension("md")).unwrap();
    assert!(table.contains(&format!("| replay_exact | {met} | ")), "{table}");
    let mut again = attacked(dir.path(), &model, &path);
    again.seconds = report.seconds;
    let text = |report: &super::AttackReport| serde_json::to_string(report).unwrap();
    assert_eq!(text(&report), text(&again));
}
