//! One-time questions with the released keystroke model: identification among 100,000 reference sets of fifteen embeddings
//! each, beside the plain products of one probe with the same means in the same run, and verification at 200 questions a
//! second on two threads.
//!
//! What is counted: sets that are compared, each by its mean, as the stream compares. Ours and the yardstick take turns; medians
//! of the thread's CPU time are compared, which others on the machine disturb least. What is said of 200 questions a second is
//! time as a caller sees it, and needs a machine with two cores to spare. One JSON line a result.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ductus_dynamics::event::{KeyDetail, Modality};
use ductus_dynamics::line::LineConfig;
use ductus_dynamics::synthetic::Typist;
use ductus_dynamics::wire::{
    Clock, Consent, Device, Event, EventBatch, Keyboard, ModelRef, Purpose, Reference, Sample,
};
use ductus_scorer::probe::{Claim, Crowd, Fed, PoolPolicy, ProbePolicy, Prober, ReferencePool};
use ductus_scorer::{Contract, ModelSlot, live_dir};
use rustix::time::{ClockId, clock_gettime};

#[path = "../tests/scorer/support.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod support;

const SETS: usize = 100_000;
const EMBEDDINGS: usize = 15;
/// Key presses of a question: sixteen windows.
const KEYS: usize = 200;
const ROUNDS: usize = 41;
/// What an identification may take, ms.
const IDENTIFY_MS: f64 = 20.0;
/// How many times as long as the plain products searching may take: it ranks as well, and adds up who else it may be.
const SEARCH_MAX: f64 = 2.0;
/// What 99 of 100 verifications may take, ms, and how they come.
const VERIFY_MS: f64 = 15.0;
const VERIFY_A_SECOND: usize = 200;
const VERIFY_SECONDS: usize = 10;
const THREADS: usize = 2;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `cargo test --benches` only asks whether it builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    support::runtime();
    let modality = Modality::Keystroke;
    let slot = ModelSlot::load(&live_dir(Path::new("../../models"), modality)?, Contract::of(modality))?;
    let model = slot.current().model;
    let config = Arc::new(LineConfig::default());
    let live = Arc::clone(&slot);
    let prober = Prober::new(
        Arc::clone(&config),
        ProbePolicy::default(),
        Box::new(move |asked| (asked == modality).then(|| live.current())),
    );
    let pool = ReferencePool::new(PoolPolicy::default(), config.references);
    let name = model.manifest().model_ref();
    for number in 0..SETS {
        let fed = pool.put(reference(number, &name, model.dims()));
        assert!(matches!(fed, Fed::Put), "{fed:?}");
    }
    eprint(&format!("{} sets take about {} MiB", pool.len(), pool.bytes() >> 20));
    identify(&prober, &pool, model.dims())?;
    verify(&prober, &pool)?;
    Ok(())
}

fn reference(number: usize, model: &ModelRef, dims: usize) -> Reference {
    let sample = |at: usize| Sample {
        embedding: support::numbers((EMBEDDINGS * number + at) as u32, dims),
        session: "enrol".to_owned(),
        sequence: at as u64,
        end_us: at as i64,
    };
    Reference {
        v: 1,
        tenant: "acme".to_owned(),
        subject: format!("s-{number}"),
        modality: Modality::Keystroke,
        device: "physical".to_owned(),
        model: model.clone(),
        version: 1,
        anchors: (0..5).map(sample).collect(),
        recent: (5..EMBEDDINGS).map(sample).collect(),
        usual: Vec::new(),
        sketches: Vec::new(),
        updated_us: 0,
    }
}

/// The batches of a session, 50 events each as a page sends them.
fn question(person: u64) -> Vec<Vec<u8>> {
    let events = Typist::draw(person).flowing().session(0, KEYS, 1_000_000, 1);
    let batch = |(seq, events): (u32, &[_])| EventBatch {
        v: 1,
        tenant: "acme".to_owned(),
        subject: None,
        session: "x".to_owned(),
        seq,
        purpose: Purpose::Session,
        consent: Consent::Granted,
        clock: Clock {
            origin_us: 1_763_700_000_000_000,
            resolution_us: 100,
        },
        device: Device {
            keyboard: Keyboard::Physical,
            ..Device::default()
        },
        detail: KeyDetail::Class,
        events: events.iter().map(Event::from).collect(),
    };
    let batches = (0..).zip(events.chunks(50)).map(batch);
    batches
        .map(|batch| serde_json::to_vec(&batch).expect("a batch is JSON"))
        .collect()
}

