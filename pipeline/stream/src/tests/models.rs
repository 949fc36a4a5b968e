//! Announced models against real ONNX Runtime: the right one goes live, the wrong ones are refused, the old one keeps running.

use super::support::{Broker, Tape, Typist, metric, text, until};
use crate::{Score, StreamMetrics};
use ductus_dynamics::backend::Whitening;
use ductus_dynamics::event::{KeyDetail, Modality};
use ductus_dynamics::feature::{features, layout_hash};
use ductus_dynamics::wire::{Decision, ModelAnnouncement, ModelRef, Reference};
use ductus_learn::{Network, NetworkConfig};
use ductus_scorer::{
    Accuracy, BACK_END_FILE, BackEndSource, Calibration, MANIFEST_FORMAT, MODEL_FILE, Manifest, Runtime, Training,
    back_end_bytes, candidates, sha256_hex,
};
use prometheus::Registry;
use rdkafka::message::Message;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Starts ONNX Runtime, or fails with the text that says how to get it.
#[expect(clippy::disallowed_methods, reason = "a test finds the library where xtask put it")]
fn runtime() {
    let library = std::env::var_os("ORT_DYLIB_PATH").map(PathBuf::from);
    let cache = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/ductus"));
    if let Err(error) = Runtime::start_from(&candidates(None, library.as_deref(), cache.as_deref())) {
        panic!("this test needs ONNX Runtime, run `cargo xtask test`: {error}");
    }
}

/// A small keystroke model with random weights in `models/keystroke/<version>`.
fn write_model(models: &Path, version: &str, seed: u64, change: impl FnOnce(&mut Manifest)) -> ModelRef {
    let folder = models.join("keystroke").join(version);
    std::fs::create_dir_all(&folder).unwrap();
    let config = NetworkConfig {
        layers: 1,
        hidden: 8,
        bidirectional: false,
        embedding: 8,
        ..NetworkConfig::new(features(Modality::Keystroke))
    };
    let network = Network::random(config, seed).unwrap().to_onnx();
    let mut manifest = Manifest {
        format: MANIFEST_FORMAT,
        id: "keystroke".to_owned(),
        version: version.to_owned(),
        modality: Modality::Keystroke,
        sha256: sha256_hex(&network),
        layout_hash: layout_hash(Modality::Keystroke),
        features: config.features,
        embedding_dims: config.embedding,
        steps_max: 50,
        detail: KeyDetail::Class,
        calibration: Calibration {
            slope: 10.0,
            intercept: -5.0,
        },
        backend: None,
        training: Training {
            command: "none".to_owned(),
            seed,
            non_commercial: false,
            started: "2026-11-21".to_owned(),
            data: Vec::new(),
        },
        accuracy: Accuracy {
            protocol: "none".to_owned(),
            subjects: 0,
            genuine: None,
            impostor: None,
            eer_subject: None,
            eer_global: None,
            auc: None,
            fnmr_at_fmr_1pct: None,
            fnmr_at_fmr_0_1pct: None,
            cllr: None,
            min_cllr: None,
        },
        gate: None,
    };
    change(&mut manifest);
    manifest.save(&folder).unwrap();
    std::fs::write(folder.join(MODEL_FILE), network).unwrap();
    manifest.model_ref()
}

fn announcement(model: &ModelRef) -> ModelAnnouncement {
    ModelAnnouncement {
        v: 1,
        modality: Modality::Keystroke,
        model: model.clone(),
        layout_hash: layout_hash(Modality::Keystroke),
        path: format!("keystroke/{}", model.version),
        previous: None,
        announced_us: 0,
    }
}

#[test]
fn announced_models_go_live_and_bad_ones_are_refused() {
    runtime();
    let models = tempfile::tempdir().unwrap();
    let folder = models.path();
    let first = write_model(folder, "first", 1, |_| {});
    std::fs::write(folder.join("keystroke/live"), "first\n").unwrap();
    let second = write_model(folder, "second", 2, |_| {});
    let short = write_model(folder, "short", 3, |manifest| manifest.steps_max = 20);
    let hand = write_model(folder, "hand", 4, |manifest| manifest.detail = KeyDetail::Hand);
    let cut = write_model(folder, "cut", 5, |_| {});
    let network = std::fs::read(folder.join("keystroke/cut").join(MODEL_FILE)).unwrap();
    std::fs::write(folder.join("keystroke/cut").join(MODEL_FILE), &network[..100]).unwrap();

    let mut broker = Broker::start(1, 1);
    broker.config.models_dir = folder.to_owned();
    let topics = broker.config.topics.clone();
    let announce = |value: &[u8]| broker.put(&topics.models, 0, "keystroke", Some(value));
    let registry = Registry::new();
    let metrics = StreamMetrics::register(&registry).unwrap();
    let score = Score::start(broker.config.clone(), metrics, Arc::new(AtomicBool::new(false))).unwrap();
    until("ready", || score.ready());

    announce(b"noise");
    for bad in [&short, &hand, &cut] {
        announce(&serde_json::to_vec(&announcement(bad)).unwrap());
    }
    let wrong: [&dyn Fn(&mut ModelAnnouncement); 5] = [
        &|it| it.v = 9,
        &|it| it.path = "../elsewhere".to_owned(),
        &|it| it.path = "keystroke/nowhere".to_owned(),
        &|it| it.layout_hash = "00".repeat(32),
        &|it| it.model.sha256 = "00".repeat(32),
    ];
    for change in wrong {
        let mut bad = announcement(&second);
        change(&mut bad);
        announce(&serde_json::to_vec(&bad).unwrap());
    }
    let mut refused = 1 + 3 + wrong.len();
    until("refusals", || {
        metric(&registry, "ductus_stream_models_refused_total") == refused as f64
    });

    let mut tape = Tape::default();
    let mut typist = Typist::new("person", "s", 1);
    tape.push(0, "person", typist.batch(55));
    tape.push(0, "person", typist.batch(10));
    broker.publish(&tape.inputs[..1]);
    broker.wait_for(&topics.decisions, 1);
    broker.put(
        &topics.models,
        0,
        "keystroke",
        Some(&serde_json::to_vec(&announcement(&second)).unwrap()),
    );
    // A swap is audited, so that it is known from which record on the other model was used.
    until("an audit of the swap", || {
        broker
            .read(&topics.audit)
            .iter()
            .any(|audit| text(audit).contains("\"second\""))
    });
    broker.publish(&tape.inputs[1..]);
    broker.wait_for(&topics.decisions, 2);
    score.stop();
    score.join().unwrap();
    refused = metric(&registry, "ductus_stream_models_refused_total") as usize;
    assert_eq!(refused, 9);
    let used: Vec<String> = broker
        .read(&topics.decisions)
        .iter()
        .map(|message| serde_json::from_slice::<Decision>(message.payload().unwrap()).unwrap())
        .map(|decision| decision.model.unwrap().sha256)
        .collect();
    assert_eq!(used, [first.sha256, second.sha256.clone()]);

    // At the next start the announced model is live at once.
    let registry = Registry::new();
    let metrics = StreamMetrics::register(&registry).unwrap();
    let score = Score::start(broker.config.clone(), metrics, Arc::new(AtomicBool::new(false))).unwrap();
    let info = registry.gather();
    let live = info
        .iter()
        .find(|family| family.name() == "ductus_stream_model_info")
        .unwrap();
    let labels = live.get_metric()[0].get_label();
    assert!(labels.iter().any(|label| label.value() == second.sha256));
    score.stop();
    score.join().unwrap();
}

