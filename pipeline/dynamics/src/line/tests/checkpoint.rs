//! A line that is taken up again from its checkpoint goes on as one that was never interrupted.

use super::*;
use crate::line::{LineState, Recorded};
use std::collections::BTreeMap;

/// What the log keeps of checkpoints, as a compacted topic does.
#[derive(Default)]
struct Kept {
    sessions: BTreeMap<String, Vec<u8>>,
    references: BTreeMap<String, Reference>,
    line: LineState,
}

impl Kept {
    /// Begins a checkpoint; the sessions are still to be saved.
    fn begin(&mut self, line: &mut Line) {
        line.begin_checkpoint();
        for reference in line.changed_references() {
            // As the topic does: through text.
            let text = serde_json::to_string(&reference).unwrap();
            let reference = serde_json::from_str(&text).unwrap();
            self.references
                .insert(ReferenceKey::of(&reference).record_key(), reference);
        }
        let bytes = crate::state::seal(&line.state(), Vec::new()).unwrap();
        self.line = crate::state::open(&bytes).unwrap();
    }

    /// Saves so many of its sessions; says whether these were the last.
    fn save(&mut self, line: &mut Line, most: usize) -> bool {
        line.save_sessions(most, |key, bytes| {
            match bytes {
                Some(bytes) => self.sessions.insert(key.to_owned(), bytes.to_vec()),
                None => self.sessions.remove(key),
            };
            Ok::<_, crate::state::StateError>(())
        })
        .unwrap()
    }

    fn line(&self, config: &Arc<LineConfig>) -> Line {
        let mut line = Line::checkpointed(config.clone(), "events", 0);
        line.restore(&self.line);
        for (key, bytes) in &self.sessions {
            line.restore_session(key, Some(bytes)).unwrap();
        }
        for reference in self.references.values() {
            line.put_reference(reference.clone());
        }
        line
    }
}

/// JSON text of everything that is said, and the counts; the line is dropped and taken up again where `restarts` says so,
/// with as many records after the checkpoint replayed and their decisions adopted.
fn interrupted(
    config: LineConfig,
    values: &[Vec<u8>],
    stamps: &[i64],
    restarts: &[(usize, usize)],
) -> (Vec<String>, Accounting) {
    let config = Arc::new(config);
    let mut line = Line::checkpointed(config.clone(), "events", 0);
    let mut kept = Kept::default();
    let (mut said, mut recorded) = (Vec::new(), BTreeMap::new());
    let mut take = |line: &mut Line, at: usize, said: &mut Vec<String>| {
        let mut ingested = Ingested::default();
        let record = Record {
            offset: at as i64,
            timestamp_us: stamps[at],
            value: &values[at],
        };
        line.ingest(&record, &mut ingested);
        for ready in ingested.ready {
            let wanted = line.wants_embedding(&ready);
            let (id, embedding) = (ready.decision_id(), embed(&ready));
            let (model, back_end) = model();
            let embedded = wanted.then_some(Embedded {
                model: &model,
                back_end: &back_end,
                embedding: &embedding,
            });
            if let Some(recorded) = recorded.get(&id) {
                line.adopt(ready, embedded, *recorded);
                continue;
            }
            let decision = line.conclude(ready, embedded).decision;
            assert!(recorded.insert(id, Recorded::of(&decision)).is_none(), "an id twice");
            said.push(serde_json::to_string(&decision).unwrap());
        }
    };
    for at in 0..values.len() {
        take(&mut line, at, &mut said);
        if let Some((_, since)) = restarts.iter().find(|(restart, _)| *restart == at) {
            // The checkpoint was `since` records ago: what came after it is read again.
            let from = (at + 1).saturating_sub(*since);
            let mut before = kept.line(&config);
            let start = before.accounting().batches as usize;
            for again in start..from.max(start) {
                take(&mut before, again, &mut said);
            }
            // Its sessions are saved one by one, while the line goes on.
            kept.begin(&mut before);
            for again in from.max(start)..=at {
                take(&mut before, again, &mut said);
                kept.save(&mut before, 1);
            }
            while !kept.save(&mut before, 1) {}
            line = kept.line(&config);
            for again in line.accounting().batches as usize..=at {
                take(&mut line, again, &mut said);
            }
        }
    }
    (said, line.accounting().clone())
}

