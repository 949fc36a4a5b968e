//! What is searched: the protocol of `docs/delivery.md`, within bounds, whole or with a rule left out.

use crate::broken::Broken;
use crate::explorer::Model;
use crate::promise::Breach;
use crate::step::Step;
use crate::world::{Faults, World};

/// How far a search goes.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// By record: whether it closes a window.
    pub(crate) windows: &'static [bool],
    /// Models that there are in the end.
    pub(crate) models: u8,
    pub(crate) faults: Faults,
}

/// How the machines round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Machines {
    /// All alike.
    Same,
    /// Each start is on a machine with last bits of its own.
    Other,
}

/// What is searched.
#[derive(Clone, Copy)]
pub(crate) struct Protocol {
    pub(crate) bounds: Bounds,
    pub(crate) machines: Machines,
    /// Decisions that were written after their writer had lost the partition may differ from the owner's.
    pub(crate) late_may_differ: bool,
    /// The rule that is left out.
    pub(crate) broken: Option<Broken>,
}

impl Protocol {
    pub(crate) fn records(&self) -> u8 {
        self.bounds.windows.len() as u8
    }

    pub(crate) fn closes(&self, record: u8) -> bool {
        self.bounds.windows[usize::from(record)]
    }

    pub(crate) fn breaks(&self, broken: Broken) -> bool {
        self.broken == Some(broken)
    }
}

impl Model for Protocol {
    type State = World;
    type Step = Step;
    type Breach = Breach;

    fn first(&self) -> World {
        World::new(self.bounds.faults)
    }

    fn steps(&self, world: &World, next: &mut Vec<Step>) {
        self.can_happen(world, next);
    }

    fn after(&self, world: &World, step: Step) -> World {
        let mut after = world.clone();
        self.take(&mut after, step);
        after
    }

    fn may_rest(&self, world: &World, steps: &[Step]) -> bool {
        steps.iter().all(|&step| !self.must_come(world, step))
    }

    fn breaches(&self, world: &World, rests: bool, found: &mut Vec<Breach>) {
        self.check(world, rests, found);
    }
}
