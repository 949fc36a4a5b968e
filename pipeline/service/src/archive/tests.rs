//! Tests of this module: whatever happens to the process, the tables hold what an undisturbed run would have written.

use super::partition::{Decisions, Events, Position, Taken, Waiting, Words};
use ductus_dynamics::event::{KeyClass, KeyDetail};
use ductus_dynamics::line::{Ingested, Line, LineConfig, Record, Watermark};
use ductus_dynamics::window::WindowConfig;
use ductus_dynamics::wire::{Clock, Consent, Device, Event, EventBatch, Purpose};
use ductus_history::{Appended, Span, Table, Tables, Txn, WindowFilter};
use std::collections::BTreeMap;
use std::sync::Arc;

const TOPIC: &str = "events";
const APP_ID: &str = "group/events/0";
/// 2026-11-20 00:00 UTC, µs.
const START_US: i64 = 20_777 * 86_400_000_000;

/// Where a process dies while it flushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    BeforeFlush,
    AfterEvents,
    AfterWindows,
}

use Stage::{AfterEvents, AfterWindows, BeforeFlush};

/// What an archive writes to: rows come once if every append finds the table where it believes it to be.
trait Store {
    fn last(&mut self, table: Table) -> Option<i64>;
    fn append(&mut self, table: Table, waiting: &Waiting);
}

/// Rows as text, in memory.
#[derive(Default)]
struct Memory {
    last: BTreeMap<Table, i64>,
    rows: BTreeMap<Table, Vec<String>>,
}

impl Store for Memory {
    fn last(&mut self, table: Table) -> Option<i64> {
        self.last.get(&table).copied()
    }

    fn append(&mut self, table: Table, waiting: &Waiting) {
        let Some((batches, after, version)) = waiting.to_write() else {
            return;
        };
        assert_eq!(self.last(table), after, "{table}");
        self.last.insert(table, version);
        let rows = self.rows.entry(table).or_default();
        for batch in batches {
            rows.extend((0..batch.num_rows()).map(|row| format!("{:?}", batch.slice(row, 1))));
        }
    }
}

impl Store for Tables {
    fn last(&mut self, table: Table) -> Option<i64> {
        self.last_txn(table, APP_ID).unwrap()
    }

    fn append(&mut self, table: Table, waiting: &Waiting) {
        let Some((rows, after, version)) = waiting.to_write() else {
            return;
        };
        let app_id = APP_ID.to_owned();
        let span = Span {
            txn: Txn { app_id, version },
            after,
        };
        let appended = self.append_spans(table, rows, &[span]).unwrap();
        assert!(matches!(appended, Appended::Committed { .. }), "{appended:?}");
    }
}

fn config() -> Arc<LineConfig> {
    let keystroke = WindowConfig {
        steps: 10,
        hop: 5,
        min_steps: 5,
        pause_us: 6_000_000,
    };
    Arc::new(LineConfig {
        keystroke,
        idle_us: 9_000_000,
        lateness_us: 500_000,
        // As the role has it.
        repeat_sessions_max: 0,
        ..LineConfig::default()
    })
}

/// Runs the archive of one partition over `records`, dying at each (record, stage), and starting again from the last commit.
fn run(store: &mut impl Store, records: &[(i64, Vec<u8>)], flush_every: usize, deaths: &[(usize, Stage)]) {
    let mut deaths = deaths.to_vec();
    let mut committed: Option<(i64, String)> = None;
    'process: loop {
        let (from, position) = match &committed {
            Some((offset, metadata)) => (*offset, Position::parse(metadata, *offset)),
            None => (0, Position::default()),
        };
        let last = [Table::Events, Table::Windows].map(|table| store.last(table));
        let mut events = Events::begin(&config(), TOPIC, 0, position, last);
        for (offset, (timestamp_us, value)) in records.iter().enumerate().skip(from as usize) {
            events.take(offset as i64, *timestamp_us, value);
            let death = deaths.first().filter(|(at, _)| *at <= offset).map(|(_, stage)| *stage);
            let end = offset + 1 == records.len();
            if death.is_none() && !end && (offset + 1) % flush_every != 0 {
                continue;
            }
            if death != Some(BeforeFlush) {
                events.seal().unwrap();
                store.append(Table::Events, &events.events);
                events.events.written();
                if death != Some(AfterEvents) {
                    store.append(Table::Windows, &events.windows);
                    events.windows_written();
                }
            }
            if death.is_some() {
                deaths.remove(0);
                continue 'process;
            }
            let (offset, position) = events.commit().unwrap();
            committed = Some((offset, position.metadata(offset)));
        }
        return;
    }
}

