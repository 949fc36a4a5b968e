//! The line through a broker, against the oracle: librdkafka's mock cluster in the process, the same clients as everywhere.
//!
//! No test asserts a time; every wait has one generous bound, after which the test has failed.

mod models;
mod simulation;
mod support;

use crate::{KafkaSettings, StreamMetrics};

use ductus_dynamics::compare::ReferenceKey;
use ductus_dynamics::wire::{AuditAction, AuditRecord, DeadLetter, Decision, Reference};
use expect_test::expect;
use prometheus::Registry;
use rdkafka::message::Message;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;
use support::{Broker, FakeEmbedders, Oracle, Tape, Typist, header, metric, office, text, until};

/// Ids of what the oracle says, too: not of models that went live.
fn audit_ids(broker: &Broker) -> Vec<String> {
    let audits = broker.read(&broker.config.topics.audit);
    let audits = audits
        .iter()
        .map(|message| serde_json::from_slice::<AuditRecord>(message.payload().unwrap()).unwrap());
    let mut ids: Vec<String> = audits
        .filter(|audit| audit.action != AuditAction::ModelLive)
        .map(|audit| audit.id)
        .collect();
    ids.sort();
    ids
}

/// Ids in a topic of documents, in order of partition and offset, doubles included.
fn ids(broker: &Broker, topic: &str) -> Vec<String> {
    let id = |text: &str| {
        let document: serde_json::Value = serde_json::from_str(text).unwrap();
        document["id"].as_str().unwrap().to_owned()
    };
    broker.read(topic).iter().map(|message| id(&text(message))).collect()
}

#[test]
fn decisions_equal_the_oracle() {
    let mut broker = Broker::start(4, 2);
    let inputs = office(6, 4);
    let oracle = Oracle::of(&broker.config, &inputs);
    assert!(oracle.decisions.len() > 80, "{}", oracle.decisions.len());
    broker.publish(&inputs);
    let topics = broker.config.topics.clone();

    let score = broker.score(&FakeEmbedders::new());
    broker.wait_for(&topics.decisions, oracle.decisions.len());
    until("ready", || score.ready());
    assert_eq!(score.partitions(), 4);
    let accounting = {
        until("all records", || score.accounting().batches == inputs.len() as u64);
        score.accounting()
    };
    until("a checkpoint of everything", || {
        broker.checkpoints() == oracle.positions
    });
    score.stop();
    score.join().unwrap();

    let decisions: BTreeMap<String, String> = broker
        .read(&topics.decisions)
        .iter()
        .map(|message| {
            let decision: Decision = serde_json::from_slice(message.payload().unwrap()).unwrap();
            assert_eq!(message.key().unwrap(), decision.subject.unwrap().as_bytes());
            (decision.id, text(message))
        })
        .collect();
    assert_eq!(decisions, oracle.decisions);
    assert_eq!(audit_ids(&broker), oracle.audits);
    let mut references = BTreeMap::new();
    for message in broker.read(&topics.references) {
        let reference: Reference = serde_json::from_slice(message.payload().unwrap()).unwrap();
        let key = ReferenceKey::of(&reference).record_key();
        assert_eq!(message.key().unwrap(), key.as_bytes());
        references.insert(key, text(&message));
    }
    // As text: serde_json reads an f64 back one unit in the last place off at times.
    let expected: BTreeMap<String, String> = oracle
        .references
        .iter()
        .map(|(key, reference)| (key.clone(), serde_json::to_string(reference).unwrap()))
        .collect();
    assert_eq!(references, expected);
    assert_eq!(accounting, oracle.accounting);
    assert!(accounting.balances());
    assert!(broker.read(&topics.dead_letters).is_empty());
    assert_eq!(broker.checkpoints(), oracle.positions);
}

