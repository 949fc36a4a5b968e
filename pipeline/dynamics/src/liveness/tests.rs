//! Tests of the detectors: what each finds in what it is made for, that people-like input is left alone, and that no input
//! panics.

use super::*;
use crate::event::{InputEvent, KeyClass};
use crate::synthetic::attack::{self, Course, Times, scripted_pointer};
use crate::synthetic::{PointerUser, Typist};
use crate::window::{WindowConfig, Windower};
use crate::wire::Closed;
use expect_test::{Expect, expect};
use proptest::prelude::*;

/// What is found in each window of a session, as `sequence: codes`, runs of the same taken together.
fn found(events: &[InputEvent]) -> String {
    let mut windower = Windower::new(WindowConfig::KEYSTROKE, WindowConfig::POINTER, 0);
    let mut windows = Vec::new();
    for event in events {
        windower.push(event, &mut windows);
    }
    windower.close(Closed::End, &mut windows);
    let (mut watch, mut lines, mut before) = (Watch::default(), Vec::new(), None);
    for window in &windows {
        let findings = watch.look(window, &LivenessPolicy::default());
        let codes: Vec<&str> = findings.iter().map(|finding| finding.detector.code()).collect();
        let codes = codes.join(" ");
        if before.as_ref() != Some(&codes) {
            lines.push(
                format!("from window {}: {codes}", window.sequence)
                    .trim_end()
                    .to_owned(),
            );
        }
        before = Some(codes);
    }
    lines.join("\n")
}

fn check(events: &[InputEvent], expect: Expect) {
    expect.assert_eq(&found(events));
}

fn typed(presses: &[attack::Press]) -> Vec<InputEvent> {
    attack::events(presses, 0, 0)
}

/// A text and the times of a synthetic typist.
fn text_and_times() -> (Vec<KeyClass>, Times) {
    let presses = attack::presses(&Typist::draw(3).session(0, 400, 0, 0));
    let mut times = Times::default();
    times.add(&presses);
    (presses.iter().map(|press| press.class).collect(), times)
}

#[test]
fn typists_who_flow_are_left_alone() {
    for seed in 0..40 {
        assert_eq!(
            found(&Typist::draw(seed).flowing().session(1, 1_500, 0, 0)),
            "from window 0:",
            "typist {seed}"
        );
    }
}

/// Sessions in which somebody is told to have forged times, of twenty.
fn forged(session: impl Fn(u64) -> Vec<InputEvent>) -> usize {
    let is_found = |seed: &u64| found(&session(*seed)).contains("forged_times");
    (0..20).filter(is_found).count()
}

