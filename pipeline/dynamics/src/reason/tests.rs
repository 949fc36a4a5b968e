//! Tests of the reasons: they name what differs, and stay silent about what does not.

use super::*;
use crate::event::{EventKind, InputEvent};
use crate::synthetic::Typist;
use crate::window::{WindowConfig, Windower};
use crate::wire::Closed;
use expect_test::expect;

fn windows_of(events: &[InputEvent]) -> Vec<Window> {
    let config = WindowConfig {
        hop: 50,
        ..WindowConfig::KEYSTROKE
    };
    let mut windower = Windower::new(config, WindowConfig::POINTER, 0);
    let mut windows = Vec::new();
    for event in events {
        windower.push(event, &mut windows);
    }
    windower.close(Closed::End, &mut windows);
    windows
}

fn usual_of(events: &[InputEvent]) -> Usuals {
    let mut usual = Usuals::from_wire(Modality::Keystroke, &[]);
    for window in windows_of(events) {
        usual.add(&Measures::of(&window));
    }
    usual
}

#[test]
fn slower_releases_are_named() {
    let typist = Typist::draw(3);
    let usual = usual_of(&typist.session(0, 500, 0, 0));
    let mut slower = typist.session(1, 50, 0, 0);
    for event in &mut slower {
        if let EventKind::KeyUp { .. } = event.kind {
            event.t_us += 80_000;
        }
    }
    slower.sort_by_key(|event| event.t_us);
    let reasons = usual.explain(&Measures::of(&windows_of(&slower)[0]), 3);
    let text: Vec<&str> = reasons.iter().map(|reason| reason.text.as_str()).collect();
    expect![[r#"
        letter dwell +78 ms against the usual, z 6.7
        space dwell +111 ms against the usual, z 3.7
        letter→letter flight -81 ms against the usual, z -2.5"#]]
    .assert_eq(&text.join("\n"));
}

#[test]
fn stored_and_read_again() {
    let usual = usual_of(&Typist::draw(3).session(0, 200, 0, 0));
    assert_eq!(Usuals::from_wire(Modality::Keystroke, &usual.to_wire()), usual);
}
