//! Faults at random instants while people work: instances of `score` are killed, paused, added and taken away, and the
//! books are kept all the while.
//!
//! Invariants: which fault comes when follows from the seed (what happens at that instant does not); between two faults
//! every instance runs; a program that ends by itself fails the run with its log.

use crate::ledger::{Ledger, Tally};
use crate::load::{Load, Mix, Sender};
use crate::oracle::predict_with;
use crate::process::Program;
use crate::search::Search;
use crate::world::{World, required};
use ductus_dynamics::line::LineConfig;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// After so long without a heartbeat the group goes on without a member, ms.
pub const SESSION_TIMEOUT_MS: u64 = 2_000;
/// After so long without a poll it does so even if heartbeats come, ms.
const POLL_INTERVAL_MS_MAX: u64 = 3_000;
/// A short idle time, so that sessions close while the test runs, µs.
const IDLE_US: i64 = 120_000_000;
/// Records a second: enough that something is always under way, little enough for two cores and a debug build.
const RECORDS_PER_S: f64 = 150.0;

/// More than an hour: as far ahead as Kafka bears in the timestamps of records, and further.
pub const HOUR_S: i64 = 3_660;

/// What happens to the instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// One is killed and started again.
    Kill,
    /// All are killed at once and started again.
    KillAll,
    /// One sleeps until the group has given its partitions away, and wakes up.
    Pause,
    /// The shards of one get next to no processor for longer than the group waits for them.
    Starve,
    /// One more joins and leaves again in good order.
    Rebalance,
    /// One is killed; when it is started again, the clock of its machine is so many seconds off.
    Clock {
        /// By how much.
        off_s: i64,
    },
}

/// A line that compares after two windows and closes sessions soon.
pub fn line() -> LineConfig {
    let mut line = LineConfig {
        idle_us: IDLE_US,
        ..LineConfig::default()
    };
    line.references.anchors = 2;
    line
}

/// Settings of `score` with which a group notices soon what happened to its members.
pub fn soon_noticed() -> [String; 4] {
    [
        format!("kafka.consumer.max.poll.interval.ms={POLL_INTERVAL_MS_MAX}"),
        format!("kafka.consumer.session.timeout.ms={SESSION_TIMEOUT_MS}"),
        format!("kafka.consumer.heartbeat.interval.ms={}", SESSION_TIMEOUT_MS / 5),
        "score.restart_backoff_ms=100".to_owned(),
    ]
}

/// A world for faults of `score`.
pub async fn world(name: &str) -> World {
    world_on(&required("DUCTUS_TEST_KAFKA"), name).await
}

/// The same on another broker than that of all tests.
pub async fn world_on(bootstrap: &str, name: &str) -> World {
    World::on(bootstrap, name, &Search::nowhere(), "")
        .await
        .with_released_models()
        .with_line(&line())
        .with_sets(soon_noticed())
}

/// A run under way.
pub struct Chaos<'a> {
    world: &'a World,
    instances: Vec<Program>,
    sender: Sender,
    ledger: Ledger,
    rng: ChaCha8Rng,
    /// How often an instance was found not to have come back in time.
    thrown_out: usize,
}

impl<'a> Chaos<'a> {
    /// Starts so many instances and an ordinary load.
    pub async fn start(world: &'a World, instances: usize, seed: u64) -> Self {
        Self::start_with(world, instances, seed, Mix::default()).await
    }

    /// The same with another load.
    pub async fn start_with(world: &'a World, instances: usize, seed: u64, mix: Mix) -> Self {
        let ledger = Ledger::new(&world.kafka, line(), &world.models());
        let mut started = Vec::new();
        for _ in 0..instances {
            started.push(world.start(&["score"]).await);
        }
        Self {
            world,
            instances: started,
            sender: Sender::start(&world.kafka, Load::new(seed, mix), RECORDS_PER_S),
            ledger,
            rng: ChaCha8Rng::seed_from_u64(seed),
            thrown_out: 0,
        }
    }