fn slices(batches: &[Vec<u8>]) -> Vec<&[u8]> {
    batches.iter().map(Vec::as_slice).collect()
}

fn identify(prober: &Prober, pool: &ReferencePool, dims: usize) -> Result<(), Box<dyn std::error::Error>> {
    let batches = question(1);
    let batches = slices(&batches);
    let nobody: [&str; 0] = [];
    let means = support::numbers(5, SETS * dims);
    let probe = support::numbers(6, dims);
    let (mut all, mut rest, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let ask = |among| {
            let crowd = Crowd {
                tenant: "acme",
                among,
                candidates: 10,
            };
            let started = cpu_ms();
            let found = prober.identify(pool, crowd, &batches);
            found.map(|found| (cpu_ms() - started, found.subjects))
        };
        let (everybody_ms, subjects) = ask(None)?;
        assert_eq!(subjects, SETS);
        let (nobody_ms, _) = ask(Some(&nobody))?;
        let started = cpu_ms();
        std::hint::black_box(products(&means, &probe));
        // The first round warms up.
        if round > 0 {
            all.push(everybody_ms);
            rest.push(nobody_ms);
            plain.push(cpu_ms() - started);
        }
    }
    let (all, rest, plain) = (median(all), median(rest), median(plain));
    report("identify-100000", all, "CPU ms", Some((IDENTIFY_MS, 1.0)));
    report(
        "identify-100000-search",
        all - rest,
        "CPU ms",
        Some((plain, SEARCH_MAX)),
    );
    report("identify-100000-parse-and-embed", rest, "CPU ms", None);
    Ok(())
}

/// The products of a probe with every mean, as fast as plain code can: sixteen sums side by side.
fn products(means: &[f32], probe: &[f32]) -> Vec<f32> {
    let product = |mean: &[f32]| {
        let mut sums = [0.0_f32; 16];
        for (mean, probe) in mean.as_chunks::<16>().0.iter().zip(probe.as_chunks::<16>().0) {
            for (sum, (mean, probe)) in sums.iter_mut().zip(mean.iter().zip(probe)) {
                *sum += mean * probe;
            }
        }
        sums.iter().sum()
    };
    means.chunks_exact(probe.len()).map(product).collect()
}

/// Questions come when they are due, whether the threads are ready or not; the wait counts.
fn verify(prober: &Prober, pool: &ReferencePool) -> Result<(), Box<dyn std::error::Error>> {
    let questions: Vec<Vec<Vec<u8>>> = (0..20).map(question).collect();
    let claim = Claim {
        tenant: "acme",
        subject: "s-1",
    };
    let mut alone = Vec::new();
    for batches in questions.iter().cycle().take(200) {
        let started = cpu_ms();
        std::hint::black_box(prober.verify(pool, claim, &slices(batches))?);
        alone.push(cpu_ms() - started);
    }
    report("verify", median(alone), "CPU ms", None);
    let (next, began) = (AtomicUsize::new(0), Instant::now());
    let ask = || {
        let mut took = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= VERIFY_A_SECOND * VERIFY_SECONDS {
                return took;
            }
            let due = began + Duration::from_secs_f64(number as f64 / VERIFY_A_SECOND as f64);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let batches = &questions[number % questions.len()];
            let found = prober.verify(pool, claim, &slices(batches));
            assert!(found.is_ok_and(|found| found.numbers.is_some()));
            took.push(ms(due));
        }
    };
    let mut took: Vec<f64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(ask)).collect();
        let took = threads.into_iter().map(|thread| thread.join());
        took.flat_map(|took| took.expect("no question fails")).collect()
    });
    took.sort_by(f64::total_cmp);
    let p99 = took[took.len() * 99 / 100];
    report("verify-p99-at-200-a-second", p99, "ms", Some((VERIFY_MS, 1.0)));
    report("verify-p50-at-200-a-second", took[took.len() / 2], "ms", None);
    Ok(())
}

/// CPU time of this thread, ms.
fn cpu_ms() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[expect(clippy::print_stderr, reason = "what the results are about")]
fn eprint(text: &str) {
    eprintln!("{text}");
}

/// `against` is the yardstick and how many times as much is allowed.
#[expect(clippy::print_stdout, reason = "the result of the command")]
fn report(name: &str, value: f64, unit: &str, against: Option<(f64, f64)>) {
    let against = against.map_or_else(String::new, |(yardstick, target)| {
        format!(r#","yardstick":{yardstick:.3},"target":{target}"#)
    });
    println!(r#"{{"name":"probe/{name}","value":{value:.3},"unit":"{unit}"{against},"lower_is_better":true}}"#);
}
