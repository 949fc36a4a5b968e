//! Each protocol counts what its source counts, and the whole command runs on a small folder.

use super::*;
use std::fmt::Write;

/// People with `sessions` sessions of `keys` keys.
fn people(count: u64, sessions: usize) -> Vec<corpus::Person> {
    let mut people = fixtures::typists(count);
    for person in &mut people {
        person.sessions.truncate(sessions);
    }
    people
}

fn counts(layout: &Layout) -> (usize, usize) {
    let genuine = layout.trials.pairs.iter().filter(|pair| pair.genuine).count();
    (genuine, layout.trials.pairs.len() - genuine)
}

#[test]
fn typenet_and_kvc_by_the_book() {
    let settings = Settings::of(Modality::Keystroke);
    let typenet = Protocol::Typenet.lay_out_people(&people(7, 15), Modality::Keystroke, settings);
    assert_eq!(counts(&typenet), (7 * 5, 7 * 6));
    assert_eq!(
        typenet.galleries.iter().map(|gallery| gallery.0).collect::<Vec<_>>(),
        [1, 2, 5, 7, 10]
    );
    assert!(
        typenet
            .galleries
            .iter()
            .all(|(size, all)| all.iter().all(|one| one.references.len() == *size))
    );
    for (windows, trials) in &typenet.after {
        assert!(trials.probes.iter().all(|probe| probe.windows.len() == *windows));
        let genuine = trials.pairs.iter().filter(|pair| pair.genuine).count();
        assert_eq!((genuine, trials.pairs.len() - genuine), (7 * (6 - windows), 7 * 6));
    }
    let kvc = Protocol::Kvc.lay_out_people(&people(7, 15), Modality::Keystroke, settings);
    assert_eq!(counts(&kvc), (7 * 10, 7 * 6));
    // Sessions of 60 keys are two windows, the second too short to say anything.
    assert!(kvc.trials.probes.iter().all(|probe| probe.windows.len() == 1));
}

/// A genuine probe is of the claimed person, an impostor's of another, and no reference is a probe of its own person.
#[test]
fn no_reference_is_a_genuine_probe() {
    let settings = Settings {
        steps: 25,
        ..Settings::of(Modality::Keystroke)
    };
    for protocol in [Protocol::Typenet, Protocol::Kvc, Protocol::HeldOut] {
        let layout = protocol.lay_out_people(&people(5, 15), Modality::Keystroke, settings);
        let all = std::iter::once(&layout.trials).chain(layout.after.iter().map(|(_, trials)| trials));
        for trials in all {
            for pair in &trials.pairs {
                let (enrolled, probe) = (
                    &layout.enrolled[pair.enrolled as usize],
                    &trials.probes[pair.probe as usize],
                );
                assert_eq!(
                    pair.genuine,
                    probe.owner == Some(enrolled.person),
                    "{}",
                    protocol.name()
                );
                let shared = enrolled
                    .references
                    .iter()
                    .any(|one| probe.windows.contains(&one.window));
                assert!(!(pair.genuine && shared), "{}", protocol.name());
            }
        }
    }
}

/// A folder in the format of the free-text set.
fn free_text_folder(dir: &Path, people: u64) {
    std::fs::create_dir_all(dir).unwrap();
    let mut text = "user,session,keyname,timepress,timerelease\n".to_owned();
    for person in 0..people {
        for sample in 0..6 {
            let events = ductus_dynamics::synthetic::Typist::draw(person).session(sample, 300, 0, 0);
            let mut down = std::collections::BTreeMap::new();
            for event in events {
                match event.kind {
                    ductus_dynamics::event::EventKind::KeyDown { press, .. } => {
                        down.insert(press, event.t_us / 1_000);
                    }
                    ductus_dynamics::event::EventKind::KeyUp { press } => {
                        let up = event.t_us / 1_000;
                        writeln!(text, "{person},{sample},e,{},{up}", down[&press]).unwrap();
                    }
                    _ => {}
                }
            }
        }
    }
    std::fs::write(dir.join("free_text.csv"), text).unwrap();
}

#[test]
fn free_text_by_sample() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    free_text_folder(&data, 6);
    fixtures::aalto(folder.path(), 8, 3, 40);
    let model = fixtures::model(folder.path(), &folder.path().join("v1"), "3", &[]);
    let report = folder.path().join("report.json");
    let judge = |protocol: &str, more: &[&str]| compare(&options(protocol, &data, &model, &report, more)).unwrap();

    let found = judge("pohmm", &[]);
    let measured = found.figures.measured;
    assert_eq!(
        (found.subjects, measured.genuine, measured.impostor),
        (6, 6 * 6, 6 * 5 * 6)
    );
    assert_eq!(
        found
            .after_windows
            .iter()
            .map(|after| after.windows)
            .collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
    assert_eq!(found.subjects_seen, 0);

    let found = judge("cross", &["--steps", "50", "--references", "10"]);
    let measured = found.figures.measured;
    assert_eq!((measured.genuine, measured.impostor), (6 * 5, 6 * 5 * 5));
    let five = found.after_windows.last().unwrap();
    assert_eq!((five.windows, five.figures.measured.genuine), (5, 6));
    assert_eq!(
        five.figures.measured.eer_subject, None,
        "one genuine trial a person is none of its own"
    );

    assert!(found.variants.is_empty(), "a whitening needs more people");
    assert!(
        found
            .notes
            .iter()
            .any(|note| note.contains("too few people with several occasions"))
    );

    // Longer windows than the model was made for, coarser clocks.
    let found = judge("cross", &["--steps", "75", "--requantise-us", "16000"]);
    assert!(
        found
            .notes
            .iter()
            .any(|note| note.contains("although the model was made for")),
        "{:?}",
        found.notes
    );
    assert_eq!(found.requantise_us, Some(16_000));
}

