//! Breadth-first search through every state that a model can reach.
//!
//! Invariants: every step of every state is taken once, so that what is not found is not there within the model's bounds; the
//! counter-example is one of the shortest; two searches of one model give the same answer. States are told apart by 64-bit
//! fingerprints: among a million of them the chance that any two are taken for one is below one in ten million.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// What can be searched.
pub(crate) trait Model {
    /// Everything that decides what can happen next.
    type State: Hash;
    /// One thing that happens.
    type Step: Copy + Display;
    /// What must never be seen.
    type Breach: Breach;

    /// Where every run begins.
    fn first(&self) -> Self::State;
    /// Appends what can happen next; nothing where the run has ended.
    fn steps(&self, state: &Self::State, next: &mut Vec<Self::Step>);
    /// The state after a step that [`Model::steps`] gave.
    fn after(&self, state: &Self::State, step: Self::Step) -> Self::State;
    /// Whether a run may stay in this state for ever: all that can happen in it need not happen.
    fn may_rest(&self, state: &Self::State, steps: &[Self::Step]) -> bool;
    /// Appends what is wrong with a state.
    fn breaches(&self, state: &Self::State, rests: bool, found: &mut Vec<Self::Breach>);
}

/// Something that was promised and does not hold.
pub(crate) trait Breach: Copy {
    /// Number of the property; of each, one counter-example is kept.
    fn property(&self) -> u8;
}

/// What a search saw.
pub(crate) struct Explored<B> {
    /// States, each counted once.
    pub(crate) states: usize,
    /// Steps between them.
    pub(crate) transitions: usize,
    /// States in which a run may rest.
    pub(crate) rests: usize,
    /// Steps of the longest of the shortest ways to a state.
    pub(crate) depth: usize,
    /// Whether some run never comes to rest; not looked for where there is a counter-example.
    pub(crate) endless: bool,
    /// By property: one of the shortest ways to a breach of it, in the order in which they were met.
    pub(crate) found: Vec<Counterexample<B>>,
}

/// A way to a breach.
pub(crate) struct Counterexample<B> {
    /// What is broken.
    pub(crate) breach: B,
    /// What happened, in words.
    pub(crate) trace: Vec<String>,
}

/// Walks through all of `model`.
pub(crate) fn explore<M: Model>(model: &M) -> Explored<M::Breach> {
    let first = model.first();
    let mut seen: HashMap<u64, usize, BuildHasherDefault<Fingerprint>> = HashMap::default();
    seen.insert(fingerprint(&first), 0);
    // By state: the state before it and the step from there. The first one has none.
    let mut origins: Vec<Option<(usize, M::Step)>> = vec![None];
    let mut edges: Vec<(usize, usize)> = Vec::new();
    let (mut level, mut steps, mut breaches) = (vec![(0, first)], Vec::new(), Vec::new());
    let (mut rests, mut depth, mut found) = (0, 0, Vec::<Counterexample<M::Breach>>::new());
    while !level.is_empty() {
        let mut next_level = Vec::new();
        for (index, state) in level {
            steps.clear();
            model.steps(&state, &mut steps);
            let may_rest = model.may_rest(&state, &steps);
            rests += usize::from(may_rest);
            model.breaches(&state, may_rest, &mut breaches);
            let broken = !breaches.is_empty();
            for breach in breaches.drain(..) {
                if found.iter().all(|other| other.breach.property() != breach.property()) {
                    let trace = trace(&origins, index);
                    found.push(Counterexample { breach, trace });
                }
            }
            // Where a run is broken, more of it tells nothing.
            for &step in steps.iter().filter(|_| !broken) {
                let after = model.after(&state, step);
                let known = *seen.entry(fingerprint(&after)).or_insert(origins.len());
                if known == origins.len() {
                    origins.push(Some((index, step)));
                    next_level.push((known, after));
                }
                edges.push((index, known));
            }
        }
        depth += usize::from(!next_level.is_empty());
        level = next_level;
    }
    let endless = found.is_empty() && has_cycle(origins.len(), &edges);
    Explored {
        states: origins.len(),
        transitions: edges.len(),
        rests,
        depth,
        endless,
        found,
    }
}