#[test]
fn a_restart_in_the_middle_says_everything_once() {
    let mut broker = Broker::start(2, 1);
    let inputs = office(3, 2);
    let oracle = Oracle::of(&broker.config, &inputs);
    let embedders = FakeEmbedders::new();
    let topics = broker.config.topics.clone();
    // In the middle of sessions, so that the second run has state to rebuild.
    let (first, second) = inputs.split_at(inputs.len() * 2 / 5);
    let after_first = Oracle::of(&broker.config, first);

    broker.publish(first);
    let score = broker.score(&embedders);
    broker.wait_for(&topics.decisions, after_first.decisions.len());
    until("first part", || score.accounting().batches == first.len() as u64);
    score.stop();
    score.join().unwrap();
    assert_eq!(ids(&broker, &topics.decisions).len(), after_first.decisions.len());

    broker.publish(second);
    let score = broker.score(&embedders);
    broker.wait_for(&topics.decisions, oracle.decisions.len());
    until("second part", || score.accounting().batches == inputs.len() as u64);
    score.stop();
    score.join().unwrap();
    assert_said_once(&broker, &oracle);
}

/// Every decision once, as the oracle has it, byte for byte; every audit record once.
fn assert_said_once(broker: &Broker, oracle: &Oracle) {
    let mut said: Vec<String> = broker.read(&broker.config.topics.decisions).iter().map(text).collect();
    said.sort();
    let mut expected: Vec<String> = oracle.decisions.values().cloned().collect();
    expected.sort();
    assert_eq!(said, expected);
    assert_eq!(audit_ids(broker), oracle.audits);
}

#[test]
fn a_refused_write_is_repeated_and_nothing_is_lost() {
    let mut broker = Broker::start(1, 1);
    let inputs = office(2, 1);
    let oracle = Oracle::of(&broker.config, &inputs);
    let topics = broker.config.topics.clone();
    broker.publish(&inputs);
    let refused = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
    ];
    broker.cluster.request_errors(RDKafkaApiKey::Produce, &refused);
    let registry = Registry::new();
    let score = broker.score_measured(&FakeEmbedders::new(), StreamMetrics::register(&registry).unwrap());
    until("a restart", || {
        metric(&registry, "ductus_stream_shard_restarts_total") >= 1.0
    });
    until("a checkpoint of everything", || {
        broker.checkpoints() == oracle.positions
    });
    score.stop();
    score.join().unwrap();
    let said: BTreeMap<String, String> = broker
        .read(&topics.decisions)
        .iter()
        .map(|message| {
            let decision: Decision = serde_json::from_slice(message.payload().unwrap()).unwrap();
            (decision.id, text(message))
        })
        .collect();
    assert_eq!(said, oracle.decisions);
}

#[test]
fn partitions_change_hands_with_their_sessions() {
    let mut broker = Broker::start(4, 1);
    let inputs = office(4, 4);
    let oracle = Oracle::of(&broker.config, &inputs);
    let topics = broker.config.topics.clone();
    let (first, second) = inputs.split_at(inputs.len() * 2 / 5);
    let embedders = FakeEmbedders::new();

    broker.publish(first);
    let one = broker.score(&embedders);
    until("first part", || one.accounting().batches == first.len() as u64);
    let two = broker.score(&embedders);
    until("a share for each", || one.partitions() == 2 && two.partitions() == 2);
    assert!(one.ready() && two.ready());
    broker.publish(second);
    broker.wait_for(&topics.decisions, oracle.decisions.len());
    let batches = || one.accounting().batches + two.accounting().batches;
    until("second part", || batches() == inputs.len() as u64);
    for score in [one, two] {
        score.stop();
        score.join().unwrap();
    }
    assert_said_once(&broker, &oracle);
}

#[test]
fn the_group_protocol_of_kafka_4_is_an_option() {
    let mut broker = Broker::start(2, 1);
    let servers = broker.cluster.bootstrap_servers();
    broker.config.kafka = KafkaSettings::from_properties([
        ("bootstrap.servers", servers.as_str()),
        ("consumer.group.protocol", "consumer"),
    ]);
    let inputs = office(2, 2);
    let oracle = Oracle::of(&broker.config, &inputs);
    broker.publish(&inputs);
    let score = broker.score(&FakeEmbedders::new());
    broker.wait_for(&broker.config.topics.decisions, oracle.decisions.len());
    score.stop();
    score.join().unwrap();
    assert_eq!(broker.checkpoints(), oracle.positions);
}

