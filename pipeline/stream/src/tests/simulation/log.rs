//! [`Input`] and [`Output`] on the simulated world. Every call may be the one at which the process ends, or is stopped while
//! the others go on.

use super::world::{SESSION, Stored, World};
use super::{Faults, Instance, turn};
use crate::error::StreamError;
use crate::log::{Change, Checkpoint, Incoming, Input, Kept, Outcome, Output, Position, Take};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// One in so many calls ends the process, and one in so many stops it.
const CRASH: u32 = 700;
const STOP: u32 = 900;

#[derive(Clone)]
struct Client {
    member: usize,
    world: Rc<RefCell<World>>,
    rng: Rc<RefCell<ChaCha8Rng>>,
    instances: Rc<RefCell<Vec<Instance>>>,
    faults: Faults,
}

pub(super) struct SimInput(Client, bool);

pub(super) struct SimOutput {
    client: Client,
    line: u64,
}

pub(super) fn connect(
    member: usize,
    world: &Rc<RefCell<World>>,
    rng: &Rc<RefCell<ChaCha8Rng>>,
    instances: &Rc<RefCell<Vec<Instance>>>,
    faults: Faults,
) -> (SimInput, SimOutput) {
    let client = Client {
        member,
        world: Rc::clone(world),
        rng: Rc::clone(rng),
        instances: Rc::clone(instances),
        faults,
    };
    let output = SimOutput {
        client: client.clone(),
        line: 0,
    };
    (SimInput(client, false), output)
}

impl Client {
    fn one_in(&self, bound: u32) -> bool {
        self.rng.borrow_mut().random_range(0..bound) == 0
    }

    /// A call to the outside: the process may end here, or be stopped.
    fn call(&self) -> Result<(), StreamError> {
        if self.world.borrow().unreachable {
            return Err(StreamError::QueueFull { waited_ms: 0 });
        }
        if self.world.borrow().calm {
            return Ok(());
        }
        if self.one_in(CRASH) {
            return Err(StreamError::Panicked("simulated".to_owned()));
        }
        if self.faults.stops && self.one_in(STOP) {
            self.stop();
        }
        Ok(())
    }

    /// Time passes, longer than the session or not, and the others go on.
    fn stop(&self) {
        let now = self.world.borrow().now;
        self.mark(Some(now));
        let seconds = self.rng.borrow_mut().random_range(1..2 * SESSION.as_secs());
        for _ in 0..seconds {
            self.world.borrow_mut().pass(Duration::from_secs(1));
            self.world.borrow_mut().evict(&self.instances.borrow());
            let mut at = 0;
            while at < self.instances.borrow().len() {
                turn(&self.world, &self.rng, &self.instances, at);
                at += 1;
            }
        }
        self.mark(None);
    }

    fn mark(&self, stopped: Option<Duration>) {
        let mut instances = self.instances.borrow_mut();
        let ours = instances.iter_mut().find(|instance| instance.member == self.member);
        if let Some(instance) = ours {
            instance.stopped = stopped;
        }
    }

    fn hand_out(partition: i32, from: usize, stored: &[Stored], take: &mut Take<'_>) -> Result<(), StreamError> {
        for (offset, stored) in stored.iter().enumerate().skip(from) {
            take(Kept {
                partition,
                offset: offset as i64,
                key: &stored.key,
                value: stored.value.as_deref(),
                checkpoint: stored.checkpoint,
            })?;
        }
        Ok(())
    }
}

impl Input for SimInput {
    type Membership = u64;

    fn change(&mut self) -> Option<Change> {
        self.0.world.borrow_mut().change(self.0.member)
    }

    fn positions(&mut self, partitions: &[i32]) -> Result<Vec<Position>, StreamError> {
        self.0.call()?;
        let world = self.0.world.borrow();
        let of = |&partition: &i32| Position {
            partition,
            committed: world.committed(partition),
            start: 0,
            end: world.published[partition as usize] as i64,
        };
        Ok(partitions.iter().map(of).collect())
    }

