//! A deterministic simulator: shards on an in-memory log with Kafka's semantics, in virtual time, driven by a seed.
//!
//! The shards are the real ones; only [`Input`] and [`Output`] are others. A seed decides whose turn it is, who crashes at which
//! of its reads and writes, who is stopped in the middle of a turn and goes on as a zombie, what is written of what was on its
//! way, and when models and references come from outside. Afterwards everything runs undisturbed to its end, and what stands
//! in the topics is compared with the pure line, which takes up models and references where the markers say.
//!
//! `DUCTUS_SIMULATION_SEEDS=100000` in the environment tries that many seeds, `DUCTUS_SIMULATION_FIRST` says from which on.

mod judge;
mod log;
mod people;
mod world;

use super::support::FakeEmbedders;
use crate::config::ScoreConfig;
use crate::error::StreamError;
use crate::metrics::StreamMetrics;
use crate::shard::{Shard, ShardStatus};
use ductus_dynamics::compare::ReferencePolicy;
use ductus_dynamics::line::LineConfig;
use ductus_dynamics::window::WindowConfig;
use log::{SimInput, SimOutput};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use world::{OPEN_MS_MAX, World};

const PARTITIONS: i32 = 3;
const INSTANCES_MAX: usize = 3;
/// Steps in which things go wrong; afterwards nothing does.
const DISTURBED_STEPS: usize = 400;
/// Far more than are needed to come to the end.
const QUIET_STEPS: usize = 20_000;

type SimShard = Shard<'static, SimInput, SimOutput>;

/// One process.
struct Instance {
    member: usize,
    /// None while its turn runs.
    shard: Option<SimShard>,
    /// When it was stopped, if it is.
    stopped: Option<Duration>,
}

/// What all seeds share.
struct Fixed {
    config: ScoreConfig,
    metrics: StreamMetrics,
    status: ShardStatus,
}

fn fixed() -> &'static Fixed {
    static FIXED: OnceLock<Fixed> = OnceLock::new();
    FIXED.get_or_init(|| {
        let window = WindowConfig {
            steps: 4,
            hop: 2,
            min_steps: 3,
            pause_us: 5_000_000,
        };
        let mut line = LineConfig {
            keystroke: window,
            pointer: window,
            idle_us: 8_000_000,
            repeat_us: 3_600_000_000,
            references: ReferencePolicy {
                anchors: 1,
                ..ReferencePolicy::default()
            },
            ..LineConfig::default()
        };
        line.liveness.accusation = 0.5;
        Fixed {
            config: ScoreConfig {
                line,
                batch_windows_max: 5,
                poll_records_max: 7,
                checkpoint_interval_ms: 200,
                checkpoint_turn_sessions: 1,
                ..ScoreConfig::default()
            },
            metrics: StreamMetrics::default(),
            status: ShardStatus::default(),
        }
    })
}

/// What may go wrong in a run.
#[derive(Clone, Copy, Debug)]
struct Faults {
    /// Processes are stopped and go on.
    stops: bool,
    /// Every process rounds differently.
    rounding: bool,
}

struct Simulation {
    world: Rc<RefCell<World>>,
    rng: Rc<RefCell<ChaCha8Rng>>,
    embedders: Arc<FakeEmbedders>,
    instances: Rc<RefCell<Vec<Instance>>>,
    faults: Faults,
}

impl Drop for Simulation {
    /// The instances know of each other by the list that they stand in: nothing of a run would ever be freed.
    fn drop(&mut self) {
        let gone = self
            .instances
            .try_borrow_mut()
            .map(|mut instances| std::mem::take(&mut *instances));
        drop(gone);
    }
}

