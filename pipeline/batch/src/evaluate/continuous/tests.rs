//! The protocol on folders that a test wrote, with a small model.

use super::super::{EvaluateArgs, Outcome, evaluate};
use super::*;
use crate::fixtures;
use clap::Parser;
use std::path::Path;

/// Options as on the command line, of which the paths come first.
fn args(data: &Path, model: &Path, report: &Path, more: &[&str]) -> EvaluateArgs {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        evaluate: EvaluateArgs,
    }
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let mut words = vec!["evaluate".to_owned(), "--protocol".to_owned(), "continuous".to_owned()];
    words.extend(["--data".to_owned(), path(data), "--model".to_owned(), path(model)]);
    words.extend(["--report".to_owned(), path(report)]);
    words.extend(["--rounds", "1", "--impostors", "3"].map(str::to_owned));
    words.extend(more.iter().map(|word| (*word).to_owned()));
    Line::try_parse_from(words).unwrap().evaluate
}

fn continuous(args: &EvaluateArgs) -> ContinuousReport {
    match evaluate(args).unwrap() {
        Outcome::Continuous(report) => *report,
        other => panic!("another protocol ran: {other:?}"),
    }
}

#[test]
fn takeovers_are_judged_and_written() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::aalto(folder.path(), 12, 14, 60);
    let model = fixtures::model(folder.path(), &folder.path().join("v1"), "3", &[]);
    let report = folder.path().join("out").join("report.json");
    let traces = folder.path().join("traces.ndjson");
    let more = [
        "--budget-hours",
        "0.05",
        "--adaptation",
        "--traces",
        traces.to_str().unwrap(),
    ];
    let args = args(folder.path(), &model, &report, &more);
    let found = continuous(&args);
    // Whose typing the detectors take for forged is not enrolled, and these typists were made up.
    assert!((8..=12).contains(&(found.subjects + found.subjects_choosing)));
    assert_eq!(found.takeovers + found.takeovers_left_out, found.subjects * 3);
    assert!(found.figures.measured.genuine > 0 && found.figures.measured.impostor > 0 && found.genuine_hours > 0.0);
    assert!(found.adaptation.as_ref().unwrap().pairs >= found.subjects);
    let written: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&report).unwrap()).unwrap();
    for key in [
        "actions_median",
        "actions_p95",
        "found_60",
        "found_200",
        "false_step_ups_per_8h",
        "eer_subject",
    ] {
        assert!(written.get(key).is_some(), "{key} is missing in {written}");
    }
    let beside = |name: &str| std::fs::read_to_string(folder.path().join("out").join(name)).unwrap();
    assert!(beside("takeover.svg").starts_with("<svg"));
    assert!(beside("report.md").contains("found within 60"));
    let again = continuous(&args);
    assert_eq!(
        (found.step_up_risk, found.actions_median, found.false_step_ups),
        (again.step_up_risk, again.actions_median, again.false_step_ups)
    );
}

#[test]
fn only_people_whom_the_model_has_not_seen() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::aalto(folder.path(), 12, 14, 60);
    let model = fixtures::model(folder.path(), &folder.path().join("v1"), "3", &[]);
    let report = folder.path().join("report.json");
    let mut args = args(folder.path(), &model, &report, &["--only-held-out"]);
    std::fs::remove_file(model.join("held-out.txt")).ok();
    assert!(format!("{:#}", evaluate(&args).unwrap_err()).contains("whom the model kept aside"));
    std::fs::write(model.join("held-out.txt"), "aalto/aalto-1\naalto/aalto-2\n").unwrap();
    assert!(format!("{:#}", evaluate(&args).unwrap_err()).contains("2 people have enough data"));
    args.continuous.budget_hours = 0.0;
    assert!(format!("{:#}", evaluate(&args).unwrap_err()).contains("--budget-hours is 0"));
}

#[test]
fn nobody_is_two_people() {
    let [a, b]: [Person; 2] = fixtures::typists(2).try_into().unwrap();
    let part = |person: &Person, sessions: std::ops::Range<usize>| Person {
        sessions: person.sessions[sessions].to_vec(),
        ..person.clone()
    };
    let people = merged(vec![part(&a, 0..9), b.clone(), part(&a, 9..15)]);
    assert!(people == [a, b]);
}
