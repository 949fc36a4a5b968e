//! The role `replay`: plays recorded batches, one `EventBatch` a line, into Kafka.
//!
//! Invariants: a line goes through unchanged, also one that no parser takes, because that is how bad input is tested; key
//! and record time are those that a client would have caused; at most `replay.in_flight_max` batches are under way.

use crate::cli::{ReplayOptions, Speed};
use crate::config::Config;
use crate::gateway::publisher::{OnItsWay, PublishError, Publisher};
use crate::output;
use crate::shutdown::Shutdown;
use anyhow::Context;
use ductus_dynamics::event::{InputEvent, KeyDetail};
use ductus_dynamics::parse::{ParseLimits, parse};
use ductus_dynamics::reject::Rejections;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

/// Gaps between batches are waited for up to this much event time: recordings of different days stand in one file.
const GAP_US_MAX: i64 = 60_000_000;

/// The last line on standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Replayed {
    /// Lines that Kafka acknowledged.
    pub batches: u64,
    /// Events in them, as far as they can be read.
    pub events: u64,
    /// Lines that are no event batch; they were sent all the same.
    pub unreadable: u64,
    /// Lines that Kafka did not take.
    pub failed: u64,
    /// Lines whose event time lies before the line before: their sessions may be closed early.
    pub backwards: u64,
    /// Time taken.
    pub seconds: f64,
}

/// Runs the role.
///
/// # Errors
/// The file cannot be read, or Kafka did not take every line.
pub fn run(config: &Config, options: &ReplayOptions, shutdown: &Shutdown) -> anyhow::Result<()> {
    let publisher = Publisher::open(&config.kafka.settings(), &config.topics.events, "replay")?;
    let (reader, bytes) = open(&options.input)?;
    let bar = ProgressBar::new(bytes).with_style(
        ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}  {elapsed} of about {duration}")
            .context("the progress bar's template is valid")?,
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let player = Player {
        publisher,
        speed: options.speed,
        in_flight_max: config.replay.in_flight_max.max(1),
        shutdown: shutdown.clone(),
        bar: bar.clone(),
        under_way: FuturesUnordered::new(),
        total: Replayed::default(),
    };
    let replayed = runtime.block_on(player.play(reader))?;
    bar.finish_and_clear();
    if replayed.backwards > 0 {
        tracing::warn!(
            batches = replayed.backwards,
            "batches are not in the order of event time, sessions may be closed early"
        );
    }
    output::json(&replayed)?;
    anyhow::ensure!(
        replayed.failed == 0,
        "kafka did not take {} batches; `ductus doctor` looks at it",
        replayed.failed
    );
    Ok(())
}

fn open(path: &Path) -> anyhow::Result<(Box<dyn BufRead>, u64)> {
    if path == Path::new("-") {
        return Ok((Box::new(std::io::stdin().lock()), 0));
    }
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let bytes = file.metadata()?.len();
    Ok((Box::new(BufReader::with_capacity(1 << 20, file)), bytes))
}

/// What a line tells about itself.
#[derive(Debug, Default, PartialEq)]
struct Line {
    key: Option<String>,
    /// Event time of its last event, µs.
    last_us: Option<i64>,
    events: u64,
    readable: bool,
}

impl Line {
    /// Reads what is needed; the bounds of the deployment do not count here, the stream applies them.
    fn read(value: &[u8], events: &mut Vec<InputEvent>) -> Self {
        const NO_LIMITS: ParseLimits = ParseLimits {
            batch_bytes_max: usize::MAX,
            batch_events_max: usize::MAX,
            detail: KeyDetail::Hand,
        };
        events.clear();
        match parse(value, &NO_LIMITS, events, &mut Rejections::default()) {
            Ok(head) => Self {
                key: Some(head.subject.unwrap_or(head.session).to_owned()),
                last_us: events.iter().map(|event| event.t_us).max(),
                events: head.events,
                readable: true,
            },
            Err(rejection) => Self {
                key: key_of(value),
                last_us: None,
                events: rejection.events,
                readable: false,
            },
        }
    }
}

/// Whoever sent a bad batch would have used this key.
fn key_of(value: &[u8]) -> Option<String> {
    let document: serde_json::Value = serde_json::from_slice(value).ok()?;
    let text = |field| Some(document.get(field)?.as_str()?.to_owned());
    text("subject").or_else(|| text("session"))
}

