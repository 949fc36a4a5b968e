//! The plan for a handful of models, the page from a handful of reports, and what happens to calls that fail.

use std::num::NonZeroUsize;
use std::path::Path;

use expect_test::{expect, expect_file};
use serde_json::{Value, json};

use super::findings::Report;
use super::models::fixtures;
use super::plan::Plan;
use super::runs::{Judge, Outcome};
use super::*;

fn figures(eer: f64) -> Value {
    json!({
        "genuine": 645, "impostor": 16_512,
        "eer_subject": eer, "eer_subject_ci": [eer * 0.8, eer * 1.2],
        "eer_global": eer * 1.6, "eer_global_ci": [eer * 1.4, eer * 1.9],
        "auc": 1.0 - eer / 3.0, "auc_ci": [1.0 - eer / 2.5, 1.0 - eer / 4.0],
        "fnmr_at_fmr_1pct": eer * 6.0, "fnmr_at_fmr_1pct_ci": [eer * 5.0, eer * 7.0],
        "fnmr_at_fmr_0_1pct": eer * 15.0, "fnmr_at_fmr_0_1pct_ci": null
    })
}

fn with(mut object: Value, more: Value) -> Value {
    if let (Value::Object(object), Value::Object(more)) = (&mut object, more) {
        object.extend(more);
    }
    object
}

fn compared(protocol: &str, eer: f64) -> Value {
    let named = |name: &str, eer: f64| with(figures(eer), json!({ "name": name }));
    let after = |windows: u64, eer: f64| with(figures(eer), json!({ "windows": windows }));
    let head = json!({
        "protocol": protocol, "subjects": 129, "people_read": 1_829, "subjects_seen": 0, "windows": 1_935,
        "cllr": 0.171, "min_cllr": 0.163, "refused": { "key": 3 }, "notes": ["1700 people left out"],
        "by_references": [with(figures(eer * 2.0), json!({ "references": 1 })), with(figures(eer), json!({ "references": 5 }))],
        "after_windows": [after(2, eer * 0.8), after(5, eer * 0.5)],
        "comparators": [with(named("scaled_manhattan", eer * 5.0), json!({ "after_windows": after(5, eer * 4.0) }))],
        "published": [{ "name": "TypeNet with key codes", "eer_subject": 0.022, "eer_global": null, "auc": null, "source": "a paper" }]
    });
    with(head, figures(eer))
}

fn continuous() -> Value {
    let point = json!({
        "budget_hours": 8.0, "false_step_ups_per_8h": 1.2, "actions_median": 55, "actions_p95": null, "found_60": 0.6, "found_200": 0.84
    });
    let walk =
        json!({ "references": "never learn", "found_on_the_way": 0.9, "in_at_the_end": 0.31, "in_unnoticed": 0.05 });
    let head = json!({
        "protocol": "continuous", "subjects": 58, "subjects_choosing": 71, "action": "keystrokes", "takeovers": 1_700,
        "takeovers_left_out": 40, "actions_median": 55, "actions_median_ci": [50, 61], "actions_p95": null, "ania": 83.4,
        "found_60": 0.6, "found_200": 0.84, "found_200_ci": [0.8, 0.88], "genuine_hours": 20.5, "false_step_ups": 3,
        "false_step_up_subjects": 2, "false_step_ups_per_8h": 1.2, "curve": [point],
        "adaptation": { "weeks": 12, "pairs": 58, "walks": [walk] }
    });
    with(head, figures(0.05))
}

fn attacks() -> Value {
    let row = |name: &str, iapar: Option<f64>| {
        json!({
            "name": name, "genuine": iapar.is_none(), "presentations": 103, "iapar": iapar, "iapar_without_detectors": iapar,
            "false_step_ups": iapar.is_none().then_some(0.02), "false_step_ups_without_detectors": iapar.is_none().then_some(0.01),
            "detected": 0.5, "by": { "replay": 0.5 }
        })
    };
    json!({
        "protocol": "attacks", "subjects": 103, "presentation_steps": 200,
        "attacks": [row("genuine", None), row("zero_effort", Some(0.188)), row("replay_exact", Some(0.0)),
                    row("replay_of_unseen_session", Some(1.0))]
    })
}

fn found(report: Value) -> Outcome {
    Outcome::Found(Box::new(Report::parse(&report.to_string()).unwrap()))
}

