//! The tables as their users see them: what was appended is read again, once, in order.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use arrow::array::{Array, RecordBatch};
use ductus_dynamics::event::{Button, EventKind, InputEvent, KeyClass, KeyDetail, Modality};
use ductus_dynamics::feature::layout_hash;
use ductus_dynamics::line::{Ready, SessionId};
use ductus_dynamics::parse::BatchHead;
use ductus_dynamics::window::{Keystroke, Release, Steps, Window};
use ductus_dynamics::wire::{
    Action, Clock, Closed, Decision, Device, Feedback, FeedbackVerdict, Keyboard, Layout, Pointer, Purpose, Reason,
    Score, Source, WindowRef,
};
use ductus_history::{
    Appended, DecisionRows, EventRows, FeedbackRows, RowSource, SessionFilter, Span, StoredSession, Table, Tables, Txn,
    WindowFilter, WindowKey, WindowRows, arrow_schema,
};
use expect_test::{Expect, expect};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

/// 2026-11-20 00:00 UTC, µs.
const DAY_US: i64 = 20_777 * 86_400_000_000;

const DEVICE: Device = Device {
    keyboard: Keyboard::Physical,
    pointer: Pointer::Mouse,
    layout: Layout::Qwertz,
    touch: true,
};

fn head<'a>(subject: Option<&'a str>, session: &'a str, seq: u32) -> BatchHead<'a> {
    BatchHead {
        tenant: "acme",
        subject,
        session,
        seq,
        purpose: Purpose::Session,
        clock: Clock {
            origin_us: DAY_US,
            resolution_us: 100,
        },
        device: DEVICE,
        detail: KeyDetail::Hand,
        events: 0,
    }
}

fn source(offset: i64) -> RowSource {
    RowSource {
        partition: 3,
        offset,
        ingested_us: Some(DAY_US + offset),
    }
}

/// One event of every kind, from `t_us` on.
fn events(t_us: i64) -> Vec<InputEvent> {
    let kinds = [
        EventKind::KeyDown {
            press: 17,
            class: KeyClass::LetterLeft,
        },
        EventKind::KeyUp { press: u32::MAX },
        EventKind::Move { x: -4, y: 20 },
        EventKind::ButtonDown {
            button: Button::Secondary,
            x: 1,
            y: 2,
        },
        EventKind::ButtonUp {
            button: Button::Other,
            x: 1,
            y: 2,
        },
        EventKind::Scroll {
            dx: 0,
            dy: -120,
            x: 5,
            y: 6,
        },
        EventKind::Blur,
        EventKind::End,
    ];
    kinds
        .into_iter()
        .enumerate()
        .map(|(i, kind)| InputEvent {
            t_us: t_us + i as i64,
            kind,
        })
        .collect()
}

