//! The world of the simulator: topics, the consumer group, virtual time.
//!
//! Invariants: a partition has one holder at a time, as far as the group knows; a checkpoint is applied as a whole, and only
//! under the group's present generation; what a client was handed is written in order, up to a point that the seed decides
//! when its process is gone.

use super::Instance;
use super::people;
use crate::log::{Change, Checkpoint, Committed, Written};
use crate::marker::{MARKER_KEY, Marker};
use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// The group gives a member's partitions away after this long without a sign of life: as the settings say.
pub(super) const SESSION: Duration = Duration::from_secs(15);
/// How long the end of a transaction may take to be seen everywhere.
const UNSEEN: Duration = Duration::from_millis(60);
/// How long a transaction may stay open whose process is gone, ms.
pub(super) const OPEN_MS_MAX: u64 = 2_000;

/// A record of the events topic.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) key: String,
    pub(super) value: Vec<u8>,
    pub(super) timestamp_us: i64,
}

/// A record of a topic that keeps something.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) checkpoint: Option<u64>,
}

/// A process's clients.
#[derive(Debug, Default)]
pub(super) struct Member {
    changes: VecDeque<Change>,
    /// Generation as of the last change that was taken.
    generation: u64,
    /// Whether the group has thrown it out.
    evicted: bool,
    /// Where it reads events and references.
    pub(super) events: BTreeMap<i32, i64>,
    pub(super) references: BTreeMap<i32, usize>,
    /// Decisions that its client was handed.
    in_flight: VecDeque<(i32, Vec<u8>)>,
    /// Those that are written and not acknowledged yet.
    unacknowledged: VecDeque<(i32, i64)>,
    pub(super) sent: u64,
    pub(super) acknowledged: u64,
    pub(super) said: BTreeMap<i32, i64>,
    pub(super) job: Option<(Checkpoint, u64)>,
}

pub(super) struct World {
    pub(super) now: Duration,
    /// From then on nothing goes wrong.
    pub(super) calm: bool,
    /// The brokers do not answer.
    pub(super) unreachable: bool,
    /// All records there will be; those up to `published` are there.
    pub(super) events: Vec<Vec<Event>>,
    pub(super) published: Vec<usize>,
    pub(super) decisions: Vec<Vec<Vec<u8>>>,
    pub(super) states: Vec<Vec<Stored>>,
    pub(super) references: Vec<Vec<Stored>>,
    pub(super) audits: Vec<Vec<u8>>,
    pub(super) dead_letters: usize,
    committed: BTreeMap<i32, Committed>,
    /// Where the last transaction of a partition began in the states, and when it was committed.
    last: BTreeMap<i32, (usize, Duration)>,
    /// Where a transaction that nobody ends begins in the references of a partition, and when the broker will end it.
    left_open: BTreeMap<i32, (usize, Duration)>,
    generation: u64,
    holders: BTreeMap<i32, usize>,
    targets: BTreeMap<i32, usize>,
    pub(super) members: BTreeMap<usize, Member>,
    joined: usize,
}

impl World {
    pub(super) fn new(partitions: i32, events: Vec<Vec<Event>>) -> Self {
        let many = partitions as usize;
        Self {
            now: Duration::ZERO,
            calm: false,
            unreachable: false,
            events,
            published: vec![0; many],
            decisions: vec![Vec::new(); many],
            states: vec![Vec::new(); many],
            references: vec![Vec::new(); many],
            audits: Vec::new(),
            dead_letters: 0,
            committed: BTreeMap::new(),
            last: BTreeMap::new(),
            left_open: BTreeMap::new(),
            generation: 0,
            holders: BTreeMap::new(),
            targets: BTreeMap::new(),
            members: BTreeMap::new(),
            joined: 0,
        }
    }

    pub(super) fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Lets up to `count` more records of each partition be there.
    pub(super) fn publish(&mut self, count: usize) {
        for (published, events) in self.published.iter_mut().zip(&self.events) {
            *published = (*published + count).min(events.len());
        }
    }

    pub(super) fn publish_all(&mut self) {
        self.publish(usize::MAX / 2);
    }

    /// Somebody else writes or erases references.
    pub(super) fn write_reference(&mut self, partition: usize, version: u32, erase: bool) {
        let (key, value) = people::reference(partition, version);
        self.references[partition].push(Stored {
            key: key.into_bytes(),
            value: (!erase).then_some(value),
            checkpoint: None,
        });
    }