struct Player<F> {
    publisher: Publisher,
    speed: Speed,
    in_flight_max: usize,
    shutdown: Shutdown,
    bar: ProgressBar,
    under_way: FuturesUnordered<F>,
    total: Replayed,
}

type Outcome = (u64, Result<(), PublishError>);

async fn settle(events: u64, on_its_way: OnItsWay) -> Outcome {
    (events, on_its_way.acknowledged().await.map(|_| ()))
}

impl<F: Future<Output = Outcome>> Player<F> {
    fn count(&mut self, (events, outcome): Outcome) {
        match outcome {
            Ok(()) => {
                self.total.batches += 1;
                self.total.events += events;
            }
            Err(error) => {
                self.total.failed += 1;
                if self.total.failed == 1 {
                    tracing::error!(%error, "a batch was not acknowledged");
                }
            }
        }
    }
}

impl Player<std::pin::Pin<Box<dyn Future<Output = Outcome>>>> {
    async fn play(mut self, mut reader: Box<dyn BufRead>) -> anyhow::Result<Replayed> {
        let started = Instant::now();
        let (mut value, mut events) = (Vec::new(), Vec::new());
        let mut now_us: Option<i64> = None;
        let mut played_us = 0_i64;
        while !self.shutdown.is_requested() {
            value.clear();
            let read = reader.read_until(b'\n', &mut value).context("cannot read on")?;
            if read == 0 {
                break;
            }
            self.bar.inc(read as u64);
            while value.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
                value.pop();
            }
            if value.is_empty() {
                continue;
            }
            let line = Line::read(&value, &mut events);
            self.total.unreadable += u64::from(!line.readable);
            if let Some(last_us) = line.last_us {
                let gap_us = now_us.map_or(0, |before| last_us - before);
                self.total.backwards += u64::from(gap_us < 0);
                played_us += gap_us.clamp(0, GAP_US_MAX);
                now_us = Some(last_us);
                self.wait(started, played_us).await;
            }
            self.send(&line, &value, now_us).await;
        }
        while let Some(outcome) = self.under_way.next().await {
            self.count(outcome);
        }
        self.total.seconds = started.elapsed().as_secs_f64();
        Ok(self.total)
    }

    /// Waits until it is the batch's turn.
    async fn wait(&self, started: Instant, played_us: i64) {
        let Speed::Times(times) = self.speed else {
            return;
        };
        let due = Duration::from_secs_f64(played_us as f64 / 1e6 / times);
        if let Some(wait) = due.checked_sub(started.elapsed()) {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.shutdown.requested() => {}
            }
        }
    }

    async fn send(&mut self, line: &Line, value: &[u8], now_us: Option<i64>) {
        loop {
            while self.under_way.len() >= self.in_flight_max {
                if let Some(outcome) = self.under_way.next().await {
                    self.count(outcome);
                }
            }
            let timestamp_ms = now_us.map(|us| us.div_euclid(1_000));
            match self.publisher.send(line.key.as_deref(), value, timestamp_ms) {
                Ok(on_its_way) => {
                    self.under_way.push(Box::pin(settle(line.events, on_its_way)));
                    break;
                }
                Err(PublishError::QueueFull) => match self.under_way.next().await {
                    Some(outcome) => self.count(outcome),
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                },
                Err(error) => {
                    self.count((line.events, Err(error)));
                    break;
                }
            }
        }
        self.bar.set_message(format!("{} batches", self.total.batches));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_line_tells() {
        let good =
            br#"{"v":1,"tenant":"t","subject":"ann","session":"s","seq":0,"purpose":"session","consent":"granted",
            "clock":{"origin_us":1700000000000000,"resolution_us":100},
            "device":{"keyboard":"physical","pointer":"none","layout":"qwerty","touch":false},"detail":"class",
            "events":[{"type":"down","t_us":10,"press":0,"class":"letter"},{"type":"up","t_us":90,"press":0}]}"#;
        let cases = [
            (&good[..], Some("ann"), Some(1_700_000_000_000_090), true),
            (br#"{"v":9,"session":"s"}"#, Some("s"), None, false),
            (br#"{"v":1,"session":"#, None, None, false),
            (b"\xff\xfe noise", None, None, false),
        ];
        for (value, key, last_us, readable) in cases {
            let line = Line::read(value, &mut Vec::new());
            assert_eq!(
                (line.key.as_deref(), line.last_us, line.readable),
                (key, last_us, readable)
            );
        }
    }
}
