//! `ductus demo --exit` in this process: the whole line around the mock cluster.

use ductus_dynamics::backend::{BackEnd, Calibration};
use ductus_dynamics::event::Modality;
use ductus_dynamics::feature::features;
use ductus_dynamics::wire::{Decision, ModelRef};
use ductus_service::config::Config;
use ductus_service::demo::{Summary, play_once, play_once_with};
use ductus_stream::{Embed, EmbedFailure, Embedders, LiveModel};
use std::path::Path;
use std::sync::Arc;

/// Stands in for the network: the mean of a window's features, which tells synthetic people apart well enough.
struct MeanOfFeatures {
    live: [Arc<LiveModel>; 2],
}

impl MeanOfFeatures {
    fn new() -> Self {
        let live = Modality::ALL.map(|modality| {
            Arc::new(LiveModel {
                model: ModelRef {
                    id: modality.name().to_owned(),
                    version: "mean".to_owned(),
                    sha256: "00".repeat(32),
                },
                back_end: BackEnd::identity(Calibration {
                    slope: 8.0,
                    intercept: -5.0,
                }),
            })
        });
        Self { live }
    }

    /// Features that do not depend on what is typed.
    fn dense(modality: Modality) -> usize {
        match modality {
            Modality::Keystroke => 6,
            Modality::Pointer => features(Modality::Pointer),
        }
    }
}

impl Embed for MeanOfFeatures {
    fn newest(&mut self, modality: Modality) -> Option<Arc<LiveModel>> {
        Some(Arc::clone(&self.live[modality.index()]))
    }

    fn recorded(&mut self, modality: Modality, _: &ModelRef) -> Option<Arc<LiveModel>> {
        self.newest(modality)
    }

    fn embed(
        &mut self,
        modality: Modality,
        _: &ModelRef,
        windows: &[&[f32]],
        out: &mut Vec<f32>,
    ) -> Result<(), EmbedFailure> {
        out.clear();
        for window in windows {
            let mut mean = vec![0.0; Self::dense(modality)];
            for step in window.chunks_exact(features(modality)) {
                for (sum, value) in mean.iter_mut().zip(step) {
                    *sum += value;
                }
            }
            let norm = mean.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-6);
            out.extend(mean.iter().map(|value| value / norm));
        }
        Ok(())
    }
}

struct Everyone;

impl Embedders for Everyone {
    fn embedder(&self) -> Box<dyn Embed> {
        Box::new(MeanOfFeatures::new())
    }

    fn loaded(&self) -> bool {
        true
    }
}

fn play(out: &Path, sets: &[&str]) -> (Summary, Vec<Decision>) {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    let config = Config::load_from(None, std::iter::empty(), &sets).expect("no mistakes");
    let summary = play_once_with(config, Some(out), Arc::new(Everyone)).expect("it plays");
    (summary, read(out))
}

fn read(out: &Path) -> Vec<Decision> {
    let written = std::fs::read_to_string(out).expect("decisions are written");
    written
        .lines()
        .map(|line| serde_json::from_str(line).expect("a decision"))
        .collect()
}

/// With the released models, as `ductus demo --exit` does it.
#[test]
fn somebody_else_at_the_keyboard_is_seen() {
    let config = Config::load(None, &["models.dir=../../models".to_owned()]).expect("no mistakes");
    let library = config.surroundings.ort_dylib_path.as_ref();
    assert!(library.is_some(), "ORT_DYLIB_PATH is not set: run `cargo xtask test`");
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("decisions.ndjson");
    let summary = play_once(config, Some(&out)).expect("it plays");
    let decisions = read(&out);
    assert_eq!(summary.windows, summary.decisions);
    assert_eq!(summary.decisions, decisions.len() as u64);
    assert!(summary.rejected > 0, "{summary:?}");
    let (genuine, takeover) = (
        summary.risk_genuine.expect("scored"),
        summary.risk_takeover.expect("scored"),
    );
    assert!(takeover > genuine + 30.0, "{summary:?}");
}

#[test]
fn the_same_scenario_gives_the_same_decisions() {
    let folder = tempfile::tempdir().expect("a folder");
    let short = [
        "demo.typists=2",
        "demo.pointers=1",
        "demo.monitor_keys=300",
        "demo.monitor_moves=400",
    ];
    let two_shards = [&short[..], &["score.shards=2"]].concat();
    let (_, first) = play(&folder.path().join("first.ndjson"), &short);
    let (_, again) = play(&folder.path().join("again.ndjson"), &two_shards);
    assert!(!first.is_empty());
    assert_eq!(first.len(), again.len());
    for (one, other) in first.iter().zip(&again) {
        assert_eq!(one, other);
    }
}
