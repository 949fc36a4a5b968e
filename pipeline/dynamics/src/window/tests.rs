//! Tests of the windower, in a small language: `l↓0 l↑90 s↓140` is a letter pressed at 0 ms and released at 90 ms, then a
//! space pressed at 140 ms; `m0` is a pointer move, `blur` and `end` stand at the time of the last event.

use super::*;
use expect_test::{Expect, expect};

const SMALL: WindowConfig = WindowConfig {
    steps: 3,
    hop: 2,
    min_steps: 2,
    pause_us: 10_000_000,
};

fn events(input: &str) -> Vec<InputEvent> {
    let mut last_ms = 0;
    let (mut press, mut down) = (0, std::collections::HashMap::new());
    let ms = |text: &str| text.parse::<i64>().unwrap();
    input
        .split_whitespace()
        .map(|word| {
            let kind = if let Some((key, at)) = word.split_once('↓') {
                (press, last_ms) = (press + 1, ms(at));
                down.insert(key, press);
                let class = match key {
                    "s" => KeyClass::Space,
                    _ => KeyClass::Letter,
                };
                EventKind::KeyDown { press, class }
            } else if let Some((key, at)) = word.split_once('↑') {
                last_ms = ms(at);
                EventKind::KeyUp {
                    press: down.get(key).copied().unwrap_or(99),
                }
            } else if let Some(at) = word.strip_prefix('m') {
                last_ms = ms(at);
                EventKind::Move { x: 0, y: 0 }
            } else {
                if word == "end" { EventKind::End } else { EventKind::Blur }
            };
            InputEvent {
                t_us: last_ms * 1_000,
                kind,
            }
        })
        .collect()
}

fn check(input: &str, expect: Expect) {
    let mut windower = Windower::new(SMALL, SMALL, 0);
    let mut windows = Vec::new();
    let fates: Vec<Fate> = events(input)
        .iter()
        .map(|event| windower.push(event, &mut windows))
        .collect();
    let mut lines: Vec<String> = windows.iter().map(show).collect();
    let odd: Vec<String> = fates
        .iter()
        .filter(|fate| **fate != Fate::Windowed)
        .map(|fate| format!("{fate:?}"))
        .collect();
    if !odd.is_empty() {
        lines.push(odd.join(", "));
    }
    expect.assert_eq(&lines.join("\n"));
}

fn show(window: &Window) -> String {
    let steps: Vec<String> = match &window.steps {
        Steps::Keys(keys) => keys
            .iter()
            .map(|key| match key.release {
                Release::At(t_us) => format!("{}-{}", key.press_us / 1_000, t_us / 1_000),
                Release::Lost => format!("{}-lost", key.press_us / 1_000),
                Release::Pending => format!("{}-pending", key.press_us / 1_000),
            })
            .collect(),
        Steps::Pointer(steps) => steps.iter().map(|step| (step.t_us / 1_000).to_string()).collect(),
    };
    let Window {
        modality,
        sequence,
        closed,
        fresh,
        ..
    } = window;
    format!(
        "{} {sequence} by {closed:?}, {fresh} new: {}",
        modality.name(),
        steps.join(" ")
    )
}

#[test]
fn by_count_with_hop() {
    check(
        "a↓0 a↑90 b↓140 b↑210 c↓300 c↑380 d↓400 d↑480 e↓500 e↑580",
        expect![[r#"
            keystroke 0 by Count, 3 new: 0-90 140-210 300-380
            keystroke 1 by Count, 2 new: 300-380 400-480 500-580"#]],
    );
}

#[test]
fn a_window_waits_for_its_releases() {
    check(
        "a↓0 b↓50 c↓100 d↓150 c↑160 b↑170 d↑175 a↑180",
        expect!["keystroke 0 by Count, 3 new: 0-180 50-170 100-160"],
    );
}

#[test]
fn a_lost_release_does_not_hold_a_window_back() {
    check(
        "a↓0 b↓100 b↑150 c↓200 c↑250 d↓6000 d↑6050 end",
        expect![[r#"
            keystroke 0 by Count, 3 new: 0-lost 100-150 200-250
            keystroke 1 by End, 1 new: 200-250 6000-6050"#]],
    );
    check(
        "a↓0 b↓100 c↓200 blur",
        expect!["keystroke 0 by Count, 3 new: 0-lost 100-lost 200-lost"],
    );
}

#[test]
fn closed_early_by_pause_and_end() {
    check(
        "a↓0 a↑90 b↓140 b↑210 c↓20000 c↑20080 end",
        expect![[r#"
            keystroke 0 by Pause, 2 new: 0-90 140-210
            keystroke 1 by End, 1 new: 20000-20080"#]],
    );
    check(
        "a↓0 a↑90 m20000 end",
        expect![[r#"
        keystroke 0 by Pause, 1 new: 0-90
        pointer 0 by End, 1 new: 20000"#]],
    );
    check("end end", expect![""]);
}

#[test]
fn contradictions_are_refused() {
    check(
        "a↓0 a↑50 a↑60 z↑70 end",
        expect![[r#"
        keystroke 0 by End, 1 new: 0-50
        Rejected(ReleaseWithoutPress), Rejected(ReleaseWithoutPress)"#]],
    );
    check(
        "m10 m5 m20 end",
        expect![[r#"
        pointer 0 by End, 2 new: 10 20
        Late"#]],
    );
}

#[test]
fn pointer_by_count() {
    check(
        "m0 m8 m16 m24 m32",
        expect![[r#"
        pointer 0 by Count, 3 new: 0 8 16
        pointer 1 by Count, 2 new: 16 24 32"#]],
    );
}

/// What is written with long windows is taken up with shorter ones: steps that were in a window are in no second one but by
/// the hop.
#[test]
fn a_state_is_taken_up_with_shorter_windows() {
    let long = WindowConfig {
        steps: 8,
        hop: 2,
        ..SMALL
    };
    let moves = |range: std::ops::Range<i64>| range.map(|at| format!("m{at} ")).collect::<String>();
    let (mut windower, mut windows) = (Windower::new(long, long, 0), Vec::new());
    for event in events(&moves(0..9)) {
        windower.push(&event, &mut windows);
    }
    let mut shorter = Windower::from_state(&windower.state(), SMALL, SMALL).unwrap();
    for event in events(&moves(9..12)) {
        shorter.push(&event, &mut windows);
    }
    let seen: Vec<(i64, i64, usize)> = windows
        .iter()
        .map(|window| (window.start_us / 1_000, window.end_us / 1_000, window.fresh))
        .collect();
    assert_eq!(seen, [(0, 7, 8), (7, 9, 2), (9, 11, 2)]);
}
