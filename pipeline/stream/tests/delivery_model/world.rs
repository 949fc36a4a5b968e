//! The state that the search walks through: the log, the group, and the instances.
//!
//! Invariants: a state holds nothing but what decides what can happen next or whether the promise is broken. Instances are
//! alike: whichever is idle stands for any machine that is started.

use crate::explorer::fingerprint;
use std::hash::{Hash, Hasher};

/// Instances: an owner and two zombies at once.
pub(crate) const INSTANCES: usize = 3;
/// Stands for "no models yet".
pub(crate) const NO_MODEL: u8 = u8::MAX;

/// A decision, or the audit record of one: its id is the record that closed the window, all else is its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Decision {
    pub(crate) record: u8,
    pub(crate) model: u8,
    /// The last bits, as the machine's vector units make them.
    pub(crate) rounding: u8,
    /// Everything that the line had seen before: records, and the numbers of earlier decisions.
    pub(crate) state: u32,
}

/// A decision on the log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Written {
    pub(crate) decision: Decision,
    /// Its writer was no longer the owner. Kept only where the promise depends on it.
    pub(crate) late: bool,
}

/// The state machine of the partition.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Line {
    /// The next record.
    pub(crate) next: u8,
    /// Hash of all that went before.
    pub(crate) state: u32,
    /// What is in use; stands for references of others as well.
    pub(crate) model: u8,
}

impl Line {
    pub(crate) const NEW: Self = Self {
        next: 0,
        state: 0,
        model: NO_MODEL,
    };

    /// What this line says about its next record, which closes a window.
    pub(crate) fn decide(&self, rounding: u8) -> Decision {
        Decision {
            record: self.next,
            model: self.model,
            rounding,
            state: self.state,
        }
    }

    /// Goes on past its next record; the numbers of the decision about it become part of the state.
    pub(crate) fn pass(&mut self, decision: Option<Decision>) {
        let (model, rounding, on) = decision.map_or((0, 0, 0), |it| (it.model + 1, it.rounding, it.state));
        let words = [
            self.state,
            u32::from(self.next),
            u32::from(model),
            u32::from(rounding),
            on,
        ];
        // FNV-1a over words, then mixed once more so that neighbours differ everywhere.
        let sum = words
            .iter()
            .fold(0x811c_9dc5_u32, |sum, word| (sum ^ word).wrapping_mul(0x0100_0193));
        self.state = (sum ^ (sum >> 15)).wrapping_mul(0x2c1b_3c6d);
        self.next += 1;
    }
}

/// What one transaction holds, without its audit records once it is committed.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Checkpoint {
    /// Sessions, models and `S`.
    pub(crate) line: Line,
    /// `D`.
    pub(crate) decisions_from: u8,
    pub(crate) audit: Vec<Decision>,
}

impl Checkpoint {
    /// `S` and `D`; the beginning where there is no checkpoint.
    pub(crate) fn place(checkpoint: Option<&Self>) -> (u8, u8) {
        checkpoint.map_or((0, 0), |it| (it.line.next, it.decisions_from))
    }
}

/// How far an instance is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Phase {
    /// It has not the partition, and holds nothing of it.
    Idle,
    /// Before it asked the group for the committed offset.
    Assigned,
    /// It knows the offset that the group has, and the checkpoint that goes with it.
    Asked(Option<Checkpoint>),
    /// It reads records, as owner or without knowing that it is none any more.
    Running,
    /// It has lost a decision and is about to begin anew.
    Failing,
}

/// An instance's part in its transaction.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Transaction {
    None,
    /// Encoded; waits until so many of the decisions that were produced before are on the log and acknowledged.
    Prepared {
        checkpoint: Checkpoint,
        waits_for: u8,
    },
    /// All is sent, and the group took the offset under this member's identity. The end is not written.
    Sent,
}

/// One process.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Instance {
    pub(crate) phase: Phase,
    pub(crate) rounding: u8,
    /// `F`.
    pub(crate) frontier: u8,
    /// It may go on before this record: the end for the owner, what it has read already for a zombie.
    pub(crate) limit: u8,
    pub(crate) line: Line,
    /// What it read back and has not adopted yet, by record.
    pub(crate) known: Vec<Decision>,
    /// Handed to the client and not on the log, in order.
    pub(crate) in_flight: Vec<Decision>,
    /// Behind its last decision that is acknowledged; `D` of the next checkpoint.
    pub(crate) decisions_from: u8,
    /// Behind each later one that is on the log.
    pub(crate) written: Vec<u8>,
    /// `S` of its last committed checkpoint.
    pub(crate) checkpointed: u8,
    /// Kept for the next checkpoint.
    pub(crate) audit: Vec<Decision>,
    pub(crate) transaction: Transaction,
}