    fn states(&mut self, partitions: &[i32], take: &mut Take<'_>) -> Result<(), StreamError> {
        self.0.call()?;
        for &partition in partitions {
            let behind = self.0.one_in(3);
            let world = self.0.world.borrow();
            let seen = world.states_seen(partition, behind);
            Client::hand_out(partition, 0, &world.states[partition as usize][..seen], take)?;
        }
        Ok(())
    }

    fn decisions(&mut self, from: &[(i32, i64)], take: &mut Take<'_>) -> Result<Vec<(i32, i64)>, StreamError> {
        self.0.call()?;
        let world = self.0.world.borrow();
        let mut ends = Vec::new();
        for &(partition, offset) in from {
            let topic = &world.decisions[partition as usize];
            for (at, decision) in topic.iter().enumerate().skip(offset as usize) {
                take(Kept {
                    partition,
                    offset: at as i64,
                    key: &[],
                    value: Some(decision),
                    checkpoint: None,
                })?;
            }
            ends.push((partition, topic.len() as i64));
        }
        Ok(ends)
    }

    fn references(&mut self, partitions: &[i32], take: &mut Take<'_>) -> Result<(), StreamError> {
        self.0.call()?;
        for &partition in partitions {
            let stored = {
                let world = self.0.world.borrow();
                world.references[partition as usize][..world.references_seen(partition)].to_vec()
            };
            Client::hand_out(partition, 0, &stored, take)?;
            if let Some(member) = self.0.world.borrow_mut().members.get_mut(&self.0.member) {
                member.references.insert(partition, stored.len());
            }
        }
        Ok(())
    }

    fn unseen_references(&mut self, partitions: &[i32]) -> Result<Vec<(i32, u64)>, StreamError> {
        self.0.call()?;
        let world = self.0.world.borrow();
        let unseen = |&partition: &i32| {
            let behind = &world.references[partition as usize][world.references_seen(partition)..];
            let numbers = behind.iter().filter_map(|stored| stored.checkpoint);
            numbers.map(move |number| (partition, number)).collect::<Vec<_>>()
        };
        Ok(partitions.iter().flat_map(unseen).collect())
    }

    fn new_references(&mut self, max: usize, to_end: bool, take: &mut Take<'_>) -> Result<(), StreamError> {
        self.0.call()?;
        // Readers lag behind, unless they are asked to catch up.
        if !to_end && self.0.one_in(2) {
            return Ok(());
        }
        let mut world = self.0.world.borrow_mut();
        let seen: Vec<usize> = (0..world.references.len() as i32)
            .map(|partition| world.references_seen(partition))
            .collect();
        let World {
            members, references, ..
        } = &mut *world;
        let Some(member) = members.get_mut(&self.0.member) else {
            return Ok(());
        };
        for (partition, next) in &mut member.references {
            let (topic, seen) = (&references[*partition as usize], seen[*partition as usize]);
            let end = if to_end { seen } else { seen.min(*next + max) };
            Client::hand_out(*partition, *next, &topic[..end], take)?;
            *next = end;
        }
        Ok(())
    }

    fn assign(&mut self, from: &[(i32, i64)]) -> Result<(), StreamError> {
        self.0.call()?;
        if let Some(member) = self.0.world.borrow_mut().members.get_mut(&self.0.member) {
            member.events.extend(from.iter().copied());
        }
        Ok(())
    }

    fn unassign(&mut self, partitions: &[i32]) -> Result<(), StreamError> {
        self.0.call()?;
        let mut world = self.0.world.borrow_mut();
        if let Some(member) = world.members.get_mut(&self.0.member) {
            member.events.retain(|partition, _| !partitions.contains(partition));
            member.references.retain(|partition, _| !partitions.contains(partition));
        }
        world.given_back(self.0.member, partitions);
        Ok(())
    }

    fn pause(&mut self, pause: bool) {
        self.1 = pause;
    }

