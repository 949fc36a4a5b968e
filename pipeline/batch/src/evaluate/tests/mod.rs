//! Protocols on synthetic people, and the command on folders that a test wrote.

mod bad_input;
mod balabit;
mod leaks;
mod protocols;

use super::*;
use crate::corpus;
use crate::fixtures;
use crate::import::{Detail, ImportArgs, ImportPurpose, import};
use crate::windows::Cutting;
use clap::Parser;
use ductus_dynamics::event::{KeyDetail, Modality};
use ductus_dynamics::feature::FeatureWindow;
use ductus_dynamics::line::{Ingested, Line, LineConfig, Record};
use std::path::Path;
use std::sync::Arc;

/// Options of `evaluate` as on the command line.
fn options(protocol: &str, data: &Path, model: &Path, report: &Path, more: &[&str]) -> EvaluateArgs {
    #[derive(Parser)]
    struct Words {
        #[command(flatten)]
        evaluate: EvaluateArgs,
    }
    let path = |path: &Path| path.display().to_string();
    let (data, model, report) = (path(data), path(model), path(report));
    let words = [
        "evaluate",
        "--protocol",
        protocol,
        "--data",
        &data,
        "--model",
        &model,
        "--report",
        &report,
    ];
    Words::try_parse_from(words.iter().chain(&["--resamples", "50"]).chain(more))
        .unwrap()
        .evaluate
}

fn args(protocol: Protocol, data: &Path, model: &Path, report: &Path) -> EvaluateArgs {
    options(protocol.name(), data, model, report, &[])
}

#[test]
fn two_models_are_judged_on_the_people_that_one_kept_aside() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::aalto(folder.path(), 9, 15, 40);
    let model = fixtures::model(folder.path(), &folder.path().join("v1"), "3", &[]);
    let other = folder.path().join("other");
    std::fs::create_dir(&other).unwrap();
    let report = folder.path().join("report.json");
    let more = ["--without-comparators", "--held-out-of", other.to_str().unwrap()];
    let options = options("typenet", folder.path(), &model, &report, &more);
    let refused = format!("{:#}", compare(&options).unwrap_err());
    assert!(refused.contains("says whom the model kept aside"), "{refused}");
    std::fs::write(
        other.join("held-out.txt"),
        "aalto/aalto-0\naalto/aalto-3\naalto/aalto-5\n",
    )
    .unwrap();
    let found = compare(&options).unwrap();
    assert_eq!((found.subjects, found.people_read), (3, 9));
    std::fs::write(other.join("held-out.txt"), "sapimouse/sapimouse-user73\n").unwrap();
    let refused = format!("{:#}", compare(&options).unwrap_err());
    assert!(refused.contains("none of the 9 people"), "{refused}");
}

#[test]
fn typenet_counts_what_it_compares() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::aalto(folder.path(), 9, 15, 40);
    let model = fixtures::model(folder.path(), &folder.path().join("v1"), "3", &[]);
    let report = folder.path().join("report.json");
    let found = compare(&args(Protocol::Typenet, folder.path(), &model, &report)).unwrap();
    let measured = found.figures.measured;
    assert_eq!((found.subjects, measured.genuine, measured.impostor), (9, 45, 72));
    let written: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&report).unwrap()).unwrap();
    let keys = [
        "protocol",
        "subjects",
        "genuine",
        "impostor",
        "eer_subject",
        "eer_global",
        "auc",
    ];
    let keys = keys.iter().chain(&["fnmr_at_fmr_1pct", "fnmr_at_fmr_0_1pct"]);
    assert!(keys.clone().all(|key| written.get(key).is_some()), "{written}");
    assert!(
        std::fs::read_to_string(folder.path().join("det.svg"))
            .unwrap()
            .starts_with("<svg")
    );
}

#[test]
fn the_yardstick_tells_people_apart_without_a_model() {
    let settings = Settings::of(Modality::Keystroke);
    let layout = held_out(&fixtures::typists(20), Modality::Keystroke, settings);
    let rate = comparators::scaled_manhattan(&layout).measure().eer_global.unwrap();
    assert!(rate < 0.35, "{rate}");
}

