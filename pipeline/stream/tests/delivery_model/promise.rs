//! What the page promises, as properties of a state.
//!
//! 1. *Nothing lost*: when a run has come to rest, every window's decision is on the log.
//! 2. *Nothing twice*: no id stands there with two contents; and without a zombie, none stands there twice at all.
//! 3. *As if undisturbed*: the decisions are those of a run in which nothing went wrong, with models taking effect where
//!    committed checkpoints say so. A window's last bits may be any machine's, but what follows builds on the recorded ones.
//! 4. *The rest exactly once*: each committed audit record stands there once and says what the decision says.
//! 5. *It ends*: an owner stands at the end of the log, with all of it in checkpoints.
//!
//! Where machines round differently *and* there are zombies, the page says less: what a zombie's client wrote after its session
//! may differ in last bits. There, 2 holds for what owners wrote, and 3 and the second half of 4 are not looked at.

use crate::explorer;
use crate::protocol::Protocol;
use crate::world::{Decision, Line, World};
use std::fmt;

/// What is broken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Breach {
    Lost { record: u8 },
    TwoContents { record: u8 },
    TwoModels { record: u8 },
    Repeated { record: u8 },
    NoSuchRun { record: u8 },
    AuditTwice { record: u8 },
    AuditDiffers { record: u8 },
    AuditLost { record: u8 },
    Stuck,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { record } => write!(f, "the decision about record {record} is lost"),
            Self::TwoContents { record } => write!(f, "two contents for the decision about record {record}"),
            Self::TwoModels { record } => write!(f, "two models decided about record {record}"),
            Self::Repeated { record } => write!(f, "the decision about record {record} is repeated without a zombie"),
            Self::NoSuchRun { record } => write!(f, "no undisturbed run says that about record {record}"),
            Self::AuditTwice { record } => write!(f, "record {record} is audited twice"),
            Self::AuditDiffers { record } => write!(f, "audit and decision differ about record {record}"),
            Self::AuditLost { record } => write!(f, "record {record} is never audited"),
            Self::Stuck => write!(f, "nobody can go on"),
        }
    }
}

impl explorer::Breach for Breach {
    fn property(&self) -> u8 {
        match self {
            Self::Lost { .. } => 1,
            Self::TwoContents { .. } | Self::TwoModels { .. } | Self::Repeated { .. } => 2,
            Self::NoSuchRun { .. } => 3,
            Self::AuditTwice { .. } | Self::AuditDiffers { .. } | Self::AuditLost { .. } => 4,
            Self::Stuck => 5,
        }
    }
}

impl Protocol {
    /// Appends what is broken in `world`; a run that rests must have finished.
    pub(crate) fn check(&self, world: &World, rests: bool, found: &mut Vec<Breach>) {
        let exact = !self.late_may_differ;
        found.extend(twice(world));
        found.extend(audit(world, exact));
        if exact {
            found.extend(self.differs_from_undisturbed(world));
        }
        if rests {
            found.extend(self.unfinished(world));
        }
    }

    fn differs_from_undisturbed(&self, world: &World) -> Option<Breach> {
        let mut line = Line::NEW;
        for record in 0..self.records() {
            if !self.closes(record) {
                line.pass(None);
                continue;
            }
            let decision = content(world, record)?;
            // Nobody decides before a checkpoint says by which model.
            let Some(&(_, model)) = world.models.iter().rev().find(|(from, _)| *from <= record) else {
                return Some(Breach::NoSuchRun { record });
            };
            line.model = model;
            if decision != line.decide(decision.rounding) {
                return Some(Breach::NoSuchRun { record });
            }
            line.pass(Some(decision));
        }
        None
    }

    /// A run may rest only where this finds nothing.
    fn unfinished(&self, world: &World) -> Vec<Breach> {
        let mut windows = (0..self.records()).filter(|&record| self.closes(record));
        let lost = windows.clone().find(|&record| content(world, record).is_none());
        let unaudited = windows.find(|&record| world.audit.iter().all(|it| it.record != record));
        let owner = world.owner.map(|who| world.instance(who));
        let finished = owner.is_some_and(|owner| owner.checkpointed == self.records());
        let lost = lost.map(|record| Breach::Lost { record });
        let unaudited = unaudited.map(|record| Breach::AuditLost { record });
        let stuck = (!finished).then_some(Breach::Stuck);
        [lost, unaudited, stuck].into_iter().flatten().collect()
    }
}

/// What readers who keep the first of an id have.
fn content(world: &World, record: u8) -> Option<Decision> {
    let mut decisions = world.decisions.iter().map(|it| it.decision);
    decisions.find(|it| it.record == record)
}

fn twice(world: &World) -> Option<Breach> {
    for (index, a) in world.decisions.iter().enumerate().filter(|(_, it)| !it.late) {
        for b in world.decisions[..index].iter().filter(|it| !it.late) {
            let (a, b) = (a.decision, b.decision);
            let record = a.record;
            if record != b.record {
                continue;
            }
            if a.model != b.model {
                return Some(Breach::TwoModels { record });
            } else if a != b {
                return Some(Breach::TwoContents { record });
            } else if !world.evicted {
                return Some(Breach::Repeated { record });
            }
        }
    }
    None
}

fn audit(world: &World, exact: bool) -> Option<Breach> {
    for (index, &it) in world.audit.iter().enumerate() {
        let record = it.record;
        if world.audit[..index].iter().any(|other| other.record == record) {
            return Some(Breach::AuditTwice { record });
        }
        if exact && content(world, record).is_some_and(|decision| decision != it) {
            return Some(Breach::AuditDiffers { record });
        }
    }
    None
}
