//! The back-end beside a network: taken as it was written, and refused with words whatever is wrong with it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ductus_dynamics::backend::{Space, Whitening};
use ductus_scorer::{BACK_END_FILE, BackEndSource, Model, ModelError, ModelSlot, back_end_bytes, sha256_hex};
use expect_test::{Expect, expect};
use tempfile::TempDir;

use crate::graph::Graph;
use crate::support::{FEATURES, contract, folder, numbers, portable, runtime};

fn whitening(dims: usize) -> Whitening {
    Whitening::new(numbers(1, dims), numbers(2, dims * dims)).expect("finite numbers")
}

/// A model whose back-end file holds these bytes, under their own hash.
fn with_back_end(bytes: &[u8]) -> TempDir {
    let dir = folder(&Graph::right(FEATURES as u64).bytes(), FEATURES, FEATURES, |manifest| {
        manifest.backend = Some(BackEndSource {
            sha256: sha256_hex(bytes),
            people: 41,
            occasions: 123,
            data: Vec::new(),
        });
    });
    fs::write(dir.path().join(BACK_END_FILE), bytes).expect("it is written");
    dir
}

#[track_caller]
fn check(dir: &Path, expected: Expect) {
    runtime();
    match Model::load(dir, &contract()) {
        Ok(model) => panic!("{model:?} was not refused"),
        Err(error) => expected.assert_eq(&portable(error, dir)),
    }
}

#[test]
fn it_comes_out_as_it_went_in() {
    runtime();
    let written = whitening(FEATURES);
    let dir = with_back_end(&back_end_bytes(&written));
    let model = Model::load(dir.path(), &contract()).expect("it is right");
    assert_eq!(model.back_end().space.whitening(), Some(&written));
    assert_eq!(model.back_end().calibration, model.manifest().calibration);
}

#[test]
fn without_one_embeddings_are_compared_as_they_are() {
    runtime();
    let dir = folder(&Graph::right(FEATURES as u64).bytes(), FEATURES, FEATURES, |_| ());
    let model = Model::load(dir.path(), &contract()).expect("it is right");
    assert_eq!(model.back_end().space, Space::default());
}

#[test]
fn a_file_that_is_missing_or_cut_or_another() {
    let right = back_end_bytes(&whitening(FEATURES));
    let dir = with_back_end(&right);
    fs::write(dir.path().join(BACK_END_FILE), &right[..40]).expect("it is written");
    runtime();
    let refused = Model::load(dir.path(), &contract());
    assert!(matches!(refused, Err(ModelError::HashMismatch { bytes: 40, .. })));
    fs::remove_file(dir.path().join(BACK_END_FILE)).expect("it was there");
    check(
        dir.path(),
        expect!["DIR/backend.bin does not exist; a model is a folder with model.onnx and manifest.toml"],
    );
}

#[test]
fn contents_that_are_no_back_end_of_this_network() {
    let right = back_end_bytes(&whitening(FEATURES));
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = right.clone();
        change(&mut bytes);
        with_back_end(&bytes)
    };
    check(
        changed(&|bytes| bytes[0] = b'x').path(),
        expect!["back-end DIR/backend.bin is refused: it does not begin like a back-end"],
    );
    check(
        changed(&|bytes| bytes[15] = 9).path(),
        expect!["back-end DIR/backend.bin is refused: its format is 9, but this build knows only 1"],
    );
    check(
        changed(&|bytes| bytes.truncate(18)).path(),
        expect!["back-end DIR/backend.bin is refused: it ends within its head"],
    );
    check(
        changed(&|bytes| bytes.truncate(100)).path(),
        expect!["back-end DIR/backend.bin is refused: it has 80 bytes of numbers, but 5 dimensions need 120"],
    );
    check(
        changed(&|bytes| bytes[20..24].copy_from_slice(&f32::NAN.to_le_bytes())).path(),
        expect!["back-end DIR/backend.bin is refused: the mean of the whitening has a value that is not finite"],
    );
    check(
        with_back_end(&back_end_bytes(&whitening(FEATURES + 1))).path(),
        expect!["back-end DIR/backend.bin is refused: it is for 6 dimensions, but the network has 5"],
    );
}

#[test]
fn a_version_with_another_back_end_is_another_model() {
    runtime();
    let network = Graph::right(FEATURES as u64).bytes();
    let plain = folder(&network, FEATURES, FEATURES, |_| ());
    let learned = with_back_end(&back_end_bytes(&whitening(FEATURES)));
    let rename = |version: &str| {
        let mut manifest = ductus_scorer::Manifest::load(learned.path()).expect("it is right");
        manifest.version = version.to_owned();
        manifest.save(learned.path()).expect("it is right");
        manifest.model_ref()
    };
    let slot = ModelSlot::load(plain.path(), contract()).expect("it is right");
    let folder = learned
        .path()
        .file_name()
        .and_then(|name| name.to_str())
        .expect("plain");
    let mut announcement = ductus_dynamics::wire::ModelAnnouncement {
        v: 1,
        modality: contract().modality,
        model: rename("learned"),
        layout_hash: contract().layout_hash,
        path: folder.to_owned(),
        previous: None,
        announced_us: 0,
    };
    let registry = learned.path().parent().expect("a temporary folder lies in one");
    let turn = slot.swap_announced(registry, &announcement).expect("it is right");
    assert_eq!(turn.generation, 2);
    assert_eq!(turn.model.sha256(), sha256_hex(&network));
    assert!(turn.model.back_end().space.whitening().is_some());
    assert!(Arc::ptr_eq(&slot.current().model, &turn.model));
    // The same network under a name that was not announced.
    rename("another");
    announcement.model.version = "third".to_owned();
    let error = slot.swap_announced(registry, &announcement).expect_err("it is wrong");
    expect!["model keystroke/another is refused: its version is another, but third was announced"]
        .assert_eq(&error.to_string());
}
