//! Training on synthetic people: the whole command, its repeatability, and what it must not find.

use super::*;
use crate::fixtures;
use ductus_dynamics::event::Modality;
use ductus_scorer::{Contract, Manifest, Model};
use std::path::Path;

/// Error of a small network on people kept aside, after some steps on the others.
fn error_rate(people: &[Person]) -> f64 {
    outcome(people, &[]).scores.measure().eer_global.unwrap()
}

fn outcome(people: &[Person], more: &[&str]) -> Outcome {
    let words = [
        "--data",
        "aalto=unused",
        "--modality",
        "keystroke",
        "--out",
        "unused",
        "--seed",
        "4",
    ];
    let small = [
        "--steps",
        "60",
        "--layers",
        "1",
        "--hidden",
        "16",
        "--bidirectional",
        "false",
        "--hold-out",
        "15",
    ];
    let args = fixtures::train_args(&[&words[..], &small[..], more].concat());
    let recipe = Recipe::of(&args, people.len()).unwrap();
    let plan = Plan {
        args: &args,
        recipe: &recipe,
        people,
        threads: NonZeroUsize::new(2).unwrap(),
    };
    plan.run().unwrap()
}

#[test]
fn people_are_told_apart() {
    let rate = error_rate(&fixtures::typists(45));
    assert!(rate < 0.25, "{rate}");
}

#[test]
fn a_learned_space_comes_from_those_who_train() {
    let people = fixtures::typists(45);
    let plain = outcome(&people, &[]);
    let learned = outcome(&people, &["--back-end", "learned"]);
    assert!(plain.space.file().is_none());
    let (bytes, source) = learned.space.file().unwrap();
    // Thirty people; of their fifteen days the latest twelve.
    assert_eq!((source.people, source.occasions), (30, 360));
    assert_eq!(source.sha256, sha256_hex(&bytes));
    assert_ne!(plain.scores, learned.scores);
    let rate = learned.scores.measure().eer_global.unwrap();
    assert!(rate < 0.25, "{rate}");
}

#[test]
fn shuffled_labels_give_chance() {
    let mut people = fixtures::typists(45);
    // Session i of person p goes to person p + i·7: every person becomes a mixture of others.
    let sessions: Vec<Vec<corpus::Session>> = people.iter().map(|person| person.sessions.clone()).collect();
    let count = people.len();
    for (p, person) in people.iter_mut().enumerate() {
        for (i, session) in person.sessions.iter_mut().enumerate() {
            *session = sessions[(p + i * 7) % count][i].clone();
        }
    }
    let rate = error_rate(&people);
    assert!((0.42..0.58).contains(&rate), "{rate}");
}

#[test]
fn the_same_command_gives_the_same_bytes_and_a_model_that_loads() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::aalto(folder.path(), 24, 4, 40);
    let read = |model: &Path| {
        let names = [
            "model.onnx",
            "manifest.toml",
            "card.md",
            "det.svg",
            "scores.svg",
            HELD_OUT_FILE,
        ];
        names.map(|name| std::fs::read(model.join(name)).unwrap())
    };
    let first = read(&fixtures::model(folder.path(), &folder.path().join("v1"), "7", &[]));
    std::fs::rename(folder.path().join("v1"), folder.path().join("kept")).unwrap();
    let again = read(&fixtures::model(
        folder.path(),
        &folder.path().join("v1"),
        "7",
        &["--threads", "1"],
    ));
    assert!(first == again);
    let manifest = Manifest::load(&folder.path().join("v1")).unwrap();
    assert!(manifest.training.non_commercial, "aalto's terms");
    assert_eq!(manifest.training.data[0].subjects + manifest.accuracy.subjects, 24);
    assert!(
        !manifest.training.command.contains(folder.path().to_str().unwrap()),
        "{}",
        manifest.training.command
    );
    Model::load(&folder.path().join("v1"), &Contract::of(Modality::Keystroke)).unwrap();
}

#[test]
fn folds_learn_from_everybody_in_the_end() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::aalto(folder.path(), 12, 4, 40);
    let model = fixtures::model(folder.path(), &folder.path().join("v1"), "7", &["--folds", "3"]);
    let manifest = Manifest::load(&model).unwrap();
    assert_eq!(
        (manifest.training.data[0].subjects, manifest.accuracy.subjects),
        (12, 12)
    );
    assert_eq!(std::fs::read_to_string(model.join(HELD_OUT_FILE)).unwrap(), "");
}

#[test]
fn what_is_too_little_or_there_already_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::aalto(folder.path(), 4, 2, 30);
    let data = format!("aalto={}", folder.path().display());
    let out = folder.path().join("v1");
    let args = [
        "--data",
        &data,
        "--modality",
        "keystroke",
        "--out",
        out.to_str().unwrap(),
        "--seed",
        "1",
    ];
    let args = fixtures::train_args(&args);
    let error = format!("{:#}", train(&args).unwrap_err());
    assert!(
        error.contains("2 people would be learned from and 2 kept aside"),
        "{error}"
    );
    std::fs::create_dir(&out).unwrap();
    let error = format!("{:#}", train(&args).unwrap_err());
    assert!(error.contains("is there already"), "{error}");
}

#[test]
fn dates() {
    for (days, date) in [(0, (1970, 1, 1)), (11_016, (2000, 2, 29)), (20_778, (2026, 11, 21))] {
        assert_eq!(civil(days), date);
    }
}
