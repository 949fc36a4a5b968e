//! Models that change every second under load: no window is scored by two, nothing is compared across two, and what is
//! killed in between goes on with the one that was recorded.
use ductus_dynamics::event::Modality;
use ductus_dynamics::feature::layout_hash;
use ductus_dynamics::wire::{ModelAnnouncement, VERSION};
use ductus_scorer::{MANIFEST_FILE, Manifest};
use ductus_tests::chaos::{self, Chaos, Fault};
use ductus_tests::world::World;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

const SEED: u64 = 20_261_124;
const SWAPS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_model_is_swapped_every_second() {
    let world = chaos::world("swap").await;
    let models = keystroke_models(&world);
    let mut chaos = Chaos::start(&world, 2, SEED).await;
    for swap in 0..SWAPS {
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
