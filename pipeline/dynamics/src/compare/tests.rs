//! Tests of references: maturity, the bound on drift, and what a comparison says.

use super::*;
use crate::backend::{Calibration, Whitening};
use crate::event::InputEvent;
use crate::synthetic::Typist;
use crate::window::{WindowConfig, Windower};
use crate::wire::Closed;
use expect_test::expect;

fn measures() -> Measures {
    let mut windower = Windower::new(WindowConfig::KEYSTROKE, WindowConfig::POINTER, 0);
    let mut windows = Vec::new();
    let events: Vec<InputEvent> = Typist::draw(1).session(0, 50, 0, 0);
    for event in &events {
        windower.push(event, &mut windows);
    }
    windower.close(Closed::End, &mut windows);
    Measures::of(&windows[0])
}

fn sample(angle: f32, end_us: i64) -> Sample {
    Sample {
        embedding: vec![angle.cos(), angle.sin()],
        session: "x".to_owned(),
        sequence: 0,
        end_us,
    }
}

fn set() -> ReferenceSet {
    let key = ReferenceKey {
        tenant: "acme".to_owned(),
        subject: "s-1".to_owned(),
        modality: Modality::Keystroke,
        device: "physical".to_owned(),
        model_sha256: "0123456789abcdef".to_owned(),
    };
    assert_eq!(key.record_key(), "acme/s-1/keystroke/physical/01234567");
    let model = ModelRef {
        id: "keystroke".to_owned(),
        version: "1".to_owned(),
        sha256: key.model_sha256.clone(),
    };
    ReferenceSet::new(&key, &model)
}

#[test]
fn nobody_walks_a_profile_away() {
    let policy = ReferencePolicy {
        anchors: 3,
        recent_max: 4,
        ..ReferencePolicy::default()
    };
    let (mut set, measures) = (set(), measures());
    for i in 0..3 {
        assert!(set.add(sample(0.0, i), &measures, &policy));
    }
    assert!(set.is_mature(&policy));
    // Each sample lies only a little further than the last; the anchors, not the last sample, are what it is held against.
    let taken: Vec<bool> = (1..20)
        .map(|i| set.add(sample(i as f32 * 0.1, 10 + i64::from(i)), &measures, &policy))
        .collect();
    let last = taken.iter().rposition(|taken| *taken).unwrap() + 1;
    assert!(
        (last as f32 * 0.1).cos() >= policy.drift_cosine_min && !taken[18],
        "last taken at {last}"
    );
    assert_eq!(set.count(), 7);
    let far = set.compare(
        &sample(1.9, 0).embedding,
        &BackEnd::identity(Calibration {
            slope: 1.0,
            intercept: 0.0,
        }),
    );
    assert!(far.cosine < 0.5, "{far:?}");
}

#[test]
fn maturity_and_storing() {
    let policy = ReferencePolicy {
        anchors: 2,
        recent_max: 2,
        ..ReferencePolicy::default()
    };
    let (mut set, measures) = (set(), measures());
    let mut seen = vec![set.maturity(&policy)];
    for i in 0..5 {
        set.add(sample(0.0, i), &measures, &policy);
        seen.push(set.maturity(&policy));
    }
    assert_eq!(seen, [0, 25, 50, 75, 100, 100]);
    assert_eq!(ReferenceSet::from_stored(set.stored()).stored(), set.stored());
    assert!(set.overlaps("x", 3) && !set.overlaps("x", 4) && !set.overlaps("y", 3));
    expect!["ReferenceRef { version: 5, maturity: 100, count: 4 }"].assert_eq(&format!("{:?}", set.summary(&policy)));
}

#[test]
fn another_back_end_takes_effect_on_the_stored_references() {
    let policy = ReferencePolicy {
        anchors: 2,
        ..ReferencePolicy::default()
    };
    let (mut set, measures) = (set(), measures());
    set.add(sample(0.2, 0), &measures, &policy);
    set.add(sample(-0.2, 1), &measures, &policy);
    let stored = set.stored();
    let calibration = Calibration {
        slope: 2.0,
        intercept: -1.0,
    };
    let plain = BackEnd::identity(calibration);
    // The second direction is a nuisance of this deployment.
    let whitening = Whitening::new(vec![0.0; 2], vec![1.0, 0.0, 0.0, 0.1]).unwrap();
    let whitened = BackEnd {
        space: Space::of(whitening),
        calibration,
    };
    let probe = sample(0.8, 0).embedding;
    let (before, after) = (set.compare(&probe, &plain), set.compare(&probe, &whitened));
    assert!((before.cosine - 0.8f32.cos()).abs() < 1e-6, "{before:?}");
    assert!(after.cosine > 0.99 && after.llr > before.llr, "{after:?}");
    // What is kept prepared changes nothing but the time.
    set.prepare(&whitened);
    assert_eq!(
        (set.compare(&probe, &plain), set.compare(&probe, &whitened)),
        (before, after)
    );
    set.add(sample(0.1, 2), &measures, &policy);
    let mut fresh = ReferenceSet::from_stored(set.stored());
    assert_eq!(set.compare(&probe, &whitened), fresh.compare(&probe, &whitened));
    fresh.prepare(&plain);
    assert_eq!(set.compare(&probe, &plain), fresh.compare(&probe, &plain));
    assert_eq!(stored.anchors, set.stored().anchors);
}
