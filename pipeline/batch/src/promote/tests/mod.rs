//! Promotion with small models: refusals, the registry, and references on librdkafka's mock cluster.

mod judged;

use super::*;
use crate::fixtures;
use ductus_dynamics::compare::ReferenceKey;
use ductus_dynamics::event::InputEvent;
use ductus_dynamics::line::{Ingested, Line, LineConfig, Record};
use ductus_dynamics::synthetic::Typist;
use ductus_dynamics::wire::{
    Clock, Consent, Device, Event, EventBatch, Keyboard, ModelRef, Purpose, Reference, Sample,
};
use ductus_history::{Table, Tables, WindowRows};
use ductus_scorer::Manifest;
use ductus_stream::{KafkaSettings, Topics};
use kafka::Stored;
use rdkafka::mocking::MockCluster;
use tempfile::TempDir;

/// Two models of the same people and protocol: the second one is made worse in its manifest.
struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fixtures::aalto(folder.path(), 24, 4, 60);
        for (name, seed, eer) in [("good", "1", 0.1), ("worse", "2", 0.2), ("better", "3", 0.05)] {
            let model = fixtures::model(
                folder.path(),
                &folder.path().join(name),
                seed,
                &["--hold-out", "aalto-{0..11}"],
            );
            let mut manifest = Manifest::load(&model).unwrap();
            manifest.accuracy.eer_global = Some(eer);
            manifest.accuracy.fnmr_at_fmr_1pct = Some(3.0 * eer);
            manifest.accuracy.cllr = Some(4.0 * eer);
            manifest.save(&model).unwrap();
        }
        Self { folder }
    }

    fn args(&self, model: &str) -> PromoteArgs {
        PromoteArgs {
            model: Some(self.folder.path().join(model)),
            roll_back: false,
            modality: Modality::Keystroke,
            registry: self.folder.path().join("models"),
            history: None,
            kafka: KafkaArgs::default(),
            force: false,
            onnxruntime: None,
        }
    }

    /// The history tables with everybody in them.
    fn history(&self) -> String {
        use crate::import::{Dataset, Detail, ImportArgs, ImportPurpose, import};
        let tables = self.folder.path().join("tables").to_str().unwrap().to_owned();
        import(&ImportArgs {
            dataset: Dataset::Aalto,
            dir: self.folder.path().to_owned(),
            out: None,
            history: Some(tables.clone()),
            detail: Detail::Class,
            purpose: ImportPurpose::Collect,
            subjects_max: None,
        })
        .unwrap();
        tables
    }

    /// A version with another manifest beside the same network.
    fn variant(&self, of: &str, name: &str, change: impl FnOnce(&mut Manifest)) -> PromoteArgs {
        let (from, to) = (self.folder.path().join(of), self.folder.path().join(name));
        std::fs::create_dir(&to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
        let mut manifest = Manifest::load(&to).unwrap();
        manifest.version = name.to_owned();
        change(&mut manifest);
        manifest.save(&to).unwrap();
        self.args(name)
    }

    fn live(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("models/keystroke/live")).unwrap()
    }
}