    fn read(
        &mut self,
        wait: Duration,
        max: usize,
        take: &mut dyn FnMut(&Incoming<'_>) -> Result<bool, StreamError>,
    ) -> Result<(), StreamError> {
        self.0.call()?;
        self.0.world.borrow_mut().pass(wait);
        if self.1 {
            return Ok(());
        }
        let assigned: Vec<i32> = {
            let world = self.0.world.borrow();
            let member = world.members.get(&self.0.member);
            member.map_or_else(Vec::new, |member| member.events.keys().copied().collect())
        };
        for _ in 0..max.min(assigned.len() * 3) {
            let partition = assigned[self.0.rng.borrow_mut().random_range(0..assigned.len())];
            // Now and then something is handed out again.
            let back = if self.0.one_in(25) { 2 } else { 0 };
            let Some((offset, event)) = self.next(partition, back) else {
                continue;
            };
            self.0.call()?;
            let go_on = take(&Incoming {
                partition,
                offset,
                timestamp_us: event.timestamp_us,
                key: Some(event.key.as_bytes()),
                value: &event.value,
            })?;
            if !go_on {
                break;
            }
        }
        Ok(())
    }

    fn membership(&mut self) -> Result<u64, StreamError> {
        self.0
            .world
            .borrow()
            .membership(self.0.member)
            .ok_or_else(|| StreamError::Lost(Vec::new()))
    }

    fn end(&self, partition: i32) -> Option<i64> {
        Some(self.0.world.borrow().published[partition as usize] as i64)
    }
}

impl SimInput {
    fn next(&self, partition: i32, back: i64) -> Option<(i64, super::world::Event)> {
        let mut world = self.0.world.borrow_mut();
        let published = world.published[partition as usize] as i64;
        let position = world.members.get_mut(&self.0.member)?.events.get_mut(&partition)?;
        let offset = (*position - back).max(0);
        if offset >= published {
            return None;
        }
        *position = offset + 1;
        Some((offset, world.events[partition as usize][offset as usize].clone()))
    }
}

impl Output for SimOutput {
    type Membership = u64;

    fn now(&self) -> Duration {
        self.client.world.borrow().now
    }

    fn sleep(&self, time: Duration) {
        self.client.world.borrow_mut().pass(time);
    }

    fn say(&mut self, partition: i32, _: &[u8], value: &[u8]) -> Result<(), StreamError> {
        self.client.call()?;
        self.client
            .world
            .borrow_mut()
            .send(self.client.member, partition, value);
        Ok(())
    }

    fn serve(&mut self) -> Result<(), StreamError> {
        self.client.call()?;
        let most = if self.client.world.borrow().calm { usize::MAX } else { 4 };
        let (written, acknowledged) = {
            let mut rng = self.client.rng.borrow_mut();
            let mut draw = || {
                if most == usize::MAX {
                    most
                } else {
                    rng.random_range(0..most)
                }
            };
            (draw(), draw())
        };
        self.client
            .world
            .borrow_mut()
            .deliver(self.client.member, written, acknowledged);
        Ok(())
    }

    fn in_flight(&self) -> u64 {
        self.client.world.borrow().in_flight(self.client.member) as u64
    }

    fn draw_line(&mut self) {
        let world = self.client.world.borrow();
        self.line = world.members.get(&self.client.member).map_or(0, |member| member.sent);
    }

    fn settled(&self) -> bool {
        let world = self.client.world.borrow();
        let member = world.members.get(&self.client.member);
        member.is_some_and(|member| member.acknowledged >= self.line)
    }

    fn said(&self, partition: i32) -> Option<i64> {
        let world = self.client.world.borrow();
        world.members.get(&self.client.member)?.said.get(&partition).copied()
    }

    fn commit(&mut self, checkpoint: Checkpoint, membership: u64) -> Result<(), StreamError> {
        self.client.call()?;
        if let Some(member) = self.client.world.borrow_mut().members.get_mut(&self.client.member) {
            member.job = Some((checkpoint, membership));
        }
        Ok(())
    }

    fn outcome(&mut self, wait: Duration) -> Result<Option<Outcome>, StreamError> {
        self.client.call()?;
        self.client.world.borrow_mut().pass(wait);
        let gone = !self.client.world.borrow().members.contains_key(&self.client.member);
        if gone || self.client.one_in(2) {
            return Ok(None);
        }
        let ended = self.client.world.borrow_mut().end_transaction(self.client.member);
        // It is written, but nobody lives to hear of it.
        self.client.call()?;
        Ok(Some(match ended {
            Ok(()) => Outcome::Committed,
            Err(checkpoint) => Outcome::Stale(checkpoint),
        }))
    }
}