fn event_rows(batches: &[(BatchHead<'_>, i64, &[InputEvent])]) -> RecordBatch {
    let mut rows = EventRows::new();
    for (head, offset, events) in batches {
        rows.push(head, events, &source(*offset));
    }
    rows.finish().unwrap()
}

fn txn(version: i64) -> Txn {
    Txn {
        app_id: "ductus-archive/ductus.events.v1/3".to_owned(),
        version,
    }
}

fn open(folder: &tempfile::TempDir) -> Tables {
    Tables::open(folder.path().to_str().unwrap()).unwrap()
}

#[test]
fn schemas_are_reviewed() {
    let mut text = String::new();
    for table in Table::ALL {
        text.push_str(&format!("{table}\n"));
        for field in arrow_schema(table).fields() {
            let may = if field.is_nullable() { "?" } else { "" };
            let data_type = match field.name().as_str() {
                "features" => "List(Float32)".to_owned(),
                _ => field.data_type().to_string(),
            };
            text.push_str(&format!("  {}{may} {data_type}\n", field.name()));
        }
    }
    expect![[r#"
        events
          event_date Date32
          tenant Utf8
          subject? Utf8
          session Utf8
          seq Int64
          purpose Utf8
          detail Utf8
          keyboard Utf8
          pointer Utf8
          layout Utf8
          touch Boolean
          clock_origin_us Int64
          clock_resolution_us Int64
          t_us Int64
          kind Utf8
          press? Int64
          class? Utf8
          x? Int32
          y? Int32
          dx? Int32
          dy? Int32
          button? Utf8
          source_partition Int32
          source_offset Int64
          index Int32
          ingested_us? Int64
        windows
          event_date Date32
          tenant Utf8
          subject? Utf8
          session Utf8
          modality Utf8
          sequence Int64
          start_us Int64
          end_us Int64
          steps Int32
          fresh Int32
          closed Utf8
          purpose Utf8
          device Utf8
          layout_hash Utf8
          features List(Float32)
          source_partition Int32
          source_offset Int64
        decisions
          event_date Date32
          tenant Utf8
          subject? Utf8
          session Utf8
          id Utf8
          modality Utf8
          sequence Int64
          start_us Int64
          end_us Int64
          steps Int32
          closed Utf8
          time_us Int64
          risk Float32
          confidence Float32
          action Utf8
          reasons Utf8
          comparison? Float32
          llr? Float32
          evidence Float32
          model_id? Utf8
          model_version? Utf8
          model_sha256? Utf8
          reference_version? Int64
          reference_maturity? Int32
          reference_count? Int64
          source_topic Utf8
          source_partition Int32
          source_offset Int64
        feedback
          event_date Date32
          tenant Utf8
          subject? Utf8
          session Utf8
          id Utf8
          decision Utf8
          verdict Utf8
          by? Utf8
          note? Utf8
          time_us Int64
    "#]]
    .assert_eq(&text);
}

#[test]
fn every_kind_of_event_comes_back_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut tables = open(&folder);
    let (first, second) = (events(DAY_US), events(DAY_US + 1_000));
    // The later batch is committed first, and a stranger's rows lie between.
    for (head, offset, rows) in [
        (head(Some("ann"), "s1", 1), 12, &second),
        (head(None, "s0", 0), 11, &first),
        (head(Some("ann"), "s1", 0), 10, &first),
    ] {
        let rows = event_rows(&[(head, offset, rows)]);
        let appended = tables.append(Table::Events, &[rows], None).unwrap();
        assert!(matches!(appended, Appended::Committed { .. }));
    }

    let sessions: Vec<StoredSession> = tables.read_sessions(&SessionFilter::default()).unwrap().collect();
    let names: Vec<_> = sessions
        .iter()
        .map(|s| (s.subject.as_deref(), s.session.as_str()))
        .collect();
    assert_eq!(names, [(None, "s0"), (Some("ann"), "s1")]);
    assert_eq!(
        sessions[1],
        StoredSession {
            tenant: "acme".to_owned(),
            subject: Some("ann".to_owned()),
            session: "s1".to_owned(),
            purpose: Purpose::Session,
            detail: KeyDetail::Hand,
            device: DEVICE,
            events: [first, second].concat(),
            clock_steps: Vec::new(),
        }
    );
}

#[test]
fn filters_and_clock_steps() {
    let folder = tempfile::tempdir().unwrap();
    let mut tables = open(&folder);
    let batch = events(DAY_US);
    let mut stepped = head(Some("ann"), "s1", 1);
    stepped.clock.origin_us += 5;
    stepped.purpose = Purpose::Enrol;
    let rows = event_rows(&[
        (head(Some("ann"), "s1", 0), 1, &batch),
        (stepped, 2, &batch),
        (head(Some("bob"), "s2", 0), 3, &batch),
        (head(None, "s3", 0), 4, &batch),
    ]);
    tables.append(Table::Events, &[rows], None).unwrap();

    let mut names =
        |filter: SessionFilter| -> Vec<String> { tables.read_sessions(&filter).unwrap().map(|s| s.session).collect() };
    let of = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>());
    assert_eq!(names(SessionFilter::default()), ["s3", "s1", "s2"]);
    assert_eq!(
        names(SessionFilter {
            claimed: true,
            ..Default::default()
        }),
        ["s1", "s2"]
    );
    assert_eq!(
        names(SessionFilter {
            subjects: of(&["bob"]),
            ..Default::default()
        }),
        ["s2"]
    );
    assert_eq!(
        names(SessionFilter {
            sessions: of(&["s3"]),
            ..Default::default()
        }),
        ["s3"]
    );
    assert_eq!(
        names(SessionFilter {
            tenant: Some("other".to_owned()),
            ..Default::default()
        }),
        [""; 0]
    );

    let filter = SessionFilter {
        subjects: of(&["ann"]),
        modality: Some(Modality::Keystroke),
        ..Default::default()
    };
    let ann = tables.read_sessions(&filter).unwrap().next().unwrap();
    // Down, up, blur, end of both batches; the clock stepped between them.
    assert_eq!((ann.events.len(), ann.clock_steps), (8, vec![4]));
    assert_eq!(ann.purpose, Purpose::Session);
}

#[test]
fn sessions_of_somebody_else_are_known_by_the_latest_word() {
    use FeedbackVerdict::{Confirmed, FalseAlarm};
    let folder = tempfile::tempdir().unwrap();
    let mut tables = open(&folder);
    let batch = events(DAY_US);
    let rows = event_rows(&[
        (head(Some("ann"), "s1", 0), 1, &batch),
        (head(Some("ann"), "s2", 0), 2, &batch),
    ]);
    tables.append(Table::Events, &[rows], None).unwrap();
    let mut said = |words: &[(&str, &str, &str, FeedbackVerdict, i64)]| {
        let mut rows = FeedbackRows::new();
        for (tenant, session, decision, verdict, time_us) in words {
            rows.push(&Feedback {
                v: 1,
                id: format!("{decision}-{time_us}"),
                tenant: (*tenant).to_owned(),
                decision: (*decision).to_owned(),
                session: (*session).to_owned(),
                subject: Some("ann".to_owned()),
                verdict: *verdict,
                by: None,
                note: None,
                time_us: *time_us,
            });
        }
        tables.append(Table::Feedback, &[rows.finish().unwrap()], None).unwrap();
        let without = tables.disowned().unwrap();
        let filter = SessionFilter {
            without,
            ..Default::default()
        };
        let left: Vec<String> = tables.read_sessions(&filter).unwrap().map(|s| s.session).collect();
        left.join(" ")
    };
    // Another tenant's session of the same name is another's.
    assert_eq!(said(&[("other", "s2", "d0", Confirmed, 9)]), "s1 s2");
    assert_eq!(said(&[("acme", "s1", "d1", FalseAlarm, 5)]), "s1 s2");
    assert_eq!(
        said(&[("acme", "s1", "d1", Confirmed, 4)]),
        "s1 s2",
        "it was said before"
    );
    assert_eq!(
        said(&[("acme", "s1", "d2", Confirmed, 6)]),
        "s2",
        "one decision is enough"
    );
    assert_eq!(
        said(&[("acme", "s1", "d2", FalseAlarm, 7), ("acme", "s2", "d3", Confirmed, 7)]),
        "s1"
    );
    assert_eq!(
        said(&[("acme", "s2", "d3", FalseAlarm, 7)]),
        "s1",
        "of two words of one moment the graver one"
    );
}

#[test]
fn a_repeated_append_is_skipped_also_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let rows = |offset| event_rows(&[(head(Some("ann"), "s1", 0), offset, &events(DAY_US))]);
    let mut tables = open(&folder);
    assert_eq!(tables.last_txn(Table::Events, &txn(0).app_id).unwrap(), None);
    let first = tables.append(Table::Events, &[rows(41)], Some(&txn(41))).unwrap();
    assert!(matches!(first, Appended::Committed { .. }));

    let mut other = open(&folder);
    let again = other.append(Table::Events, &[rows(41)], Some(&txn(41))).unwrap();
    assert_eq!(again, Appended::Skipped { last: Some(41) });
    let older = other.append(Table::Events, &[rows(40)], Some(&txn(40))).unwrap();
    assert_eq!(older, Appended::Skipped { last: Some(41) });
    assert!(matches!(
        other.append(Table::Events, &[rows(42)], Some(&txn(42))).unwrap(),
        Appended::Committed { .. }
    ));

    // `tables` has an older snapshot and must still notice.
    let stale = tables.append(Table::Events, &[rows(42)], Some(&txn(42))).unwrap();
    assert_eq!(stale, Appended::Skipped { last: Some(42) });
    assert_eq!(tables.last_txn(Table::Events, &txn(0).app_id).unwrap(), Some(42));
    assert_eq!(tables.last_txn(Table::Windows, &txn(0).app_id).unwrap(), None);
    assert_eq!(tables.count(Table::Events).unwrap(), 16);
}

#[test]
fn a_span_is_appended_only_where_the_last_one_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mut tables = open(&folder);
    let rows = || event_rows(&[(head(Some("ann"), "s1", 0), 1, &events(DAY_US))]);
    let span = |partition: i32, after, version| Span {
        txn: Txn {
            app_id: format!("group/topic/{partition}"),
            version,
        },
        after,
    };
    let first = [span(0, None, 10), span(1, None, 20)];
    let appended = tables.append_spans(Table::Events, &[rows(), rows()], &first).unwrap();
    assert!(matches!(appended, Appended::Committed { .. }));

    // The answer was lost, and it is asked for again; a zombie goes on from where it believes to stand.
    let again = open(&folder).append_spans(Table::Events, &[rows()], &first).unwrap();
    assert_eq!(again, Appended::Skipped { last: Some(10) });
    let zombie = [span(0, Some(10), 12), span(1, Some(19), 22)];
    let refused = tables.append_spans(Table::Events, &[rows()], &zombie).unwrap();
    assert_eq!(refused, Appended::Skipped { last: Some(20) });

    let next = [span(0, Some(10), 12), span(1, Some(20), 22)];
    let appended = tables.append_spans(Table::Events, &[rows()], &next).unwrap();
    assert!(matches!(appended, Appended::Committed { .. }));
    assert_eq!(tables.last_txn(Table::Events, "group/topic/1").unwrap(), Some(22));
    assert_eq!(tables.count(Table::Events).unwrap(), 24);
}