/// A plan of a few rows, and what became of them; the last row of `typenet` failed.
fn few() -> (Plan, Vec<Vec<Outcome>>) {
    let mut plan = Plan::of(&fixtures::models(), None);
    let kept = ["typenet", "pohmm", "cmu", "continuous", "attacks"];
    plan.sections.retain(|section| kept.contains(&section.protocol));
    let outcomes = plan.sections.iter_mut().map(|section| match section.protocol {
        "typenet" => {
            let last = section.runs.len() - 1;
            section.runs = [0, 1, last].map(|row| section.runs[row].clone()).into();
            let failed = Outcome::Failed("ductus-batch ended with exit status: 1".to_owned());
            vec![
                found(compared("typenet", 0.03)),
                found(compared("typenet", 0.033)),
                failed,
            ]
        }
        protocol => {
            section.runs.truncate(1);
            let report = match protocol {
                "continuous" => continuous(),
                "attacks" => attacks(),
                _ => compared(protocol, 0.1),
            };
            section.runs.iter().map(|_| found(report.clone())).collect()
        }
    });
    let outcomes = outcomes.collect();
    (plan, outcomes)
}

#[test]
fn the_page_is_a_function_of_the_reports() {
    let (plan, outcomes) = few();
    let page = page::render(&plan, &fixtures::models(), &outcomes);
    expect_file!["./expected.md"].assert_eq(&page);
    assert_eq!(page, page::render(&plan, &fixtures::models(), &outcomes));
}

#[test]
fn a_row_that_failed_is_named() {
    let (plan, outcomes) = few();
    let failed = page::failed(&plan, &outcomes);
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].0.key, "typenet/shuffled");
    assert!(page::only(&plan, &outcomes, "typenet").contains("**failed**"));
}