/// Three people who type and point at the same time, some of it twice, out of order, or after they were forgotten.
fn crowd(seed: u64, batches: usize) -> (Vec<Vec<u8>>, Vec<i64>) {
    let parts: Vec<Vec<EventBatch>> = (0..3u64)
        .map(|person| {
            let mut events = typed(seed + person, 40 * batches, person);
            events.extend(
                PointerUser::draw(seed + person)
                    .session(0, 60 * batches, 0)
                    .iter()
                    .map(Event::from),
            );
            events.sort_by_key(time_of);
            let size = events.len().div_ceil(batches);
            let parts = events.chunks(size).enumerate();
            let of = |(seq, events): (usize, &[Event])| batch(&format!("x{person}"), seq as u32, events);
            parts.map(of).collect()
        })
        .collect();
    let mut all: Vec<(i64, EventBatch)> = Vec::new();
    let mut now_us = ORIGIN_US;
    for round in 0..batches {
        for (person, part) in parts.iter().enumerate() {
            // Every fifth round is long after: sessions are forgotten in between.
            now_us += if round % 5 == 4 { 9_000_000 } else { 400_000 };
            // Somebody's batches come in the wrong order now and then.
            let batch = match round % 6 {
                1 if person == 1 && round + 1 < batches => round + 1,
                2 if person == 1 => round - 1,
                _ => round,
            };
            all.push((now_us, part[batch].clone()));
            if round % 4 == 3 {
                all.push((now_us, part[round - 2].clone()));
            }
        }
    }
    let values = all
        .iter()
        .map(|(_, batch)| serde_json::to_vec(batch).unwrap())
        .collect();
    (values, all.iter().map(|(stamp, _)| *stamp).collect())
}

proptest! {
    #![proptest_config(crate::proptest_config(48))]

    #[test]
    fn an_interruption_changes_nothing(seed in 0u64..40, restarts in proptest::collection::btree_map(0usize..40, 0usize..8, 1..6)) {
        let (values, stamps) = crowd(seed, 10);
        let restarts: Vec<(usize, usize)> = restarts.into_iter().collect();
        let whole = interrupted(small(), &values, &stamps, &[]);
        let parts = interrupted(small(), &values, &stamps, &restarts);
        prop_assert!(whole.1.balances());
        prop_assert!(whole.0.len() > 100);
        prop_assert_eq!(whole, parts);
    }

    #[test]
    fn no_state_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), key in "[a-c/]{0,3}") {
        let mut line = Line::new(Arc::new(small()), "events", 0);
        // With a checksum that fits, so that it is the content that is refused.
        let mut sealed = vec![crate::state::VERSION];
        sealed.extend(&bytes);
        sealed.extend(crc32fast::hash(&sealed).to_le_bytes());
        if line.restore_session(&key, Some(&sealed)).is_ok() {
            let (values, stamps) = crowd(1, 2);
            let mut ingested = Ingested::default();
            line.ingest(&Record { offset: 0, timestamp_us: stamps[0], value: &values[0] }, &mut ingested);
            line.finish(&mut ingested);
        }
    }
}

#[test]
fn a_batch_repeated_after_its_session_was_forgotten_is_known() {
    let events = typed(1, 30, 0);
    let first = serde_json::to_vec(&batch("x", 0, &events)).unwrap();
    let other = serde_json::to_vec(&batch("y", 0, &events[..2])).unwrap();
    let next = serde_json::to_vec(&batch("x", 1, &events)).unwrap();
    let mut line = Line::new(Arc::new(small()), "events", 0);
    let mut ingested = Ingested::default();
    let mut now_us = ORIGIN_US;
    for (offset, (value, later_us)) in [
        (&first, 0),
        (&other, 9_000_000),
        (&other, 9_000_000),
        (&first, 0),
        (&next, 0),
    ]
    .into_iter()
    .enumerate()
    {
        now_us += later_us;
        let record = Record {
            offset: offset as i64,
            timestamp_us: now_us,
            value,
        };
        line.ingest(&record, &mut ingested);
    }
    let counts = line.accounting();
    assert_eq!((counts.duplicate, counts.windowed > 60), (60 + 2, true), "{counts:?}");
    assert!(counts.balances());
}
