//! A verification says what the stream says at the end of a session with the same events.

use crate::support::*;
use ductus_dynamics::event::{InputEvent, Modality};
use ductus_dynamics::line::LineConfig;
use ductus_dynamics::wire::{Device, EventBatch, Keyboard, Reference};
use ductus_scorer::probe::{Claim, Numbers, ProbePolicy};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

const CLAIM: Claim<'_> = Claim {
    tenant: "acme",
    subject: "s-1",
};

fn references() -> &'static [Reference] {
    static REFERENCES: OnceLock<Vec<Reference>> = OnceLock::new();
    REFERENCES.get_or_init(|| {
        let own = enrolled(&Arc::default(), CLAIM.subject, 1, 600, 2_000);
        // The other keyboard is known as well: a session would learn what it does not know and then compare with it.
        let keys = own.iter().filter(|reference| reference.modality == Modality::Keystroke);
        let other = keys.map(|reference| Reference {
            device: "virtual".to_owned(),
            ..reference.clone()
        });
        other.chain(own.iter().cloned()).collect()
    })
}

/// A stretch of a session.
#[derive(Clone, Debug)]
enum Stretch {
    Typed { person: u64, keys: usize },
    Pointed { person: u64, steps: usize },
    Pause { seconds: i64 },
}

#[derive(Clone, Debug)]
struct Session {
    stretches: Vec<Stretch>,
    /// Events a batch.
    batch: usize,
    /// The batch from which on another keyboard is in use, and the one from which on the clock counts from elsewhere.
    device_at: Option<u32>,
    clock_at: Option<u32>,
    /// A batch that never came.
    lost: Option<u32>,
    /// Whether the batches say whom they claim to be of.
    names_subject: bool,
    /// How far record timestamps lie apart from event times, µs.
    behind_us: i64,
}

fn session() -> impl Strategy<Value = Session> {
    let person = || prop_oneof![3 => Just(1_u64), 1 => Just(105), 2 => Just(92)];
    let stretch = prop_oneof![
        4 => (person(), 1_usize..220).prop_map(|(person, keys)| Stretch::Typed { person, keys }),
        2 => (person(), 1_usize..400).prop_map(|(person, steps)| Stretch::Pointed { person, steps }),
        1 => (1_i64..900).prop_map(|seconds| Stretch::Pause { seconds }),
    ];
    let rest = (
        20_usize..700,
        prop::option::weighted(0.2, 1_u32..4),
        prop::option::weighted(0.2, 1_u32..4),
        prop::option::weighted(0.2, 0_u32..3),
        any::<bool>(),
        -5_000_000_i64..5_000_000,
    );
    (prop::collection::vec(stretch, 1..5), rest).prop_map(
        |(stretches, (batch, device_at, clock_at, lost, names_subject, behind_us))| Session {
            stretches,
            batch,
            device_at,
            clock_at,
            lost,
            names_subject,
            behind_us,
        },
    )
}

impl Session {
    fn batches(&self, session: &str) -> Vec<EventBatch> {
        let (mut events, mut now_us, mut press): (Vec<InputEvent>, _, _) = (Vec::new(), SECOND_US, 1);
        for (number, stretch) in (0..).zip(&self.stretches) {
            match *stretch {
                Stretch::Typed { person, keys } => events.extend(typed(person, number, keys, now_us, press)),
                Stretch::Pointed { person, steps } => events.extend(pointed(person, number, steps, now_us)),
                Stretch::Pause { seconds } => now_us += seconds * SECOND_US,
            }
            now_us = now_us.max(events.last().map_or(0, |event| event.t_us) + SECOND_US / 10);
            press += 1_000;
        }
        let numbered = (0..).zip(events.chunks(self.batch));
        let sent = numbered.filter(|(seq, _)| self.lost != Some(*seq));
        sent.map(|(seq, events)| {
            let mut batch = batch(self.names_subject.then_some(CLAIM.subject), session, seq, events);
            if self.device_at.is_some_and(|at| at <= seq) {
                batch.device = Device {
                    keyboard: Keyboard::Virtual,
                    ..DEVICE
                };
            }
            if self.clock_at.is_some_and(|at| at <= seq) {
                batch.clock.origin_us += 3_600 * SECOND_US;
            }
            batch
        })
        .collect()
    }
}

/// The numbers are those of the stream, whatever else its partition carries and however its records are stamped.
#[test]
fn the_numbers_are_the_streams() {
    let config = Arc::new(LineConfig::default());
    let (prober, pool) = (prober(&config, ProbePolicy::default()), pool(&config));
    feed(&pool, references());
    let mut runner = TestRunner::new(Config {
        cases: 60,
        failure_persistence: None,
        ..Config::default()
    });
    let (answers, compared) = (RefCell::new(BTreeMap::new()), Cell::new(0));
    let result = runner.run(&(session(), session()), |(session, other)| {
        let batches = session.batches("x");
        prop_assume!(!batches.is_empty());
        let mut stream = Stream::new(&config);
        for reference in references() {
            stream.put(reference.clone());
        }
        // Somebody else works in the same partition.
        let mut others = other.batches("y").into_iter();
        for batch in &batches {
            let claimed = EventBatch {
                subject: Some(CLAIM.subject.to_owned()),
                ..batch.clone()
            };
            stream.take(&claimed, ORIGIN_US + session.behind_us);
            if let Some(other) = others.next() {
                let other = EventBatch {
                    subject: Some("s-2".to_owned()),
                    ..other
                };
                stream.take(&other, ORIGIN_US + other.clock.origin_us % 7_000_000);
            }
        }
        stream.finish();
        let expected = stream.last_compared("x").map(|decision| Numbers {
            score: decision.score.evidence,
            risk: decision.risk,
            confidence: decision.confidence,
            action: decision.action,
        });
        let values: Vec<Vec<u8>> = batches.iter().map(bytes).collect();
        let found = prober.verify(&pool, CLAIM, &slices(&values)).unwrap();
        prop_assert_eq!(found.numbers, expected);
        prop_assert!(found.accounting.balances());
        *answers.borrow_mut().entry(found.answer.code()).or_insert(0) += 1;
        compared.set(compared.get() + usize::from(expected.is_some()));
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    let (answers, compared) = (answers.into_inner(), compared.get());
    // A test that compared nothing would hold as well.
    assert!(compared >= 40, "{compared} of 60 were compared");
    assert!(
        answers.values().all(|count| *count >= 5) && answers.len() == 3,
        "{answers:?}"
    );
}
