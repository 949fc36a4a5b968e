//! Nothing about a person who is judged reaches what judges them: with the references given to other people every error rate
//! is that of a coin.

use super::*;

/// What chance does to 50 % with forty people.
const COIN: std::ops::Range<f64> = 0.40..0.60;

fn shuffled(people: u64) -> Layout {
    let settings = Settings::of(Modality::Keystroke);
    let mut layout = Protocol::Typenet.lay_out_people(&fixtures::typists(people), Modality::Keystroke, settings);
    layout.shuffle_labels(SHUFFLE_SEED);
    layout
}

#[test]
fn nobody_keeps_their_own_references() {
    let settings = Settings::of(Modality::Keystroke);
    let people = fixtures::typists(12);
    let before = Protocol::Typenet.lay_out_people(&people, Modality::Keystroke, settings);
    let after = shuffled(12);
    let mut moved: Vec<&Vec<Reference>> = after.enrolled.iter().map(|enrolled| &enrolled.references).collect();
    for (old, new) in before.enrolled.iter().zip(&after.enrolled) {
        assert_eq!(old.person, new.person);
        assert_ne!(old.references, new.references);
    }
    moved.sort_by_key(|references| references[0].window);
    let all: Vec<&Vec<Reference>> = before.enrolled.iter().map(|enrolled| &enrolled.references).collect();
    assert_eq!(moved, all);
}

#[test]
fn comparators_are_coins_on_shuffled_labels() {
    let layout = shuffled(40);
    let mut notes = Vec::new();
    let compared = comparators::score_all(&layout, &[], NonZeroUsize::new(2).unwrap(), &mut notes);
    assert_eq!(compared.len(), 4, "{notes:?}");
    for method in compared {
        let rate = method.scores.measure().eer_global.unwrap();
        assert!(COIN.contains(&rate), "{} {rate}", method.name);
    }
}

#[test]
fn comparators_tell_people_apart_on_true_labels() {
    let settings = Settings::of(Modality::Keystroke);
    let layout = Protocol::Typenet.lay_out_people(&fixtures::typists(40), Modality::Keystroke, settings);
    for method in comparators::score_all(&layout, &[], NonZeroUsize::new(2).unwrap(), &mut Vec::new()) {
        let rate = method.scores.measure().eer_global.unwrap();
        assert!(rate < 0.3, "{} {rate}", method.name);
    }
}

/// The whole command, with a model that learned from other people.
#[test]
fn the_model_is_a_coin_on_shuffled_labels() {
    let folder = tempfile::tempdir().unwrap();
    let (learned, judged) = (folder.path().join("learned"), folder.path().join("judged"));
    fixtures::aalto(&learned, 10, 4, 40);
    fixtures::aalto(&judged, 24, 15, 40);
    let model = fixtures::model(&learned, &folder.path().join("v1"), "3", &[]);
    let report = folder.path().join("report.json");
    let found = compare(&options("typenet", &judged, &model, &report, &["--shuffle-labels"])).unwrap();
    assert!(found.shuffled_labels);
    for (name, figures) in [(found.model, &found.figures)].into_iter().chain(
        found
            .comparators
            .iter()
            .map(|named| (named.name.clone(), &named.figures)),
    ) {
        let rate = figures.measured.eer_global.unwrap();
        assert!((0.35..0.65).contains(&rate), "{name} {rate}");
    }
}