impl Instance {
    pub(crate) const IDLE: Self = Self {
        phase: Phase::Idle,
        rounding: 0,
        frontier: 0,
        limit: 0,
        line: Line::NEW,
        known: Vec::new(),
        in_flight: Vec::new(),
        decisions_from: 0,
        written: Vec::new(),
        checkpointed: 0,
        audit: Vec::new(),
        transaction: Transaction::None,
    };
}

/// What may still go wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Faults {
    /// Of all kinds together.
    pub(crate) all: u8,
    pub(crate) crashes: u8,
    /// The group gives the partition away and its owner does not know.
    pub(crate) evictions: u8,
    /// The owner gives the partition back.
    pub(crate) releases: u8,
    /// A transaction of a live owner is refused or times out.
    pub(crate) aborts: u8,
}

/// Everything.
#[derive(Clone, Debug)]
pub(crate) struct World {
    /// Records that somebody has read: no end of the events partition was ever seen before this.
    pub(crate) events: u8,
    /// The decisions partition.
    pub(crate) decisions: Vec<Written>,
    /// Committed audit records.
    pub(crate) audit: Vec<Decision>,
    /// Where committed checkpoints changed the model: `S`, and the model from there on.
    pub(crate) models: Vec<(u8, u8)>,
    /// The last checkpoint whose transaction's end is written.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// The one before it, for as long as the last one cannot be read everywhere.
    pub(crate) before: Option<Checkpoint>,
    /// The last checkpoint's group offset is still pending.
    pub(crate) group_pending: bool,
    /// The last checkpoint's marker and session states cannot be read yet.
    pub(crate) states_pending: bool,
    /// By instance: a transaction that has sent its offset and is not ended.
    pub(crate) open: [Option<Checkpoint>; INSTANCES],
    pub(crate) owner: Option<u8>,
    /// Starts so far, where each rounds in its own way; 0 where all round alike.
    pub(crate) roundings: u8,
    pub(crate) instances: [Instance; INSTANCES],
    pub(crate) faults: Faults,
    /// There was a zombie.
    pub(crate) evicted: bool,
}

impl World {
    pub(crate) fn new(faults: Faults) -> Self {
        Self {
            events: 0,
            decisions: Vec::new(),
            audit: Vec::new(),
            models: Vec::new(),
            checkpoint: None,
            before: None,
            group_pending: false,
            states_pending: false,
            open: [const { None }; INSTANCES],
            owner: None,
            roundings: 0,
            instances: [Instance::IDLE; INSTANCES],
            faults,
            evicted: false,
        }
    }

    /// The checkpoint that can be read while some of it is `pending`.
    pub(crate) fn readable(&self, pending: bool) -> Option<&Checkpoint> {
        if pending {
            self.before.as_ref()
        } else {
            self.checkpoint.as_ref()
        }
    }

    /// Once the last checkpoint can be read everywhere, nobody finds the one before it.
    pub(crate) fn forget_before(&mut self) {
        if !self.group_pending && !self.states_pending {
            self.before = None;
        }
    }

    pub(crate) fn instance(&self, who: u8) -> &Instance {
        &self.instances[usize::from(who)]
    }

    pub(crate) fn instance_mut(&mut self, who: u8) -> &mut Instance {
        &mut self.instances[usize::from(who)]
    }

    /// The transaction of `who` that is sent and not ended.
    pub(crate) fn open(&self, who: u8) -> Option<&Checkpoint> {
        self.open[usize::from(who)].as_ref()
    }

    /// Whether the transaction of `who` is that of an owner who goes on, not what a crash or a lost session left.
    pub(crate) fn commits(&self, who: u8) -> bool {
        self.owns(who) && self.instance(who).transaction == Transaction::Sent
    }

    /// Whether anybody waits for the group's committed offset.
    pub(crate) fn waits_for_offset(&self) -> bool {
        self.instances.iter().any(|it| it.phase == Phase::Assigned)
    }

    pub(crate) fn owns(&self, who: u8) -> bool {
        self.owner == Some(who)
    }
}

/// Worlds that differ in the names of their instances only are one.
impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut instances: [u64; INSTANCES] =
            std::array::from_fn(|who| fingerprint(&(&self.instances[who], &self.open[who], self.owns(who as u8))));
        instances.sort_unstable();
        instances.hash(state);
        (
            &self.decisions,
            &self.audit,
            &self.models,
            &self.checkpoint,
            &self.before,
        )
            .hash(state);
        (self.events, self.group_pending, self.states_pending).hash(state);
        (self.owner.is_some(), self.roundings, self.faults, self.evicted).hash(state);
    }
}
