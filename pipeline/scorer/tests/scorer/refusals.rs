//! Every bad model is refused before use, and the text says what was expected and found.

use std::fs;
use std::path::Path;

use ductus_dynamics::event::Modality;
use ductus_scorer::{Batching, MANIFEST_FILE, MODEL_FILE, Manifest, Model, ModelError, live_dir};
use expect_test::{Expect, expect};
use tempfile::TempDir;

use crate::graph::{FLOAT, Graph, INT32, Op};
use crate::support::{FEATURES, contract, folder, manifest, portable, runtime};

#[track_caller]
fn check(dir: &Path, expected: Expect) {
    runtime();
    match Model::load(dir, &contract()) {
        Ok(model) => panic!("{model:?} was not refused"),
        Err(error) => expected.assert_eq(&portable(error, dir)),
    }
}

#[track_caller]
fn check_graph(change: impl FnOnce(&mut Graph), expected: Expect) {
    let mut graph = Graph::right(FEATURES as u64);
    change(&mut graph);
    let dir = folder(&graph.bytes(), FEATURES, FEATURES, |_| ());
    check(dir.path(), expected);
}

#[track_caller]
fn check_manifest(change: impl FnOnce(String) -> String, expected: Expect) {
    let dir = folder(&Graph::right(FEATURES as u64).bytes(), FEATURES, FEATURES, |_| ());
    let path = dir.path().join(MANIFEST_FILE);
    let text = fs::read_to_string(&path).expect("the manifest is there");
    fs::write(&path, change(text)).expect("the manifest is written");
    check(dir.path(), expected);
}

#[test]
fn the_model_that_the_others_are_broken_copies_of_is_taken() {
    runtime();
    let dir = folder(&Graph::right(FEATURES as u64).bytes(), FEATURES, FEATURES, |_| ());
    let model = Model::load(dir.path(), &contract()).expect("it is right");
    assert_eq!(model.batching(), Batching::Together);
    assert_eq!(model.dims(), FEATURES);
}

#[test]
fn absent_folder() {
    let dir = TempDir::new().expect("a temporary folder");
    check(
        dir.path(),
        expect!["DIR/manifest.toml does not exist; a model is a folder with model.onnx and manifest.toml"],
    );
}

#[test]
fn absent_network() {
    let dir = folder(b"", FEATURES, FEATURES, |_| ());
    fs::remove_file(dir.path().join(MODEL_FILE)).expect("it was there");
    check(
        dir.path(),
        expect!["DIR/model.onnx does not exist; a model is a folder with model.onnx and manifest.toml"],
    );
}

#[test]
fn truncated_network() {
    let network = Graph::right(FEATURES as u64).bytes();
    let dir = folder(&network, FEATURES, FEATURES, |_| ());
    fs::write(dir.path().join(MODEL_FILE), &network[..network.len() / 2]).expect("it is written");
    check(
        dir.path(),
        expect![
            "DIR/model.onnx is refused: sha256 is 272884f31ff9e8081aee430ee5bf178cfbe0d35b71da6a0998bc153e7fcdfd70 over 131 bytes, but its manifest says c97770f6692fb0d680be604dd73b8eceb58ae4ab4af91d8892fb6f4bf2008a5b; the file was cut short or replaced, copy the model folder again"
        ],
    );
}

#[test]
fn network_of_another_hash() {
    let dir = folder(&Graph::right(FEATURES as u64).bytes(), FEATURES, FEATURES, |manifest| {
        manifest.sha256 = "0".repeat(64);
    });
    check(
        dir.path(),
        expect![
            "DIR/model.onnx is refused: sha256 is c97770f6692fb0d680be604dd73b8eceb58ae4ab4af91d8892fb6f4bf2008a5b over 262 bytes, but its manifest says 0000000000000000000000000000000000000000000000000000000000000000; the file was cut short or replaced, copy the model folder again"
        ],
    );
}

#[test]
fn bytes_that_are_no_network_although_the_hash_is_right() {
    let dir = folder(b"not a network", FEATURES, FEATURES, |_| ());
    check(
        dir.path(),
        expect![
            "model keystroke/2026-11-21-test is refused by onnx runtime: Failed to load model because protobuf parsing failed."
        ],
    );
}

#[test]
fn another_layout() {
    let dir = folder(&Graph::right(FEATURES as u64).bytes(), FEATURES, FEATURES, |manifest| {
        manifest.layout_hash = "2b".repeat(32);
    });
    check(
        dir.path(),
        expect![
            "model keystroke/2026-11-21-test is refused: it was trained on feature layout 2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b, but this build makes 1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a; retrain it with this build's ductus-batch"
        ],
    );
}

