//! How well one-time questions tell recorded people apart: rank-1 and rank-5 identification, the error of the ratios behind it,
//! and what verification answers to people themselves and to others.
//!
//! ```text
//! ductus-batch import aalto DIR --out batches.ndjson
//! people batches.ndjson models/keystroke/2026-11-21-aalto-ensemble ENROL PROBE      needs ONNX Runtime, as the tests do
//! ```
//! Of each person whom the model kept aside (`held-out.txt`; everybody where it names none), the first ENROL sessions are
//! enrolled, and of the rest every PROBE in a row are one question. The last line is JSON, and as the figures that
//! `ductus-batch evaluate` prints: fractions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use ductus_dynamics::accuracy::{cllr, eer, min_cllr};
use ductus_dynamics::event::Modality;
use ductus_dynamics::line::{Embedded, Ingested, Line, LineConfig, Record};
use ductus_dynamics::wire::{Event, EventBatch, Purpose};
use ductus_scorer::probe::{Answer, Claim, Crowd, Fed, PoolPolicy, ProbePolicy, Prober, ReferencePool};
use ductus_scorer::{Contract, Manifest, Model, ModelSlot};

#[path = "../tests/scorer/support.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod support;

/// Other people who claim to be somebody, for each person.
const IMPOSTORS: usize = 10;

type Failure = Box<dyn std::error::Error>;

/// Batches of a person's sessions, in the order of time.
type Sessions = Vec<Vec<EventBatch>>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [batches, folder, enrol, probe] = &arguments[..] else {
        return Err("usage: people BATCHES.ndjson MODEL_DIR ENROL PROBE".into());
    };
    let (enrol, probe): (usize, usize) = (enrol.parse()?, probe.parse()?);
    support::runtime();
    let modality = Manifest::load(Path::new(folder))?.modality;
    let slot = ModelSlot::load(Path::new(folder), Contract::of(modality))?;
    let config = Arc::new(LineConfig::default());
    let pool = ReferencePool::new(PoolPolicy::default(), config.references);
    let mut questions = Vec::new();
    for (subject, sessions) in people(batches, Path::new(folder))? {
        if sessions.len() < enrol + probe {
            continue;
        }
        let (first, rest) = sessions.split_at(enrol);
        self::enrol(&config, &slot.current().model, first, &pool)?;
        let of_person = rest.chunks_exact(probe).map(question);
        questions.extend(of_person.map(|question| (subject.clone(), question)));
    }
    let tenant = questions
        .first()
        .map(|(_, batches)| tenant_of(batches))
        .unwrap_or_default();
    let live = Arc::clone(&slot);
    let policy = ProbePolicy {
        batches_max: usize::MAX,
        events_max: usize::MAX,
        candidates_max: usize::MAX,
        ..ProbePolicy::default()
    };
    let turn = move |asked: Modality| (asked == modality).then(|| live.current());
    let prober = Prober::new(Arc::clone(&config), policy, Box::new(turn));
    let identified = identify(&prober, &pool, &tenant, &questions)?;
    let verified = verify(&prober, &pool, &tenant, &questions)?;
    print(&format!("{{{identified},{verified}}}"));
    Ok(())
}

fn tenant_of(batches: &[Vec<u8>]) -> String {
    let first = batches.first().and_then(|batch| serde_json::from_slice(batch).ok());
    first.map_or_else(String::new, |batch: EventBatch| batch.tenant)
}

/// The people of a file whom the model kept aside.
fn people(batches: &str, model: &Path) -> Result<BTreeMap<String, Sessions>, Failure> {
    let kept = std::fs::read_to_string(model.join("held-out.txt")).unwrap_or_default();
    let kept: BTreeSet<&str> = kept.lines().collect();
    let mut people: BTreeMap<String, BTreeMap<String, Vec<EventBatch>>> = BTreeMap::new();
    for line in std::fs::read_to_string(batches)?.lines() {
        let batch: EventBatch = serde_json::from_str(line)?;
        let Some(subject) = batch.subject.clone() else { continue };
        if kept.is_empty() || kept.contains(&*format!("{}/{subject}", batch.tenant)) {
            let sessions = people.entry(subject).or_default();
            sessions.entry(batch.session.clone()).or_default().push(batch);
        }
    }
    let in_order = |sessions: BTreeMap<String, Vec<EventBatch>>| {
        let mut sessions: Sessions = sessions.into_values().collect();
        sessions
            .iter_mut()
            .for_each(|session| session.sort_by_key(|batch| batch.seq));
        sessions.sort_by_key(|session| session.first().map_or(0, |batch| batch.clock.origin_us));
        sessions
    };
    Ok(people
        .into_iter()
        .map(|(subject, sessions)| (subject, in_order(sessions)))
        .collect())
}

/// The sessions as one, with press numbers that run on; each keeps its clock, so that no window spans two.
fn question(sessions: &[Vec<EventBatch>]) -> Vec<Vec<u8>> {
    let (mut pressed, mut first) = (0, 0);
    let mut values = Vec::new();
    for session in sessions {
        for batch in session {
            let mut batch = batch.clone();
            for event in &mut batch.events {
                if let Event::Down { press, .. } | Event::Up { press, .. } = event {
                    *press += first;
                    pressed = pressed.max(*press + 1);
                }
            }
            let seq = values.len() as u32;
            let (session, subject) = ("question".to_owned(), None);
            let batch = EventBatch {
                seq,
                session,
                subject,
                ..batch
            };
            values.push(serde_json::to_vec(&batch).expect("a batch is JSON"));
        }
        first = pressed;
    }
    values
}