impl Simulation {
    fn new(seed: u64, faults: Faults) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let world = World::new(PARTITIONS, people::records(&mut rng, PARTITIONS));
        Self {
            world: Rc::new(RefCell::new(world)),
            rng: Rc::new(RefCell::new(rng)),
            embedders: FakeEmbedders::new(),
            instances: Rc::default(),
            faults,
        }
    }

    fn chance(&self, one_in: u32) -> bool {
        self.rng.borrow_mut().random_range(0..one_in) == 0
    }

    fn below(&self, bound: usize) -> usize {
        self.rng.borrow_mut().random_range(0..bound)
    }

    /// Runs to the end; gives what is wrong, if anything is.
    fn run(&self) -> Result<(), String> {
        for _ in 0..DISTURBED_STEPS {
            self.disturb();
            self.step();
        }
        self.world.borrow_mut().calm = true;
        self.world.borrow_mut().publish_all();
        for instance in self.instances.borrow_mut().iter_mut() {
            instance.stopped = None;
        }
        for _ in 0..QUIET_STEPS {
            if self.instances.borrow().is_empty() {
                self.start();
            }
            self.step();
            if self.world.borrow().is_done() {
                return judge::judge(&self.world.borrow(), &fixed().config, self.faults.rounding);
            }
        }
        Err("it does not come to an end".to_owned())
    }

    /// Something happens outside.
    fn disturb(&self) {
        self.world
            .borrow_mut()
            .pass(Duration::from_millis(self.below(40) as u64));
        if self.chance(3) {
            let count = self.below(4);
            self.world.borrow_mut().publish(count);
        }
        if self.chance(40) {
            let next = self.embedders.model.load(std::sync::atomic::Ordering::Acquire) + 1;
            self.embedders.model.store(next, std::sync::atomic::Ordering::Release);
        }
        if self.chance(40) {
            let (partition, version) = (self.below(PARTITIONS as usize), self.below(6) as u32);
            let erase = self.chance(3);
            self.world.borrow_mut().write_reference(partition, version, erase);
        }
        if self.chance(60) {
            let (partition, open_ms) = (self.below(PARTITIONS as usize), self.below(OPEN_MS_MAX as usize));
            let mut world = self.world.borrow_mut();
            let until = world.now + Duration::from_millis(open_ms as u64);
            world.leave_open(partition as i32, until);
        }
        if self.instances.borrow().len() < INSTANCES_MAX && self.chance(12) {
            self.start();
        }
        let count = self.instances.borrow().len();
        if count == 0 {
            return;
        }
        let chosen = self.below(count);
        if self.faults.stops && self.chance(25) {
            let now = self.world.borrow().now;
            let mut instances = self.instances.borrow_mut();
            let stopped = &mut instances[chosen].stopped;
            *stopped = if stopped.is_some() { None } else { Some(now) };
        } else if self.chance(60) {
            self.leave(chosen);
        } else if self.chance(60) {
            let mut gone = self.instances.borrow_mut().remove(chosen);
            self.world.borrow_mut().crash(gone.member, &mut self.rng.borrow_mut());
            drop(gone.shard.take());
        }
    }

    /// An instance stops in good order.
    fn leave(&self, chosen: usize) {
        let mut gone = self.instances.borrow_mut().remove(chosen);
        let finished = gone.shard.take().map(|mut shard| shard.finish());
        let mut world = self.world.borrow_mut();
        // Who was thrown out meanwhile leaves in good order, too, and drops what it held.
        if finished.is_some_and(|finished| finished.is_ok()) && !world.is_evicted(gone.member) {
            world.leave(gone.member);
        } else {
            world.crash(gone.member, &mut self.rng.borrow_mut());
        }
    }

    fn start(&self) {
        let member = self.world.borrow_mut().join();
        let (input, output) = log::connect(member, &self.world, &self.rng, &self.instances, self.faults);
        let rounding = if self.faults.rounding { member } else { 0 };
        let embed = self.embedders.rounding(rounding as u32);
        let Fixed {
            config,
            metrics,
            status,
        } = fixed();
        let shard = Shard::new(member, config, metrics, status, embed, (input, output));
        self.instances.borrow_mut().push(Instance {
            member,
            shard: Some(shard),
            stopped: None,
        });
    }

    /// Somebody's turn.
    fn step(&self) {
        self.world.borrow_mut().evict(&self.instances.borrow());
        let count = self.instances.borrow().len();
        if count == 0 {
            return;
        }
        turn(&self.world, &self.rng, &self.instances, self.below(count));
    }
}

/// One turn of one instance; whoever fails in it is gone.
fn turn(
    world: &Rc<RefCell<World>>,
    rng: &Rc<RefCell<ChaCha8Rng>>,
    instances: &Rc<RefCell<Vec<Instance>>>,
    chosen: usize,
) {
    let taken = {
        let mut instances = instances.borrow_mut();
        let instance = &mut instances[chosen];
        let running = instance.stopped.is_none();
        running
            .then(|| instance.shard.take().map(|shard| (instance.member, shard)))
            .flatten()
    };
    let Some((member, mut shard)) = taken else {
        return;
    };
    let ended = shard.turn();
    world.borrow_mut().pass(Duration::from_millis(1));
    let mut instances = instances.borrow_mut();
    let Some(at) = instances.iter().position(|instance| instance.member == member) else {
        return;
    };
    match ended {
        Ok(()) => instances[at].shard = Some(shard),
        Err(error) => {
            let accepted = matches!(
                &error,
                StreamError::Panicked(_)
                    | StreamError::Lost(_)
                    | StreamError::Overslept { .. }
                    | StreamError::CheckpointTimeout { .. }
            );
            assert!(accepted, "a shard fails by itself: {error}");
            instances.remove(at);
            world.borrow_mut().crash(member, &mut rng.borrow_mut());
        }
    }
}

fn try_seed(seed: u64) -> Result<(), String> {
    // Zombies on other hardware are what the page makes an exception of.
    let faults = Faults {
        stops: seed % 4 != 3,
        rounding: seed % 4 == 3,
    };
    let run = || Simulation::new(seed, faults).run();
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}

/// How a shard ends that is asked to stop when the brokers do not answer any more, after so many turns.
fn stopped_after(turns: usize) -> Result<(), StreamError> {
    let faults = Faults {
        stops: false,
        rounding: false,
    };
    let simulation = Simulation::new(1, faults);
    simulation.world.borrow_mut().calm = true;
    simulation.world.borrow_mut().publish_all();
    simulation.start();
    let mut shard = simulation.instances.borrow_mut()[0]
        .shard
        .take()
        .expect("nobody took it");
    for _ in 0..turns {
        shard.turn().expect("nothing goes wrong");
    }
    simulation.world.borrow_mut().unreachable = true;
    shard.run(&AtomicBool::new(true))
}

#[test]
fn who_stops_before_anything_was_read_has_nothing_to_finish() {
    assert!(stopped_after(0).is_ok());
    assert!(matches!(stopped_after(20), Err(StreamError::QueueFull { .. })));
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long to search is asked of whoever runs the test"
)]
fn asked(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn whatever_happens_the_decisions_are_those_of_an_undisturbed_run() {
    let (first, seeds) = (
        asked("DUCTUS_SIMULATION_FIRST", 0),
        asked("DUCTUS_SIMULATION_SEEDS", 500),
    );
    let failed: Vec<String> = (first..first + seeds)
        .filter_map(|seed| try_seed(seed).err().map(|error| format!("seed {seed}: {error}")))
        .take(3)
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
