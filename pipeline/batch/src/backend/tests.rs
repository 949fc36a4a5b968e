//! The command on synthetic people: what it writes, when it does not learn, and that its version can be promoted.

use super::*;
use crate::fixtures;
use crate::promote::{KafkaArgs, PromoteArgs, promote};
use clap::Parser;
use ductus_dynamics::event::Modality;
use ductus_scorer::{BACK_END_FILE, MODEL_FILE};
use tempfile::TempDir;

fn args(words: &[&str]) -> BackEndArgs {
    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: BackEndArgs,
    }
    Line::try_parse_from(["backend"].iter().chain(words)).unwrap().args
}

/// A model of people with six sections each, ten minutes from one to the next.
struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fixtures::aalto(folder.path(), 40, 6, 60);
        let hold_out = ["--hold-out", "aalto-{0..6}"];
        fixtures::model(folder.path(), &folder.path().join("shipped"), "1", &hold_out);
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn make(&self, out: &str, more: &[&str]) -> Made {
        let (model, data, out) = (
            self.path("shipped"),
            format!("aalto={}", self.folder.path().display()),
            self.path(out),
        );
        let words = ["--model", &model, "--data", &data, "--out", &out];
        backend(&args(&[&words[..], more].concat())).unwrap()
    }

    fn bytes(&self, version: &str, file: &str) -> Vec<u8> {
        std::fs::read(self.folder.path().join(version).join(file)).unwrap()
    }
}

#[test]
fn the_network_stays_and_the_space_is_new() {
    let scene = Scene::new();
    // Five minutes make an occasion here: sections lie further apart.
    let gap = ["--occasion-gap-minutes", "5", "--shrinkage", "0.3"];
    let made = scene.make("ours", &gap);
    assert!(made.learned, "{made:?}");
    assert_eq!((made.people, made.occasions, made.subjects), (33, 198, 7));
    assert_eq!(made.model, "keystroke/ours");
    assert_eq!(scene.bytes("shipped", MODEL_FILE), scene.bytes("ours", MODEL_FILE));
    let load =
        |version: &str| Model::load(&scene.folder.path().join(version), &Contract::of(Modality::Keystroke)).unwrap();
    let (shipped, ours) = (load("shipped"), load("ours"));
    assert_eq!(shipped.sha256(), ours.sha256());
    assert!(shipped.back_end().space.whitening().is_none() && ours.back_end().space.whitening().is_some());
    let manifest = ours.manifest();
    assert!(manifest.training.non_commercial, "aalto's terms");
    assert_eq!(manifest.backend.as_ref().unwrap().data[0].subjects, 33);
    assert_eq!(
        (manifest.accuracy.protocol.as_str(), manifest.accuracy.subjects),
        ("held-out", 7)
    );
    let card = String::from_utf8(scene.bytes("ours", "card.md")).unwrap();
    assert!(card.contains("learned from 33 people on 198 occasions"), "{card}");
    // Those who were judged are those whom the network had not learned from either.
    let aside = String::from_utf8(scene.bytes("ours", HELD_OUT_FILE)).unwrap();
    assert_eq!(
        aside.lines().collect::<Vec<_>>(),
        (0..7).map(|i| format!("aalto/aalto-{i}")).collect::<Vec<_>>()
    );

    std::fs::rename(scene.path("ours"), scene.path("kept")).unwrap();
    scene.make("ours", &gap);
    for file in ["manifest.toml", BACK_END_FILE, "card.md", "det.svg", HELD_OUT_FILE] {
        assert!(scene.bytes("kept", file) == scene.bytes("ours", file), "{file}");
    }

    // The registry knows the two versions apart although they share a network, and goes back.
    let promoted = |model: Option<&str>| {
        promote(&PromoteArgs {
            model: model.map(|model| scene.folder.path().join(model)),
            roll_back: model.is_none(),
            modality: Modality::Keystroke,
            registry: scene.folder.path().join("models"),
            history: None,
            kafka: KafkaArgs::default(),
            force: true,
            onnxruntime: None,
        })
        .unwrap()
    };
    assert!(promoted(Some("shipped")).changed);
    let second = promoted(Some("ours"));
    assert!(second.changed && second.previous.as_deref() == Some("keystroke/shipped"));
    assert!(!promoted(Some("ours")).changed);
    assert_eq!(promoted(None).model, "keystroke/shipped");
}

#[test]
fn while_people_are_few_the_shipped_one_stays() {
    let scene = Scene::new();
    let check = |made: &Made, why: &str| {
        assert!(!made.learned && made.after.is_none());
        assert_eq!(made.why_not.as_deref(), Some(why));
    };
    // All sections of a person are one sitting.
    check(
        &scene.make("sitting", &[]),
        "0 people were seen on at least two occasions, but 24 are needed to learn how people change between them",
    );
    let few = ["--occasion-gap-minutes", "5", "--people-min", "34"];
    check(
        &scene.make("few", &few),
        "33 people were seen on at least two occasions, but 34 are needed to learn how people change between them",
    );
    let manifest = |version: &str| Manifest::load(&scene.folder.path().join(version)).unwrap();
    let expected = Manifest {
        version: "few".to_owned(),
        ..manifest("shipped")
    };
    assert_eq!(manifest("few"), expected);
    assert_eq!(scene.bytes("few", MODEL_FILE), scene.bytes("shipped", MODEL_FILE));
    // Nothing is replaced unasked.
    let words = ["--model", "m", "--history", "h", "--out", &scene.path("few")];
    let error = backend(&args(&words)).unwrap_err().to_string();
    assert!(error.contains("is there already"), "{error}");
}