#[test]
fn an_append_without_rows_moves_the_transaction_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut tables = open(&folder);
    tables.append(Table::Windows, &[], Some(&txn(7))).unwrap();
    assert_eq!(tables.last_txn(Table::Windows, &txn(0).app_id).unwrap(), Some(7));
    assert_eq!(tables.count(Table::Windows).unwrap(), 0);
}

#[test]
fn transactions_survive_a_checkpoint_of_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut tables = open(&folder);
    for version in 0..120 {
        tables.append(Table::Windows, &[], Some(&txn(version))).unwrap();
    }
    let log = folder.path().join("windows/_delta_log");
    assert!(
        std::fs::read_dir(log)
            .unwrap()
            .any(|file| { file.unwrap().file_name().to_string_lossy().contains("checkpoint") })
    );
    let again = open(&folder).append(Table::Windows, &[], Some(&txn(119))).unwrap();
    assert_eq!(again, Appended::Skipped { last: Some(119) });
}

#[test]
fn rows_lie_in_folders_by_day_sorted_and_compressed() {
    let folder = tempfile::tempdir().unwrap();
    let mut tables = open(&folder);
    let rows = event_rows(&[
        (head(Some("bob"), "s2", 0), 1, &events(DAY_US)),
        (head(Some("ann"), "s1", 0), 2, &events(DAY_US - 4)),
    ]);
    tables.append(Table::Events, &[rows], None).unwrap();
    let mut days: Vec<String> = std::fs::read_dir(folder.path().join("events"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name != "_delta_log")
        .collect();
    days.sort();
    assert_eq!(days, ["event_date=2026-11-19", "event_date=2026-11-20"]);
    let file = std::fs::read_dir(folder.path().join("events").join(&days[1]))
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    let reader = parquet::file::reader::SerializedFileReader::new(std::fs::File::open(file.path()).unwrap()).unwrap();
    let metadata = parquet::file::reader::FileReader::metadata(&reader);
    let column = metadata.row_group(0).column(0);
    assert_eq!(column.column_path().string(), "tenant");
    assert!(matches!(column.compression(), parquet::basic::Compression::ZSTD(_)));
    let batches = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(
        std::fs::File::open(file.path()).unwrap(),
    )
    .unwrap()
    .build()
    .unwrap();
    let subjects: Vec<String> = batches
        .flat_map(|batch| {
            let batch = batch.unwrap();
            let column = batch.column_by_name("subject").unwrap().clone();
            let column = column.as_any().downcast_ref::<arrow::array::StringArray>().unwrap();
            (0..column.len())
                .map(|row| column.value(row).to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(subjects.is_sorted());
    assert_eq!((subjects.first().unwrap().as_str(), subjects.len()), ("ann", 12));
}

fn ready(session: &str, sequence: u64) -> Ready {
    let keys = (0..3)
        .map(|i| Keystroke {
            press: i,
            press_us: DAY_US + i64::from(i) * 200_000,
            release: Release::At(DAY_US + i64::from(i) * 200_000 + 90_000),
            class: KeyClass::Letter,
        })
        .collect();
    let window = Window {
        modality: Modality::Keystroke,
        sequence,
        start_us: DAY_US,
        end_us: DAY_US + 490_000,
        closed: Closed::ClockStep,
        fresh: 2,
        steps: Steps::Keys(keys),
    };
    let id = SessionId {
        tenant: "acme".to_owned(),
        session: session.to_owned(),
        subject: Some("ann".to_owned()),
    };
    Ready::first(Arc::new(id), Purpose::Enrol, DEVICE, window, 99)
}

#[test]
fn windows_come_back_with_their_features() {
    let folder = tempfile::tempdir().unwrap();
    let mut tables = open(&folder);
    let mut rows = WindowRows::new();
    for (session, sequence) in [("s2", 1), ("s1", 7), ("s2", 0)] {
        rows.push(&ready(session, sequence), 3);
    }
    assert_eq!(rows.len(), 3);
    let rows = [rows.finish().unwrap()];
    tables.append(Table::Windows, &rows, Some(&txn(99))).unwrap();

    let all = open(&folder).read_windows(&WindowFilter::default()).unwrap();
    let keys: Vec<_> = all.iter().map(|w| (w.key.session.as_str(), w.key.sequence)).collect();
    assert_eq!(keys, [("s1", 7), ("s2", 0), ("s2", 1)]);
    let expected = ready("s1", 7);
    assert_eq!(all[0].features, expected.features().values);
    assert_eq!((all[0].steps, all[0].fresh, all[0].closed), (3, 2, Closed::ClockStep));
    assert_eq!(all[0].layout_hash, layout_hash(Modality::Keystroke));
    assert_eq!((all[0].purpose, all[0].device.as_str()), (Purpose::Enrol, "physical"));

    let wanted = WindowKey {
        session: "s2".to_owned(),
        modality: Modality::Keystroke,
        sequence: 1,
    };
    let filter = WindowFilter {
        keys: Some(HashSet::from([wanted.clone()])),
        ..Default::default()
    };
    let found = tables.read_windows(&filter).unwrap();
    assert_eq!(found.iter().map(|w| &w.key).collect::<Vec<_>>(), [&wanted]);
}

#[test]
fn decisions_are_flat() {
    let folder = tempfile::tempdir().unwrap();
    let mut tables = open(&folder);
    let decision = Decision {
        v: 1,
        id: "0".repeat(32),
        tenant: "acme".to_owned(),
        subject: None,
        session: "s1".to_owned(),
        window: WindowRef {
            modality: Modality::Pointer,
            sequence: 4,
            start_us: DAY_US,
            end_us: DAY_US + 1,
            steps: 128,
            closed: Closed::Count,
        },
        risk: 12.5,
        confidence: 0.5,
        action: Action::InsufficientData,
        reasons: vec![Reason {
            measure: "no_subject".to_owned(),
            text: "nobody is claimed".to_owned(),
            delta: 0.0,
            unit: String::new(),
            z: 0.0,
        }],
        score: Score {
            comparison: None,
            llr: Some(-1.5),
            evidence: 0.0,
        },
        model: None,
        reference: None,
        source: Source {
            topic: "ductus.events.v1".to_owned(),
            partition: 3,
            offset: 99,
        },
        time_us: DAY_US + 1,
    };
    let mut rows = DecisionRows::new();
    rows.push(&decision);
    let batch = rows.finish().unwrap();
    assert!(rows.is_empty());
    check_row(
        &batch,
        expect![[r#"
        event_date = 2026-11-20
        tenant = acme
        subject = 
        session = s1
        id = 00000000000000000000000000000000
        modality = pointer
        sequence = 4
        start_us = 1795132800000000
        end_us = 1795132800000001
        steps = 128
        closed = count
        time_us = 1795132800000001
        risk = 12.5
        confidence = 0.5
        action = insufficient_data
        reasons = [{"measure":"no_subject","text":"nobody is claimed","delta":0.0,"unit":"","z":0.0}]
        comparison = 
        llr = -1.5
        evidence = 0.0
        model_id = 
        model_version = 
        model_sha256 = 
        reference_version = 
        reference_maturity = 
        reference_count = 
        source_topic = ductus.events.v1
        source_partition = 3
        source_offset = 99
    "#]],
    );
    tables.append(Table::Decisions, &[batch], None).unwrap();
    assert_eq!(tables.count(Table::Decisions).unwrap(), 1);
}

#[track_caller]
fn check_row(batch: &RecordBatch, expect: Expect) {
    let mut text = String::new();
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        let value = arrow::util::display::array_value_to_string(column, 0).unwrap();
        text.push_str(&format!("{} = {value}\n", field.name()));
    }
    expect.assert_eq(&text);
}

#[test]
fn table_uris_are_urls() {
    let folder = tempfile::tempdir().unwrap();
    let uris = open(&folder).table_uris();
    assert_eq!(uris.map_names(), ["events", "windows", "decisions", "feedback"]);
    assert!(
        uris.iter()
            .all(|(name, uri)| uri.starts_with("file:///") && uri.trim_end_matches('/').ends_with(name))
    );
}

trait MapNames {
    fn map_names(&self) -> Vec<&'static str>;
}

impl MapNames for Vec<(&'static str, String)> {
    fn map_names(&self) -> Vec<&'static str> {
        self.iter().map(|(name, _)| *name).collect()
    }
}

#[test]
fn a_root_that_is_no_folder_is_told_with_its_name() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let root = file.path().to_str().unwrap().to_owned();
    let error = Tables::open(&root).unwrap_err().to_string();
    assert!(error.contains(&root), "{error}");
}
