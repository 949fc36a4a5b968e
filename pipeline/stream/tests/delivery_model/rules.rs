//! What can happen in a state.
//!
//! Invariants: a step is what one side does at once, with a crash possible before and after; a rule of the page is one
//! condition here or in [`crate::effects`], and each way to break it ([`Broken`]) takes one condition away.
//!
//! Some steps could happen at any time and are taken only when somebody can notice, which loses no outcome:
//! - A record is appended when it is read, and a model promoted when an owner takes it. So `F` is as low as it can be, and most
//!   can happen behind it.
//! - The broker finishes or gives up a transaction when somebody waits for that.
//! - An acknowledgement arrives when a checkpoint is prepared or sent: nothing else looks at it. Any number may have.
//! - What a zombie does with the records that it has read is done at once: nobody sees it before it is written.

use crate::broken::Broken;
use crate::protocol::Protocol;
use crate::step::{Handled, Step};
use crate::world::{Checkpoint, Decision, Instance, NO_MODEL, Phase, Transaction, World};

impl Protocol {
    /// Appends all that can happen in `world`.
    pub(crate) fn can_happen(&self, world: &World, next: &mut Vec<Step>) {
        if world.owner.is_none() {
            // Idle instances are alike; one whose last transaction is not over comes last.
            let idle = (0..).zip(&world.instances).filter(|(_, it)| it.phase == Phase::Idle);
            if let Some((to, _)) = idle.min_by_key(|&(who, _)| world.open(who).is_some()) {
                let frontier = world.events;
                next.push(Step::Assign { to, frontier });
            }
        }
        if world.group_pending && world.waits_for_offset() {
            next.push(Step::FinishGroup);
        }
        let loads = |it: &Instance| matches!(it.phase, Phase::Asked(_));
        if world.states_pending && world.instances.iter().any(loads) {
            next.push(Step::FinishStates);
        }
        for (who, instance) in (0..).zip(&world.instances) {
            match instance.phase {
                Phase::Idle => {}
                Phase::Assigned | Phase::Asked(_) => self.loading(world, who, instance, next),
                Phase::Running => {
                    self.running(world, who, instance, next);
                    writing(world, who, instance, next);
                    self.checkpointing(world, who, instance, next);
                }
                Phase::Failing => writing(world, who, instance, next),
            }
            aborting(world, who, instance, next);
            if !world.owns(who) && instance.phase != Phase::Idle || instance.phase == Phase::Failing {
                next.push(Step::Drop { who });
            }
            if world.owns(who) && world.faults.all > 0 {
                self.faults(world, who, instance, next);
            }
        }
    }

    /// Whether `step` comes sooner or later. Faults and promotions need not.
    pub(crate) fn must_come(&self, world: &World, step: Step) -> bool {
        match step {
            Step::Crash { .. } | Step::Evict { .. } | Step::Release { .. } => false,
            Step::TakeModel { .. } | Step::GiveUp { .. } => false,
            Step::Abort { who } => !world.commits(who),
            Step::Prepare { who, model, .. } => {
                let now = world.instance(who).line.model;
                now == NO_MODEL || now == model
            }
            _ => true,
        }
    }

    fn loading(&self, world: &World, who: u8, instance: &Instance, next: &mut Vec<Step>) {
        let pending = world.group_pending || world.open.iter().any(Option::is_some);
        match &instance.phase {
            Phase::Assigned if !pending || self.breaks(Broken::PendingNotWaitedFor) => {
                let from = world.readable(world.group_pending).map(|it| it.line.next);
                next.push(Step::Ask { who, from });
            }
            Phase::Asked(named) => {
                // The marker that the commit names is waited for.
                let there = !world.states_pending || *named != world.checkpoint;
                if there || self.breaks(Broken::AnyMarker) {
                    let (from, decisions_from) = Checkpoint::place(named.as_ref());
                    next.push(Step::Load {
                        who,
                        from,
                        decisions_from,
                    });
                }
            }
            _ => {}
        }
    }

    fn running(&self, world: &World, who: u8, instance: &Instance, next: &mut Vec<Step>) {
        let line = &instance.line;
        if self.may_handle(world, instance, who) {
            next.push(Step::Handle {
                who,
                record: line.next,
                model: line.model,
                how: self.handled(instance),
            });
        }
        if self.breaks(Broken::Gap) && world.owns(who) && world.faults.all > 0 {
            next.extend(
                instance
                    .in_flight
                    .first()
                    .map(|&Decision { record, .. }| Step::GiveUp { who, record }),
            );
        }
        let free =
            self.breaks(Broken::ModelOnArrival) || self.breaks(Broken::NoFirstCheckpoint) && line.model == NO_MODEL;
        if free {
            next.extend(
                self.newer_models(line.model)
                    .map(|model| Step::TakeModel { who, model }),
            );
        }
    }