#[test]
fn a_new_back_end_compares_with_the_references_that_are_there() {
    runtime();
    let models = tempfile::tempdir().unwrap();
    let folder = models.path();
    let first = write_model(folder, "first", 1, |_| {});
    std::fs::write(folder.join("keystroke/live"), "first\n").unwrap();
    // Only the first direction counts: whoever is compared there has cosine 1 or -1.
    let mut matrix = vec![0.0; 64];
    matrix[0] = 1.0;
    let bytes = back_end_bytes(&Whitening::new(vec![0.0; 8], matrix).unwrap());
    let second = write_model(folder, "second", 1, |manifest| {
        manifest.calibration.intercept = -9.0;
        manifest.backend = Some(BackEndSource {
            sha256: sha256_hex(&bytes),
            people: 41,
            occasions: 123,
            data: Vec::new(),
        });
    });
    std::fs::write(folder.join("keystroke/second").join(BACK_END_FILE), &bytes).unwrap();
    assert_eq!(first.sha256, second.sha256, "it is the same network");

    let mut broker = Broker::start(1, 1);
    broker.config.models_dir = folder.to_owned();
    let topics = broker.config.topics.clone();
    let metrics = StreamMetrics::register(&Registry::new()).unwrap();
    let score = Score::start(broker.config.clone(), metrics, Arc::new(AtomicBool::new(false))).unwrap();
    let mut tape = Tape::default();
    let mut typist = Typist::new("person", "s", 1);
    (0..7).for_each(|_| tape.push(0, "person", typist.batch(50)));
    (0..2).for_each(|_| tape.push(0, "person", typist.batch(50)));
    broker.publish(&tape.inputs[..7]);
    broker.wait_for(&topics.decisions, 30);
    let announced = serde_json::to_vec(&announcement(&second)).unwrap();
    broker.put(&topics.models, 0, "keystroke", Some(&announced));
    until("the second version", || {
        broker
            .read(&topics.audit)
            .iter()
            .any(|audit| text(audit).contains("\"second\""))
    });
    broker.publish(&tape.inputs[7..]);
    broker.wait_for(&topics.decisions, 39);
    score.stop();
    score.join().unwrap();

    let decisions = broker.read(&topics.decisions);
    let decisions: Vec<Decision> = decisions
        .iter()
        .map(|it| serde_json::from_str(&text(it)).unwrap())
        .collect();
    let compared = |version: &str| -> Vec<(f32, f32)> {
        let of = decisions
            .iter()
            .filter(|it| it.model.as_ref().is_some_and(|model| model.version == version));
        of.filter_map(|it| it.score.comparison.zip(it.score.llr)).collect()
    };
    let (before, after) = (compared("first"), compared("second"));
    assert!(
        before.len() >= 5 && before.iter().all(|(cosine, _)| cosine.abs() < 0.999_999),
        "{before:?}"
    );
    assert!(after.len() >= 8, "nobody has to enrol again: {after:?}");
    for (cosine, llr) in after {
        assert!(
            (cosine.abs() - 1.0).abs() < 1e-6 && (llr - (10.0 * cosine - 9.0)).abs() < 1e-4,
            "{cosine} {llr}"
        );
    }
    // What is stored is what the network gave, whichever back-end compared it.
    let references = broker.read(&topics.references);
    let anchors = |message: &rdkafka::message::OwnedMessage| {
        let reference: Reference = serde_json::from_str(&text(message)).unwrap();
        assert_eq!(reference.model.sha256, first.sha256);
        reference.anchors
    };
    let (last, anchors_wanted) = (
        anchors(references.last().unwrap()),
        broker.config.line.references.anchors,
    );
    assert_eq!(last.len(), anchors_wanted);
    let full = references
        .iter()
        .map(anchors)
        .find(|anchors| anchors.len() == anchors_wanted);
    assert_eq!(full, Some(last));
}
