//! Golden vectors: input batches and the exact feature values of their windows, for every implementation. Values are written
//! as the hexadecimal bits of the f32, so that equal means equal.

use ductus_dynamics::event::Modality;
use ductus_dynamics::event::{EventKind, InputEvent};
use ductus_dynamics::feature::{FeatureWindow, features, layout_hash};
use ductus_dynamics::parse::{ParseLimits, parse};
use ductus_dynamics::reject::Rejections;
use ductus_dynamics::synthetic::{PointerUser, Typist};
use ductus_dynamics::window::{WindowConfig, Windower};
use ductus_dynamics::wire::{self, Closed, EventBatch};
use serde_json::{Value, json};

fn batch(seq: u32, events: &[InputEvent]) -> EventBatch {
    EventBatch {
        v: 1,
        tenant: "golden".to_owned(),
        subject: Some("typist".to_owned()),
        session: "one".to_owned(),
        seq,
        purpose: wire::Purpose::Session,
        consent: wire::Consent::Granted,
        clock: wire::Clock {
            origin_us: 1_763_700_000_000_000,
            resolution_us: 100,
        },
        device: wire::Device::default(),
        detail: Default::default(),
        events: events.iter().map(wire::Event::from).collect(),
    }
}

/// The windows of a stream of batches, with their features as bits.
fn windows(batches: &[Value]) -> Vec<Value> {
    let mut windower = Windower::new(WindowConfig::KEYSTROKE, WindowConfig::POINTER, 0);
    let mut windows = Vec::new();
    for value in batches {
        let mut events = Vec::new();
        parse(
            value.to_string().as_bytes(),
            &ParseLimits::default(),
            &mut events,
            &mut Rejections::default(),
        )
        .unwrap();
        for event in &events {
            windower.push(event, &mut windows);
        }
    }
    windower.close(Closed::End, &mut windows);
    windows
        .iter()
        .map(|window| {
            let FeatureWindow { len, values, modality } = FeatureWindow::of(window);
            let bits = |value: &f32| format!("{:08x}", value.to_bits());
            let rows: Vec<String> =
                values.chunks(features(modality)).map(|row| row.iter().map(bits).collect::<Vec<_>>().join(" ")).collect();
            json!({"modality": modality, "sequence": window.sequence, "start_us": window.start_us, "end_us": window.end_us,
                   "closed": window.closed, "steps": len, "features_f32_bits": rows})
        })
        .collect()
}

#[test]
fn the_vectors_are_what_the_code_computes() {
    let mut awkward = Typist::draw(4).session(1, 24, 0, 100);
    // A lost release, a pause within the window, and two keys at one time.
    awkward.remove(
        awkward
            .iter()
            .position(|event| matches!(event.kind, EventKind::KeyUp { press: 104 }))
            .unwrap(),
    );
    for event in awkward.iter_mut().skip(20) {
        event.t_us += 9_000_000;
    }
    for (name, streams) in [
        ("keystroke", vec![Typist::draw(1).session(0, 60, 0, 0)]),
        ("keystroke-awkward", vec![awkward]),
        ("pointer", vec![PointerUser::draw(1).session(0, 140, 0)]),
    ] {
        let batches: Vec<Value> = streams
            .concat()
            .chunks(40)
            .enumerate()
            .map(|(seq, events)| serde_json::to_value(batch(seq as u32, events)).unwrap())
            .collect();
        let document = json!({
            "about": "input batches and the exact features of their windows; f32 values as hexadecimal bits, row by row",
            "layouts": {"keystroke": layout_hash(Modality::Keystroke), "pointer": layout_hash(Modality::Pointer)},
            "config": {"keystroke": {"steps": 50, "hop": 10, "pause_us": 30_000_000}, "pointer": {"steps": 128, "hop": 64, "pause_us": 30_000_000}},
            "windows": windows(&batches),
            "batches": batches,
        });
        let path = super::schemas_dir().join(format!("golden/{name}.json"));
        expect_test::expect_file![path].assert_eq(&(serde_json::to_string_pretty(&document).unwrap() + "\n"));
    }
}