#[test]
fn a_whitening_is_learned_from_the_other_people() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    free_text_folder(&data, 27);
    fixtures::aalto(folder.path(), 8, 3, 40);
    let model = fixtures::model(folder.path(), &folder.path().join("v1"), "3", &[]);
    let report = folder.path().join("report.json");
    let found = compare(&options("cross", &data, &model, &report, &["--without-comparators"])).unwrap();
    let [learned] = found.variants.as_slice() else {
        panic!("{:?}", found.variants)
    };
    assert_eq!(learned.name, LEARNED);
    assert_eq!(learned.figures.measured.genuine, 27 * 5);
    assert_eq!(learned.after_windows.as_ref().unwrap().windows, 5);
    assert!(found.comparators.is_empty());
}

#[test]
fn two_modalities_need_two_models() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::aalto(folder.path(), 8, 3, 40);
    let model = fixtures::model(folder.path(), &folder.path().join("v1"), "3", &[]);
    let report = folder.path().join("report.json");
    let refused = compare(&options("chimera", folder.path(), &model, &report, &[])).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the protocol chimera needs --pointer-data and --pointer-model beside --data and --model"
    );
}

/// Trained, judged, and set beside another model on the same comparisons.
#[test]
fn the_seed_stands_beside_a_model() {
    let folder = tempfile::tempdir().unwrap();
    fixtures::aalto(folder.path(), 10, 15, 40);
    let model = fixtures::model(folder.path(), &folder.path().join("v1"), "3", &[]);
    let more = ["--seed-design", "--loss", "contrastive", "--augment", "none"];
    let seed = fixtures::model(folder.path(), &folder.path().join("seed"), "3", &more);
    assert_eq!(Manifest::load(&seed).unwrap().id, "seed");
    let report = folder.path().join("report.json");
    let more = ["--seed-model", seed.to_str().unwrap()];
    let found = compare(&options("typenet", folder.path(), &model, &report, &more)).unwrap();
    let beside = found.comparators.last().unwrap();
    assert_eq!(
        (beside.name.as_str(), beside.figures.measured.genuine),
        ("seed_lstm", 50)
    );
    let mut values = [1.0; 2 * 17];
    seed_sees(&mut values);
    let kept: Vec<usize> = (0..values.len()).filter(|&i| values[i] == 1.0).collect();
    assert_eq!(kept, [0, 1, 3, 17, 18, 20]);
}

#[test]
fn the_password_of_cmu() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    cmu_folder(&data, 4);
    fixtures::aalto(folder.path(), 8, 3, 40);
    let model = fixtures::model(folder.path(), &folder.path().join("v1"), "3", &[]);
    let report = folder.path().join("report.json");
    let found = compare(&options("cmu", &data, &model, &report, &[])).unwrap();
    let measured = found.figures.measured;
    assert_eq!(
        (found.subjects, measured.genuine, measured.impostor),
        (4, 4 * 50, 4 * 3 * 5)
    );
    let raw: Vec<&Named> = found
        .comparators
        .iter()
        .filter(|named| named.name.ends_with("_raw"))
        .collect();
    assert_eq!(raw.len(), 2);
    for named in raw {
        let measured = named.figures.measured;
        assert_eq!((measured.genuine, measured.impostor), (4 * 50, 4 * 3 * 5));
        assert!(measured.eer_subject.unwrap() < 0.1, "{}: {:?}", named.name, measured);
    }
}

/// Subjects with 250 repetitions of three keys, each with a rhythm of their own.
fn cmu_folder(dir: &Path, subjects: u32) {
    std::fs::create_dir_all(dir).unwrap();
    let mut text = "subject,sessionIndex,rep,H.period,DD.period.t,UD.period.t,H.t,DD.t.i,UD.t.i,H.i\n".to_owned();
    let mut state = 7_u64;
    let mut noise = || {
        // Any even spread will do.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as f64 / f64::from(1_u32 << 31) - 0.5
    };
    for subject in 0..subjects {
        for repetition in 0..250 {
            let hold = 0.08 + 0.02 * f64::from(subject);
            let mut time = |mean: f64| ((mean + 0.01 * noise()) * 1e4).round() / 1e4;
            let (h, dd) = (
                [time(hold), time(hold), time(hold)],
                [time(0.25 - hold), time(0.15 + hold)],
            );
            let (session, rep) = (1 + repetition / 50, 1 + repetition % 50);
            writeln!(
                text,
                "s{subject:03},{session},{rep},{:.4},{:.4},{:.4},{:.4},{:.4},{:.4},{:.4}",
                h[0],
                dd[0],
                dd[0] - h[0],
                h[1],
                dd[1],
                dd[1] - h[1],
                h[2]
            )
            .unwrap();
        }
    }
    std::fs::write(dir.join("DSL-StrongPasswordData.csv"), text).unwrap();
}