#[test]
fn what_cannot_be_judged_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::aalto(folder.path(), 8, 3, 40);
    let model = fixtures::model(folder.path(), &folder.path().join("v1"), "3", &[]);
    let report = folder.path().join("report.json");
    let (single, empty) = (folder.path().join("single"), folder.path().join("empty"));
    fixtures::aalto(&single, 1, 15, 40);
    std::fs::create_dir(&empty).unwrap();
    let refused =
        |protocol, data: &Path| format!("{:#}", evaluate(&args(protocol, data, &model, &report)).unwrap_err());
    assert!(refused(Protocol::Typenet, &single).contains("1 subject(s) have enough data"));
    assert!(refused(Protocol::Typenet, &empty).contains("holds no file of the data set aalto"));
    assert!(refused(Protocol::Balabit, &single).contains("does not judge keystroke models"));
    assert!(!report.exists());
}

#[test]
fn a_subject_needs_five_genuine_comparisons_for_a_rate_of_its_own() {
    let own = |claimed: u32, genuine: usize| {
        let genuine = (0..genuine).map(move |i| (claimed, true, 0.9 - i as f32 * 0.1));
        genuine.chain([(claimed, false, 0.0), (claimed, false, 0.1)])
    };
    let mut scores = Scores {
        all: own(0, 4).collect(),
    };
    assert_eq!(scores.measure().eer_subject, None);
    scores.extend(Scores {
        all: own(0, 5).collect(),
    });
    assert_eq!(scores.measure().eer_subject, Some(0.0));
    assert_eq!(scores.all.last().unwrap().0, 1);
}

/// One path from events to features: a recording read for training, and the same one imported as batches and read by the
/// line of the stream, give the same windows to the bit.
#[test]
fn import_and_stream_see_the_same_windows() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::aalto(folder.path(), 3, 2, 130);
    let out = folder.path().join("batches.ndjson");
    import(&ImportArgs {
        dataset: Dataset::Aalto,
        dir: folder.path().to_owned(),
        out: Some(out.clone()),
        history: None,
        detail: Detail::Class,
        purpose: ImportPurpose::Session,
        subjects_max: None,
    })
    .unwrap();
    let mut line = Line::new(Arc::new(LineConfig::default()), "events", 0);
    let mut ingested = Ingested::default();
    for (offset, batch) in (0..).zip(std::fs::read_to_string(out).unwrap().lines()) {
        line.ingest(
            &Record {
                offset,
                timestamp_us: 0,
                value: batch.as_bytes(),
            },
            &mut ingested,
        );
    }
    line.finish(&mut ingested);
    let streamed: Vec<(String, u64, FeatureWindow)> = ingested
        .ready
        .iter()
        .filter(|ready| ready.window.steps.len() >= 20)
        .map(|ready| {
            (
                ready.id.session.clone(),
                ready.window.sequence,
                ready.features().clone(),
            )
        })
        .collect();
    let cutting = Cutting::of_stream(Modality::Keystroke);
    let people = corpus::in_order(Dataset::Aalto, folder.path(), Modality::Keystroke, KeyDetail::Class).unwrap();
    let sessions = people.iter().flat_map(|person| &person.sessions);
    let read: Vec<(String, u64, FeatureWindow)> = sessions
        .flat_map(|session| {
            let windows = cutting.windows(session);
            windows
                .into_iter()
                .map(|w| (session.session.clone(), w.sequence, FeatureWindow::of(&w)))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(read.len(), 3 * 2 * 9);
    assert_eq!(streamed, read);
}

/// A model does not depend on whether its people came from a folder or from the history tables.
#[test]
fn history_gives_the_same_people_as_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::aalto(folder.path(), 11, 3, 60);
    let tables = folder.path().join("tables");
    let tables = tables.to_str().unwrap();
    let args = ImportArgs {
        dataset: Dataset::Aalto,
        dir: folder.path().to_owned(),
        out: None,
        history: Some(tables.to_owned()),
        detail: Detail::Class,
        purpose: ImportPurpose::Collect,
        subjects_max: None,
    };
    let first = import(&args).unwrap();
    assert_eq!(first.known_events, Some(0));
    let again = import(&args).unwrap();
    assert_eq!(
        again.known_events,
        Some(again.events),
        "the same folder is appended once"
    );
    let source = corpus::DataSource {
        dataset: Dataset::Aalto,
        dir: folder.path().to_owned(),
    };
    let read = corpus::from_folders(&[source], Modality::Keystroke, KeyDetail::Class).unwrap();
    let stored = corpus::from_history(tables, Modality::Keystroke, KeyDetail::Class).unwrap();
    assert_eq!(read.len(), 11);
    assert!(read == stored);
}
