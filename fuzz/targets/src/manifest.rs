//! The reader of model manifests.
//!
//! What must hold: nothing panics; what is accepted can be written, and reads the same again; its numbers poison no decision and
//! no comparison of models.

use ductus_scorer::{Accuracy, Manifest, ModelError};
use std::path::Path;

/// Reads `bytes` as a manifest.
pub fn manifest(bytes: &[u8]) -> bool {
    let path = Path::new("manifest.toml");
    let manifest = match Manifest::from_bytes(bytes, path) {
        Ok(manifest) => manifest,
        Err(error) => {
            assert!(matches!(error, ModelError::BadManifest { .. }), "{error}");
            assert!(!error.to_string().contains('\n'), "an error is one line: {error}");
            return false;
        }
    };
    for cosine in [-1.0, 0.0, 1.0] {
        let llr = manifest.calibration.llr(cosine);
        assert!(llr.is_finite(), "a cosine of {cosine} says {llr}");
    }
    for figure in figures(&manifest.accuracy) {
        assert!(figure.is_finite(), "an accuracy of {figure}");
    }
    assert_eq!(manifest.sha256.len(), 64);
    let text = manifest.to_text(path).expect("what was read can be written");
    let again = Manifest::from_bytes(text.as_bytes(), path).expect("what was written can be read");
    assert_eq!(again, manifest);
    true
}

fn figures(accuracy: &Accuracy) -> impl Iterator<Item = f64> {
    [
        accuracy.eer_subject,
        accuracy.eer_global,
        accuracy.auc,
        accuracy.fnmr_at_fmr_1pct,
        accuracy.fnmr_at_fmr_0_1pct,
        accuracy.cllr,
        accuracy.min_cllr,
    ]
    .into_iter()
    .flatten()
}
