//! Who types in the simulator: records of each partition, drawn from the seed.
//!
//! Invariant: everything that a line has a rule for occurs: sessions that overlap, end, fall idle and come back; batches that
//! are repeated, late, missing or poison; people whose references mature.

use super::super::support::{ORIGIN_US, Typist, fake_model};
use super::world::Event;
use ductus_dynamics::compare::ReferenceKey;
use ductus_dynamics::event::Modality;
use ductus_dynamics::feature::features;
use ductus_dynamics::wire::{Reference, Sample, VERSION};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

const PEOPLE: usize = 3;
const RECORDS: usize = 60;

pub(super) fn records(rng: &mut ChaCha8Rng, partitions: i32) -> Vec<Vec<Event>> {
    (0..partitions).map(|partition| of_partition(rng, partition)).collect()
}

fn subject(partition: i32, person: usize) -> String {
    format!("person-{partition}-{person}")
}

fn of_partition(rng: &mut ChaCha8Rng, partition: i32) -> Vec<Event> {
    let session = |person: usize, number: usize| {
        let name = format!("s-{partition}-{person}-{number}");
        Typist::new(&subject(partition, person), &name, person as u32)
    };
    let mut typists: Vec<(usize, Typist)> = (0..PEOPLE).map(|person| (0, session(person, 0))).collect();
    let (mut records, mut now_us): (Vec<Event>, i64) = (Vec::new(), ORIGIN_US);
    let mut held: Option<(String, Vec<u8>)> = None;
    while records.len() < RECORDS {
        let person = rng.random_range(0..PEOPLE);
        let key = subject(partition, person);
        now_us += match rng.random_range(0..12) {
            0 => 6_000_000,
            1 => 9_500_000,
            _ => 150_000,
        };
        let (number, typist) = &mut typists[person];
        let value = match rng.random_range(0..16) {
            0 => b"{poison".to_vec(),
            1 if !records.is_empty() => {
                let again = rng.random_range(0..records.len());
                let (key, value) = (records[again].key.clone(), records[again].value.clone());
                records.push(Event {
                    key,
                    value,
                    timestamp_us: now_us,
                });
                continue;
            }
            // Kept back, to come after the next one.
            2 if held.is_none() => {
                held = Some((key, typist.batch(2)));
                continue;
            }
            3 => {
                let end = typist.end();
                *number += 1;
                *typist = session(person, *number);
                end
            }
            _ => typist.batch(rng.random_range(1..5)),
        };
        records.push(Event {
            key,
            value,
            timestamp_us: now_us,
        });
        if let Some((key, value)) = held.take_if(|_| rng.random_range(0..2) == 0) {
            records.push(Event {
                key,
                value,
                timestamp_us: now_us,
            });
        }
    }
    records
}

/// A reference set that somebody else wrote: (record key, document).
pub(super) fn reference(partition: usize, version: u32) -> (String, Vec<u8>) {
    let width = features(Modality::Keystroke);
    let reference = Reference {
        v: VERSION,
        tenant: "acme".to_owned(),
        subject: subject(partition as i32, version as usize % PEOPLE),
        modality: Modality::Keystroke,
        device: "physical".to_owned(),
        model: fake_model(Modality::Keystroke, 1 + u64::from(version % 2)).model,
        version,
        anchors: vec![Sample {
            embedding: vec![(width as f32).sqrt().recip(); width],
            session: "elsewhere".to_owned(),
            sequence: u64::from(version),
            end_us: ORIGIN_US,
        }],
        recent: Vec::new(),
        usual: Vec::new(),
        sketches: Vec::new(),
        updated_us: ORIGIN_US,
    };
    let key = ReferenceKey::of(&reference).record_key();
    (key, serde_json::to_vec(&reference).unwrap())
}