/// Learns a person as the stream does.
fn enrol(
    config: &Arc<LineConfig>,
    model: &Arc<Model>,
    sessions: &[Vec<EventBatch>],
    pool: &ReferencePool,
) -> Result<(), Failure> {
    let (mut line, mut out) = (Line::new(Arc::clone(config), "events", 0), Ingested::default());
    for batch in sessions.iter().flatten() {
        let batch = EventBatch {
            purpose: Purpose::Enrol,
            ..batch.clone()
        };
        let record = Record {
            offset: 0,
            timestamp_us: batch.clock.origin_us,
            value: &serde_json::to_vec(&batch)?,
        };
        line.ingest(&record, &mut out);
    }
    line.finish(&mut out);
    let (mut embedder, mut embedding) = (model.embedder()?, Vec::new());
    let name = model.manifest().model_ref();
    for ready in out.ready.drain(..) {
        if ready.window.modality == model.manifest().modality && line.wants_embedding(&ready) {
            embedder.embed(&[&ready.features().values], &mut embedding)?;
            let embedded = Embedded {
                model: &name,
                back_end: model.back_end(),
                embedding: &embedding,
            };
            line.conclude(ready, Some(embedded));
        }
    }
    for reference in line.changed_references() {
        assert!(matches!(pool.put(reference), Fed::Put));
    }
    Ok(())
}

fn slices(batches: &[Vec<u8>]) -> Vec<&[u8]> {
    batches.iter().map(Vec::as_slice).collect()
}

/// Everybody against everybody.
fn identify(
    prober: &Prober,
    pool: &ReferencePool,
    tenant: &str,
    questions: &[(String, Vec<Vec<u8>>)],
) -> Result<String, Failure> {
    let (mut genuine, mut impostor) = (Vec::new(), Vec::new());
    let (mut asked, mut too_little, mut ranks, mut posterior) = (0, 0, [0, 0], 0.0);
    let mut subjects = 0;
    for (subject, batches) in questions {
        let crowd = Crowd {
            tenant,
            among: None,
            candidates: usize::MAX,
        };
        let found = prober.identify(pool, crowd, &slices(batches))?;
        let Some(rank) = found
            .candidates
            .iter()
            .position(|candidate| candidate.subject == *subject)
        else {
            too_little += 1;
            continue;
        };
        asked += 1;
        subjects = found.subjects;
        posterior += found.candidates[0].posterior;
        for (counted, within) in ranks.iter_mut().zip([1, 5]) {
            *counted += usize::from(rank < within);
        }
        for candidate in found.candidates {
            let side = if candidate.subject == *subject {
                &mut genuine
            } else {
                &mut impostor
            };
            side.push(candidate.llr);
        }
    }
    let share = |count: usize| count as f64 / f64::from(asked.max(1) as u32);
    Ok(format!(
        r#""subjects":{subjects},"questions":{asked},"too_little":{too_little},"rank_1":{:.4},"rank_5":{:.4},"posterior_of_the_first":{:.4},"eer_global":{:.4},"cllr":{:.3},"min_cllr":{:.3}"#,
        share(ranks[0]),
        share(ranks[1]),
        posterior / f64::from(asked.max(1) as u32),
        eer(&genuine, &impostor).unwrap_or(f64::NAN),
        cllr(&genuine, &impostor).unwrap_or(f64::NAN),
        min_cllr(&genuine, &impostor).unwrap_or(f64::NAN),
    ))
}

/// Everybody as themselves, and as [`IMPOSTORS`] others.
fn verify(
    prober: &Prober,
    pool: &ReferencePool,
    tenant: &str,
    questions: &[(String, Vec<Vec<u8>>)],
) -> Result<String, Failure> {
    let people: Vec<&String> = questions.iter().map(|(subject, _)| subject).collect();
    let (mut scores, mut answers) = ([Vec::new(), Vec::new()], [[0_u32; 3]; 2]);
    for (at, (own, batches)) in questions.iter().enumerate() {
        let step = (people.len() / IMPOSTORS).max(1);
        let others = (1..=IMPOSTORS).map(|number| people[(at + number * step) % people.len()]);
        let others = others.filter(|other| *other != own);
        for (side, subject) in std::iter::once((0, own)).chain(others.map(|other| (1, other))) {
            let found = prober.verify(pool, Claim { tenant, subject }, &slices(batches))?;
            let answer = [Answer::Same, Answer::Different, Answer::InsufficientData];
            let answer = answer.iter().position(|answer| *answer == found.answer);
            answers[side][answer.expect("one of three")] += 1;
            scores[side].extend(found.numbers.map(|numbers| numbers.score));
        }
    }
    let [genuine, impostor] = &scores;
    let share = |answers: [u32; 3]| {
        let all = f64::from(answers.iter().sum::<u32>().max(1));
        answers.map(|count| format!("{:.4}", f64::from(count) / all)).join(",")
    };
    let [same, other] = answers.map(share);
    Ok(format!(
        r#""verify_eer":{:.4},"genuine_same_different_insufficient":[{same}],"impostor_same_different_insufficient":[{other}]"#,
        eer(genuine, impostor).unwrap_or(f64::NAN),
    ))
}

#[expect(clippy::print_stdout, reason = "the result of the command")]
fn print(text: &str) {
    println!("{text}");
}
