//! What a step leads to.
//!
//! Invariant: what an instance does changes nothing but itself, what it writes to the log, and what the group and the broker
//! keep for it; nothing is handed over but through the log.

use crate::broken::Broken;
use crate::protocol::{Machines, Protocol};
use crate::step::{Handled, Step};
use crate::world::{Checkpoint, Decision, INSTANCES, Instance, Line, NO_MODEL, Phase, Transaction, World, Written};

impl Protocol {
    /// The state after `step`.
    pub(crate) fn take(&self, world: &mut World, step: Step) {
        match step {
            Step::Assign { to, frontier } => self.assign(world, to, frontier),
            Step::Ask { who, .. } => {
                let checkpoint = world.readable(world.group_pending).cloned();
                world.instance_mut(who).phase = Phase::Asked(checkpoint);
            }
            Step::Load { who, .. } => self.load(world, who),
            Step::TakeModel { who, model } => world.instance_mut(who).line.model = model,
            Step::Handle { who, how, .. } => self.handle(world, who, how),
            Step::Write { who, offset, .. } => self.write(world, who, offset),
            Step::Prepare {
                who,
                model,
                decisions_from,
                ..
            } => {
                prepare(world.instance_mut(who), model, decisions_from);
            }
            Step::Send { who } => self.send(world, who),
            Step::End { who } => end(world, who),
            Step::Abort { who } => abort(world, who),
            Step::FinishGroup => {
                world.group_pending = false;
                world.forget_before();
            }
            Step::FinishStates => {
                world.states_pending = false;
                world.forget_before();
            }
            Step::Crash { who } => {
                world.faults.all -= 1;
                world.faults.crashes -= 1;
                world.owner = None;
                *world.instance_mut(who) = Instance::IDLE;
            }
            Step::Evict { who, limit } => self.evict(world, who, limit),
            Step::Drop { who } => {
                *world.instance_mut(who) = Instance::IDLE;
                world.owner = world.owner.filter(|&owner| owner != who);
            }
            Step::GiveUp { who, .. } => {
                world.faults.all -= 1;
                let instance = world.instance_mut(who);
                instance.in_flight.remove(0);
                instance.phase = Phase::Failing;
                instance.transaction = Transaction::None;
            }
            Step::Release { who } => release(world, who),
        }
        for who in 0..INSTANCES as u8 {
            if !world.owns(who) && world.instance(who).phase == Phase::Running {
                self.go_on_as_zombie(world, who);
            }
        }
    }

    /// What a zombie does with the records that it has read is seen by nobody before it is written: it is done at once, and
    /// what can no longer matter is forgotten.
    fn go_on_as_zombie(&self, world: &mut World, who: u8) {
        if self.may_commit(world, who) {
            return;
        }
        loop {
            let instance = world.instance(who);
            if instance.line.next >= world.events || !self.may_handle(world, instance, who) {
                break;
            }
            let how = self.handled(instance);
            self.handle(world, who, how);
        }
        let instance = world.instance_mut(who);
        if let Transaction::Prepared { .. } = instance.transaction {
            instance.transaction = Transaction::None;
        }
        let nothing_left = instance.in_flight.is_empty() && instance.line.next >= instance.limit;
        let sent = instance.transaction == Transaction::Sent;
        *instance = if nothing_left && !sent {
            Instance::IDLE
        } else {
            Instance {
                frontier: 0,
                written: Vec::new(),
                decisions_from: 0,
                checkpointed: 0,
                audit: Vec::new(),
                ..instance.clone()
            }
        };
    }

    fn assign(&self, world: &mut World, to: u8, frontier: u8) {
        world.owner = Some(to);
        world.roundings += u8::from(self.machines == Machines::Other);
        *world.instance_mut(to) = Instance {
            phase: Phase::Assigned,
            rounding: world.roundings,
            frontier,
            limit: self.records(),
            ..Instance::IDLE
        };
    }

    fn load(&self, world: &mut World, who: u8) {
        let Phase::Asked(named) = world.instance(who).phase.clone() else {
            return;
        };
        let (next, decisions_from) = Checkpoint::place(named.as_ref());
        let states = if self.breaks(Broken::AnyMarker) {
            world.readable(world.states_pending)
        } else {
            named.as_ref()
        };
        let line = states.map_or(Line::NEW, |it| Line { next, ..it.line });
        let mut known = Vec::new();
        if !self.breaks(Broken::NoReadBack) {
            for written in world.decisions.iter().skip(usize::from(decisions_from)) {
                let decision = written.decision;
                if decision.record >= line.next && known.iter().all(|it: &Decision| it.record != decision.record) {
                    known.push(decision);
                }
            }
        }
        let instance = world.instance_mut(who);
        instance.phase = Phase::Running;
        instance.line = line;
        instance.known = known;
        instance.decisions_from = decisions_from;
        instance.checkpointed = line.next;
    }

