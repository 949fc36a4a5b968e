//! The released keystroke model in a bare ONNX Runtime loop: the yardstick of the embedding stage.

use crate::Anyhow;
use ductus_dynamics::event::Modality;
use ductus_scorer::{MODEL_FILE, live_dir};
use ort::session::Session;
use ort::value::TensorRef;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The released models, seen from the crate's folder, in which cargo runs its benchmarks.
pub(crate) const REGISTRY: &str = "../../models";
const BATCH: usize = 16;
const STEPS: usize = 50;
const WINDOWS: usize = 4_096;

/// Starts ONNX Runtime, as `score` does.
pub(crate) fn runtime() -> Anyhow<()> {
    let library = std::env::var("ORT_DYLIB_PATH").map_err(|_| "ORT_DYLIB_PATH is not set: run cargo xtask bench")?;
    ductus_scorer::Runtime::start(Path::new(&library))?;
    Ok(())
}

/// The file of the released keystroke model.
pub(crate) fn released() -> Anyhow<PathBuf> {
    let live = live_dir(Path::new(REGISTRY), Modality::Keystroke)?;
    Ok(std::path::absolute(live.join(MODEL_FILE))?)
}

/// Windows a second at a batch of 16, in one thread.
pub(crate) fn bare_windows_per_s() -> Anyhow<f64> {
    let mut session = Session::builder(ductus_scorer::Runtime::current()?.environment())?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .commit_from_file(released()?)?;
    let features = ductus_dynamics::feature::KEYSTROKE_FEATURES;
    let values = vec![0.1_f32; BATCH * STEPS * features];
    let lengths = vec![STEPS as i32; BATCH];
    let mut run = |rounds: usize| -> Anyhow<()> {
        for _ in 0..rounds {
            let x = TensorRef::from_array_view(([BATCH, STEPS, features], &*values))?;
            let n = TensorRef::from_array_view(([BATCH], &*lengths))?;
            std::hint::black_box(session.run(ort::inputs!["x" => x, "lengths" => n])?);
        }
        Ok(())
    };
    run(4)?;
    let start = Instant::now();
    run(WINDOWS / BATCH)?;
    Ok(WINDOWS as f64 / start.elapsed().as_secs_f64())
}
