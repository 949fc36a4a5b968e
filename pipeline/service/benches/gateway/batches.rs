//! Event batches of synthetic people who type.
//!
//! Invariant: the same numbers give the same batches.

use axum::body::Bytes;
use ductus_dynamics::event::{InputEvent, KeyDetail};
use ductus_dynamics::synthetic::Typist;
use ductus_dynamics::wire::{Clock, Consent, Device, Event, EventBatch, Keyboard, Purpose};
use serde_json::value::RawValue;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const TENANT: &str = "acme";
/// Events of a batch that is only sent.
pub(crate) const EVENTS: usize = 20;
/// Events of a batch of an enrolment or a question, as a page sends them.
const PAGE_EVENTS: usize = 50;
/// Key presses of an enrolment: references are ripe after it.
const ENROL_KEYS: usize = 500;
/// Key presses of a question: sixteen windows.
const QUESTION_KEYS: usize = 200;
/// Different typists; people take turns with them.
const TYPISTS: u64 = 64;

/// Subject number so and so.
pub(crate) fn subject(number: usize) -> String {
    format!("s-{number}")
}

/// The session of the same person.
pub(crate) fn session(number: usize) -> String {
    format!("x-{number}")
}

/// One batch of each of so many people.
pub(crate) fn one_each(people: usize) -> anyhow::Result<Vec<Bytes>> {
    let typed: Vec<Vec<InputEvent>> = (0..TYPISTS)
        .map(|seed| Typist::draw(seed).flowing().session(0, EVENTS, 0, 0))
        .collect();
    (0..people)
        .map(|number| {
            let events = &typed[number % typed.len()][..EVENTS];
            let batch = batch(&subject(number), &session(number), 0, Purpose::Session, events)?;
            Ok(Bytes::from(batch.get().to_owned()))
        })
        .collect()
}

/// The body of an enrolment of a person.
pub(crate) fn enrolment(number: usize) -> anyhow::Result<Bytes> {
    sample(number, 1, ENROL_KEYS, Purpose::Enrol)
}

/// The body of a question about a person, who typed it.
pub(crate) fn question(number: usize) -> anyhow::Result<Bytes> {
    sample(number, 2, QUESTION_KEYS, Purpose::Session)
}

fn sample(number: usize, which: u64, keys: usize, purpose: Purpose) -> anyhow::Result<Bytes> {
    let events = Typist::draw(number as u64).flowing().session(which, keys, 0, 0);
    let name = format!("{}-{which}", session(number));
    let batches: Vec<Box<RawValue>> = (0..)
        .zip(events.chunks(PAGE_EVENTS))
        .map(|(seq, events)| batch(&subject(number), &name, seq, purpose, events))
        .collect::<anyhow::Result<_>>()?;
    Ok(Bytes::from(serde_json::to_vec(
        &serde_json::json!({ "batches": batches }),
    )?))
}

fn batch(
    subject: &str,
    session: &str,
    seq: u32,
    purpose: Purpose,
    events: &[InputEvent],
) -> anyhow::Result<Box<RawValue>> {
    // Now, because the broker deletes what is older than it keeps.
    let origin_us = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as i64;
    let batch = EventBatch {
        v: 1,
        tenant: TENANT.to_owned(),
        subject: Some(subject.to_owned()),
        session: session.to_owned(),
        seq,
        purpose,
        consent: Consent::Granted,
        clock: Clock {
            origin_us,
            resolution_us: 100,
        },
        device: Device {
            keyboard: Keyboard::Physical,
            ..Device::default()
        },
        detail: KeyDetail::Class,
        events: events.iter().map(Event::from).collect(),
    };
    Ok(serde_json::value::to_raw_value(&batch)?)
}
