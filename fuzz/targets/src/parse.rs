//! The parser of event batches.
//!
//! What must hold: nothing panics; parsing again gives the same; what is refused leaves no trace; of what is accepted, every
//! event has one fate, and everything lies within the bounds of the contract; and the contract's own types, where they can
//! read the document, read the same out of it.

use ductus_dynamics::event::{EventKind, InputEvent, KeyClass, KeyDetail};
use ductus_dynamics::parse::{self, BatchHead, BatchRejection, ParseLimits, is_id};
use ductus_dynamics::reject::Rejections;
use ductus_dynamics::wire::{Consent, Event, EventBatch};

/// Stands before the events of a batch, and must stay there.
const BEFORE: InputEvent = InputEvent {
    t_us: 1,
    kind: EventKind::Blur,
};
/// 2000 to 2100, 30 days, and more pixels than a screen has: as the contract says.
const ORIGIN_US: std::ops::Range<i64> = 946_684_800_000_000..4_102_444_800_000_000;
const T_US_MAX: i64 = 30 * 86_400 * 1_000_000;
const PIXELS_MAX: i32 = 50_000;

/// Parses `bytes` under the usual limits and under narrow ones.
pub fn parse(bytes: &[u8]) -> bool {
    let narrow = ParseLimits {
        batch_bytes_max: 600,
        batch_events_max: 3,
        detail: KeyDetail::Hand,
    };
    let accepted = check(bytes, &ParseLimits::default());
    check(bytes, &narrow);
    accepted
}

struct Parsed<'a> {
    outcome: Result<BatchHead<'a>, BatchRejection>,
    events: Vec<InputEvent>,
    rejections: Rejections,
}

fn parsed<'a>(bytes: &'a [u8], limits: &ParseLimits) -> Parsed<'a> {
    let (mut events, mut rejections) = (vec![BEFORE], Rejections::default());
    let outcome = parse::parse(bytes, limits, &mut events, &mut rejections);
    assert_eq!(events.first(), Some(&BEFORE), "what was there before stays");
    Parsed {
        outcome,
        events: events.split_off(1),
        rejections,
    }
}

fn check(bytes: &[u8], limits: &ParseLimits) -> bool {
    let Parsed {
        outcome,
        events,
        rejections,
    } = parsed(bytes, limits);
    let again = parsed(bytes, limits);
    assert_eq!(
        (&outcome, &events, &rejections),
        (&again.outcome, &again.events, &again.rejections)
    );
    let head = match outcome {
        Ok(head) => head,
        Err(refusal) => {
            assert!(
                events.is_empty() && rejections.total() == 0,
                "a refused batch left a trace"
            );
            assert!(refusal.events <= bytes.len() as u64, "more events than bytes");
            return false;
        }
    };
    assert!(bytes.len() <= limits.batch_bytes_max && head.events <= limits.batch_events_max as u64);
    assert_eq!(
        head.events,
        events.len() as u64 + rejections.total(),
        "one fate an event"
    );
    assert!(is_id(head.tenant) && is_id(head.session) && head.subject.is_none_or(is_id));
    assert!(head.detail <= limits.detail);
    assert!(ORIGIN_US.contains(&head.clock.origin_us));
    for event in &events {
        check_event(event, &head);
    }
    if let Ok(batch) = serde_json::from_slice::<EventBatch>(bytes) {
        check_same(&batch, &head, &events, &rejections);
    }
    true
}

fn check_event(event: &InputEvent, head: &BatchHead<'_>) {
    let t_us = event.t_us - head.clock.origin_us;
    assert!((0..=T_US_MAX).contains(&t_us), "{t_us} µs after the origin");
    let pixels = match event.kind {
        EventKind::Move { x, y } | EventKind::ButtonDown { x, y, .. } | EventKind::ButtonUp { x, y, .. } => {
            [x, y, 0, 0]
        }
        EventKind::Scroll { dx, dy, x, y } => [x, y, dx, dy],
        EventKind::KeyDown { class, .. } => {
            let fine = matches!(class, KeyClass::LetterLeft | KeyClass::LetterRight);
            assert!(
                !fine || head.detail == KeyDetail::Hand,
                "a finer class than the batch says"
            );
            [0; 4]
        }
        EventKind::KeyUp { .. } | EventKind::Blur | EventKind::End => [0; 4],
    };
    assert!(
        pixels.iter().all(|pixel| (-PIXELS_MAX..=PIXELS_MAX).contains(pixel)),
        "{pixels:?}"
    );
}

/// The document as its own type reads it.
fn check_same(batch: &EventBatch, head: &BatchHead<'_>, events: &[InputEvent], rejections: &Rejections) {
    assert_eq!(
        (head.tenant, head.subject, head.session),
        (batch.tenant.as_str(), batch.subject.as_deref(), batch.session.as_str())
    );
    assert_eq!(
        (head.seq, head.purpose, head.clock, head.device, head.detail),
        (batch.seq, batch.purpose, batch.clock, batch.device, batch.detail)
    );
    assert_eq!(batch.consent, Consent::Granted);
    assert_eq!(head.events, batch.events.len() as u64);
    if rejections.total() == 0 {
        let relative = |event: &InputEvent| {
            Event::from(&InputEvent {
                t_us: event.t_us - head.clock.origin_us,
                ..*event
            })
        };
        assert!(events.iter().map(relative).eq(batch.events.iter().copied()));
    }
}
