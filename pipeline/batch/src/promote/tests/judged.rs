//! Both models judged on the people of a history, and what becomes of the result.

use super::*;
use crate::train::HELD_OUT_FILE;
use ductus_scorer::{GateBasis, MODEL_FILE};

#[test]
fn models_that_were_judged_differently_are_judged_again_or_refused() {
    let scene = Scene::new();
    promote(&scene.args("good")).unwrap();
    let folder = scene.folder.path().join("better");
    let mut manifest = Manifest::load(&folder).unwrap();
    manifest.accuracy.protocol = "typenet".to_owned();
    manifest.save(&folder).unwrap();
    let error = promote(&scene.args("better")).unwrap_err().to_string();
    assert!(error.contains("give --history with people to judge both on"), "{error}");
    let outcome = promote(&PromoteArgs {
        history: Some(scene.history()),
        ..scene.args("better")
    });
    // Which one is better on these few people is chance; that both were judged is not.
    match outcome {
        Ok(promoted) => assert!(promoted.eer.is_some() && promoted.eer_live.is_some()),
        Err(error) => assert!(error.to_string().contains("worse than the live"), "{error}"),
    }
}

#[test]
fn what_the_gate_found_travels_with_the_copy_in_the_registry() {
    let scene = Scene::new();
    let history = scene.history();
    let with = |args: PromoteArgs| PromoteArgs {
        history: Some(history.clone()),
        ..args
    };
    assert_eq!(promote(&with(scene.args("good"))).unwrap().gate, None);

    // The same network whose numbers claim four times as much.
    let boastful = scene.variant("good", "boastful", |manifest| {
        manifest.calibration.slope *= 4.0;
        manifest.calibration.intercept *= 4.0;
    });
    let error = promote(&with(boastful)).unwrap_err().to_string();
    assert!(
        error.starts_with("keystroke/boastful is worse than the live keystroke/good: Cllr "),
        "{error}"
    );
    assert!(
        error.contains(" on the same people; --force promotes it anyway\n| group "),
        "{error}"
    );
    assert!(error.contains("| all ") && error.contains("| clock: fine "), "{error}");

    let twin = with(scene.variant("good", "twin", |_| ()));
    let promoted = promote(&twin).unwrap();
    let gate = promoted.gate.unwrap();
    assert_eq!(
        (
            gate.against.as_str(),
            gate.basis,
            gate.people,
            gate.seen_by_live,
            gate.forced.as_deref()
        ),
        ("keystroke/good", GateBasis::History, 12, 0, None)
    );
    assert!(
        gate.rows[0]
            .figures
            .iter()
            .all(|figure| figure.difference_ci == Some([0.0, 0.0]))
    );
    assert_eq!(promoted.eer, promoted.eer_live);
    let (made, copy) = (
        scene.folder.path().join("twin"),
        scene.folder.path().join("models/keystroke/twin"),
    );
    let expected = Manifest {
        gate: Some(gate),
        ..Manifest::load(&made).unwrap()
    };
    assert_eq!(Manifest::load(&copy).unwrap(), expected);
    assert_eq!(
        std::fs::read(copy.join(MODEL_FILE)).unwrap(),
        std::fs::read(made.join(MODEL_FILE)).unwrap()
    );
    let card = std::fs::read_to_string(copy.join("card.md")).unwrap();
    assert_eq!(card.matches("## Promotion\n").count(), 1, "{card}");

    // Promoted again, the version says what the last comparison found, once.
    promote(&scene.args("better")).unwrap();
    let again = promote(&PromoteArgs {
        force: true,
        ..scene.args("twin")
    });
    let gate = again.unwrap().gate.unwrap();
    assert_eq!(
        (gate.against.as_str(), gate.basis),
        ("keystroke/better", GateBasis::Manifests)
    );
    assert!(
        gate.forced
            .clone()
            .unwrap()
            .contains("equal error rate 10.00 % against 5.00 %")
    );
    assert_eq!(Manifest::load(&copy).unwrap().gate, Some(gate));
    let card = std::fs::read_to_string(copy.join("card.md")).unwrap();
    assert_eq!(card.matches("## Promotion\n").count(), 1, "{card}");
    assert!(
        card.contains("Against `keystroke/better`") && !card.contains("keystroke/good`"),
        "{card}"
    );
}

#[test]
fn who_was_learned_from_judges_nobody_and_too_few_refuse() {
    let scene = Scene::new();
    promote(&scene.args("good")).unwrap();
    let history = scene.history();
    let with = |args: PromoteArgs| PromoteArgs {
        history: Some(history.clone()),
        ..args
    };
    // The live model kept nobody aside any more: those whom the candidate kept aside are judged on, and it is said.
    let held_out = scene.folder.path().join("models/keystroke/good").join(HELD_OUT_FILE);
    std::fs::write(&held_out, "").unwrap();
    let gate = promote(&with(scene.variant("good", "twin", |_| ())))
        .unwrap()
        .gate
        .unwrap();
    assert_eq!((gate.people, gate.seen_by_live), (12, 12));

    let few = with(scene.variant("good", "few", |manifest| manifest.accuracy.subjects = 99));
    let path = scene.folder.path().join("few").join(HELD_OUT_FILE);
    std::fs::write(path, "aalto/aalto-1\naalto/aalto-2\n").unwrap();
    let error = promote(&few).unwrap_err().to_string();
    expect_test::expect!["keystroke/few cannot be compared with the live keystroke/twin: of 24 people in the history the candidate has not learned from 2 with enough windows, and 12 are needed (train --hold-out keeps more aside); the one was judged by held-out on 99 people and the other by held-out on 12: give --history with people to judge both on; --force promotes it anyway"].assert_eq(&error);
    let gate = promote(&PromoteArgs { force: true, ..few }).unwrap().gate.unwrap();
    assert_eq!(gate.basis, GateBasis::Nothing);
    assert!(gate.forced.unwrap().contains("has not learned from 2 "));

    // A live model that cannot be loaded is no excuse.
    let network = scene.folder.path().join("models/keystroke/few").join(MODEL_FILE);
    std::fs::write(network, "damaged").unwrap();
    let error = promote(&with(scene.args("better"))).unwrap_err();
    assert!(error.is::<Refused>());
    assert!(
        error.to_string().contains("keystroke/few, which cannot be loaded: "),
        "{error}"
    );
}
