//! Tests of the line: the split into batches does not matter, nothing panics, the counts add up, decisions follow.

mod checkpoint;

use super::*;
use crate::backend::{BackEnd, Calibration};
use crate::event::KeyClass;
use crate::synthetic::{PointerUser, Typist};
use crate::wire::{Action, Clock, Consent, Decision, Event, EventBatch, ModelRef};
use expect_test::{Expect, expect};
use proptest::prelude::*;

const ORIGIN_US: i64 = 1_763_700_000_000_000;

fn batch(session: &str, seq: u32, events: &[Event]) -> EventBatch {
    EventBatch {
        v: 1,
        tenant: "acme".to_owned(),
        subject: Some("s-1".to_owned()),
        session: session.to_owned(),
        seq,
        purpose: Purpose::Session,
        consent: Consent::Granted,
        clock: Clock {
            origin_us: ORIGIN_US,
            resolution_us: 100,
        },
        device: Device::default(),
        detail: Default::default(),
        events: events.to_vec(),
    }
}

fn time_of(event: &Event) -> i64 {
    match *event {
        Event::Down { t_us, .. }
        | Event::Up { t_us, .. }
        | Event::Move { t_us, .. }
        | Event::Press { t_us, .. }
        | Event::Release { t_us, .. }
        | Event::Scroll { t_us, .. }
        | Event::Blur { t_us }
        | Event::End { t_us } => t_us,
    }
}

/// A stand-in for a model: mean dwell and mean press-press time as a direction.
fn embed(ready: &Ready) -> Vec<f32> {
    let width = crate::feature::features(ready.window.modality);
    let mut sum = vec![0f32; width.min(4)];
    for row in ready.features().values.chunks(width) {
        sum.iter_mut().zip(row).for_each(|(total, value)| *total += value);
    }
    let norm = sum.iter().map(|value| value * value).sum::<f32>().sqrt().max(1e-9);
    sum.iter().map(|value| value / norm).collect()
}

/// Runs batches through a line and returns its decisions and counts.
fn run(batches: &[EventBatch]) -> (Vec<Decision>, Accounting) {
    let values: Vec<Vec<u8>> = batches.iter().map(|batch| serde_json::to_vec(batch).unwrap()).collect();
    let stamps: Vec<i64> = batches
        .iter()
        .map(|batch| ORIGIN_US + batch.events.iter().map(time_of).max().unwrap_or(0))
        .collect();
    run_records(&values, &stamps)
}

fn run_records(values: &[Vec<u8>], stamps: &[i64]) -> (Vec<Decision>, Accounting) {
    run_with(LineConfig::default(), values, stamps, 1)
}

fn model() -> (ModelRef, BackEnd) {
    let model = ModelRef {
        id: "test".to_owned(),
        version: "1".to_owned(),
        sha256: "ab".repeat(32),
    };
    let back_end = BackEnd::identity(Calibration {
        slope: 10.0,
        intercept: -8.0,
    });
    (model, back_end)
}

/// Concludes the ready windows after every `every` records, as a stream does that embeds many at once.
fn run_with(config: LineConfig, values: &[Vec<u8>], stamps: &[i64], every: usize) -> (Vec<Decision>, Accounting) {
    let config = LineConfig {
        sessions_max: 3,
        ..config
    };
    let mut line = Line::new(Arc::new(config), "events", 0);
    let (model, back_end) = model();
    let mut ingested = Ingested::default();
    let mut decisions = Vec::new();
    let mut records: Vec<Option<Record<'_>>> = values
        .iter()
        .zip(stamps)
        .enumerate()
        .map(|(at, (value, stamp))| {
            Some(Record {
                offset: at as i64,
                timestamp_us: *stamp,
                value,
            })
        })
        .collect();
    records.push(None);
    let last = records.len() - 1;
    for (at, record) in records.into_iter().enumerate() {
        match record {
            Some(record) => line.ingest(&record, &mut ingested),
            None => line.finish(&mut ingested),
        }
        if at % every != 0 && at < last {
            continue;
        }
        for ready in ingested.ready.drain(..) {
            let embedding = embed(&ready);
            let embedded = Embedded {
                model: &model,
                back_end: &back_end,
                embedding: &embedding,
            };
            let wanted = line.wants_embedding(&ready);
            decisions.push(line.conclude(ready, wanted.then_some(embedded)).decision);
        }
    }
    assert_eq!(line.sessions(), 0, "finish leaves nothing open");
    (decisions, line.accounting().clone())
}

