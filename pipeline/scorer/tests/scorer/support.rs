//! The library, model folders and windows that the tests share.

use std::env;
use std::path::{Path, PathBuf};

use ductus_dynamics::event::{KeyDetail, Modality};
use ductus_scorer::{
    Accuracy, Calibration, Contract, DataSource, MANIFEST_FORMAT, MODEL_FILE, Manifest, Runtime, Training, candidates,
    sha256_hex,
};
use tempfile::TempDir;

/// Features in the tests' own contract: small, and no real layout's.
pub(crate) const FEATURES: usize = 5;

/// Starts ONNX Runtime, or fails with the text that says how to get it.
#[track_caller]
#[expect(
    clippy::disallowed_methods,
    reason = "a test has no configuration but the environment"
)]
pub(crate) fn runtime() -> &'static Runtime {
    let variable = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("DUCTUS_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("ductus")))
        .or_else(|| variable("HOME").map(|folder| folder.join(".cache/ductus")));
    match Runtime::start_from(&candidates(
        None,
        variable("ORT_DYLIB_PATH").as_deref(),
        cache.as_deref(),
    )) {
        Ok(runtime) => runtime,
        Err(error) => panic!("this test needs ONNX Runtime: {error}"),
    }
}

pub(crate) fn contract() -> Contract {
    Contract {
        modality: Modality::Keystroke,
        layout_hash: "1a".repeat(32),
        features: FEATURES,
    }
}

/// A manifest that fits [`contract`] and `network`.
pub(crate) fn manifest(network: &[u8], features: usize, embedding_dims: usize) -> Manifest {
    Manifest {
        format: MANIFEST_FORMAT,
        id: "keystroke".to_owned(),
        version: "2026-11-21-test".to_owned(),
        modality: Modality::Keystroke,
        sha256: sha256_hex(network),
        layout_hash: contract().layout_hash,
        features,
        embedding_dims,
        steps_max: 50,
        detail: KeyDetail::Class,
        calibration: Calibration {
            slope: 12.5,
            intercept: -7.0,
        },
        backend: None,
        training: Training {
            command: "ductus-batch train --modality keystroke --seed 7".to_owned(),
            seed: 7,
            non_commercial: false,
            started: "2026-11-21".to_owned(),
            data: vec![DataSource {
                name: "pohmm-pace".to_owned(),
                terms: "BSD-2-Clause".to_owned(),
                subjects: 41,
            }],
        },
        accuracy: Accuracy {
            protocol: "pace-across-samples".to_owned(),
            subjects: 14,
            genuine: Some(280),
            impostor: Some(3640),
            eer_subject: Some(0.099),
            eer_global: Some(0.127),
            auc: Some(0.94),
            fnmr_at_fmr_1pct: Some(0.52),
            fnmr_at_fmr_0_1pct: None,
            cllr: Some(0.31),
            min_cllr: Some(0.29),
        },
        gate: None,
    }
}

/// A model folder with this network and a manifest that `change` may spoil.
pub(crate) fn folder(network: &[u8], features: usize, dims: usize, change: impl FnOnce(&mut Manifest)) -> TempDir {
    let dir = TempDir::new().expect("a temporary folder");
    let mut manifest = manifest(network, features, dims);
    change(&mut manifest);
    std::fs::write(dir.path().join(MODEL_FILE), network).expect("the network is written");
    manifest.save(dir.path()).expect("the manifest is written");
    dir
}

/// The text without the machine's temporary path.
pub(crate) fn portable(text: impl ToString, dir: &Path) -> String {
    text.to_string().replace(&dir.display().to_string(), "DIR")
}

/// Numbers between -1 and 1 from a fixed sequence; `seed` says which.
pub(crate) fn numbers(seed: u32, count: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}