    /// The fault, after a while of undisturbed running.
    pub async fn cycle(&mut self, fault: Fault) {
        self.sleep(200..SESSION_TIMEOUT_MS * 2).await;
        match fault {
            Fault::Kill => {
                let victim = self.rng.random_range(0..self.instances.len());
                self.instances.swap_remove(victim).kill();
                self.sleep(0..800).await;
                self.join();
            }
            Fault::KillAll => {
                let count = self.instances.len();
                self.instances.drain(..).for_each(Program::kill);
                self.sleep(0..800).await;
                (0..count).for_each(|_| self.join());
            }
            Fault::Pause => {
                let sleeper = self.rng.random_range(0..self.instances.len());
                self.instances[sleeper].pause();
                self.sleep(SESSION_TIMEOUT_MS + 500..SESSION_TIMEOUT_MS * 3).await;
                self.instances[sleeper].resume();
            }
            Fault::Starve => {
                let sleeper = self.rng.random_range(0..self.instances.len());
                let time = Duration::from_millis(
                    self.rng
                        .random_range(POLL_INTERVAL_MS_MAX + 1_000..POLL_INTERVAL_MS_MAX * 2),
                );
                self.instances[sleeper].starve_shards(time).await;
                // Librdkafka's word for it, and that of a shard which notices first.
                let log = self.instances[sleeper].log();
                self.thrown_out += log.matches("MAXPOLL").count() + log.matches("stood still for").count();
            }
            Fault::Clock { off_s } => {
                let victim = self.rng.random_range(0..self.instances.len());
                self.instances.swap_remove(victim).kill();
                // A clock shows only in who has something to do.
                let started = self.world.start_with_clock_off(&["score"], off_s).await;
                self.instances.push(started);
            }
            Fault::Rebalance => {
                self.join();
                self.sleep(500..SESSION_TIMEOUT_MS * 2).await;
                self.leave();
            }
        }
        self.instances.iter_mut().for_each(Program::assert_running);
    }

    /// One more instance.
    pub fn join(&mut self) {
        self.instances.push(self.world.start_unready(&["score"]));
    }

    /// Asks an instance to stop, which may be any but the first, and waits for it.
    pub fn leave(&mut self) {
        let leaver = self.rng.random_range(1..self.instances.len());
        self.instances.swap_remove(leaver).leave();
    }

    /// Undisturbed running for a random time, ms.
    pub async fn sleep(&mut self, range_ms: std::ops::Range<u64>) {
        let ms = self.rng.random_range(range_ms);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    /// Waits until what was sent so far is decided about; false when nothing comes any more.
    pub async fn settle(&mut self) -> bool {
        self.ledger.settle(&self.world.kafka, &mut self.instances).await
    }

    /// Whether an instance was away for so long that the group went on without it, though its heartbeats came.
    pub fn was_thrown_out(&self) -> bool {
        self.thrown_out > 0
    }

    /// The books.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// [`Chaos::finish`] where models were swapped: the oracle learns from the audit topic where that took effect, once all
    /// is decided about.
    pub async fn finish_after_swaps(self) -> (Tally, Vec<String>) {
        let Self {
            world,
            instances,
            sender,
            mut ledger,
            ..
        } = self;
        drop(sender.stop());
        let prediction = predict_with(line(), &world.kafka.topic("events"), &world.kafka.read("events"));
        world.until_decided(&prediction).await;
        instances.into_iter().for_each(Program::stop);
        ledger.note_swaps(&world.kafka);
        closed(ledger, world)
    }

    /// Stops the load, waits until everything is decided about, stops the instances, closes the books.
    pub async fn finish(self) -> (Tally, Vec<String>) {
        let Self {
            world,
            mut instances,
            sender,
            mut ledger,
            ..
        } = self;
        drop(sender.stop());
        ledger.settle(&world.kafka, &mut instances).await;
        instances.into_iter().for_each(Program::stop);
        closed(ledger, world)
    }
}

/// Closes the books; where they are wrong, what every instance said is shown.
fn closed(ledger: Ledger, world: &World) -> (Tally, Vec<String>) {
    let sums = ledger.close(&world.kafka);
    if !sums.0.holds() {
        for (name, log) in world.logs() {
            eprintln!("--- {name}\n{log}");
        }
    }
    sums
}

/// Fails unless the books are in order and show something.
pub fn assert_holds(seed: u64, (tally, examples): &(Tally, Vec<String>)) {
    let text = format!("seed {seed}: {tally:?}\n{}", examples.join("\n"));
    assert!(tally.decisions > 100, "too little happened: {text}");
    assert!(tally.compared * 4 > tally.decisions, "too little was compared: {text}");
    assert!(tally.holds(), "{text}");
    eprintln!("{text}");
}
