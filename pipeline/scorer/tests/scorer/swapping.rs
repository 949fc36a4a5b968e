//! Models change while threads embed: every result belongs to exactly one model, and a bad model changes nothing.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use ductus_dynamics::event::Modality;
use ductus_dynamics::wire::ModelAnnouncement;
use ductus_scorer::{Embedder, MODEL_FILE, ModelError, ModelSlot, Turn};
use expect_test::{Expect, expect};
use tempfile::TempDir;

use crate::graph::{Graph, Op};
use crate::support::{FEATURES, contract, folder, numbers, runtime};

const THREADS: usize = 3;
const SWAPS: u64 = 20;

fn upright_and_negated() -> (TempDir, TempDir) {
    let mut graph = Graph::right(FEATURES as u64);
    let upright = folder(&graph.bytes(), FEATURES, FEATURES, |_| ());
    graph.tail.push(Op::Negate);
    let negated = folder(&graph.bytes(), FEATURES, FEATURES, |manifest| {
        manifest.version = "negated".to_owned()
    });
    (upright, negated)
}

fn embedder(turn: &Turn) -> Embedder {
    turn.model.embedder().expect("a session")
}

/// A folder whose network is not the one its manifest describes.
fn bad() -> TempDir {
    let dir = folder(&Graph::right(FEATURES as u64).bytes(), FEATURES, FEATURES, |_| ());
    fs::write(dir.path().join(MODEL_FILE), b"something else").expect("it is written");
    dir
}

#[test]
fn concurrent_embedding_never_mixes_models() {
    runtime();
    let (upright, negated) = upright_and_negated();
    let bad = bad();
    let slot = ModelSlot::load(upright.path(), contract()).expect("it is right");
    let windows: Vec<Vec<f32>> = (0..40).map(|i| numbers(i, (1 + i as usize) * FEATURES)).collect();
    let windows: Vec<&[f32]> = windows.iter().map(Vec::as_slice).collect();

    let mut expected = Vec::new();
    embedder(&slot.current())
        .embed(&windows, &mut expected)
        .expect("right windows");
    let opposite: Vec<f32> = expected.iter().map(|value| -value).collect();

    let at_work = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let mut turn = slot.current();
                let mut mine = embedder(&turn);
                let mut out = Vec::new();
                at_work.fetch_add(1, Ordering::Relaxed);
                loop {
                    if slot.generation() != turn.generation {
                        let before = std::mem::replace(&mut turn, slot.current());
                        assert!(before.generation < turn.generation);
                        mine = embedder(&turn);
                    }
                    let generation = turn.generation;
                    mine.embed(&windows, &mut out).expect("right windows");
                    // Odd turns are the upright model's, even ones the negated one's.
                    let right = if generation % 2 == 1 { &expected } else { &opposite };
                    assert!(*right == out, "generation {generation} gave another model's embeddings");
                    let name = if generation % 2 == 1 {
                        "2026-11-21-test"
                    } else {
                        "negated"
                    };
                    assert_eq!(mine.model().manifest().version, name);
                    if generation == SWAPS + 1 {
                        break;
                    }
                }
            });
        }
        while at_work.load(Ordering::Relaxed) < THREADS {
            std::thread::yield_now();
        }
        for swap in 0..SWAPS {
            assert!(matches!(slot.swap(bad.path()), Err(ModelError::HashMismatch { .. })));
            let next = if swap % 2 == 0 { &negated } else { &upright };
            let turn = slot.swap(next.path()).expect("it is right");
            assert_eq!((turn.generation, slot.generation()), (swap + 2, swap + 2));
        }
    });
}

#[test]
fn an_embedder_keeps_its_model() {
    runtime();
    let (upright, negated) = upright_and_negated();
    let slot = ModelSlot::load(upright.path(), contract()).expect("it is right");
    let mut before = embedder(&slot.current());
    let window = numbers(1, 20 * FEATURES);
    let embed = |embedder: &mut Embedder| {
        let mut out = Vec::new();
        embedder.embed(&[&window], &mut out).expect("right windows");
        out
    };
    let first = embed(&mut before);
    let turn = slot.swap(negated.path()).expect("it is right");
    assert_eq!(embed(&mut before), first);
    assert_ne!(embed(&mut embedder(&turn)), first);
    // Back again: the same model, the same bits, another turn.
    let turn = slot.swap(upright.path()).expect("it is right");
    assert_eq!((turn.generation, embed(&mut embedder(&turn))), (3, first));
}

#[test]
fn the_model_outlives_its_folder() {
    runtime();
    let (upright, _) = upright_and_negated();
    let slot = ModelSlot::load(upright.path(), contract()).expect("it is right");
    drop(upright);
    let mut out = Vec::new();
    // A session is made from the checked bytes, not from the file.
    assert_eq!(
        embedder(&slot.current()).embed(&[&numbers(1, FEATURES)], &mut out),
        Ok(())
    );
}

#[test]
fn only_the_announced_model_goes_live() {
    runtime();
    let (upright, negated) = upright_and_negated();
    let slot = ModelSlot::load(upright.path(), contract()).expect("it is right");
    let folder = |dir: &TempDir| {
        dir.path()
            .file_name()
            .and_then(|name| name.to_str())
            .expect("plain")
            .to_owned()
    };
    let registry = upright.path().parent().expect("a temporary folder lies in one");
    let right = ModelAnnouncement {
        v: 1,
        modality: Modality::Keystroke,
        model: ModelSlot::load(negated.path(), contract())
            .expect("it is right")
            .current()
            .model
            .manifest()
            .model_ref(),
        layout_hash: contract().layout_hash,
        path: folder(&negated),
        previous: None,
        announced_us: 0,
    };
    let refused = |change: &dyn Fn(&mut ModelAnnouncement), expected: Expect| {
        let mut announcement = right.clone();
        change(&mut announcement);
        let error = slot.swap_announced(registry, &announcement).expect_err("it is wrong");
        let current = slot.current();
        expected.assert_eq(
            &error
                .to_string()
                .replace(current.model.sha256(), "UPRIGHT")
                .replace(&right.model.sha256, "NEGATED"),
        );
        assert_eq!(slot.generation(), 1);
    };
    refused(
        &|it| it.modality = Modality::Pointer,
        expect!["announcement of model keystroke/negated is refused: it is for the other modality"],
    );
    refused(
        &|it| it.path = format!("../{}", it.path),
        expect![
            "announcement of model keystroke/negated is refused: its path must be a folder within the registry, relative to it"
        ],
    );
    refused(
        &|it| it.path = registry.join(&it.path).display().to_string(),
        expect![
            "announcement of model keystroke/negated is refused: its path must be a folder within the registry, relative to it"
        ],
    );
    refused(
        &|it| it.path = String::new(),
        expect![
            "announcement of model keystroke/negated is refused: its path must be a folder within the registry, relative to it"
        ],
    );
    refused(
        &|it| it.path = folder(&upright),
        expect!["model keystroke/2026-11-21-test is refused: its sha256 is UPRIGHT, but NEGATED was announced"],
    );
    refused(
        &|it| it.model.sha256 = "0".repeat(64),
        expect![
            "model keystroke/negated is refused: its sha256 is NEGATED, but 0000000000000000000000000000000000000000000000000000000000000000 was announced"
        ],
    );

    assert_eq!(
        slot.swap_announced(registry, &right).expect("it is right").generation,
        2
    );
    // Read again, after a restart of the reader for instance: no other turn.
    assert_eq!(
        slot.swap_announced(registry, &right).expect("it is right").generation,
        2
    );
}
