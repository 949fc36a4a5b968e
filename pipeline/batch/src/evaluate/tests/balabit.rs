//! Balabit's folder: what is judged is learned from by nobody, and who may have been learned from is said.

use super::*;
use ductus_dynamics::event::EventKind;
use ductus_dynamics::synthetic::PointerUser;
use std::fmt::Write;

const USERS: u64 = 6;

/// Users with three training sessions each, one test session of their own, one of the next user, and one without a label.
fn folder(dir: &Path) {
    let mut labels = "filename,is_illegal\n".to_owned();
    for user in 0..USERS {
        for number in 0..3 {
            write_session(
                dir,
                &format!("training_files/user{user}/session_{number}"),
                user,
                number,
            );
        }
        let next = (user + 1) % USERS;
        for (number, maker, label) in [(10, user, Some(0)), (20, next, Some(1)), (30, user, None)] {
            let name = format!("session_{number}{user}");
            write_session(dir, &format!("test_files/user{user}/{name}"), maker, number);
            if let Some(label) = label {
                writeln!(labels, "{name},{label}").unwrap();
            }
        }
    }
    std::fs::write(dir.join("public_labels.csv"), labels).unwrap();
}

fn write_session(dir: &Path, name: &str, maker: u64, number: u64) {
    let mut text = "record timestamp,client timestamp,button,state,x,y\n".to_owned();
    for event in PointerUser::draw(maker).session(number, 600, 0) {
        let (button, state, x, y) = match event.kind {
            EventKind::Move { x, y } => ("NoButton", "Move", x, y),
            EventKind::ButtonDown { x, y, .. } => ("Left", "Pressed", x, y),
            EventKind::ButtonUp { x, y, .. } => ("Left", "Released", x, y),
            _ => continue,
        };
        let t_s = event.t_us as f64 / 1e6;
        writeln!(text, "{t_s},{t_s},{button},{state},{x},{y}").unwrap();
    }
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn model(data: &Path, out: &Path) -> PathBuf {
    let data = format!("balabit={}", data.display());
    let words = ["--data", &data, "--modality", "pointer", "--out", out.to_str().unwrap()];
    let small = ["--seed", "1", "--steps", "30", "--hidden", "8", "--hold-out", "2"];
    crate::train::train(&fixtures::train_args(&[&words[..], &small[..]].concat())).unwrap();
    out.to_owned()
}

#[test]
fn labelled_sessions_are_judged_as_a_whole() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    folder(&data);
    let model = model(&data, &place.path().join("v1"));
    let report = place.path().join("report.json");
    let found = compare(&args(Protocol::Balabit, &data, &model, &report)).unwrap();
    let measured = found.figures.measured;
    assert_eq!((measured.genuine, measured.impostor), (USERS, USERS));
    assert_eq!((found.subjects, found.people_read, found.subjects_seen), (6, 6, 4));
    let [nearest] = found.variants.as_slice() else {
        panic!("{:?}", found.variants)
    };
    assert_eq!(nearest.name, AGAINST_NEAREST);
    assert_eq!(nearest.figures.measured.genuine, USERS);

    let found = compare(&options("balabit", &data, &model, &report, &["--only-held-out"])).unwrap();
    let measured = found.figures.measured;
    assert_eq!((found.subjects, found.subjects_seen), (2, 0));
    assert_eq!((measured.genuine, measured.impostor), (2, 2));
    std::fs::write(model.join("held-out.txt"), "").unwrap();
    let refused = compare(&options("balabit", &data, &model, &report, &["--only-held-out"])).unwrap_err();
    assert!(refused.to_string().contains("none of the 6 people"), "{refused}");
}

#[test]
fn nothing_is_learned_from_the_test_part() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    folder(&data);
    let with = model(&data, &place.path().join("with"));
    std::fs::remove_dir_all(data.join("test_files")).unwrap();
    std::fs::remove_file(data.join("public_labels.csv")).unwrap();
    let without = model(&data, &place.path().join("without"));
    let network = |model: &Path| std::fs::read(model.join("model.onnx")).unwrap();
    assert!(network(&with) == network(&without));
}
