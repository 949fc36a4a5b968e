//! Models that change every second under load: no window is scored by two, nothing is compared across two, and what is
//! killed in between goes on with the one that was recorded. And a model that is too slow for the group.

use ductus_dynamics::event::Modality;
use ductus_dynamics::feature::layout_hash;
use ductus_dynamics::wire::{ModelAnnouncement, VERSION};
use ductus_learn::{Network, NetworkConfig};
use ductus_scorer::{MANIFEST_FILE, MODEL_FILE, Manifest, sha256_hex};
use ductus_tests::chaos::{self, Chaos, Fault};
use ductus_tests::ledger::Ledger;
use ductus_tests::load::{self, Load, Mix};
use ductus_tests::pick;
use ductus_tests::world::World;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

const SEED: u64 = 20_261_124;
const SWAPS: [usize; 2] = [20, 1_000];
/// About as many windows.
const SLOW_RECORDS: usize = 260;

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_swapped_every_second() {
    let world = chaos::world("swap").await;
    let models = keystroke_models(&world);
    let mut chaos = Chaos::start(&world, 2, SEED).await;
    for swap in 0..pick(SWAPS[0], SWAPS[1]) {
        let announcement = serde_json::to_vec(&models[swap % models.len()]).unwrap();
        world
            .kafka
            .put("models", Modality::Keystroke.name(), &announcement)
            .await;
        if swap % 5 == 4 {
            chaos.cycle(Fault::Kill).await;
        } else {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    let sums = chaos.finish_after_swaps().await;
    chaos::assert_holds(SEED, &sums);
    let mut compared_with: BTreeMap<String, usize> = BTreeMap::new();
    for decision in world.kafka.read_json("decisions") {
        if decision["window"]["modality"] == "keystroke" && decision["score"]["llr"].is_number() {
            let model: &Value = &decision["model"]["sha256"];
            *compared_with.entry(model.as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    for announcement in &models {
        let count = compared_with
            .get(&announcement.model.sha256)
            .copied()
            .unwrap_or_default();
        assert!(count > 20, "only {count} comparisons by {}", announcement.model.version);
    }
}

/// A full batch takes longer than the group lets a member be away (`max.poll.interval.ms`): the member is thrown out, takes on
/// less at its next try, and gets through its backlog.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_slower_than_the_group_allows_loses_nothing() {
    let world = chaos::world("slow-model").await.with_sets([
        "kafka.consumer.session.timeout.ms=1000",
        "kafka.consumer.heartbeat.interval.ms=200",
        "kafka.consumer.max.poll.interval.ms=1000",
        "score.shards=1",
        // So that batches are full.
        "score.batch_wait_ms=500",
    ]);
    install_slow_model(&world);
    let mix = Mix {
        typists: 12,
        pointers: 0,
        ..Mix::default()
    };
    load::send_all(&world.kafka, Load::new(SEED + 1, mix).take(SLOW_RECORDS));
    let mut score = world.start(&["score"]).await;
    let mut ledger = Ledger::new(&world.kafka, chaos::line(), &world.models());
    let settled = ledger.settle(&world.kafka, std::slice::from_mut(&mut score)).await;
    assert!(settled, "{}", score.log());
    assert!(
        score.log().contains("stood still"),
        "the model is not slow enough to show anything:\n{}",
        score.log()
    );
    score.stop();
    chaos::assert_holds(SEED + 1, &ledger.close(&world.kafka));
}

/// Makes a large network of no use the default for keystrokes.
fn install_slow_model(world: &World) {
    let folder = world.models().join(Modality::Keystroke.name());
    let live = std::fs::read_to_string(folder.join("live")).unwrap();
    let mut manifest = Manifest::load(&folder.join(live.trim())).unwrap();
    let config = NetworkConfig {
        features: manifest.features,
        layers: 2,
        hidden: 1_024,
        bidirectional: true,
        embedding: 32,
    };
    let network = Network::random(config, SEED).unwrap().to_onnx();
    "slow".clone_into(&mut manifest.version);
    manifest.sha256 = sha256_hex(&network);
    manifest.embedding_dims = config.embedding;
    manifest.backend = None;
    std::fs::create_dir(folder.join("slow")).unwrap();
    std::fs::write(folder.join("slow").join(MODEL_FILE), network).unwrap();
    manifest.save(&folder.join("slow")).unwrap();
    std::fs::write(folder.join("live"), "slow\n").unwrap();
}

/// Announcements of every shipped keystroke model.
fn keystroke_models(world: &World) -> Vec<ModelAnnouncement> {
    let modality = Modality::Keystroke;
    let folder = world.models().join(modality.name());
    let mut models: Vec<ModelAnnouncement> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|folder| folder.join(MANIFEST_FILE).exists())
        .map(|folder| {
            let model = Manifest::load(&folder).unwrap().model_ref();
            ModelAnnouncement {
                v: VERSION,
                modality,
                path: format!("{}/{}", modality.name(), model.version),
                model,
                layout_hash: layout_hash(modality),
                previous: None,
                announced_us: 0,
            }
        })
        .collect();
    assert!(models.len() >= 2, "one model cannot be swapped");
    models.sort_by(|a, b| a.path.cmp(&b.path));
    models
}
