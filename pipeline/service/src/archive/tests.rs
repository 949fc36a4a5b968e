//! Tests of this module: whatever happens to the process, the tables hold what an undisturbed run would have written.

use super::partition::{Events, Position, Waiting};
use ductus_dynamics::event::{KeyClass, KeyDetail};
use ductus_dynamics::line::LineConfig;
use ductus_dynamics::window::WindowConfig;
use ductus_dynamics::wire::{Clock, Consent, Device, Event, EventBatch, Purpose};
use ductus_history::{Appended, Span, StoredSession, StoredWindow, Table, Tables, Txn, WindowFilter};
use std::collections::BTreeSet;
use std::sync::Arc;

const TOPIC: &str = "events";
const APP_ID: &str = "group/events/0";
/// Records between two flushes.
const FLUSH_EVERY: usize = 8;
/// 2026-11-20 00:00 UTC, µs.
const START_US: i64 = 20_777 * 86_400_000_000;

/// Where a process dies while it flushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    BeforeFlush,
    AfterEvents,
    AfterWindows,
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
        ..LineConfig::default()
    })
}

/// Timestamp and value of each record: sessions that overlap, pause, end, fall idle and come back; a repeated batch; noise;
/// timestamps out of order.
fn records() -> Vec<(i64, Vec<u8>)> {
    let mut records = Vec::new();
    let mut seq = std::collections::BTreeMap::new();
    for i in 0..64_i64 {
        let session = match i {
            0..16 => ["a", "b"][(i % 2) as usize],
            16..30 => ["b", "c", "d"][(i % 3) as usize],
            30..46 => "c",
            _ => ["a", "c"][(i % 2) as usize],
        };
        let jitter_us = [0, -1_500_000, 700_000][(i % 3) as usize];
        let timestamp_us = START_US + i * 1_000_000 + jitter_us;
        let next: &mut u32 = seq.entry(session).or_default();
        let value = batch(session, *next, i, i == 44);
        *next += 1;
        records.push((timestamp_us, value.clone()));
        match i {
            10 => records.push((timestamp_us, value)),
            12 => records.push((timestamp_us, b"noise".to_vec())),
            _ => {}
        }
    }
    records
}

fn batch(session: &str, seq: u32, second: i64, end: bool) -> Vec<u8> {
    let mut events: Vec<Event> = (0..4)
        .flat_map(|key| {
            let press = seq * 4 + key;
            let t_us = second * 1_000_000 + i64::from(key) * 150_000;
            [
                Event::Down {
                    t_us,
                    press,
                    class: KeyClass::Letter,
                },
                Event::Up {
                    t_us: t_us + 80_000 + i64::from(press % 7) * 1_000,
                    press,
                },
            ]
        })
        .collect();
    if end {
        events.push(Event::End {
            t_us: second * 1_000_000 + 900_000,
        });
    }
    let batch = EventBatch {
        v: 1,
        tenant: "acme".to_owned(),
        subject: (session != "d").then(|| format!("subject-{session}")),
        session: session.to_owned(),
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

/// What stands in the tables after all records, with a death at each (record, stage).
fn run(mut deaths: Vec<(usize, Stage)>) -> (Vec<StoredSession>, Vec<StoredWindow>) {
    let folder = tempfile::tempdir().unwrap();
    let mut tables = Tables::open(folder.path().to_str().unwrap()).unwrap();
    let records = records();
    let mut committed: Option<(i64, String)> = None;
    'process: loop {
        let (from, position) = match &committed {
            Some((offset, metadata)) => (*offset, Position::parse(metadata, *offset)),
            None => (0, Position::default()),
        };
        let last = [Table::Events, Table::Windows].map(|table| tables.last_txn(table, APP_ID).unwrap());
        let mut events = Events::begin(&config(), TOPIC, 0, position, last);
        for (offset, (timestamp_us, value)) in records.iter().enumerate().skip(from as usize) {
            events.take(offset as i64, *timestamp_us, value);
            let death = deaths.first().filter(|(at, _)| *at <= offset).map(|(_, stage)| *stage);
            let last = offset + 1 == records.len();
            if death.is_none() && !last && (offset + 1) % FLUSH_EVERY != 0 {
                continue;
            }
            if death != Some(Stage::BeforeFlush) {
                events.seal().unwrap();
                write(&mut tables, Table::Events, &mut events.events);
                if death != Some(Stage::AfterEvents) {
                    write(&mut tables, Table::Windows, &mut events.windows);
                    events.windows_written();
                }
            }
            if death.is_some() {
                deaths.remove(0);
                continue 'process;
            }
            let (offset, position) = events.commit().unwrap();
            committed = Some((offset, position.metadata()));
        }
        break;
    }
    let sessions = tables.read_sessions(&Default::default()).unwrap().collect();
    (sessions, tables.read_windows(&WindowFilter::default()).unwrap())
}

fn write(tables: &mut Tables, table: Table, waiting: &mut Waiting) {
    let Some((rows, after, version)) = waiting.to_write() else {
        return;
    };
    let app_id = APP_ID.to_owned();
    let span = Span {
        txn: Txn { app_id, version },
        after,
    };
    let appended = tables.append_spans(table, rows, &[span]).unwrap();
    assert!(matches!(appended, Appended::Committed { .. }), "{appended:?}");
    waiting.written();
}

#[test]
fn a_death_at_any_point_changes_nothing() {
    let undisturbed = run(Vec::new());
    assert!(undisturbed.1.len() > 20, "{} windows", undisturbed.1.len());
    let keys: BTreeSet<_> = undisturbed.1.iter().map(|window| &window.key).collect();
    assert_eq!(keys.len(), undisturbed.1.len(), "no window twice");
    let events: usize = undisturbed.0.iter().map(|session| session.events.len()).sum();
    // 64 batches of 8 and one end; the repeated batch and the noise are not kept.
    assert_eq!(events, 64 * 8 + 1);

    use Stage::{AfterEvents, AfterWindows, BeforeFlush};
    for deaths in [
        vec![(3, BeforeFlush)],
        vec![(9, AfterEvents), (9, AfterEvents)],
        vec![(17, AfterWindows)],
        vec![(20, AfterEvents), (21, AfterWindows), (22, BeforeFlush)],
        vec![
            (29, AfterWindows),
            (41, AfterEvents),
            (55, AfterWindows),
            (65, BeforeFlush),
        ],
        (0..66)
            .step_by(4)
            .map(|at| (at, [BeforeFlush, AfterEvents, AfterWindows][at % 3]))
            .collect(),
    ] {
        let disturbed = run(deaths.clone());
        assert_eq!(disturbed.0, undisturbed.0, "{deaths:?}");
        assert_eq!(disturbed.1, undisturbed.1, "{deaths:?}");
    }
}

#[test]
fn positions_travel_in_the_metadata() {
    for position in [
        Position {
            next: 12,
            watermark_us: Some(-5),
        },
        Position {
            next: 12,
            watermark_us: None,
        },
    ] {
        assert_eq!(Position::parse(&position.metadata(), 3), position);
    }
    let bare = Position {
        next: 3,
        watermark_us: None,
    };
    assert_eq!(Position::parse("", 3), bare);
    assert_eq!(Position::parse("something else=4", 3), bare);
}
