//! Tests of the replay detector: what it knows again, and what it must leave alone.

use super::*;
use crate::event::InputEvent;
use crate::synthetic::attack::{self, jittered, jittered_path, presses, scaled};
use crate::synthetic::{PointerUser, Typist};
use crate::window::{WindowConfig, Windower};
use crate::wire::Closed;
use proptest::prelude::*;

fn windows(events: &[InputEvent]) -> Vec<Window> {
    let mut windower = Windower::new(WindowConfig::KEYSTROKE, WindowConfig::POINTER, 0);
    let mut windows = Vec::new();
    for event in events {
        windower.push(event, &mut windows);
    }
    windower.close(Closed::End, &mut windows);
    windows
}

/// Sketches of the windows that share no step.
fn stored(events: &[InputEvent]) -> Vec<wire::Sketch> {
    let mut kept: Vec<wire::Sketch> = Vec::new();
    for window in windows(events) {
        if kept.last().is_none_or(|last| last.end_us <= window.start_us) {
            kept.push(Sketch::of(&window).to_wire("recorded", window.end_us));
        }
    }
    kept
}

/// How many of the windows of `events` are found to repeat one of `stored`.
fn count(events: &[InputEvent], stored: &[wire::Sketch]) -> (usize, usize) {
    let windows = windows(events);
    let policy = ReplayPolicy::default();
    let found = windows
        .iter()
        .filter(|window| replayed(window, "attack", stored.iter(), &policy).is_some());
    (found.count(), windows.len())
}

#[test]
fn replays_of_keys_are_known_again() {
    let recorded = Typist::draw(1).session(0, 300, 0, 0);
    let (stored, keys) = (stored(&recorded), presses(&recorded));
    let events = |presses: &[attack::Press]| attack::events(presses, 86_400_000_000, 0);
    let table: [(&str, Vec<InputEvent>, usize); 8] = [
        ("exact", events(&keys), 20),
        ("from the middle", events(&keys[37..]), 18),
        ("slower by 10 %", events(&scaled(&keys, 1.1)), 20),
        ("faster by 10 %", events(&scaled(&keys, 0.9)), 20),
        ("jittered by 10 ms", events(&jittered(&keys, 10_000, 1)), 19),
        ("both", events(&jittered(&scaled(&keys, 1.1), 10_000, 1)), 18),
        (
            "another session of the same typist",
            Typist::draw(1).session(1, 300, 0, 0),
            0,
        ),
        ("somebody else", Typist::draw(2).session(0, 300, 0, 0), 0),
    ];
    for (name, events, least) in table {
        let (found, all) = count(&events, &stored);
        let holds = if least == 0 { found == 0 } else { found >= least };
        assert!(holds, "{name}: {found} of {all} windows found, {least} expected");
    }
}

#[test]
fn who_types_the_same_text_again_replays_nothing() {
    // The same keys at paces that differ by a standard deviation of 0.41 of ln pace from one time to the next: the steadiest
    // pair of samples with the same keys in Monaco & Tappert's fixed text.
    const PACE_SD: f64 = 0.41;
    use rand::SeedableRng;
    use rand_distr::{Distribution, LogNormal};
    let factors = LogNormal::new(0.0, PACE_SD).unwrap();
    for seed in 0..20 {
        let first = presses(&Typist::draw(seed).session(0, 300, 0, 0));
        let mut hand = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut again = first.clone();
        for i in 1..first.len() {
            let pace_us = (first[i].down_us - first[i - 1].down_us) as f64;
            let pace_us = pace_us * factors.sample(&mut hand);
            again[i].down_us = again[i - 1].down_us + pace_us as i64;
            again[i].up_us = again[i].down_us + first[i].up_us - first[i].down_us;
        }
        let (found, all) = count(&attack::events(&again, 0, 0), &stored(&attack::events(&first, 0, 0)));
        assert_eq!(found, 0, "typist {seed}: {found} of {all} windows");
    }
}

#[test]
fn replays_of_paths_are_known_again() {
    let recorded = PointerUser::draw(1).session(0, 1_500, 0);
    let stored = stored(&recorded);
    let table: [(&str, Vec<InputEvent>, usize); 4] = [
        ("exact", recorded.clone(), 20),
        (
            "elsewhere, at other times",
            jittered_path(&recorded, 10_000, (40, -25), 1),
            20,
        ),
        (
            "another session of the same user",
            PointerUser::draw(1).session(1, 1_500, 0),
            0,
        ),
        ("somebody else", PointerUser::draw(2).session(0, 1_500, 0), 0),
    ];
    for (name, events, least) in table {
        let (found, all) = count(&events, &stored);
        let holds = if least == 0 { found == 0 } else { found >= least };
        assert!(holds, "{name}: {found} of {all} windows found, {least} expected");
    }
}

#[test]
fn a_window_does_not_repeat_itself_but_a_loop_does() {
    let recorded = Typist::draw(1).session(0, 120, 0, 0);
    let all = windows(&recorded);
    let own = [Sketch::of(&all[0]).to_wire("one", all[0].end_us)];
    let policy = ReplayPolicy::default();
    assert_eq!(
        replayed(&all[1], "one", own.iter(), &policy),
        None,
        "it shares 40 keys with the one before"
    );
    let again = windows(&attack::events(&presses(&recorded), 60_000_000, 200));
    assert!(
        replayed(&again[0], "one", own.iter(), &policy).is_some(),
        "the same keys a minute later"
    );
    let off = ReplayPolicy {
        sketches_max: 0,
        ..policy
    };
    assert_eq!(replayed(&again[0], "one", own.iter(), &off), None);
}