#[test]
fn another_modality() {
    let dir = folder(&Graph::right(FEATURES as u64).bytes(), FEATURES, FEATURES, |manifest| {
        manifest.modality = Modality::Pointer;
    });
    check(
        dir.path(),
        expect!["model keystroke/2026-11-21-test is refused: it is for pointer, but keystroke is needed here"],
    );
}

#[test]
fn another_number_of_features() {
    let dir = folder(&Graph::right(4).bytes(), 4, 4, |_| ());
    check(
        dir.path(),
        expect!["model keystroke/2026-11-21-test is refused: features in the manifest is 4, but 5 is needed"],
    );
    // The manifest says the right number, the network another.
    let dir = folder(&Graph::right(4).bytes(), FEATURES, 4, |_| ());
    check(
        dir.path(),
        expect![
            "model keystroke/2026-11-21-test is refused: `x` is f32 [any, any, 4], but f32 [any, any, 5] is needed"
        ],
    );
}

#[test]
fn another_embedding_width() {
    let dir = folder(&Graph::right(FEATURES as u64).bytes(), FEATURES, 64, |_| ());
    check(
        dir.path(),
        expect!["model keystroke/2026-11-21-test is refused: `embedding` is f32 [any, 5], but f32 [any, 64] is needed"],
    );
}

#[test]
fn other_names() {
    check_graph(
        |graph| graph.windows.0 = "input",
        expect![
            "model keystroke/2026-11-21-test is refused: `x` is missing (there is: input, lengths), but f32 [any, any, 5] is needed"
        ],
    );
    check_graph(
        |graph| graph.output.0 = "output",
        expect![
            "model keystroke/2026-11-21-test is refused: `embedding` is missing (there is: output), but f32 [any, 5] is needed"
        ],
    );
}

#[test]
fn other_types_and_shapes() {
    check_graph(
        |graph| graph.lengths.1 = FLOAT,
        expect!["model keystroke/2026-11-21-test is refused: `lengths` is f32 [any], but i32 [any] is needed"],
    );
    check_graph(
        |graph| graph.lengths.2 = vec![],
        expect!["model keystroke/2026-11-21-test is refused: `lengths` is i32 [], but i32 [any] is needed"],
    );
    check_graph(
        |graph| graph.windows.2[0] = Some(1),
        expect!["model keystroke/2026-11-21-test is refused: `x` is f32 [1, any, 5], but f32 [any, any, 5] is needed"],
    );
    check_graph(
        |graph| graph.windows.2[1] = Some(50),
        expect!["model keystroke/2026-11-21-test is refused: `x` is f32 [any, 50, 5], but f32 [any, any, 5] is needed"],
    );
    check_graph(
        |graph| graph.lengths.1 = INT32 + 1,
        expect!["model keystroke/2026-11-21-test is refused: `lengths` is i64 [any], but i32 [any] is needed"],
    );
}

#[test]
fn embeddings_that_are_no_unit_vectors() {
    check_graph(
        |graph| graph.tail = vec![Op::Negate],
        expect![
            "model keystroke/2026-11-21-test is refused: its embedding of the canary window has length 1.2897955, but 1 is needed"
        ],
    );
    check_graph(
        |graph| graph.tail = vec![Op::Negate, Op::Sqrt, Op::UnitLength],
        expect![
            "model keystroke/2026-11-21-test is refused: its embedding of the canary window fails: the embedding of window 0 of the batch is not finite"
        ],
    );
}