    fn handle(&self, world: &mut World, who: u8, how: Handled) {
        let instance = &mut world.instances[usize::from(who)];
        let record = instance.line.next;
        let fresh = instance.line.decide(instance.rounding);
        let recorded = instance.known.iter().position(|it| it.record == record);
        let recorded = recorded.map(|position| instance.known.remove(position));
        let decision = match how {
            Handled::NoWindow => None,
            Handled::Adopted if self.breaks(Broken::SilentOnly) => Some(fresh),
            Handled::Adopted => recorded,
            Handled::Decided => Some(fresh),
        };
        if how == Handled::Decided {
            instance.in_flight.push(fresh);
        }
        if self.breaks(Broken::AuditAtOnce) {
            world.audit.extend(decision);
        } else {
            instance.audit.extend(decision);
        }
        instance.line.pass(decision);
        world.events = world.events.max(record + 1);
    }

    fn write(&self, world: &mut World, who: u8, offset: u8) {
        let late = self.late_may_differ && !world.owns(who);
        let instance = world.instance_mut(who);
        let decision = instance.in_flight.remove(0);
        instance.written.push(offset + 1);
        if let Transaction::Prepared { waits_for, .. } = &mut instance.transaction {
            *waits_for = waits_for.saturating_sub(1);
        }
        world.decisions.push(Written { decision, late });
    }

    fn send(&self, world: &mut World, who: u8) {
        // A producer's next transaction begins when its last one is finished.
        world.group_pending = false;
        world.states_pending = false;
        world.before = None;
        let instance = world.instance_mut(who);
        let sent = std::mem::replace(&mut instance.transaction, Transaction::Sent);
        if let Transaction::Prepared { mut checkpoint, .. } = sent {
            if self.breaks(Broken::LateD) {
                checkpoint.decisions_from = *instance.written.last().unwrap_or(&instance.decisions_from);
            }
            world.open[usize::from(who)] = Some(checkpoint);
        }
    }

    fn evict(&self, world: &mut World, who: u8, limit: u8) {
        world.faults.all -= 1;
        world.faults.evictions -= 1;
        world.owner = None;
        world.evicted = true;
        if !self.breaks(Broken::LostSessionGoesOn) {
            world.instance_mut(who).limit = limit;
            world.events = world.events.max(limit);
        }
    }
}

fn prepare(instance: &mut Instance, model: u8, decisions_from: u8) {
    instance.decisions_from = decisions_from;
    instance.written.retain(|&behind| behind > decisions_from);
    instance.transaction = Transaction::Prepared {
        checkpoint: Checkpoint {
            line: Line { model, ..instance.line },
            decisions_from,
            audit: instance.audit.clone(),
        },
        waits_for: instance.in_flight.len() as u8,
    };
}

fn end(world: &mut World, who: u8) {
    let instance = &mut world.instances[usize::from(who)];
    instance.transaction = Transaction::None;
    let Some(mut checkpoint) = world.open[usize::from(who)].take() else {
        return;
    };
    let Line { next, model, .. } = checkpoint.line;
    // Never back: a model that was taken without a checkpoint stays, where that is planted.
    if instance.line.model == NO_MODEL || instance.line.model < model {
        instance.line.model = model;
    }
    instance.checkpointed = next;
    instance.audit.retain(|it| it.record >= next);
    world.audit.append(&mut checkpoint.audit);
    if world.models.last().is_none_or(|&(_, last)| last != model) {
        world.models.push((next, model));
    }
    world.before = world.checkpoint.replace(checkpoint);
    world.group_pending = true;
    world.states_pending = true;
}

fn abort(world: &mut World, who: u8) {
    world.open[usize::from(who)] = None;
    if world.commits(who) {
        world.faults.all -= 1;
        world.faults.aborts -= 1;
    }
    let instance = world.instance_mut(who);
    if instance.transaction == Transaction::Sent {
        instance.transaction = Transaction::None;
    }
}

fn release(world: &mut World, who: u8) {
    world.faults.all -= 1;
    world.faults.releases -= 1;
    world.owner = None;
    let instance = world.instance_mut(who);
    if instance.in_flight.is_empty() {
        *instance = Instance::IDLE;
    } else {
        instance.limit = instance.line.next;
    }
}
