//! Tests of the synthetic people.

use super::*;
use crate::event::EventKind;
use crate::window::{WindowConfig, Windower};
use crate::wire::Closed;
use expect_test::expect;

#[test]
fn the_same_seed_is_the_same_person() {
    assert_eq!(
        Typist::draw(7).session(1, 100, 0, 0),
        Typist::draw(7).session(1, 100, 0, 0)
    );
    assert_ne!(
        Typist::draw(7).session(1, 100, 0, 0),
        Typist::draw(7).session(2, 100, 0, 0)
    );
    assert_eq!(
        PointerUser::draw(7).session(1, 300, 0),
        PointerUser::draw(7).session(1, 300, 0)
    );
}

#[test]
fn every_event_is_windowed_and_times_rise() {
    for seed in 0..20 {
        let mut windower = Windower::new(WindowConfig::KEYSTROKE, WindowConfig::POINTER, 0);
        let mut windows = Vec::new();
        for event in Typist::draw(seed)
            .session(3, 200, 1_000, 5)
            .iter()
            .chain(&PointerUser::draw(seed).session(3, 300, 1_000))
        {
            assert_eq!(
                windower.push(event, &mut windows),
                crate::window::Fate::Windowed,
                "seed {seed}"
            );
        }
        windower.close(Closed::End, &mut windows);
        assert!(windows.len() >= 15, "seed {seed}: {} windows", windows.len());
    }
}

#[test]
fn the_population_looks_like_the_published_one() {
    let mut dwells = Vec::new();
    let mut overlaps = 0;
    for seed in 0..200 {
        let mut down = std::collections::HashMap::new();
        for event in Typist::draw(seed).session(0, 100, 0, 0) {
            match event.kind {
                EventKind::KeyDown { press, .. } => {
                    overlaps += usize::from(!down.is_empty());
                    down.insert(press, event.t_us);
                }
                EventKind::KeyUp { press } => dwells.push((event.t_us - down.remove(&press).unwrap()) / 1_000),
                _ => {}
            }
        }
    }
    dwells.sort_unstable();
    let summary = format!(
        "median dwell {} ms, overlap {} %",
        dwells[dwells.len() / 2],
        overlaps * 100 / dwells.len()
    );
    expect!["median dwell 105 ms, overlap 24 %"].assert_eq(&summary);
}