#[test]
fn manifests_that_say_something_unknown() {
    check_manifest(
        |text| format!("mood = \"good\"\n{text}"),
        expect![
            "manifest DIR/manifest.toml is refused: line 1: unknown field `mood`, expected one of `format`, `id`, `version`, `modality`, `sha256`, `layout_hash`, `features`, `embedding_dims`, `steps_max`, `detail`, `calibration`, `backend`, `training`, `accuracy`, `gate`"
        ],
    );
    check_manifest(
        |text| text.replace("[calibration]\n", "[calibration]\nshift = 1\n"),
        expect![
            "manifest DIR/manifest.toml is refused: line 13: unknown field `shift`, expected `slope` or `intercept`"
        ],
    );
    check_manifest(
        |text| text.replace("format = 1", "format = 2"),
        expect!["manifest DIR/manifest.toml is refused: its format is 2, but this build knows only 1"],
    );
    check_manifest(
        |text| text.replace("detail = \"class\"", "detail = \"row\""),
        expect!["manifest DIR/manifest.toml is refused: line 10: unknown variant `row`, expected `class` or `hand`"],
    );
    check_manifest(
        |text| text.replace("slope = 12.5", "slope = nan"),
        expect![
            "manifest DIR/manifest.toml is refused: calibration has slope NaN and intercept -7, but both must be finite in single precision and the slope positive"
        ],
    );
    check_manifest(
        |text| text.replace("slope = 12.5", "slope = -12.5"),
        expect![
            "manifest DIR/manifest.toml is refused: calibration has slope -12.5 and intercept -7, but both must be finite in single precision and the slope positive"
        ],
    );
    check_manifest(
        |text| text.replace("slope = 12.5", "slope = 1e39"),
        expect![
            "manifest DIR/manifest.toml is refused: calibration has slope 1000000000000000000000000000000000000000 and intercept -7, but both must be finite in single precision and the slope positive"
        ],
    );
    check_manifest(
        |text| text.replace("auc = 0.94", "auc = nan"),
        expect!["manifest DIR/manifest.toml is refused: accuracy.auc is NaN, but must be finite and not negative"],
    );
    check_manifest(
        |text| text.replace("steps_max = 50", "steps_max = 0"),
        expect!["manifest DIR/manifest.toml is refused: steps_max is 0, but must be from 1 to 4096"],
    );
    check_manifest(
        |text| text.replace("steps_max = 50\n", ""),
        expect!["manifest DIR/manifest.toml is refused: line 1: missing field `steps_max`"],
    );
    check_manifest(
        |text| text.replace("2026-11-21-test", "../../elsewhere"),
        expect!["manifest DIR/manifest.toml is refused: version must be 1 to 64 of the characters A-Z a-z 0-9 . _ -"],
    );
    check_manifest(
        |text| text.replace("sha256 = \"", "sha256 = \"0"),
        expect!["manifest DIR/manifest.toml is refused: sha256 must be 64 lowercase hexadecimal digits"],
    );
    check_manifest(
        |_| String::new(),
        expect!["manifest DIR/manifest.toml is refused: line 1: missing field `format`"],
    );
    check_manifest(
        |text| text[..text.len() / 2].to_owned(),
        expect![[r#"manifest DIR/manifest.toml is refused: line 17: invalid basic string, expected `"`"#]],
    );
}

#[test]
fn manifest_as_written() {
    let dir = TempDir::new().expect("a temporary folder");
    let manifest = manifest(b"network", 17, 64);
    manifest.save(dir.path()).expect("it is right");
    assert_eq!(Manifest::load(dir.path()).expect("it is right"), manifest);
    let text = fs::read_to_string(dir.path().join(MANIFEST_FILE)).expect("it is there");
    expect![[r#"
        format = 1
        id = "keystroke"
        version = "2026-11-21-test"
        modality = "keystroke"
        sha256 = "3009be769fb8f956e8413ee9f3e0836e34968bc40457d0a10c549d2edcf00cc1"
        layout_hash = "1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a"
        features = 17
        embedding_dims = 64
        steps_max = 50
        detail = "class"

        [calibration]
        slope = 12.5
        intercept = -7.0

        [training]
        command = "ductus-batch train --modality keystroke --seed 7"
        seed = 7
        non_commercial = false
        started = "2026-11-21"

        [[training.data]]
        name = "pohmm-pace"
        terms = "BSD-2-Clause"
        subjects = 41

        [accuracy]
        protocol = "pace-across-samples"
        subjects = 14
        genuine = 280
        impostor = 3640
        eer_subject = 0.099
        eer_global = 0.127
        auc = 0.94
        fnmr_at_fmr_1pct = 0.52
        cllr = 0.31
        min_cllr = 0.29
    "#]]
    .assert_eq(&text);
}

#[test]
fn a_wrong_manifest_is_not_written() {
    let dir = TempDir::new().expect("a temporary folder");
    let mut manifest = manifest(b"network", 17, 64);
    manifest.calibration.slope = f64::INFINITY;
    assert!(matches!(manifest.save(dir.path()), Err(ModelError::BadManifest { .. })));
    assert!(!dir.path().join(MANIFEST_FILE).exists());
}

#[test]
fn the_live_version_is_the_folder_that_the_file_names() {
    let models = TempDir::new().expect("a temporary folder");
    let family = models.path().join("keystroke");
    let check = |content: &str, expected: Expect| {
        fs::write(family.join("live"), content).expect("it is written");
        let found = match live_dir(models.path(), Modality::Keystroke) {
            Ok(dir) => dir.display().to_string(),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&portable(found, models.path()));
    };
    fs::create_dir_all(family.join("2026-11-21-pace-ensemble")).expect("it is made");
    check(
        "2026-11-21-pace-ensemble\n",
        expect!["DIR/keystroke/2026-11-21-pace-ensemble"],
    );
    check(
        "2026-11-22-pace\n",
        expect!["DIR/keystroke/2026-11-22-pace does not exist; a model is a folder with model.onnx and manifest.toml"],
    );
    check(
        "../pointer/2026-11-21\n",
        expect![
            "manifest DIR/keystroke/live is refused: it must hold one line, the name of a version folder beside it"
        ],
    );
    check(
        "",
        expect![
            "manifest DIR/keystroke/live is refused: it must hold one line, the name of a version folder beside it"
        ],
    );
}
