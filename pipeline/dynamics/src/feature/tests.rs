//! Tests of the features: known values, bounds, and the hash that ties models to the layout.

use super::*;
use crate::window::Release;
use expect_test::expect;
use proptest::prelude::*;

fn key(press_ms: i64, release: Option<i64>, class: KeyClass) -> Keystroke {
    let release = release.map_or(Release::Lost, |ms| Release::At(ms * 1_000));
    Keystroke {
        press: 0,
        press_us: press_ms * 1_000,
        release,
        class,
    }
}

#[test]
fn keystroke_values() {
    let keys = [
        key(0, Some(104), KeyClass::Letter),
        key(90, Some(200), KeyClass::Space),
        key(400, None, KeyClass::Letter),
    ];
    let mut values = Vec::new();
    keystroke_features(&keys, &mut values);
    let rows: Vec<String> = values
        .chunks(KEYSTROKE_FEATURES)
        .map(|row| format!("{:.3?} class {:?}", &row[..6], row[6..].iter().position(|v| *v == 1.0)))
        .collect();
    expect![[r#"
        [0.002, 0.000, 0.000, 0.000, 0.000, -0.521] class Some(0)
        [0.139, -1.049, -0.705, -1.025, 1.900, 1.783] class Some(5)
        [0.000, 0.751, 0.000, 0.812, -0.527, -0.521] class Some(0)"#]]
    .assert_eq(&rows.join("\n"));
}

#[test]
fn layout_hashes() {
    // A change here means new models: the old ones are refused.
    let hashes: Vec<String> = Modality::ALL
        .iter()
        .map(|modality| format!("{} {}", modality.name(), layout_hash(*modality)))
        .collect();
    expect![[r#"
        keystroke 6af6ce6eb3faaba5ece8b7a3dceda9223f82b14361e261fc110575ef40067863
        pointer 99176243e4cbb95845b1a06175ee0f7a8edf513bdc9e09422f36907247618259"#]]
    .assert_eq(&hashes.join("\n"));
}

proptest! {
    #![proptest_config(crate::proptest_config(256))]

    #[test]
    fn pointer_values_are_bounded(steps in proptest::collection::vec((0i64..400_000, -4_000i32..4_000, -4_000i32..4_000, 0u8..4), 0..200)) {
        let mut t_us = 0;
        let steps: Vec<PointerStep> = steps
            .into_iter()
            .map(|(dt_us, x, y, kind)| {
                t_us += dt_us;
                let kind = [PointerKind::Move, PointerKind::Press(Button::Primary), PointerKind::Release(Button::Secondary), PointerKind::Scroll][usize::from(kind)];
                PointerStep { t_us, x, y, kind, drag: x > 0 }
            })
            .collect();
        let mut values = Vec::new();
        pointer_features(&steps, &mut values);
        prop_assert_eq!(values.len(), steps.len() * POINTER_FEATURES);
        prop_assert!(values.iter().all(|value| value.is_finite() && value.abs() <= CLIP as f32));
    }

    #[test]
    fn keystroke_values_do_not_depend_on_the_time_of_day(times in proptest::collection::vec((0i64..3_000, 0i64..2_000), 1..60), shift_us in 0i64..4_000_000_000_000_000) {
        let build = |shift_us: i64| {
            let mut t_ms = 0;
            let keys: Vec<Keystroke> = times
                .iter()
                .map(|(gap, dwell)| {
                    t_ms += gap;
                    let mut key = key(t_ms, Some(t_ms + dwell), KeyClass::Letter);
                    key.press_us += shift_us;
                    key.release = Release::At(key.release.at_us().unwrap() + shift_us);
                    key
                })
                .collect();
            let mut values = Vec::new();
            keystroke_features(&keys, &mut values);
            values
        };
        let values = build(0);
        prop_assert!(values.iter().all(|value| value.is_finite() && value.abs() <= CLIP as f32));
        prop_assert_eq!(values, build(shift_us));
    }
}