#[test]
fn every_row_has_its_command() {
    let plan = Plan::of(&fixtures::models(), Some("$DUCTUS_DATA/cmu"));
    let rows = plan.sections.iter().flat_map(|section| &section.runs);
    let commands: Vec<String> = rows.map(|run| run.arguments[1..].join(" ")).collect();
    expect![[r#"
        typenet --data $DUCTUS_DATA/aalto-136m-subset --model models/keystroke/2-aalto --only-held-out --seed-model $SEED
        typenet --data $DUCTUS_DATA/aalto-136m-subset --model models/keystroke/2-aalto --only-held-out --requantise-us 1000 --without-comparators
        typenet --data $DUCTUS_DATA/aalto-136m-subset --model models/keystroke/2-aalto --only-held-out --requantise-us 8000 --without-comparators
        typenet --data $DUCTUS_DATA/aalto-136m-subset --model models/keystroke/2-aalto --only-held-out --requantise-us 16000 --without-comparators
        typenet --data $DUCTUS_DATA/aalto-136m-subset --model models/keystroke/2-aalto-hand --only-held-out --without-comparators
        typenet --data $DUCTUS_DATA/aalto-136m-subset --model models/keystroke/2-aalto-hand --only-held-out --requantise-us 1000 --without-comparators
        typenet --data $DUCTUS_DATA/aalto-136m-subset --model models/keystroke/2-aalto-hand --only-held-out --requantise-us 8000 --without-comparators
        typenet --data $DUCTUS_DATA/aalto-136m-subset --model models/keystroke/2-aalto-hand --only-held-out --requantise-us 16000 --without-comparators
        typenet --data $DUCTUS_DATA/aalto-136m-subset --model models/keystroke/1-pace --held-out-of models/keystroke/2-aalto --without-comparators
        typenet --data $DUCTUS_DATA/aalto-136m-subset --model models/keystroke/2-aalto --only-held-out --shuffle-labels --without-comparators
        kvc --data $DUCTUS_DATA/aalto-136m-subset --model models/keystroke/2-aalto --only-held-out --seed-model $SEED
        kvc --data $DUCTUS_DATA/aalto-136m-subset --model models/keystroke/2-aalto-hand --only-held-out --without-comparators
        cross --data $DUCTUS_DATA/pohmm-pace --model models/keystroke/2-aalto --steps 100 --references 10 --seed-model $SEED
        cross --data $DUCTUS_DATA/pohmm-pace --model models/keystroke/2-aalto-hand --steps 100 --references 10 --without-comparators
        cross --data $DUCTUS_DATA/pohmm-pace --model models/keystroke/2-aalto --steps 50 --references 5 --seed-model $SEED
        cross --data $DUCTUS_DATA/pohmm-pace --model models/keystroke/2-aalto-hand --steps 50 --references 5 --without-comparators
        cross --data $DUCTUS_DATA/aalto-136m-subset --model models/keystroke/1-pace --dataset aalto --held-out-of models/keystroke/2-aalto
        pohmm --data $DUCTUS_DATA/pohmm-pace --model models/keystroke/2-aalto --seed-model $SEED
        pohmm --data $DUCTUS_DATA/pohmm-pace --model models/keystroke/2-aalto-hand --without-comparators
        cmu --data $DUCTUS_DATA/cmu --model models/keystroke/1-pace
        cmu --data $DUCTUS_DATA/cmu --model models/keystroke/2-aalto --without-comparators
        cmu --data $DUCTUS_DATA/cmu --model models/keystroke/2-aalto-hand --without-comparators
        sapimouse --data $DUCTUS_DATA/sapimouse --model models/pointer/1-mouse --only-held-out
        sapimouse --data $DUCTUS_DATA/sapimouse --model models/pointer/1-mouse --only-held-out --clock-hz 60
        balabit --data $DUCTUS_DATA/balabit --model models/pointer/1-mouse
        chimera --data $DUCTUS_DATA/aalto-136m-subset --model models/keystroke/2-aalto --only-held-out --pointer-data $DUCTUS_DATA/sapimouse --pointer-model models/pointer/1-mouse
        continuous --data $DUCTUS_DATA/aalto-136m-subset --model models/keystroke/2-aalto --dataset aalto --only-held-out --adaptation
        continuous --data $DUCTUS_DATA/pohmm-pace --model models/keystroke/2-aalto --dataset pohmm
        continuous --data $DUCTUS_DATA/sapimouse --model models/pointer/1-mouse --dataset sapimouse --only-held-out
        continuous --data $DUCTUS_DATA/balabit --model models/pointer/1-mouse --dataset balabit
        attacks --data $DUCTUS_DATA/aalto-136m-subset --model models/keystroke/2-aalto --only-held-out
        attacks --data $DUCTUS_DATA/sapimouse --model models/pointer/1-mouse --only-held-out"#]].assert_eq(&commands.join("\n"));
}

#[test]
fn without_a_model_of_aalto_nothing_is_compared_with_the_seeds_design() {
    let models = models::Models::only(vec![fixtures::model(
        "keystroke",
        "1-keyrecs",
        "class",
        &[("keyrecs", 99)],
        &[],
    )]);
    let plan = Plan::of(&models, None);
    assert!(plan.seed.is_none());
    let rows: Vec<&Run> = plan.sections.iter().flat_map(|section| &section.runs).collect();
    assert!(!rows.is_empty() && rows.iter().all(|run| !run.command().contains("seed")));
    let absent = plan.sections.iter().filter(|section| section.absent.is_some());
    let absent: Vec<&str> = absent.map(|section| section.protocol).collect();
    assert_eq!(
        absent,
        ["typenet", "kvc", "cmu", "sapimouse", "balabit", "chimera", "attacks"]
    );
}

/// A program that writes `report` where `--report` says, or that fails.
fn program(folder: &Path, script: &str) -> Judge {
    use std::os::unix::fs::PermissionsExt;
    let binary = folder.join("ductus-batch");
    fs::write(&binary, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    Judge {
        build: runs::fingerprint(&binary).unwrap(),
        binary,
        library: PathBuf::new(),
        data: folder.to_owned(),
        cache: folder.join("cache"),
        again: false,
        seed: Plan::of(&fixtures::models(), None).seed,
        seed_trained: OnceLock::new(),
    }
}

#[test]
fn reports_are_made_once_and_failures_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan::of(&fixtures::models(), None);
    let runs: Vec<&Run> = plan.sections[0].runs.iter().take(3).collect();
    let all = |judge: &Judge| judge.all(&runs, NonZeroUsize::MIN);
    let broken = program(folder.path(), "echo first >&2; echo the data is no good >&2; exit 3");
    assert!(
        all(&broken)
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Failed(why) if why.ends_with("the data is no good")))
    );
    // The report's path comes last.
    let report = compared("typenet", 0.03).to_string();
    let train = "if [ $1 = train ]; then mkdir -p $last; touch $last/manifest.toml; exit; fi";
    let script = format!(
        "for last; do :; done; {train}; echo x >> {}/calls; printf '%s' '{report}' > $last",
        folder.path().display()
    );
    let good = program(folder.path(), &script);
    let calls = || fs::read_to_string(folder.path().join("calls")).unwrap().lines().count();
    assert!(all(&good).iter().all(|outcome| matches!(outcome, Outcome::Found(_))));
    assert!(all(&good).iter().all(|outcome| matches!(outcome, Outcome::Found(_))));
    assert_eq!(calls(), 3);
    let again = Judge { again: true, ..good };
    assert!(all(&again).iter().all(|outcome| matches!(outcome, Outcome::Found(_))));
    assert_eq!(calls(), 6);
}