#[test]
fn a_worse_model_is_refused_and_the_live_one_stays() {
    let scene = Scene::new();
    let first = promote(&scene.args("good")).unwrap();
    assert_eq!((first.previous, first.changed, first.announced), (None, true, false));
    let error = promote(&scene.args("worse")).unwrap_err();
    assert!(error.is::<Refused>());
    expect_test::expect![[r#"
        keystroke/worse is worse than the live keystroke/good: equal error rate 20.00 % against 10.00 %, FNMR at FMR 1 % 60.00 % against 30.00 %, Cllr 0.800 bits against 0.400 bits on the same people; --force promotes it anyway
        | group | people | measure          | candidate  | live       | difference, its range |       |
        |-------|--------|------------------|------------|------------|-----------------------|-------|
        | all   | 12     | equal error rate | 20.00 %    | 10.00 %    | +10.00                | WORSE |
        |       |        | FNMR at FMR 1 %  | 60.00 %    | 30.00 %    | +30.00                | WORSE |
        |       |        | Cllr             | 0.800 bits | 0.400 bits | +0.400                | WORSE |
        figures of the manifests, no ranges and no groups"#]].assert_eq(&error.to_string());
    assert_eq!(scene.live(), "good\n");
    assert!(!scene.folder.path().join("models/keystroke/worse").exists());
    let better = promote(&scene.args("better")).unwrap();
    assert_eq!(
        (better.previous.as_deref(), scene.live().as_str()),
        (Some("keystroke/good"), "better\n")
    );
    assert!(!promote(&scene.args("better")).unwrap().changed);
    assert_eq!(
        promote(&PromoteArgs {
            force: true,
            ..scene.args("worse")
        })
        .unwrap()
        .eer,
        Some(0.2)
    );
}

#[test]
fn rolling_back_returns_to_the_one_before() {
    let scene = Scene::new();
    let back = PromoteArgs {
        model: None,
        roll_back: true,
        ..scene.args("good")
    };
    assert!(format!("{:#}", promote(&back).unwrap_err()).contains("no keystroke model is live"));
    promote(&scene.args("good")).unwrap();
    assert!(format!("{:#}", promote(&back).unwrap_err()).contains("replaced no other model"));
    promote(&scene.args("better")).unwrap();
    let returned = promote(&back).unwrap();
    assert_eq!(
        (returned.model.as_str(), returned.previous.as_deref()),
        ("keystroke/good", Some("keystroke/better"))
    );
    assert_eq!(scene.live(), "good\n");
}

#[test]
fn a_damaged_model_is_refused() {
    let scene = Scene::new();
    let network = scene.folder.path().join("good/model.onnx");
    let bytes = std::fs::read(&network).unwrap();
    std::fs::write(&network, &bytes[..bytes.len() - 1]).unwrap();
    let error = format!("{:#}", promote(&scene.args("good")).unwrap_err());
    assert!(error.contains("is refused: sha256 is"), "{error}");
}

const PARTITIONS: i32 = 4;

fn cluster() -> (
    MockCluster<'static, rdkafka::producer::DefaultProducerContext>,
    KafkaArgs,
) {
    let cluster = MockCluster::new(1).unwrap();
    let topics = Topics {
        partitions: PARTITIONS,
        ..Topics::default()
    };
    for spec in topics.specs() {
        cluster.create_topic(&spec.name, spec.partitions, 1).unwrap();
    }
    let kafka = KafkaArgs {
        kafka: Some(cluster.bootstrap_servers()),
        set: Vec::new(),
    };
    (cluster, kafka)
}

/// Windows of a typist's session in the history tables, as `archive` writes them, and how many there are.
fn archive(tables: &str) -> Vec<(u64, i64)> {
    let events = Typist::draw(1).session(0, 100, 1_600_000_000_000_000, 0);
    let origin_us = events[0].t_us;
    let events = events.iter().map(|event| {
        Event::from(&InputEvent {
            t_us: event.t_us - origin_us,
            kind: event.kind,
        })
    });
    let batch = EventBatch {
        v: VERSION,
        tenant: "t".to_owned(),
        subject: Some("anna".to_owned()),
        session: "s-1".to_owned(),
        seq: 0,
        purpose: Purpose::Enrol,
        consent: Consent::Granted,
        clock: Clock {
            origin_us,
            resolution_us: 100,
        },
        device: Device {
            keyboard: Keyboard::Physical,
            ..Device::default()
        },
        detail: Default::default(),
        events: events.collect(),
    };
    let value = serde_json::to_vec(&batch).unwrap();
    let mut line = Line::new(Arc::new(LineConfig::default()), "events", 2);
    let mut ingested = Ingested::default();
    line.ingest(
        &Record {
            offset: 0,
            timestamp_us: origin_us,
            value: &value,
        },
        &mut ingested,
    );
    let mut rows = WindowRows::new();
    ingested.ready.iter().for_each(|ready| rows.push(ready, 2));
    Tables::open(tables)
        .unwrap()
        .append(Table::Windows, &[rows.finish().unwrap()], None)
        .unwrap();
    ingested
        .ready
        .iter()
        .map(|ready| (ready.window.sequence, ready.window.end_us))
        .collect()
}

fn reference(model: ModelRef, windows: &[(u64, i64)]) -> Reference {
    let sample = |(sequence, end_us): &(u64, i64)| Sample {
        embedding: vec![0.125; 64],
        session: "s-1".to_owned(),
        sequence: *sequence,
        end_us: *end_us,
    };
    Reference {
        v: VERSION,
        tenant: "t".to_owned(),
        subject: "anna".to_owned(),
        modality: Modality::Keystroke,
        device: "physical".to_owned(),
        model,
        version: 7,
        anchors: windows.iter().map(sample).collect(),
        recent: vec![sample(&(9_999, 1))],
        usual: Vec::new(),
        sketches: Vec::new(),
        updated_us: 5,
    }
}

#[test]
fn references_are_made_again_on_their_partition_before_the_announcement() {
    let scene = Scene::new();
    let (_running, kafka) = cluster();
    let tables = scene.folder.path().join("tables").to_str().unwrap().to_owned();
    let windows = archive(&tables);
    assert!(windows.len() >= 5);
    let with = |model: &str| PromoteArgs {
        kafka: kafka.clone(),
        history: Some(tables.clone()),
        ..scene.args(model)
    };
    let good = promote(&with("good")).unwrap();
    assert!(good.announced && good.references == Reembedded::default());

    let mut cluster = Cluster::connect(&kafka).unwrap().unwrap();
    let old = cluster.announced(Modality::Keystroke).unwrap().unwrap().model;
    cluster
        .put(&Stored {
            partition: 2,
            reference: reference(old.clone(), &windows),
        })
        .unwrap();
    cluster.flush().unwrap();

    // Without history nobody may lose what they enrolled.
    let error = promote(&PromoteArgs {
        history: None,
        ..with("better")
    })
    .unwrap_err();
    assert!(
        error.to_string().contains("1 people have references of the live model"),
        "{error}"
    );
    assert_eq!(cluster.announced(Modality::Keystroke).unwrap().unwrap().model, old);

    let better = promote(&with("better")).unwrap();
    let expected = Reembedded {
        references: 1,
        reference_windows: windows.len(),
        reference_windows_missing: 1,
        ..Reembedded::default()
    };
    assert_eq!(better.references, expected);
    let announced = cluster.announced(Modality::Keystroke).unwrap().unwrap();
    assert_eq!(
        (announced.path.as_str(), announced.previous.unwrap().model),
        ("keystroke/better", old.clone())
    );
    let moved = cluster.references(Modality::Keystroke, &better.sha256).unwrap();
    let [
        Stored {
            partition: 2,
            reference: moved,
        },
    ] = moved.as_slice()
    else {
        panic!("one set on partition 2")
    };
    assert_eq!(
        (moved.version, moved.anchors.len(), moved.recent.len()),
        (8, windows.len(), 0)
    );
    assert!(moved.anchors.iter().all(|sample| sample.embedding[0] != 0.125));
    assert_eq!(ReferenceKey::of(moved).model_sha256, better.sha256);
    // A set whose windows history lacks would leave its person without references.
    cluster
        .put(&Stored {
            partition: 1,
            reference: Reference {
                subject: "bert".to_owned(),
                ..reference(announced.model.clone(), &windows)
            },
        })
        .unwrap();
    cluster.flush().unwrap();
    scene.variant("worse", "bold", |manifest| {
        manifest.accuracy = Manifest::load(&scene.folder.path().join("better")).unwrap().accuracy;
    });
    let error = promote(&with("bold")).unwrap_err().to_string();
    assert!(
        error.contains("1 people have references of the live model, and the history has none"),
        "{error}"
    );

    // The old set stays for the way back.
    assert_eq!(cluster.references(Modality::Keystroke, &old.sha256).unwrap().len(), 1);

    let back = promote(&PromoteArgs {
        model: None,
        roll_back: true,
        ..with("good")
    })
    .unwrap();
    assert_eq!(
        (back.sha256.as_str(), back.references.references),
        (old.sha256.as_str(), 1)
    );
    assert_eq!(cluster.announced(Modality::Keystroke).unwrap().unwrap().model, old);
}

#[test]
fn options_are_as_in_the_service() {
    let parse = |set: &str| {
        let args = KafkaArgs {
            kafka: Some("127.0.0.1:1".to_owned()),
            set: vec![set.to_owned()],
        };
        Cluster::connect(&args)
            .err()
            .map(|error| format!("{error:#}"))
            .unwrap_or_default()
    };
    assert!(parse("topics.modles=x").contains("--set topics.modles is unknown here"));
    assert!(parse("kafka.acks=1").contains("must be all"));
    assert!(KafkaSettings::for_brokers("127.0.0.1:1").problems().is_empty());
}