    /// Whether everything was read, decided about and put into checkpoints.
    pub(super) fn is_done(&self) -> bool {
        let all = |(partition, events): (usize, &Vec<Event>)| {
            let committed = self.committed.get(&(partition as i32));
            committed.is_some_and(|committed| committed.offset == events.len() as i64)
        };
        self.events.iter().enumerate().all(all)
    }

    // The group.

    pub(super) fn join(&mut self) -> usize {
        self.joined += 1;
        self.members.insert(self.joined, Member::default());
        self.rebalance();
        self.joined
    }

    /// A process is gone without a word, with what its client had not sent; the group notices at once or later, which makes no
    /// difference to anybody but how long it takes.
    pub(super) fn crash(&mut self, member: usize, rng: &mut ChaCha8Rng) {
        let Some(mut gone) = self.members.remove(&member) else {
            return;
        };
        let written = rng.random_range(0..=gone.in_flight.len());
        for (partition, decision) in gone.in_flight.drain(..written) {
            self.decisions[partition as usize].push(decision);
        }
        if let Some((checkpoint, generation)) = gone.job.take() {
            if !gone.evicted && generation == self.generation && rng.random_range(0..2) == 0 {
                self.apply(checkpoint);
            } else {
                let until = self.now + Duration::from_millis(rng.random_range(0..OPEN_MS_MAX));
                for (partition, ..) in checkpoint.offsets {
                    self.leave_open(partition, until);
                }
            }
        }
        self.free(member);
        self.rebalance();
    }

    pub(super) fn is_evicted(&self, number: usize) -> bool {
        self.members.get(&number).is_some_and(|member| member.evicted)
    }

    pub(super) fn leave(&mut self, member: usize) {
        if let Some(gone) = self.members.remove(&member) {
            assert!(
                gone.in_flight.is_empty() && gone.job.is_none(),
                "it left with something unsaid"
            );
        }
        self.free(member);
        self.rebalance();
    }

    /// Throws out whoever was stopped for too long.
    pub(super) fn evict(&mut self, instances: &[Instance]) {
        for instance in instances {
            let late = instance
                .stopped
                .is_some_and(|stopped| self.now.saturating_sub(stopped) > SESSION);
            let Some(member) = self
                .members
                .get_mut(&instance.member)
                .filter(|member| late && !member.evicted)
            else {
                continue;
            };
            member.evicted = true;
            let partitions = member.events.keys().copied().collect();
            member.changes = VecDeque::from([Change::Revoked { partitions, lost: true }]);
            self.free(instance.member);
            self.rebalance();
        }
    }

    fn free(&mut self, member: usize) {
        self.holders.retain(|_, holder| *holder != member);
    }

    fn rebalance(&mut self) {
        self.generation += 1;
        let alive: Vec<usize> = self
            .members
            .iter()
            .filter(|(_, member)| !member.evicted)
            .map(|(number, _)| *number)
            .collect();
        self.targets.clear();
        let mut told = BTreeSet::new();
        for partition in 0..self.events.len() as i32 {
            let Some(&target) = alive.get(partition as usize % alive.len().max(1)) else {
                return;
            };
            self.targets.insert(partition, target);
            match self.holders.get(&partition).copied() {
                None => {
                    self.hand(partition, target);
                    told.insert(target);
                }
                Some(holder) if holder != target => {
                    let revoked = Change::Revoked {
                        partitions: vec![partition],
                        lost: false,
                    };
                    let changes = &mut self.members.get_mut(&holder).expect("holders are members").changes;
                    if !changes.contains(&revoked) {
                        changes.push_back(revoked);
                    }
                    told.insert(holder);
                }
                Some(_) => {}
            }
        }
        // Whoever keeps what it has hears of the new generation, too.
        for number in alive.iter().filter(|number| !told.contains(number)) {
            let member = self.members.get_mut(number).expect("it is alive");
            member.changes.push_back(Change::Assigned(Vec::new()));
        }
    }

    fn hand(&mut self, partition: i32, target: usize) {
        self.holders.insert(partition, target);
        let member = self.members.get_mut(&target).expect("targets are members");
        member.changes.push_back(Change::Assigned(vec![partition]));
    }

    pub(super) fn change(&mut self, number: usize) -> Option<Change> {
        let generation = self.generation;
        let member = self.members.get_mut(&number)?;
        let change = member.changes.pop_front()?;
        if !member.evicted {
            member.generation = generation;
        }
        Some(change)
    }

    pub(super) fn membership(&self, number: usize) -> Option<u64> {
        let member = self.members.get(&number)?;
        Some(member.generation)
    }