/// Tells states apart. The standard hasher takes most of a search's time in a debug build.
#[derive(Default)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    /// Each word is one to one on what went before, and moves every bit (the finaliser of SplitMix64, halved).
    fn add(&mut self, word: u64) {
        let sum = (self.0 ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
        let sum = (sum ^ (sum >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        self.0 = sum ^ (sum >> 31);
    }
}

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            self.add(chunk.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.add(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.add(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        self.add(value);
    }

    fn write_usize(&mut self, value: usize) {
        self.add(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.add(value as u64);
    }
}

/// A state's 64 bits.
pub(crate) fn fingerprint(state: &impl Hash) -> u64 {
    let mut hasher = Fingerprint::default();
    state.hash(&mut hasher);
    hasher.finish()
}

fn trace<S: Display>(origins: &[Option<(usize, S)>], mut index: usize) -> Vec<String> {
    let mut trace = Vec::new();
    while let Some((before, step)) = &origins[index] {
        trace.push(step.to_string());
        index = *before;
    }
    trace.reverse();
    trace
}

/// Takes away states that nothing leads to, again and again: what is left goes in circles.
fn has_cycle(states: usize, edges: &[(usize, usize)]) -> bool {
    let mut incoming = vec![0_u32; states];
    let mut starts = vec![0_usize; states + 1];
    for &(_, to) in edges {
        incoming[to] += 1;
    }
    // Edges come in the order of the states that they leave, so that each state's edges lie together.
    let mut position = 0;
    for (state, start) in starts.iter_mut().enumerate() {
        *start = position;
        while position < edges.len() && edges[position].0 == state {
            position += 1;
        }
    }
    let mut free: Vec<usize> = (0..states).filter(|&state| incoming[state] == 0).collect();
    let mut taken = 0;
    while let Some(state) = free.pop() {
        taken += 1;
        for &(_, to) in &edges[starts[state]..starts[state + 1]] {
            incoming[to] -= 1;
            if incoming[to] == 0 {
                free.push(to);
            }
        }
    }
    taken < states
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts up by one or two; from `back` it may return to the beginning. Seven is bad luck.
    struct Counter {
        last: u8,
        back: Option<u8>,
    }

    impl Model for Counter {
        type State = u8;
        type Step = u8;
        type Breach = Seven;

        fn first(&self) -> u8 {
            0
        }

        fn steps(&self, state: &u8, next: &mut Vec<u8>) {
            next.extend(
                [1, 2]
                    .map(|step| state + step)
                    .into_iter()
                    .filter(|&after| after <= self.last),
            );
            next.extend(self.back.filter(|back| back == state).map(|_| 0));
        }

        fn after(&self, _: &u8, step: u8) -> u8 {
            step
        }

        fn may_rest(&self, _: &u8, steps: &[u8]) -> bool {
            steps.is_empty()
        }

        fn breaches(&self, state: &u8, _: bool, found: &mut Vec<Seven>) {
            found.extend((*state == 7).then_some(Seven));
        }
    }

    #[derive(Clone, Copy)]
    struct Seven;

    impl Breach for Seven {
        fn property(&self) -> u8 {
            7
        }
    }

    #[test]
    fn every_state_is_seen_once_and_the_shortest_way_is_told() {
        for (last, back, states, rests, endless, trace) in [
            (5, None, 6, 1, false, None),
            (5, Some(4), 6, 1, true, None),
            (9, None, 10, 1, false, Some(["1", "3", "5", "7"])),
        ] {
            let explored = explore(&Counter { last, back });
            assert_eq!(
                (explored.states, explored.rests, explored.endless),
                (states, rests, endless),
                "up to {last}"
            );
            let found = explored.found.first().map(|it| it.trace.clone());
            assert_eq!(found, trace.map(|it| it.map(str::to_owned).to_vec()), "up to {last}");
        }
    }
}
