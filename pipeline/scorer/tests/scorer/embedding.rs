//! What comes out: the trainer's numbers, the same bits in any company, and errors that name the window.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use ductus_dynamics::event::Modality;
use ductus_learn::{Network, NetworkConfig};
use ductus_scorer::{Batching, Contract, Embedder, Model};
use expect_test::expect;

use crate::graph::{Graph, Op};
use crate::support::{FEATURES, contract, folder, numbers, runtime};

/// How far a network in ONNX Runtime may be from the trainer's own forward pass.
const TRAINER_TOLERANCE: f32 = 1e-5;

/// Networks of every form that training offers, with odd sizes among them: features, layers, hidden, both ways, dimensions.
const NETWORKS: [(usize, usize, usize, bool, usize); 7] = [
    (17, 1, 8, false, 4),
    (15, 1, 64, true, 64),
    (17, 2, 64, true, 64),
    (17, 2, 64, false, 32),
    (17, 2, 33, true, 19),
    (3, 3, 16, true, 16),
    (17, 1, 128, false, 64),
];

fn networks() -> impl Iterator<Item = (Network, Embedder)> {
    runtime();
    NETWORKS
        .into_iter()
        .zip(1..)
        .map(|((features, layers, hidden, bidirectional, embedding), seed)| {
            let config = NetworkConfig {
                features,
                layers,
                hidden,
                bidirectional,
                embedding,
            };
            let network = Network::random(config, seed).expect("the sizes are within bounds");
            let dir = folder(&network.to_onnx(), features, embedding, |_| ());
            let model =
                Model::load(dir.path(), &Contract { features, ..contract() }).expect("the exporter keeps the contract");
            (network, Arc::new(model).embedder().expect("a session"))
        })
}

#[test]
fn onnx_runtime_computes_what_the_trainer_computes() {
    for (network, mut embedder) in networks() {
        let config = network.config();
        let windows: Vec<Vec<f32>> = (1..=50)
            .map(|steps| numbers(steps as u32, steps * config.features))
            .collect();
        let windows: Vec<&[f32]> = windows.iter().map(Vec::as_slice).collect();
        let expected = network.embed(&windows, NonZeroUsize::MIN).expect("right windows");
        let mut found = Vec::new();
        embedder.embed(&windows, &mut found).expect("right windows");
        assert_eq!(found.len(), windows.len() * config.embedding);
        let worst = expected
            .iter()
            .zip(&found)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(worst <= TRAINER_TOLERANCE, "{config:?}: off by {worst}");
    }
}

#[test]
fn the_same_window_gives_the_same_bits_in_any_company_and_padding() {
    for (network, mut embedder) in networks() {
        // Not only repeatable, but at full speed: the slow way is for machines that need it.
        assert_eq!(
            embedder.model().batching(),
            Batching::Together,
            "{:?}",
            network.config()
        );
        any_company(&mut embedder, network.config().features);
    }
}

/// What a decision rests on must not depend on which windows happened to be ready at the same moment.
#[test]
fn every_shipped_model_gives_the_same_bits_in_any_company() {
    runtime();
    let registry = Path::new("../../models");
    let mut models = 0;
    for modality in Modality::ALL {
        for entry in std::fs::read_dir(registry.join(modality.name())).expect("the registry holds models") {
            let folder = entry.expect("the folder can be listed").path();
            if !folder.is_dir() {
                continue;
            }
            let model = Model::load(&folder, &Contract::of(modality)).expect("a shipped model keeps the contract");
            assert_eq!(model.batching(), Batching::Together, "{}", folder.display());
            any_company(
                &mut Arc::new(model).embedder().expect("a session"),
                Contract::of(modality).features,
            );
            models += 1;
        }
    }
    assert!(models >= 3, "only {models} models");
}

fn embedder(graph: &Graph) -> Embedder {
    runtime();
    let dir = folder(&graph.bytes(), FEATURES, FEATURES, |_| ());
    Arc::new(Model::load(dir.path(), &contract()).expect("it is right"))
        .embedder()
        .expect("a session")
}

#[test]
fn a_bad_window_is_named_and_nothing_is_embedded() {
    let mut embedder = embedder(&Graph::right(FEATURES as u64));
    let right = numbers(1, 10 * FEATURES);
    let mut infinite = right.clone();
    infinite[3 * FEATURES + 2] = f32::INFINITY;
    let mut check = |window: &[f32], expected: expect_test::Expect| {
        let mut out = vec![1.0];
        let error = embedder
            .embed(&[&right, window, &right], &mut out)
            .expect_err("the window is bad");
        expected.assert_eq(&error.to_string());
        assert!(out.is_empty());
    };
    check(
        &[],
        expect!["window 1 of the batch has 0 values, which is no whole, positive number of steps of 5 features"],
    );
    check(
        &right[1..],
        expect!["window 1 of the batch has 49 values, which is no whole, positive number of steps of 5 features"],
    );
    check(
        &numbers(1, 51 * FEATURES),
        expect!["window 1 of the batch has 51 steps, but the model takes at most 50"],
    );
    check(
        &infinite,
        expect!["window 1 of the batch has a value that is not finite at step 3"],
    );
}

#[test]
fn a_model_that_depends_on_the_company_is_run_alone() {
    let mut graph = Graph::right(FEATURES as u64);
    graph.tail = vec![Op::AddBatchMean, Op::UnitLength];
    let mut embedder = embedder(&graph);
    assert_eq!(embedder.model().batching(), Batching::Alone);
    any_company(&mut embedder, FEATURES);
}

#[test]
fn no_windows_no_embeddings() {
    let mut out = vec![1.0];
    assert_eq!(embedder(&Graph::right(FEATURES as u64)).embed(&[], &mut out), Ok(()));
    assert!(out.is_empty());
}

/// Embeds windows of every length alone, then in calls of many sizes: the bits must be the same.
#[track_caller]
fn any_company(embedder: &mut Embedder, features: usize) {
    let (dims, steps_max) = (embedder.model().dims(), embedder.model().manifest().steps_max);
    let windows: Vec<Vec<f32>> = (0..150)
        .map(|i| numbers(i, (1 + (i as usize * 7) % steps_max) * features))
        .collect();
    let windows: Vec<&[f32]> = windows.iter().map(Vec::as_slice).collect();
    let mut alone = Vec::new();
    let mut out = Vec::new();
    for window in &windows {
        embedder.embed(&[window], &mut out).expect("a right window");
        alone.extend(out.iter().map(|value| value.to_bits()));
    }
    for size in [2, 3, 5, 7, 8, 15, 16, 17, 33, 63, 64, 65, 129, 150] {
        for (call, expected) in windows.chunks(size).zip(alone.chunks(size * dims)) {
            embedder.embed(call, &mut out).expect("right windows");
            let bits: Vec<u32> = out.iter().map(|value| value.to_bits()).collect();
            assert!(bits == expected, "calls of {size} windows give other bits");
        }
        // The same windows beside others: 37 shares no factor with their number.
        let shuffled: Vec<usize> = (0..windows.len()).map(|i| i * 37 % windows.len()).collect();
        for call in shuffled.chunks(size) {
            let company: Vec<&[f32]> = call.iter().map(|&i| windows[i]).collect();
            embedder.embed(&company, &mut out).expect("right windows");
            for (&i, row) in call.iter().zip(out.chunks(dims)) {
                let bits: Vec<u32> = row.iter().map(|value| value.to_bits()).collect();
                assert!(
                    bits == alone[i * dims..(i + 1) * dims],
                    "window {i} has other bits in shuffled calls of {size}"
                );
            }
        }
    }
}
