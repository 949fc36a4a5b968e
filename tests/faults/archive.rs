//! The disk is full under `archive`: scoring goes on, and once there is room the tables are filled up without a hole or a
//! repeat.

use ductus_tests::chaos;
use ductus_tests::load::{self, Load, Mix};
use ductus_tests::oracle::predict_with;
use ductus_tests::pick;
use ductus_tests::process::PATIENCE;
use std::time::{Duration, Instant};

const SEED: u64 = 20_261_125;
const RECORDS: usize = 400;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_archive_and_nothing_else() {
    let world = chaos::world("disk").await;
    // A gap makes windows refuse events that the table holds all the same, so that there could be no simple sum.
    let mix = Mix {
        missing: 0.0,
        ..Mix::default()
    };
    let mut load = Load::new(SEED, mix);
    let score = world.start(&["score"]).await;
    let mut archive = world.start_on_a_small_disk(&["archive"]).await;
    let told = |log: String| log.matches("history cannot be written").count();
    for round in 1..=pick(2, 20) {
        load::send_all(&world.kafka, load.by_ref().take(RECORDS));
        tokio::time::sleep(Duration::from_millis(700)).await;
        archive.fill_disk(true);
        load::send_all(&world.kafka, load.by_ref().take(RECORDS));
        let records = world.kafka.read("events");
        world
            .until_decided(&predict_with(chaos::line(), &world.kafka.topic("events"), &records))
            .await;
        let start = Instant::now();
        while told(archive.log()) < round {
            assert!(start.elapsed() < PATIENCE, "the disk is not full:\n{}", archive.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        archive.assert_running();
        archive.fill_disk(false);
        let prediction = predict_with(chaos::line(), &world.kafka.topic("events"), &records);
        let decisions = world.kafka.read("decisions").len() as u64;
        world.until_history_holds(&prediction, decisions).await;
    }
    for table in ["windows", "decisions"] {
        let id = if table == "windows" {
            "session || modality || sequence"
        } else {
            "id"
        };
        let sql = format!("SELECT count(*) AS n, count(DISTINCT {id}) AS ids FROM {table}");
        let row = &world.query(&sql)[0];
        assert_eq!(row["n"], row["ids"], "{table}");
    }
    archive.stop();
    score.stop();
}