#[test]
fn times_drawn_from_ones_own_are_told_from_those_that_were_typed() {
    use crate::synthetic::forgery::{Forger, Keeps};
    let typed_by = |seed: u64| Typist::draw(seed).flowing().session(0, 600, 0, 0);
    let forged_by = |seed: u64, keeps: Keeps| {
        let presses = attack::presses(&typed_by(seed));
        let mut forger = Forger::default();
        forger.add(&presses);
        let text: Vec<KeyClass> = presses.iter().map(|press| press.class).take(200).collect();
        typed(&forger.forge(keeps, &text, seed))
    };
    let counts = [
        forged(typed_by),
        forged(|seed| forged_by(seed, Keeps::Pauses)),
        forged(|seed| forged_by(seed, Keeps::Rollover)),
        forged(|seed| forged_by(seed, Keeps::Triples)),
        forged(|seed| forged_by(seed, Keeps::Correlation)),
        forged(|seed| forged_by(seed, Keeps::Pieces)),
    ];
    expect![[r#"
        [
            0,
            6,
            0,
            14,
            0,
            0,
        ]
    "#]]
    .assert_debug_eq(&counts);
}

#[test]
fn few_keys_are_not_called_forged_and_disturbed_ones_neither() {
    let mut seen = KeyStatistics {
        keys: 200,
        forged: Some(9.0),
        ..KeyStatistics::default()
    };
    let policy = LivenessPolicy::default();
    let codes = |seen: &KeyStatistics| -> Vec<&str> {
        let findings = judge_keys(seen, &policy);
        findings.iter().map(|finding| finding.detector.code()).collect()
    };
    assert_eq!(codes(&seen), ["forged_times"]);
    seen.brief_share = policy.brief_share_max;
    assert_eq!(codes(&seen), ["disturbed_times"], "random delays are noted");
    seen.brief_share = 0.0;
    seen.grid_us = policy.coarse_grid_us;
    assert_eq!(codes(&seen), ["coarse_clock"]);
    seen.grid_us = 0;
    seen.keys = policy.structure_keys_min - 1;
    assert_eq!(codes(&seen), [""; 0]);
}

#[test]
fn draws_by_class_are_found_now_and_then() {
    let is_found = |seed: &u64| found(&Typist::draw(*seed).session(1, 300, 0, 0)).contains("independent_times");
    let found = (0..40).filter(is_found).count();
    expect!["13 of 40"].assert_eq(&format!("{found} of 40"));
}

#[test]
fn constant_times() {
    let (classes, _) = text_and_times();
    check(
        &typed(&attack::constant(&classes, 90_000, 180_000)),
        expect![[r#"
        from window 0: regular_times
        from window 5: regular_times independent_times
        from window 10: regular_times symmetric_times independent_times"#]],
    );
}

#[test]
fn gaussian_times() {
    let (classes, times) = text_and_times();
    check(
        &typed(&times.gaussian(&classes, 1)),
        expect![[r#"
            from window 0:
            from window 5: independent_times
            from window 18: independent_times forged_times
            from window 30: independent_times"#]],
    );
}

#[test]
fn copied_histogram() {
    let (classes, times) = text_and_times();
    check(
        &typed(&times.histogram(&classes, 1)),
        expect![[r#"
            from window 0:
            from window 5: independent_times
            from window 9:
            from window 10: independent_times
            from window 11: independent_times forged_times
            from window 15: forged_times
            from window 17:"#]],
    );
}

#[test]
fn pasted_text() {
    let (classes, _) = text_and_times();
    check(
        &typed(&attack::pasted(&classes, 40)),
        expect![[r#"
        from window 0: pasted_keys regular_times
        from window 5: pasted_keys regular_times independent_times
        from window 10: pasted_keys regular_times symmetric_times independent_times"#]],
    );
}

#[test]
fn coarse_clocks_are_noted_and_accuse_nobody() {
    for (grid_us, expected) in [
        (1_000, expect!["from window 0:"]),
        (2_000, expect!["from window 0:"]),
        (16_000, expect!["from window 0:"]),
        (100_000, expect!["from window 0: coarse_clock"]),
    ] {
        check(
            &attack::quantised(&Typist::draw(3).session(0, 140, 0, 0), grid_us, 1),
            expected,
        );
    }
}

#[test]
fn random_delays_are_noted() {
    let noted = |seed: &u64| {
        let delayed = attack::delayed(&Typist::draw(*seed).session(0, 140, 0, 0), 100_000, 1);
        found(&delayed).contains("disturbed_times")
    };
    let noted = (0..40).filter(noted).count();
    expect!["27 of 40"].assert_eq(&format!("{noted} of 40"));
}

#[test]
fn pointers_moved_by_formula() {
    for (course, expected) in [
        (
            Course::Straight,
            expect![[r#"
            from window 0:
            from window 1: straight_strokes smooth_strokes even_speed"#]],
        ),
        (
            Course::Bezier,
            expect![[r#"
            from window 0:
            from window 1: smooth_strokes even_speed"#]],
        ),
        (
            Course::EasedBezier,
            expect![[r#"
            from window 0:
            from window 1: smooth_strokes"#]],
        ),
        (Course::Trembling, expect!["from window 0:"]),
    ] {
        check(&scripted_pointer(course, 1_000, 0, 1), expected);
    }
}

#[test]
fn pointer_users_are_left_alone() {
    let mut lines = Vec::new();
    for seed in 0..10 {
        lines.push(format!(
            "{seed}: {}",
            found(&PointerUser::draw(seed).session(1, 1_000, 0)).replace('\n', "; ")
        ));
    }
    expect![[r#"
        0: from window 0:
        1: from window 0:
        2: from window 0:
        3: from window 0:
        4: from window 0:
        5: from window 0:
        6: from window 0:
        7: from window 0:
        8: from window 0:
        9: from window 0:"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn grids_are_found() {
    let typed = Typist::draw(3).session(0, 200, 0, 0);
    let grid_of = |events: &[InputEvent]| {
        let mut windower = Windower::new(WindowConfig::KEYSTROKE, WindowConfig::POINTER, 0);
        let (mut windows, mut watch) = (Vec::new(), Watch::default());
        events.iter().for_each(|event| {
            windower.push(event, &mut windows);
        });
        windows.iter().for_each(|window| {
            watch.look(window, &LivenessPolicy::default());
        });
        watch.key_statistics().grid_us
    };
    for grid_us in [1_000, 2_000, 10_000, 16_000, 100_000] {
        assert_eq!(grid_of(&attack::quantised(&typed, grid_us, 7)), grid_us);
    }
    assert_eq!(grid_of(&typed), 100, "a browser's clock");
}

#[test]
fn switched_off_nothing_is_found() {
    let policy = LivenessPolicy {
        enabled: false,
        ..LivenessPolicy::default()
    };
    let window = crate::window::Window {
        modality: crate::event::Modality::Keystroke,
        sequence: 0,
        start_us: 0,
        end_us: 0,
        closed: Closed::End,
        fresh: 0,
        steps: Steps::Keys(Vec::new()),
    };
    let mut watch = Watch::default();
    assert_eq!(watch.look(&window, &policy), Vec::new());
}

#[test]
fn one_accused_window_is_not_enough_and_many_outweigh_trust() {
    let policy = LivenessPolicy::default();
    let decision = crate::decide::DecisionPolicy::default();
    let mut watch = Watch::default();
    let risk = |watch: &Watch, llr: f32| {
        let mut evidence = crate::evidence::Evidence::default();
        evidence.llr = llr - watch.suspicion();
        decision.risk(&evidence)
    };
    watch.suspect(true, &policy);
    assert!(risk(&watch, 0.0) < decision.step_up_risk);
    for _ in 0..100 {
        watch.suspect(true, &policy);
    }
    let trust = crate::evidence::EvidencePolicy::default().trust_max;
    assert!(risk(&watch, trust) >= decision.step_up_risk);
    assert!(
        risk(&watch, 0.0) < decision.terminate_risk,
        "detectors alone end no session"
    );
    assert!(watch.suspicion() <= policy.suspicion_max);
    for _ in 0..20 {
        watch.suspect(false, &policy);
    }
    assert!(watch.suspicion() < 0.2, "it fades");
}

/// Events in the order of time, with all that clients may send.
pub(crate) fn any_input() -> impl Strategy<Value = InputEvent> {
    crate::parse::tests::any_event().prop_map(|event| {
        use crate::event::EventKind as Kind;
        use crate::wire::Event;
        let (t_us, kind) = match event {
            Event::Down { t_us, press, class } => (t_us, Kind::KeyDown { press, class }),
            Event::Up { t_us, press } => (t_us, Kind::KeyUp { press }),
            Event::Move { t_us, x, y } => (t_us, Kind::Move { x, y }),
            Event::Press { t_us, x, y, button } => (t_us, Kind::ButtonDown { button, x, y }),
            Event::Release { t_us, x, y, button } => (t_us, Kind::ButtonUp { button, x, y }),
            Event::Scroll { t_us, x, y, dx, dy } => (t_us, Kind::Scroll { dx, dy, x, y }),
            Event::Blur { t_us } => (t_us, Kind::Blur),
            Event::End { t_us } => (t_us, Kind::End),
        };
        InputEvent { t_us, kind }
    })
}

proptest! {
    #![proptest_config(crate::proptest_config(128))]

    #[test]
    fn no_input_panics_and_every_value_is_finite(
        mut events in proptest::collection::vec(any_input(), 0..300),
        sorted in any::<bool>(),
        keys_max in 0usize..100,
        strokes_max in 0usize..10,
    ) {
        if sorted {
            events.sort_by_key(|event| event.t_us);
        }
        let policy = LivenessPolicy { keys_max, strokes_max, keys_min: 0, structure_keys_min: 0, strokes_min: 0, ..LivenessPolicy::default() };
        let window = WindowConfig { steps: 20, hop: 5, min_steps: 2, pause_us: 5_000_000 };
        let mut windower = Windower::new(window, window, 0);
        let (mut windows, mut watch) = (Vec::new(), Watch::default());
        for event in &events {
            windower.push(event, &mut windows);
        }
        windower.close(Closed::End, &mut windows);
        for window in &windows {
            for finding in watch.look(window, &policy) {
                prop_assert!(finding.value.is_finite(), "{finding:?}");
            }
        }
        prop_assert!(watch.key_statistics().keys <= keys_max.max(1));
        prop_assert!(watch.stroke_statistics().strokes <= strokes_max.max(1));
    }
}