/// Steele and Vigna's SplitMix64: enough chance for tests, the same in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

/// Timestamp and value of each record: sessions that overlap, pause, end, fall idle and come back; repeated batches; noise;
/// timestamps out of order.
fn records(chance: &mut Chance) -> Vec<(i64, Vec<u8>)> {
    let mut records: Vec<(i64, Vec<u8>)> = Vec::new();
    let mut next: BTreeMap<u64, (u32, u32)> = BTreeMap::new();
    let mut now_us = 0;
    for _ in 0..90 {
        now_us += match chance.below(10) {
            0 => 7_000_000,
            1 => 3_000_000,
            _ => 300_000 + 100_000 * chance.below(10) as i64,
        };
        let jitter_us = chance.below(40) as i64 * 100_000 - 3_000_000;
        let value = match chance.below(20) {
            0 => b"noise".to_vec(),
            1 if !records.is_empty() => records[chance.below(records.len() as u64) as usize].1.clone(),
            _ => {
                let session = chance.below(4);
                let (seq, press) = next.entry(session).or_default();
                let keys = 1 + chance.below(5) as u32;
                let value = batch(session, *seq, *press..*press + keys, now_us, chance.below(12) == 0);
                *seq += 1;
                *press += keys;
                value
            }
        };
        records.push((START_US + now_us + jitter_us, value));
    }
    records
}

fn batch(session: u64, seq: u32, presses: std::ops::Range<u32>, from_us: i64, end: bool) -> Vec<u8> {
    let mut events: Vec<Event> = presses
        .enumerate()
        .flat_map(|(i, press)| {
            let t_us = from_us + i as i64 * 50_000;
            let class = KeyClass::Letter;
            let up_us = t_us + 30_000 + i64::from(press % 7) * 1_000;
            [Event::Down { t_us, press, class }, Event::Up { t_us: up_us, press }]
        })
        .collect();
    if end {
        events.push(Event::End {
            t_us: from_us + 290_000,
        });
    }
    let batch = EventBatch {
        v: 1,
        tenant: "acme".to_owned(),
        subject: (session != 3).then(|| format!("subject-{session}")),
        session: format!("session-{session}"),
        seq,
        purpose: Purpose::Session,
        consent: Consent::Granted,
        clock: Clock {
            origin_us: START_US,
            resolution_us: 100,
        },
        device: Device::default(),
        detail: KeyDetail::Class,
        events,
    };
    serde_json::to_vec(&batch).unwrap()
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort_unstable();
    rows
}

#[test]
fn a_death_at_any_point_changes_nothing() {
    for seed in 0..60 {
        let mut chance = Chance(seed);
        let records = records(&mut chance);
        let flush_every = 1 + chance.below(15) as usize;
        let mut deaths: Vec<(usize, Stage)> = (0..chance.below(9))
            .map(|_| {
                let stage = [BeforeFlush, AfterEvents, AfterWindows][chance.below(3) as usize];
                (chance.below(90) as usize, stage)
            })
            .collect();
        deaths.sort_by_key(|(at, _)| *at);
        let (mut undisturbed, mut disturbed) = (Memory::default(), Memory::default());
        run(&mut undisturbed, &records, flush_every, &[]);
        run(&mut disturbed, &records, flush_every, &deaths);
        for table in [Table::Events, Table::Windows] {
            let [expected, found] =
                [&mut undisturbed, &mut disturbed].map(|memory| sorted(memory.rows.remove(&table).unwrap_or_default()));
            assert!(expected.len() > 15, "seed {seed}: {} rows of {table}", expected.len());
            assert!(
                expected.windows(2).all(|pair| pair[0] != pair[1]),
                "seed {seed}: a row of {table} twice"
            );
            let pairs = expected.iter().zip(&found);
            let differing = pairs.filter(|(a, b)| a != b).map(|(a, b)| format!("{a}\n{b}")).next();
            assert!(
                expected == found,
                "{differing:?} seed {seed}, {deaths:?}: {} rows of {table}, {} expected",
                found.len(),
                expected.len()
            );
        }
    }
}

#[test]
fn the_tables_take_what_the_archive_gives() {
    let folder = tempfile::tempdir().unwrap();
    let mut tables = Tables::open(folder.path().to_str().unwrap()).unwrap();
    let records = records(&mut Chance(7));
    run(
        &mut tables,
        &records,
        20,
        &[(5, AfterEvents), (33, AfterWindows), (70, BeforeFlush)],
    );
    let mut undisturbed = Memory::default();
    run(&mut undisturbed, &records, 20, &[]);
    let events: usize = tables
        .read_sessions(&Default::default())
        .unwrap()
        .map(|session| session.events.len())
        .sum();
    assert_eq!(events, undisturbed.rows[&Table::Events].len());
    let windows = tables.read_windows(&WindowFilter::default()).unwrap();
    assert_eq!(windows.len(), undisturbed.rows[&Table::Windows].len());
}