#[test]
fn poison_becomes_dead_letters_and_the_stream_goes_on() {
    let mut broker = Broker::start(1, 1);
    let mut tape = Tape::default();
    let mut typist = Typist::new("mallory", "s-1", 1);
    let good = typist.batch(10);
    let edit = |edit: &dyn Fn(&mut serde_json::Value)| {
        let mut document: serde_json::Value = serde_json::from_slice(&good).unwrap();
        edit(&mut document);
        serde_json::to_vec(&document).unwrap()
    };
    tape.push(0, "k", good.clone());
    tape.push(0, "k", good.clone());
    tape.push(0, "noise", vec![0x80; 1_000_000]);
    tape.push(0, "k", b"{not json".to_vec());
    tape.push(0, "k", Vec::new());
    tape.push(0, "k", edit(&|d| d["v"] = 2.into()));
    tape.push(0, "k", edit(&|d| d["events"][0]["key"] = "a".into()));
    tape.push(0, "k", edit(&|d| d["mood"] = "fine".into()));
    tape.push(0, "k", edit(&|d| d["consent"] = "withheld".into()));
    tape.push(0, "k", edit(&|d| d["clock"]["origin_us"] = 12.into()));
    tape.push(0, "k", edit(&|d| d["session"] = "no spaces allowed".into()));
    let _skipped = typist.batch(1);
    tape.push(0, "k", typist.batch(60));
    tape.push(0, "k", {
        let mut other = Typist::new("mallory", "s-2", 1);
        other.envelope(vec![ductus_dynamics::wire::Event::Up { t_us: 5, press: 9 }])
    });
    let oracle = Oracle::of(&broker.config, &tape.inputs);
    broker.publish(&tape.inputs);
    let topics = broker.config.topics.clone();

    let score = broker.score(&FakeEmbedders::new());
    until("all records", || score.accounting().batches == tape.inputs.len() as u64);
    score.stop();
    let accounting = score.accounting();
    score.join().unwrap();

    assert_eq!(accounting, oracle.accounting);
    assert!(accounting.balances());
    assert_eq!(ids(&broker, &topics.decisions).len(), oracle.decisions.len());
    let mut lines = String::new();
    for message in broker.read(&topics.dead_letters) {
        let letter: DeadLetter = serde_json::from_slice(message.payload().unwrap()).unwrap();
        let input = &tape.inputs[letter.source.offset as usize];
        assert_eq!(message.key().unwrap(), input.key.as_bytes());
        assert_eq!(letter.size_bytes, input.value.len() as u64);
        assert_eq!(letter.sha256, ductus_scorer::sha256_hex(&input.value));
        assert_eq!(letter.timestamp_us, input.timestamp_us);
        assert_eq!(header(&message, "reason"), letter.reason.code());
        assert_eq!(header(&message, "offset"), letter.source.offset.to_string());
        assert_eq!(header(&message, "topic"), topics.events);
        if let Some(payload) = &letter.payload {
            assert_eq!(payload.as_bytes(), input.value);
        }
        let kept = if letter.payload.is_some() { "kept" } else { "left out" };
        lines.push_str(&format!("{} {} {kept}\n", letter.source.offset, letter.reason.code()));
    }
    expect![[r#"
        1 repeated_batch kept
        2 oversize_batch left out
        3 malformed left out
        4 malformed left out
        5 unsupported_version left out
        6 content_field left out
        7 unknown_field left out
        8 no_consent left out
        9 absurd_clock kept
        10 invalid_id left out
        11 missing_batches kept
        12 release_without_press kept
    "#]]
    .assert_eq(&lines);
}

#[test]
fn another_model_is_taken_up_between_batches_and_audited() {
    let mut broker = Broker::start(2, 1);
    let embedders = FakeEmbedders::new();
    let topics = broker.config.topics.clone();
    let inputs = office(2, 2);
    let (first, second) = inputs.split_at(inputs.len() / 2);
    broker.publish(first);
    let score = broker.score(&embedders);
    let offset = |partition: i32| first.iter().filter(|input| input.partition == partition).count() as i64;
    until("first part", || {
        broker.checkpoints() == BTreeMap::from([(0, offset(0)), (1, offset(1))])
    });
    embedders.model.store(2, Ordering::Release);
    let oracle = Oracle::of(&broker.config, &inputs);
    let before = Oracle::of(&broker.config, first);
    broker.wait_for(&topics.audit, before.audits.len() + 8);
    broker.publish(second);
    broker.wait_for(&topics.decisions, oracle.decisions.len());
    score.stop();
    score.join().unwrap();

    let mut swaps = BTreeMap::new();
    for message in broker.read(&topics.audit) {
        let audit: AuditRecord = serde_json::from_slice(message.payload().unwrap()).unwrap();
        if audit.action == AuditAction::ModelLive {
            let (model, source) = (audit.model.unwrap(), audit.source.unwrap());
            swaps.insert((model.id, source.partition), (model.version, source.offset));
        }
    }
    for modality in ["keystroke", "pointer"] {
        for partition in [0, 1] {
            let expected = ("fake-2".to_owned(), offset(partition));
            assert_eq!(swaps.get(&(modality.to_owned(), partition)), Some(&expected));
        }
    }
    for message in broker.read(&topics.decisions) {
        let decision: Decision = serde_json::from_slice(message.payload().unwrap()).unwrap();
        if let Some(model) = &decision.model {
            let after = decision.source.offset >= offset(decision.source.partition);
            assert_eq!(model.version, if after { "fake-2" } else { "fake-1" });
        }
    }
}

/// The decision about the first full window of a session.
fn first_of(broker: &Broker, session: &str) -> Decision {
    broker
        .read(&broker.config.topics.decisions)
        .iter()
        .map(|message| serde_json::from_slice::<Decision>(message.payload().unwrap()).unwrap())
        .find(|decision| decision.session == session && decision.window.sequence == 0)
        .unwrap()
}

#[test]
fn references_written_elsewhere_are_used_and_erased_ones_are_not() {
    // What a first broker learned is what another process (promote) writes to the second one.
    let config = Broker::start(1, 1).config;
    let oracle = Oracle::of(&config, &office(1, 1));
    let (key, mature) = oracle.references.iter().next().unwrap();

    let mut broker = Broker::start(1, 1);
    let topics = broker.config.topics.clone();
    broker.put(&topics.references, 0, key, Some(&serde_json::to_vec(mature).unwrap()));
    broker.put(&topics.references, 0, "nonsense", Some(b"{}"));
    let mut tape = Tape::default();
    tape.push(0, "person-0", Typist::new("person-0", "new-1", 0).batch(55));
    tape.push(0, "person-0", Typist::new("person-0", "new-2", 0).batch(55));
    broker.publish(&tape.inputs[..1]);
    let score = broker.score(&FakeEmbedders::new());
    broker.wait_for(&topics.decisions, 1);
    let known = first_of(&broker, "new-1");
    assert_eq!(known.reference.unwrap().version, mature.version);
    assert!(known.score.comparison.is_some());

    broker.put(&topics.references, 0, key, None);
    // The reader of references is another client than the one of events: give it the time of some turns.
    std::thread::sleep(Duration::from_millis(500));
    broker.publish(&tape.inputs[1..]);
    broker.wait_for(&topics.decisions, 2);
    let erased = first_of(&broker, "new-2");
    assert_eq!((erased.reference, erased.score.comparison), (None, None));
    score.stop();
    score.join().unwrap();
}

#[test]
fn scoring_does_not_start_on_topics_that_do_not_fit() {
    let cluster = rdkafka::mocking::MockCluster::new(1).unwrap();
    let topics = crate::Topics::default();
    for (name, partitions) in [
        (&topics.events, 4),
        (&topics.references, 3),
        (&topics.decisions, 1),
        (&topics.audit, 1),
    ] {
        cluster.create_topic(name, partitions, 1).unwrap();
    }
    let settings = KafkaSettings::for_brokers(&cluster.bootstrap_servers());
    let error = crate::check_topics(&settings, &topics, &topics.for_scoring(), support::BOUND).unwrap_err();
    expect!["topic ductus.session-state.v1 does not exist; topic ductus.models.v1 does not exist; topic ductus.events.v1-dlq does not exist; topic ductus.events.v1 has 4 partitions and ductus.decisions.v1 has 1, but they must have equally many; topic ductus.events.v1 has 4 partitions and ductus.references.v1 has 3, but they must have equally many; create the topics as infra/topics.txt says"].assert_eq(&error.to_string());
    let ensured = crate::ensure_topics(&settings, &topics.specs(), 1, Duration::from_secs(3)).unwrap();
    assert_eq!(ensured.existing.len(), 4);
    assert_eq!(
        ensured.not_created,
        [
            topics.session_state,
            topics.feedback,
            topics.models,
            topics.dead_letters
        ]
    );
}
