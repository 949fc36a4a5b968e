//! CPU an event of parsing and feature building, in batches of 20 events, and the allocations that it takes; CPU a window of
//! the keystroke detectors.
//!
//! The yardsticks are budgets: 1,000 ns an event, and for the detectors half of that, which is 10 µs a window of 20 new events.
//! Prints one JSON object a line, as `cargo xtask bench` reads them.
#![allow(missing_docs, clippy::print_stdout, reason = "a benchmark's result is its output")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use ductus_dynamics::event::InputEvent;
use ductus_dynamics::feature::FeatureWindow;
use ductus_dynamics::liveness::{LivenessPolicy, Watch};
use ductus_dynamics::parse::{ParseLimits, parse};
use ductus_dynamics::reject::Rejections;
use ductus_dynamics::synthetic::Typist;
use ductus_dynamics::window::{WindowConfig, Windower};
use ductus_dynamics::wire::{Clock, Consent, Device, Event, EventBatch, Purpose};
use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const EVENTS_PER_BATCH: usize = 20;
const BUDGET_NS: f64 = 1_000.0;
const DETECTORS_BUDGET_US: f64 = 10.0;
const ROUNDS: usize = 9;

/// Counts allocations; otherwise the system's allocator.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[allow(
    unsafe_code,
    reason = "a global allocator can only be hooked this way; it passes everything on"
)]
// SAFETY: every call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The values of one long synthetic session, cut into batches.
fn values() -> Vec<Vec<u8>> {
    let events: Vec<InputEvent> = Typist::draw(1).session(0, 20_000, 0, 0);
    events
        .chunks(EVENTS_PER_BATCH)
        .enumerate()
        .map(|(seq, events)| {
            let batch = EventBatch {
                v: 1,
                tenant: "acme".to_owned(),
                subject: Some("s-1".to_owned()),
                session: "x".to_owned(),
                seq: seq as u32,
                purpose: Purpose::Session,
                consent: Consent::Granted,
                clock: Clock {
                    origin_us: 1_763_700_000_000_000,
                    resolution_us: 100,
                },
                device: Device::default(),
                detail: Default::default(),
                events: events.iter().map(Event::from).collect(),
            };
            serde_json::to_vec(&batch).expect("a batch is always serialisable")
        })
        .collect()
}

/// Nanoseconds and allocations an event of one pass over all values.
fn pass(values: &[Vec<u8>], with_features: bool) -> (f64, f64) {
    let limits = ParseLimits::default();
    let mut windower = Windower::new(WindowConfig::KEYSTROKE, WindowConfig::POINTER, 0);
    let (mut events, mut windows, mut rejections) = (Vec::with_capacity(64), Vec::new(), Rejections::default());
    let mut count = 0;
    let (allocations, start) = (ALLOCATIONS.load(Ordering::Relaxed), Instant::now());
    for value in values {
        events.clear();
        let head = parse(value, &limits, &mut events, &mut rejections);
        assert!(head.is_ok(), "the benchmark's own batches parse");
        count += events.len();
        if with_features {
            for event in &events {
                windower.push(event, &mut windows);
            }
            for window in windows.drain(..) {
                black_box(FeatureWindow::of(&window));
            }
        }
        black_box(&events);
    }
    let ns = start.elapsed().as_nanos() as f64 / count as f64;
    (
        ns,
        (ALLOCATIONS.load(Ordering::Relaxed) - allocations) as f64 / count as f64,
    )
}

/// Microseconds a window that the keystroke detectors take once they remember as many keys as they may: the best round of each
/// of a few people, because what is beside this on the machine only adds.
fn detectors() -> f64 {
    let policy = LivenessPolicy::default();
    let (mut us, mut count) = (0.0, 0);
    for seed in 0..10 {
        let mut windower = Windower::new(WindowConfig::KEYSTROKE, WindowConfig::POINTER, 0);
        let mut windows = Vec::new();
        for event in Typist::draw(seed).flowing().session(0, 1_500, 0, 0) {
            windower.push(&event, &mut windows);
        }
        let mut watch = Watch::default();
        let is_filling = |window: &_| {
            watch.look(window, &policy);
            watch.key_statistics().keys < policy.keys_max
        };
        let filling = windows.iter().map(is_filling).take_while(|is| *is).count();
        let (first, full) = windows.split_at(filling + 1);
        let best = (0..5 * ROUNDS).map(|_| {
            let mut watch = Watch::default();
            for window in first {
                watch.look(window, &policy);
            }
            let start = Instant::now();
            for window in full {
                black_box(watch.look(window, &policy));
            }
            start.elapsed().as_secs_f64() * 1e6
        });
        us += best.fold(f64::INFINITY, f64::min);
        count += full.len();
    }
    us / count as f64
}

fn main() {
    let values = values();
    let median = |with_features: bool| {
        let mut passes: Vec<(f64, f64)> = (0..ROUNDS).map(|_| pass(&values, with_features)).collect();
        passes.sort_by(|a, b| a.0.total_cmp(&b.0));
        passes[ROUNDS / 2]
    };
    let (whole_ns, whole_allocations) = median(true);
    let (_, parse_allocations) = median(false);
    let line = |name: &str, value: f64, unit: &str, yardstick: f64| {
        println!(
            "{}",
            serde_json::json!({"name": name, "value": value, "unit": unit, "yardstick": yardstick, "target": 1.0, "lower_is_better": true})
        );
    };
    line("dynamics/parse+features", whole_ns, "ns/event", BUDGET_NS);
    line("dynamics/detectors", detectors(), "µs/window", DETECTORS_BUDGET_US);
    // A window of 50 keys with hop 10 is built every 20 events: its steps and its features are one allocation each.
    line(
        "dynamics/allocations while parsing",
        parse_allocations,
        "allocations/event",
        0.001,
    );
    line(
        "dynamics/allocations with windows",
        whole_allocations,
        "allocations/event",
        0.25,
    );
}