fn typed(seed: u64, keys: usize, session: u64) -> Vec<Event> {
    Typist::draw(seed)
        .session(session, keys, 0, 0)
        .iter()
        .map(Event::from)
        .collect()
}

fn show(decision: &Decision) -> String {
    let Decision {
        window, risk, action, ..
    } = decision;
    format!(
        "{} {} risk {risk:.0} {action:?}: {}",
        window.modality.name(),
        window.sequence,
        decision.reasons.first().map_or("", |r| &r.text)
    )
}

fn check(batches: &[EventBatch], expect: Expect) {
    let (decisions, accounting) = run(batches);
    assert!(accounting.balances(), "{accounting:?}");
    let Accounting {
        batches,
        events,
        windowed,
        late,
        duplicate,
        rejected,
        gaps,
        ..
    } = accounting;
    let mut lines: Vec<String> = decisions.iter().map(show).collect();
    lines.push(format!(
        "{batches} batches, {events} events: {windowed} windowed, {late} late, {duplicate} duplicate, {} rejected; {gaps} gaps",
        rejected.total()
    ));
    expect.assert_eq(&lines.join("\n"));
}

#[test]
fn learns_then_compares() {
    check(
        &[batch("x", 0, &typed(1, 330, 0))],
        expect![[r#"
            keystroke 0 risk 2 InsufficientData: 0 of 5 reference windows learned
            keystroke 1 risk 2 InsufficientData: 1 of 5 reference windows learned
            keystroke 2 risk 2 InsufficientData: 1 of 5 reference windows learned
            keystroke 3 risk 2 InsufficientData: 1 of 5 reference windows learned
            keystroke 4 risk 2 InsufficientData: 1 of 5 reference windows learned
            keystroke 5 risk 2 InsufficientData: 1 of 5 reference windows learned
            keystroke 6 risk 2 InsufficientData: 1 of 5 reference windows learned
            keystroke 7 risk 2 InsufficientData: 2 of 5 reference windows learned
            keystroke 8 risk 2 InsufficientData: 2 of 5 reference windows learned
            keystroke 9 risk 2 InsufficientData: 2 of 5 reference windows learned
            keystroke 10 risk 2 InsufficientData: 2 of 5 reference windows learned
            keystroke 11 risk 2 InsufficientData: 2 of 5 reference windows learned
            keystroke 12 risk 2 InsufficientData: 3 of 5 reference windows learned
            keystroke 13 risk 2 InsufficientData: 3 of 5 reference windows learned
            keystroke 14 risk 2 InsufficientData: 3 of 5 reference windows learned
            keystroke 15 risk 2 InsufficientData: 3 of 5 reference windows learned
            keystroke 16 risk 2 InsufficientData: 3 of 5 reference windows learned
            keystroke 17 risk 2 InsufficientData: 3 of 5 reference windows learned
            keystroke 18 risk 2 InsufficientData: 4 of 5 reference windows learned
            keystroke 19 risk 2 InsufficientData: 4 of 5 reference windows learned
            keystroke 20 risk 2 InsufficientData: 4 of 5 reference windows learned
            keystroke 21 risk 2 InsufficientData: 4 of 5 reference windows learned
            keystroke 22 risk 2 InsufficientData: 4 of 5 reference windows learned
            keystroke 23 risk 2 Allow: 
            keystroke 24 risk 2 Allow: 
            keystroke 25 risk 1 Allow: 
            keystroke 26 risk 1 Allow: 
            keystroke 27 risk 1 Allow: 
            keystroke 28 risk 1 Allow: 
            1 batches, 660 events: 660 windowed, 0 late, 0 duplicate, 0 rejected; 0 gaps"#]],
    );
}

#[test]
fn short_sessions_say_so() {
    check(
        &[batch("x", 0, &typed(1, 12, 0))],
        expect![[r#"
            keystroke 0 risk 2 InsufficientData: 12 steps, at least 20 are needed
            1 batches, 24 events: 24 windowed, 0 late, 0 duplicate, 0 rejected; 0 gaps"#]],
    );
}

#[test]
fn what_was_typed_under_one_claim_is_not_laid_to_the_next() {
    let events = typed(1, 60, 0);
    let (a, b) = events.split_at(60);
    let next = EventBatch {
        subject: Some("somebody-else".to_owned()),
        ..batch("x", 1, b)
    };
    let (decisions, accounting) = run(&[batch("x", 0, a), next]);
    assert!(accounting.balances(), "{accounting:?}");
    let lines: Vec<String> = decisions
        .iter()
        .map(|decision| {
            let subject = decision.subject.as_deref().unwrap_or("nobody");
            format!(
                "{subject}: window {} of {} steps",
                decision.window.sequence, decision.window.steps
            )
        })
        .collect();
    expect![[r#"
        s-1: window 0 of 30 steps
        somebody-else: window 1 of 30 steps"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn repeated_and_missing_batches() {
    let events = typed(1, 60, 0);
    let (a, b) = events.split_at(40);
    check(
        &[batch("x", 0, a), batch("x", 0, a), batch("x", 3, b)],
        expect![[r#"
            keystroke 0 risk 2 InsufficientData: 0 of 5 reference windows learned
            keystroke 1 risk 2 InsufficientData: 1 of 5 reference windows learned
            3 batches, 160 events: 120 windowed, 0 late, 40 duplicate, 0 rejected; 2 gaps"#]],
    );
}

#[test]
fn a_skipped_batch_that_comes_after_all_is_late() {
    let events = typed(1, 30, 0);
    let (a, b) = events.split_at(20);
    check(
        &[batch("x", 0, a), batch("x", 2, b), batch("x", 1, a), batch("x", 1, a)],
        expect![[r#"
            keystroke 0 risk 2 InsufficientData: 0 of 5 reference windows learned
            4 batches, 100 events: 60 windowed, 20 late, 20 duplicate, 0 rejected; 1 gaps"#]],
    );
}

#[test]
fn more_sessions_than_allowed() {
    let events = typed(1, 5, 0);
    let batches: Vec<EventBatch> = (0..5).map(|i| batch(&format!("x{i}"), 0, &events)).collect();
    let (_, accounting) = run(&batches);
    assert_eq!(accounting.rejected.of(RejectReason::TooManySessions), 20);
    assert!(accounting.balances());
}

/// Batches of one event, one a session, with these record times in seconds; says which record closed whose window, and how.
fn check_watermark(records: &[(&str, i64)], expect: Expect) {
    let values: Vec<Vec<u8>> = records
        .iter()
        .enumerate()
        .map(|(seq, (session, _))| {
            let down = Event::Down {
                t_us: 1_000 * seq as i64,
                press: seq as u32,
                class: KeyClass::Letter,
            };
            serde_json::to_vec(&batch(session, seq as u32, &[down])).unwrap()
        })
        .collect();
    let stamps: Vec<i64> = records.iter().map(|(_, s)| ORIGIN_US + s * 1_000_000).collect();
    let (decisions, accounting) = run_records(&values, &stamps);
    assert!(accounting.balances());
    let lines: Vec<String> = decisions
        .iter()
        .map(|d| {
            format!(
                "{}: {} steps closed by {:?} at record {}",
                d.session, d.window.steps, d.window.closed, d.source.offset
            )
        })
        .collect();
    expect.assert_eq(&lines.join("\n"));
}

#[test]
fn the_watermark_closes_what_fell_silent() {
    check_watermark(
        &[
            ("x", 0),
            ("y", 5),
            ("y", 10),
            ("y", 20),
            ("y", 30),
            ("y", 40),
            ("y", 45),
        ],
        expect![[r#"
            x: 1 steps closed by Pause at record 5
            y: 6 steps closed by End at record 6"#]],
    );
}

#[test]
fn one_odd_timestamp_closes_nothing() {
    check_watermark(
        &[("x", 0), ("y", 86_400), ("x", 1), ("y", 2), ("x", 3)],
        expect![[r#"
            x: 3 steps closed by End at record 4
            y: 2 steps closed by End at record 3"#]],
    );
}

#[test]
fn a_session_of_last_year_is_windowed_like_any_other() {
    check_watermark(
        &[
            ("x", 0),
            ("y", -31_000_000),
            ("x", 1),
            ("y", -30_999_999),
            ("y", -30_999_998),
        ],
        expect![[r#"
            x: 2 steps closed by End at record 2
            y: 3 steps closed by End at record 4"#]],
    );
}

#[test]
fn poison_changes_nothing_but_the_counts() {
    let events = typed(1, 200, 0);
    let clean = batch("x", 0, &events);
    let good = serde_json::to_vec(&clean).unwrap();
    let stamp = ORIGIN_US + events.iter().map(time_of).max().unwrap();
    let (without, _) = run_records(std::slice::from_ref(&good), &[stamp]);
    let content = String::from_utf8(good.clone())
        .unwrap()
        .replacen("\"press\":0", "\"press\":0,\"key\":\"q\"", 1);
    let (with, accounting) = run_records(
        &[b"{".to_vec(), content.into_bytes(), good, vec![0; 1_000_000]],
        &[0, stamp, stamp, stamp],
    );
    assert!(accounting.balances(), "{accounting:?}");
    assert_eq!(accounting.batches_rejected.total(), 3);
    assert_eq!(accounting.rejected.of(RejectReason::ContentField), events.len() as u64);
    let ids = |decisions: &[Decision]| decisions.iter().map(|d| (d.id.clone(), d.risk)).collect::<Vec<_>>();
    assert_eq!(ids(&without), ids(&with));
}

/// Short windows and one reference, so that a few events are already compared.
fn small() -> LineConfig {
    let window = WindowConfig {
        steps: 3,
        hop: 2,
        min_steps: 2,
        pause_us: 5_000_000,
    };
    let references = ReferencePolicy {
        anchors: 1,
        ..ReferencePolicy::default()
    };
    LineConfig {
        keystroke: window,
        pointer: window,
        idle_us: 8_000_000,
        references,
        ..LineConfig::default()
    }
}

/// What must not depend on the split.
fn gist(decisions: Vec<Decision>) -> Vec<(String, String, u32, Action)> {
    decisions
        .into_iter()
        .map(|d| {
            (
                d.id,
                format!("{:?} {}", d.window, d.score.evidence),
                d.risk.to_bits(),
                d.action,
            )
        })
        .collect()
}

proptest! {
    #![proptest_config(crate::proptest_config(64))]



    #[test]
    fn the_split_into_batches_does_not_matter(seed in 0u64..50, keys in 20usize..400, cuts in proptest::collection::vec(0usize..1_000, 0..20)) {
        let mut events = typed(seed, keys, 0);
        events.extend(PointerUser::draw(seed).session(0, 200, 0).iter().map(Event::from));
        events.sort_by_key(time_of);
        events.push(Event::End { t_us: events.last().map_or(0, time_of) });
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut % events.len()).chain([0, events.len()]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let split: Vec<EventBatch> =
            cuts.windows(2).enumerate().map(|(seq, cut)| batch("x", seq as u32, &events[cut[0]..cut[1]])).collect();
        let (whole, _) = run(&[batch("x", 0, &events)]);
        let (parts, accounting) = run(&split);
        prop_assert!(accounting.balances());
        prop_assert_eq!(gist(whole), gist(parts));
    }

    #[test]
    fn no_events_panic(batches in proptest::collection::vec((proptest::collection::vec(crate::parse::tests::any_event(), 0..60), 0u32..6, 0u8..5, any::<bool>()), 0..12)) {
        let batches: Vec<EventBatch> = batches
            .into_iter()
            .map(|(events, seq, session, step)| {
                let mut batch = batch(&format!("x{session}"), seq, &events);
                batch.clock.origin_us += i64::from(step) * 7_000_000;
                batch.subject = (session != 1).then(|| "s-1".to_owned());
                batch
            })
            .collect();
        let values: Vec<Vec<u8>> = batches.iter().map(|batch| serde_json::to_vec(batch).unwrap()).collect();
        let stamps: Vec<i64> = batches.iter().map(|batch| batch.clock.origin_us * 2 - ORIGIN_US).collect();
        let (decisions, accounting) = run_with(small(), &values, &stamps, 1);
        prop_assert!(accounting.balances(), "{:?}", accounting);
        let (later, _) = run_with(small(), &values, &stamps, 5);
        prop_assert_eq!(gist(decisions.clone()), gist(later), "when windows are concluded does not matter");
        let mut ids: Vec<&str> = decisions.iter().map(|decision| decision.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), decisions.len(), "an id twice");
    }
}

#[test]
fn classes_keep_their_names() {
    for class in KeyClass::ALL {
        assert_eq!(serde_json::to_string(&class).unwrap(), format!("\"{}\"", class.name()));
    }
    for reason in RejectReason::ALL {
        assert_eq!(
            serde_json::to_string(&reason).unwrap(),
            format!("\"{}\"", reason.code())
        );
    }
}