    /// A member has given a partition back.
    pub(super) fn given_back(&mut self, number: usize, partitions: &[i32]) {
        for partition in partitions {
            if self.holders.get(partition) != Some(&number) {
                continue;
            }
            self.holders.remove(partition);
            if let Some(&target) = self.targets.get(partition) {
                self.hand(*partition, target);
            }
        }
    }

    // The topics.

    pub(super) fn committed(&self, partition: i32) -> Option<Committed> {
        self.committed.get(&partition).copied()
    }

    /// How many records of the session states can be seen; `behind` where the last transaction's end has not come round yet.
    pub(super) fn states_seen(&self, partition: i32, behind: bool) -> usize {
        let all = self.states[partition as usize].len();
        match self.last.get(&partition) {
            Some((start, at)) if behind && self.now.saturating_sub(*at) < UNSEEN => *start,
            _ => all,
        }
    }

    /// How many records of the references can be seen: an open transaction hides what stands behind it.
    pub(super) fn references_seen(&self, partition: i32) -> usize {
        match self.left_open.get(&partition) {
            Some((start, until)) if self.now < *until => *start,
            _ => self.references[partition as usize].len(),
        }
    }

    /// Somebody has begun a transaction over the references of a partition, and the broker ends it no sooner than then.
    pub(super) fn leave_open(&mut self, partition: i32, until: Duration) {
        let start = self.references_seen(partition);
        let until = match self.left_open.get(&partition) {
            Some((_, before)) => until.max(*before),
            None => until,
        };
        self.left_open.insert(partition, (start, until));
    }

    pub(super) fn send(&mut self, number: usize, partition: i32, decision: &[u8]) {
        if let Some(member) = self.members.get_mut(&number) {
            member.in_flight.push_back((partition, decision.to_vec()));
            member.sent += 1;
        }
    }

    pub(super) fn in_flight(&self, number: usize) -> usize {
        self.members
            .get(&number)
            .map_or(0, |member| member.in_flight.len() + member.unacknowledged.len())
    }

    /// Writes some of what a client was handed, and acknowledges some of what is written.
    pub(super) fn deliver(&mut self, number: usize, written: usize, acknowledged: usize) {
        let Some(member) = self.members.get_mut(&number) else {
            return;
        };
        for _ in 0..written.min(member.in_flight.len()) {
            let (partition, decision) = member.in_flight.pop_front().expect("there are so many");
            let topic = &mut self.decisions[partition as usize];
            member.unacknowledged.push_back((partition, topic.len() as i64));
            topic.push(decision);
        }
        for _ in 0..acknowledged.min(member.unacknowledged.len()) {
            let (partition, offset) = member.unacknowledged.pop_front().expect("there are so many");
            member.acknowledged += 1;
            member.said.insert(partition, offset + 1);
        }
    }

    /// Ends a member's transaction: true where it is committed, false where the group has moved on.
    pub(super) fn end_transaction(&mut self, number: usize) -> Result<(), Checkpoint> {
        let generation = self.generation;
        let member = self.members.get_mut(&number).expect("who asks is a member");
        let (checkpoint, of) = member.job.take().expect("there is one");
        if member.evicted || of != generation {
            return Err(checkpoint);
        }
        self.apply(checkpoint);
        Ok(())
    }

    fn apply(&mut self, checkpoint: Checkpoint) {
        let numbers: BTreeMap<i32, u64> = checkpoint.offsets.iter().map(|at| (at.0, at.2)).collect();
        for (partition, offset, number) in checkpoint.offsets {
            let states = self.states[partition as usize].len();
            self.last.insert(partition, (states, self.now));
            let committed = Committed {
                offset,
                checkpoint: Some(number),
            };
            self.committed.insert(partition, committed);
        }
        for put in checkpoint.records {
            let partition = put.partition.unwrap_or(0) as usize;
            let stored = Stored {
                key: put.key.clone().unwrap_or_default(),
                value: put.value.clone(),
                checkpoint: numbers.get(&(partition as i32)).copied(),
            };
            match put.topic {
                Written::SessionState => self.states[partition].push(stored),
                Written::References => self.references[partition].push(stored),
                Written::Audit => self.audits.push(put.value.expect("audit records have values")),
                Written::DeadLetters => self.dead_letters += 1,
            }
        }
    }

    /// The markers of a partition, in order.
    pub(super) fn markers(&self, partition: usize) -> Vec<Marker> {
        let markers = self.states[partition].iter().filter(|stored| stored.key == MARKER_KEY);
        markers
            .map(|stored| Marker::from_bytes(stored.value.as_deref().expect("markers stay")).expect("ours"))
            .collect()
    }
}