    /// Nothing is decided before a checkpoint names a model, nor while one that changes it is under way.
    pub(crate) fn may_handle(&self, world: &World, instance: &Instance, who: u8) -> bool {
        let line = &instance.line;
        let next = match &instance.transaction {
            Transaction::None => None,
            Transaction::Prepared { checkpoint, .. } => Some(checkpoint),
            Transaction::Sent => world.open(who),
        };
        let changes = next.is_some_and(|it| it.line.model != line.model);
        let waits = changes && !self.breaks(Broken::DecidesMeanwhile);
        line.model != NO_MODEL && !waits && line.next < instance.limit
    }

    pub(crate) fn handled(&self, instance: &Instance) -> Handled {
        if !self.closes(instance.line.next) {
            Handled::NoWindow
        } else if instance.known.iter().any(|it| it.record == instance.line.next) {
            Handled::Adopted
        } else {
            Handled::Decided
        }
    }

    /// Whether the group would take an offset from `who`.
    pub(crate) fn may_commit(&self, world: &World, who: u8) -> bool {
        world.owns(who) || self.breaks(Broken::NoGenerationCheck)
    }

    fn checkpointing(&self, world: &World, who: u8, instance: &Instance, next: &mut Vec<Step>) {
        // A producer has one transaction at a time.
        let may_send = self.may_commit(world, who) && world.open(who).is_none();
        let acknowledged = |waits_for: u8| waits_for == 0 || self.breaks(Broken::NotAcknowledged);
        match instance.transaction {
            Transaction::None if self.may_commit(world, who) => self.preparing(who, instance, next),
            Transaction::Prepared { waits_for, .. } if may_send && acknowledged(waits_for) => {
                next.push(Step::Send { who });
            }
            Transaction::Sent => next.push(Step::End { who }),
            _ => {}
        }
    }

    fn preparing(&self, who: u8, instance: &Instance, next: &mut Vec<Step>) {
        let line = &instance.line;
        let mut models = Vec::new();
        if line.model != NO_MODEL && line.next > instance.checkpointed {
            models.push(line.model);
        }
        // A partition's first checkpoint names a model wherever it stands: nobody has decided before it.
        let first = line.model == NO_MODEL;
        // Model 0 stands for "no models" there.
        let begins = line.model == 0 && line.next == instance.checkpointed && self.breaks(Broken::NoModelsReplaced);
        let behind = line.next >= instance.frontier || begins || self.breaks(Broken::BeforeFrontier);
        if first || behind && !self.breaks(Broken::ModelOnArrival) {
            models.extend(self.newer_models(line.model));
        }
        for model in models {
            // Any number of the decisions that are on the log may be acknowledged by now.
            let acknowledged = instance.written.iter().chain([&instance.decisions_from]);
            next.extend(acknowledged.map(|&decisions_from| Step::Prepare {
                who,
                from: line.next,
                decisions_from,
                model,
            }));
        }
    }

    fn newer_models(&self, model: u8) -> std::ops::Range<u8> {
        let first = if model == NO_MODEL { 0 } else { model + 1 };
        first..self.bounds.models
    }

    fn faults(&self, world: &World, who: u8, instance: &Instance, next: &mut Vec<Step>) {
        let faults = &world.faults;
        if faults.crashes > 0 {
            next.push(Step::Crash { who });
        }
        if instance.phase != Phase::Running {
            // Who loads holds nothing yet: to be evicted is to crash.
            return;
        }
        if faults.evictions > 0 {
            let reads_on = self.breaks(Broken::LostSessionGoesOn);
            let last = if reads_on { instance.line.next } else { self.records() };
            next.extend((instance.line.next..=last).map(|limit| Step::Evict { who, limit }));
        }
        let at_once = self.breaks(Broken::ReleasedAtOnce);
        let settled = instance.in_flight.is_empty() || at_once;
        let saved = instance.line.model != NO_MODEL && instance.checkpointed == instance.line.next;
        let saved = saved || at_once || self.breaks(Broken::ReleasedUnsaved);
        if faults.releases > 0 && instance.transaction == Transaction::None && settled && saved {
            next.push(Step::Release { who });
        }
    }
}

fn aborting(world: &World, who: u8, instance: &Instance, next: &mut Vec<Step>) {
    if world.open(who).is_none() {
        return;
    }
    let possible = if world.commits(who) {
        world.faults.aborts > 0 && world.faults.all > 0
    } else {
        // What a crash or a lost session left open: the broker gives it up, at the latest when its producer begins anew.
        world.waits_for_offset() || matches!(instance.transaction, Transaction::Prepared { .. })
    };
    if possible {
        next.push(Step::Abort { who });
    }
}

fn writing(world: &World, who: u8, instance: &Instance, next: &mut Vec<Step>) {
    if let Some(&Decision { record, .. }) = instance.in_flight.first() {
        let offset = world.decisions.len() as u8;
        next.push(Step::Write { who, record, offset });
    }
}
