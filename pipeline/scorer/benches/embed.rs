//! Windows a second through [`ductus_scorer::Embedder`], beside a bare `ort` loop on the same network in the same run.
//!
//! The two take turns, round after round, so that whatever else the machine does hits both; medians are compared. What the
//! embedder adds is checking, gathering and padding the windows, and copying the embeddings out. One JSON line a batch size.

use std::sync::Arc;
use std::time::Instant;

use ductus_learn::{Network, NetworkConfig};
use ductus_scorer::{Contract, Embedder, Model};
use ort::session::Session;
use ort::value::TensorRef;

#[path = "../tests/scorer/support.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod support;

const FEATURES: usize = 17;
const STEPS: usize = 50;
const ROUNDS: usize = 21;
/// About a tenth of a second a round.
const WINDOWS_PER_ROUND: usize = 512;
/// The share of the bare loop's speed that is to be reached.
const TARGET: f64 = 0.8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `cargo test --benches` only asks whether it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    let runtime = support::runtime();
    let network = Network::random(NetworkConfig::new(FEATURES), 1)?;
    let bytes = network.to_onnx();
    let dir = support::folder(&bytes, FEATURES, network.config().embedding, |_| ());
    let model = Model::load(
        dir.path(),
        &Contract {
            features: FEATURES,
            ..support::contract()
        },
    )?;
    let mut embedder = Arc::new(model).embedder()?;
    let mut bare = Session::builder(runtime.environment())?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .commit_from_memory(&bytes)?;

    for batch in [16, 64] {
        let values = support::numbers(7, batch * STEPS * FEATURES);
        let windows: Vec<&[f32]> = values.chunks(STEPS * FEATURES).collect();
        let (mut ours, mut yardstick) = (Vec::new(), Vec::new());
        for round in 0..=ROUNDS {
            let ours_now = ours_once(&mut embedder, &windows)?;
            let bare_now = bare_once(&mut bare, &values, batch)?;
            // The first round warms up caches and arenas.
            if round > 0 {
                ours.push(ours_now);
                yardstick.push(bare_now);
            }
        }
        report(batch, median(ours), median(yardstick));
    }
    Ok(())
}

fn ours_once(embedder: &mut Embedder, windows: &[&[f32]]) -> Result<f64, Box<dyn std::error::Error>> {
    let mut out = Vec::new();
    let start = Instant::now();
    for _ in 0..WINDOWS_PER_ROUND / windows.len() {
        embedder.embed(windows, &mut out)?;
        std::hint::black_box(&out);
    }
    Ok(WINDOWS_PER_ROUND as f64 / start.elapsed().as_secs_f64())
}

fn bare_once(session: &mut Session, values: &[f32], batch: usize) -> Result<f64, Box<dyn std::error::Error>> {
    let lengths = vec![STEPS as i32; batch];
    let start = Instant::now();
    for _ in 0..WINDOWS_PER_ROUND / batch {
        let x = TensorRef::from_array_view(([batch, STEPS, FEATURES], values))?;
        let lengths = TensorRef::from_array_view(([batch], &*lengths))?;
        let outputs = session.run(ort::inputs!["x" => x, "lengths" => lengths])?;
        std::hint::black_box(outputs["embedding"].try_extract_tensor::<f32>()?);
    }
    Ok(WINDOWS_PER_ROUND as f64 / start.elapsed().as_secs_f64())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
fn report(batch: usize, value: f64, yardstick: f64) {
    println!(
        r#"{{"name":"scorer/embed-batch-{batch}","value":{value:.1},"unit":"windows/s","yardstick":{yardstick:.1},"target":{TARGET}}}"#
    );
}