/// The watermark after records with these timestamps, in seconds.
fn watermark(timestamps_s: &[i64]) -> Watermark {
    let mut line = Line::new(Arc::default(), "events", 0);
    for timestamp_s in timestamps_s {
        let record = Record {
            offset: 0,
            timestamp_us: timestamp_s * 1_000_000,
            value: b"",
        };
        line.ingest(&record, &mut Ingested::default());
    }
    line.watermark().unwrap().clone()
}

#[test]
fn positions_travel_in_the_metadata() {
    for (watermark, open) in [(Some(watermark(&[5, 3_605])), vec![3, 7]), (None, vec![])] {
        let position = Position {
            next: 12,
            watermark,
            open: Some(open.into_iter().collect()),
        };
        assert_eq!(Position::parse(&position.metadata(3), 3), position);
    }
    let bare = Position {
        next: 3,
        ..Position::default()
    };
    assert_eq!(Position::parse("", 3), bare);
    assert_eq!(Position::parse("something else=4", 3), bare);
}

#[test]
fn metadata_stays_within_kafkas_bound() {
    let position = Position {
        next: i64::MAX,
        watermark: Some(watermark(&(0..100).map(|day| day * 86_400).collect::<Vec<_>>())),
        open: Some((0..2_000).collect()),
    };
    let metadata = position.metadata(0);
    assert!(metadata.len() < 4_096, "{} bytes", metadata.len());
    assert_eq!(Position::parse(&metadata, 0).open, None);
}

#[test]
fn a_decision_that_is_said_again_is_one_row() {
    let example: serde_json::Value =
        serde_json::from_str(include_str!("../../../../schemas/examples/decision.json")).unwrap();
    let decision = |id: u128| {
        let mut decision = example.clone();
        decision["id"] = format!("{id:032x}").into();
        serde_json::to_vec(&decision).unwrap()
    };
    let take = |topic: &mut Decisions, first: i64, ids: &[u128]| -> Vec<Taken> {
        let numbered = (first..).zip(ids);
        numbered
            .map(|(offset, id)| topic.take(offset, &decision(*id)))
            .collect()
    };
    let mut topic = Decisions::begin(None, 0, 3);
    assert_eq!(topic.read_from(), 0);
    let taken = take(&mut topic, 0, &[1, 2, 1, 3, 4, 1]);
    // The last one is known no more: three others came in between.
    assert_eq!(
        taken,
        [
            Taken::Row,
            Taken::Row,
            Taken::Repeat,
            Taken::Row,
            Taken::Row,
            Taken::Row
        ]
    );
    assert_eq!(topic.weight(), 5);
    assert_eq!(topic.take(6, b"{}"), Taken::Unreadable);

    let mut restarted = Decisions::begin(Some(3), 4, 3);
    assert_eq!(restarted.read_from(), 1);
    let taken = take(&mut restarted, 1, &[2, 1, 3, 3, 4]);
    assert_eq!(taken, [Taken::Row, Taken::Row, Taken::Row, Taken::Repeat, Taken::Row]);
    assert_eq!(restarted.weight(), 1);
}

#[test]
fn words_are_rows_once_and_their_tombstones_none() {
    let example: serde_json::Value =
        serde_json::from_str(include_str!("../../../../schemas/examples/feedback.json")).unwrap();
    let word = serde_json::to_vec(&example).unwrap();
    let mut topic = Words::begin(None, 0);
    let records: [&[u8]; 4] = [&word, b"", b"{}", &word];
    let taken: Vec<Taken> = (0..)
        .zip(records)
        .map(|(offset, value)| topic.take(offset, value))
        .collect();
    assert_eq!(taken, [Taken::Row, Taken::Row, Taken::Unreadable, Taken::Row]);
    assert_eq!((topic.weight(), topic.next()), (2, 4));
    topic.seal().unwrap();
    let (batches, after, last) = topic.feedback.to_write().unwrap();
    let rows: usize = batches.iter().map(ductus_history::RecordBatch::num_rows).sum();
    assert_eq!((rows, after, last), (2, None, 3));

    // Started again before its commit: the table has them.
    let mut again = Words::begin(Some(3), 0);
    for (offset, value) in (0..).zip(records) {
        again.take(offset, value);
    }
    assert_eq!((again.weight(), again.next()), (0, 4));
    assert_eq!(again.take(4, &word), Taken::Row);
    assert_eq!(again.weight(), 1);
}