#[test]
fn constant_pace_and_rest_match_nothing() {
    let classes = vec![crate::event::KeyClass::Letter; 100];
    let script = attack::events(&attack::constant(&classes, 90_000, 180_000), 0, 0);
    assert_eq!(count(&script, &stored(&script)).0, 0, "other detectors are for it");
}

#[test]
fn a_sketch_holds_one_plain_character_a_step() {
    let window = &windows(&Typist::draw(1).session(0, 50, 0, 0))[0];
    let sketch = Sketch::of(window).to_wire("s", 0);
    assert_eq!(sketch.codes.len(), 49);
    assert!(
        sketch.codes.bytes().all(|code| (FIRST..FIRST + LEVELS).contains(&code)),
        "{}",
        sketch.codes
    );
}

proptest! {
    #![proptest_config(crate::proptest_config(128))]

    #[test]
    fn no_input_panics(
        events in proptest::collection::vec(crate::liveness::tests::any_input(), 0..200),
        codes in "[#-Z]{0,80}",
        steps_min in 0usize..40,
    ) {
        let policy = ReplayPolicy { steps_min, ..ReplayPolicy::default() };
        let stored = [wire::Sketch { session: "s".to_owned(), end_us: 0, codes }];
        for window in windows(&events) {
            replayed(&window, "s", stored.iter(), &policy);
            nearness(&window, "t", stored.iter(), &policy);
        }
    }
}

/// Plays sessions of one subject through a line whose model finds everybody alike; the decisions of the last one.
fn through_the_line(config: crate::line::LineConfig, sessions: &[(&str, &[InputEvent])]) -> Vec<wire::Decision> {
    use crate::line::{Embedded, Ingested, Line, Record};
    let mut line = Line::new(std::sync::Arc::new(config), "events", 0);
    let model = wire::ModelRef {
        id: "test".to_owned(),
        version: "1".to_owned(),
        sha256: "ab".repeat(32),
    };
    let back_end = crate::backend::BackEnd::identity(crate::backend::Calibration {
        slope: 10.0,
        intercept: -5.0,
    });
    let mut decisions = Vec::new();
    for (session, events) in sessions {
        decisions.clear();
        let batch = wire::EventBatch {
            v: 1,
            tenant: "acme".to_owned(),
            subject: Some("s-1".to_owned()),
            session: (*session).to_owned(),
            seq: 0,
            purpose: wire::Purpose::Session,
            consent: wire::Consent::Granted,
            clock: wire::Clock {
                origin_us: 1_600_000_000_000_000,
                resolution_us: 100,
            },
            device: wire::Device::default(),
            detail: Default::default(),
            events: events.iter().map(wire::Event::from).collect(),
        };
        let value = serde_json::to_vec(&batch).unwrap();
        let record = Record {
            offset: 0,
            timestamp_us: 1_600_000_000_000_000,
            value: &value,
        };
        let mut ingested = Ingested::default();
        line.ingest(&record, &mut ingested);
        line.finish(&mut ingested);
        for ready in ingested.ready {
            let embedded = Embedded {
                model: &model,
                back_end: &back_end,
                embedding: &[1.0, 0.0],
            };
            let wanted = line.wants_embedding(&ready);
            decisions.push(line.conclude(ready, wanted.then_some(embedded)).decision);
        }
    }
    decisions
}

#[test]
fn a_replay_is_stepped_up_although_the_model_takes_it_for_the_subject() {
    use crate::wire::Action;
    let typist = Typist::draw(1).flowing();
    let learned = typist.session(0, 600, 0, 0);
    let later = typist.session(1, 300, 0, 0);
    let again = attack::events(&presses(&learned), 7_200_000_000, 0);
    let config = crate::line::LineConfig::default;
    let is_allowed = |decision: &wire::Decision| decision.action == Action::Allow;
    let genuine = through_the_line(config(), &[("one", &learned), ("two", &later)]);
    assert!(genuine.len() > 20 && genuine.iter().all(is_allowed));

    let replay = through_the_line(config(), &[("one", &learned), ("two", &again)]);
    assert!(is_allowed(&replay[0]), "one window never locks anybody out");
    let first = replay
        .iter()
        .position(|decision| decision.action == Action::StepUp)
        .unwrap();
    assert!(first <= 6, "stepped up after {first} windows");
    let reason = &replay[first].reasons[0];
    assert_eq!((reason.measure.as_str(), reason.unit.as_str()), ("replayed", "%"));
    let versions = |decision: &wire::Decision| decision.reference.map(|reference| reference.version);
    assert_eq!(
        versions(&replay[0]),
        versions(&replay[first]),
        "nothing is learned from a replay"
    );

    let mut off = config();
    off.liveness.enabled = false;
    let unseen = through_the_line(off, &[("one", &learned), ("two", &again)]);
    assert!(unseen.iter().all(is_allowed));
}
