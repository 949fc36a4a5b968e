//! Puts a round's records into Kafka, at once or in time.
//!
//! Invariant: records go in the order of event time, so that every partition sees its own in that order.

use super::script::Outgoing;
use crate::gateway::publisher::{OnItsWay, PublishError, Publisher};
use crate::shutdown::Shutdown;
use std::time::{Duration, Instant};

/// One wait for room in the producer's queue.
const ROOM_WAIT: Duration = Duration::from_millis(10);

/// Whether the record carries its event time or, as from a gateway, the time at which it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordTime {
    Event,
    Now,
}

/// Puts one record on its way; waits for room.
pub(super) fn send(publisher: &Publisher, record: &Outgoing, time: RecordTime) -> Result<OnItsWay, PublishError> {
    let timestamp_ms = match time {
        RecordTime::Event => Some(record.due_us.div_euclid(1_000)),
        RecordTime::Now => None,
    };
    loop {
        match publisher.send(Some(&record.key), &record.value, timestamp_ms) {
            Err(PublishError::QueueFull) => std::thread::sleep(ROOM_WAIT),
            sent => return sent,
        }
    }
}

/// Plays records `speed` times as fast as they happened; returns early when a stop is asked for.
pub(super) fn play_in_time(
    publisher: &Publisher,
    records: &[Outgoing],
    start_us: i64,
    speed: f64,
    shutdown: &Shutdown,
) -> Result<(), PublishError> {
    let started = Instant::now();
    for record in records {
        let due = Duration::from_secs_f64((record.due_us - start_us).max(0) as f64 / 1e6 / speed);
        let wait = due.saturating_sub(started.elapsed());
        if shutdown.wait_timeout(wait) {
            return Ok(());
        }
        // Sent with the clock on the wall, as a gateway does: visitors' records stand in the same partitions, and event time
        // that runs ahead of theirs would close their windows.
        drop(send(publisher, record, RecordTime::Now)?);
    }
    Ok(())
}
