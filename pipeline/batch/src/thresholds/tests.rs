//! The command on a history that a test wrote.

use super::*;
use ductus_dynamics::event::Modality;
use ductus_dynamics::id::decision_id;
use ductus_dynamics::wire::{Action, Closed, Decision, Feedback, FeedbackVerdict, Score, Source, WindowRef};
use ductus_history::{DecisionRows, FeedbackRows, Table, Tables};
use std::path::Path;

const DAY_US: i64 = 86_400_000_000;

/// A decision about window `sequence` of a subject's session of that day.
fn decision(subject: &str, day: i64, sequence: u64, risk: f32, llr: Option<f32>) -> Decision {
    let session = format!("{subject}-{day}");
    let end_us = 1_760_000_000_000_000 + day * DAY_US + sequence as i64 * 10_000_000;
    Decision {
        v: 1,
        id: decision_id("acme", &session, Modality::Keystroke, sequence),
        tenant: "acme".to_owned(),
        subject: Some(subject.to_owned()),
        session,
        window: WindowRef {
            modality: Modality::Keystroke,
            sequence,
            start_us: end_us - 9_000_000,
            end_us,
            steps: 50,
            closed: Closed::Count,
        },
        risk,
        confidence: 0.9,
        action: Action::Allow,
        reasons: Vec::new(),
        score: Score {
            comparison: llr.map(|_| 0.5),
            llr,
            evidence: 0.0,
        },
        model: None,
        reference: None,
        source: Source {
            topic: "events".to_owned(),
            partition: 0,
            offset: 0,
        },
        time_us: end_us,
    }
}

fn history(root: &Path, decisions: &[Decision]) -> String {
    let root = root.to_str().unwrap().to_owned();
    let mut rows = DecisionRows::new();
    decisions.iter().for_each(|decision| rows.push(decision));
    let mut tables = Tables::open(&root).unwrap();
    if !decisions.is_empty() {
        tables
            .append(Table::Decisions, &[rows.finish().unwrap()], None)
            .unwrap();
    }
    root
}

fn args(history: &str, out: &Path, more: &[&str]) -> ThresholdsArgs {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        thresholds: ThresholdsArgs,
    }
    let mut words = vec!["thresholds", "--history", history, "--out", out.to_str().unwrap()];
    words.extend(more);
    <Line as clap::Parser>::try_parse_from(words).unwrap().thresholds
}

/// What somebody said of a decision, `at` days after all of them.
fn word(about: &Decision, verdict: FeedbackVerdict, by: &str, at: i64) -> Feedback {
    Feedback {
        v: 1,
        id: format!("{by}-{at}"),
        tenant: about.tenant.clone(),
        decision: about.id.clone(),
        session: about.session.clone(),
        subject: about.subject.clone(),
        verdict,
        by: Some(by.to_owned()),
        note: None,
        time_us: about.time_us + at * DAY_US,
    }
}

#[test]
fn what_was_said_of_decisions_counts() {
    use FeedbackVerdict::{Confirmed, FalseAlarm};
    let folder = tempfile::tempdir().unwrap();
    let mut decisions: Vec<Decision> = (0..40).map(|day| decision("s-ann", day, 0, 20.0, Some(2.0))).collect();
    for (day, risk) in [(7, 99.0), (8, 98.0), (9, 97.0)] {
        decisions[day].risk = risk;
    }
    let history = history(&folder.path().join("tables"), &decisions);
    let said = |words: &[Feedback]| {
        let mut rows = FeedbackRows::new();
        words.iter().for_each(|word| rows.push(word));
        let mut tables = Tables::open(&history).unwrap();
        tables.append(Table::Feedback, &[rows.finish().unwrap()], None).unwrap();
        let out = folder.path().join("thresholds.json");
        let args = args(&history, &out, &["--budget", "1 per 20d", "--floor", "10"]);
        let found = thresholds(&args).unwrap();
        (found.subject_days, found.tenants["acme"])
    };
    let step_up = |found: (usize, f32)| (found.0, (90.0..100.0).contains(&found.1));
    // Three days of forty are loud, and all were hers: more than the budget bears, so the threshold is above them.
    assert_eq!(step_up(said(&[word(&decisions[7], FalseAlarm, "eve", 1)])), (40, true));
    // Two were somebody else's.
    let confirmed = [8, 9].map(|day| word(&decisions[day], Confirmed, "eve", 1));
    let (days, risk) = said(&confirmed);
    assert_eq!(days, 38);
    // Another looked again, and it was her after all: the latest word counts, in whatever file it lies.
    let again = [8, 9].map(|day| word(&decisions[day], FalseAlarm, "bob", 2));
    let (days_again, risk_again) = said(&again);
    assert_eq!(days_again, 40);
    assert!(risk <= risk_again, "{risk} {risk_again}");
}

#[test]
fn history_becomes_a_file_that_score_reads() {
    let folder = tempfile::tempdir().unwrap();
    let mut decisions = Vec::new();
    for day in 0..40 {
        let restless = if day % 13 == 5 { 88.0 } else { 40.0 };
        decisions.push(decision("s-calm", day, 0, 5.0, Some(4.0)));
        decisions.push(decision("s-calm", day, 1, 12.0, Some(3.0)));
        decisions.push(decision("s-restless", day, 0, restless, Some(-1.0)));
        // What was not compared says nothing, whatever its risk.
        decisions.push(decision("s-calm", day, 2, 99.0, None));
    }
    decisions.push(decision("s-new", 3, 0, 33.0, Some(1.0)));
    decisions.push(decision("s-new", 4, 0, 97.0, Some(-5.0)));
    let history = history(&folder.path().join("tables"), &decisions);
    let out = folder.path().join("thresholds.json");
    let args = args(
        &history,
        &out,
        &["--budget", "1 per 20d", "--floor", "10", "--without", "s-new-4"],
    );
    let found = thresholds(&args).unwrap();
    assert_eq!(
        (found.subject_days, found.subjects, found.subjects_with_tenants),
        (81, 2, 1)
    );
    assert!(found.step_ups_per_30d.unwrap() <= 1.5, "{found:?}");
    assert_eq!(found.curve.len(), CURVE_DAYS.len());
    let read = ductus_stream::thresholds::load(&out).unwrap();
    let risk = |subject: &str| read.step_up_risk("acme", Some(subject)).unwrap();
    assert!(
        risk("s-calm") < risk("s-new") && risk("s-new") <= risk("s-restless"),
        "{read:?}"
    );
    assert!(
        std::fs::read_to_string(folder.path().join("thresholds.svg"))
            .unwrap()
            .starts_with("<svg")
    );
}

#[test]
fn without_decisions_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let history = history(&folder.path().join("tables"), &[]);
    let out = folder.path().join("thresholds.json");
    let refused = thresholds(&args(&history, &out, &["--budget", "1 per 20d"])).unwrap_err();
    assert!(
        format!("{refused:#}").contains("holds no decision that compared"),
        "{refused:#}"
    );
    let refused = thresholds(&args(
        &history,
        &out,
        &["--budget", "1 per 20d", "--floor", "90", "--ceiling", "80"],
    ));
    assert!(format!("{:#}", refused.unwrap_err()).contains("--floor is 90"));
    assert!(!out.exists());
}
