//! The attacks, and the genuine people whose clocks are odd.

use super::cast::{Cast, presentation_steps};
use ductus_dynamics::event::{InputEvent, Modality};
use ductus_dynamics::synthetic::attack::{
    self, Course, constant, delayed, jittered, jittered_path, pasted, presses, quantised, scaled, scripted_pointer,
};
use ductus_dynamics::synthetic::forgery::Keeps;

/// Presentations of one attack on each victim; those that draw nothing by chance are made once.
pub(super) const DRAWS: u64 = 3;
/// Keys that are pasted at once.
const PASTED_KEYS: usize = 40;

/// One way to attack: gives the events of attempt `draw` on a victim, and the latest possible number of attempts.
#[derive(Clone, Copy)]
pub(super) struct Attack {
    pub(super) name: &'static str,
    pub(super) draws: u64,
    pub(super) make: fn(&Cast, usize, u64) -> Vec<InputEvent>,
}

const fn attack(name: &'static str, draws: u64, make: fn(&Cast, usize, u64) -> Vec<InputEvent>) -> Attack {
    Attack { name, draws, make }
}

/// The attacks of a modality. All but the last replay play a session again that the system has seen.
pub(super) fn attacks(modality: Modality) -> &'static [Attack] {
    match modality {
        Modality::Keystroke => &KEYSTROKE,
        Modality::Pointer => &POINTER,
    }
}

const KEYSTROKE: [Attack; 19] = [
    attack("replay_exact", 1, |cast, victim, _| {
        keys(&presses(&cast.subjects[victim].watch))
    }),
    attack("replay_slower_10pct", 1, |cast, victim, _| {
        keys(&scaled(&presses(&cast.subjects[victim].watch), 1.1))
    }),
    attack("replay_faster_10pct", 1, |cast, victim, _| {
        keys(&scaled(&presses(&cast.subjects[victim].watch), 0.9))
    }),
    attack("replay_jittered_10ms", DRAWS, |cast, victim, draw| {
        keys(&jittered(
            &presses(&cast.subjects[victim].watch),
            10_000,
            seed(victim, draw),
        ))
    }),
    attack("replay_jittered_20ms", DRAWS, |cast, victim, draw| {
        keys(&jittered(
            &presses(&cast.subjects[victim].watch),
            20_000,
            seed(victim, draw),
        ))
    }),
    attack("replay_scaled_and_jittered", DRAWS, |cast, victim, draw| {
        let factor = [0.9, 1.05, 1.1][draw as usize % 3];
        let slower = scaled(&presses(&cast.subjects[victim].watch), factor);
        keys(&jittered(&slower, 10_000, seed(victim, draw)))
    }),
    attack("replay_of_unseen_session", 1, |cast, victim, _| {
        cast.subjects[victim].unseen.clone()
    }),
    attack("forgery_population_figures", DRAWS, |cast, victim, draw| {
        keys(&cast.population.log_normal(cast.text_for(victim), seed(victim, draw)))
    }),
    attack("forgery_population_digraphs", DRAWS, |cast, victim, draw| {
        keys(&cast.population.forgery(cast.text_for(victim), seed(victim, draw)))
    }),
    attack("forgery_victim_digraphs", DRAWS, |cast, victim, draw| {
        keys(
            &cast.subjects[victim]
                .times
                .forgery(cast.text_for(victim), seed(victim, draw)),
        )
    }),
    attack("forgery_victim_pauses", DRAWS, |cast, victim, draw| {
        forged(Keeps::Pauses, cast, victim, draw)
    }),
    attack("forgery_victim_rollover", DRAWS, |cast, victim, draw| {
        forged(Keeps::Rollover, cast, victim, draw)
    }),
    attack("forgery_victim_trigrams", DRAWS, |cast, victim, draw| {
        forged(Keeps::Triples, cast, victim, draw)
    }),
    attack("forgery_victim_correlated", DRAWS, |cast, victim, draw| {
        forged(Keeps::Correlation, cast, victim, draw)
    }),
    attack("forgery_victim_pieces", DRAWS, |cast, victim, draw| {
        forged(Keeps::Pieces, cast, victim, draw)
    }),
    attack("bot_constant", 1, |cast, victim, _| {
        keys(&constant(cast.text_for(victim), 90_000, 180_000))
    }),
    attack("bot_gaussian_of_victim", DRAWS, |cast, victim, draw| {
        keys(
            &cast.subjects[victim]
                .times
                .gaussian(cast.text_for(victim), seed(victim, draw)),
        )
    }),
    attack("bot_histogram_of_victim", DRAWS, |cast, victim, draw| {
        keys(
            &cast.subjects[victim]
                .times
                .histogram(cast.text_for(victim), seed(victim, draw)),
        )
    }),
    attack("paste_or_autofill", 1, |cast, victim, _| {
        keys(&pasted(cast.text_for(victim), PASTED_KEYS))
    }),
];

const POINTER: [Attack; 7] = [
    attack("replay_exact", 1, |cast, victim, _| cast.subjects[victim].watch.clone()),
    attack("replay_moved_and_jittered_10ms", DRAWS, |cast, victim, draw| {
        let by = [(40, -25), (-60, 10), (5, 80)][draw as usize % 3];
        jittered_path(&cast.subjects[victim].watch, 10_000, by, seed(victim, draw))
    }),
    attack("replay_of_unseen_session", 1, |cast, victim, _| {
        cast.subjects[victim].unseen.clone()
    }),
    attack("bot_straight", DRAWS, |_, victim, draw| {
        pointer(Course::Straight, seed(victim, draw))
    }),
    attack("bot_bezier", DRAWS, |_, victim, draw| {
        pointer(Course::Bezier, seed(victim, draw))
    }),
    attack("bot_bezier_eased", DRAWS, |_, victim, draw| {
        pointer(Course::EasedBezier, seed(victim, draw))
    }),
    attack("bot_least_jerk_and_tremor", DRAWS, |_, victim, draw| {
        pointer(Course::Trembling, seed(victim, draw))
    }),
];

/// A genuine person's clock: every session of theirs goes through it, enrolment included.
#[derive(Clone, Copy)]
pub(super) struct OddClock {
    pub(super) name: &'static str,
    pub(super) apply: fn(&[InputEvent], u64) -> Vec<InputEvent>,
}

/// The odd clocks, with the plain one first.
pub(super) const CLOCKS: [OddClock; 7] = [
    OddClock {
        name: "genuine",
        apply: |events, _| events.to_vec(),
    },
    OddClock {
        name: "genuine_clock_1ms",
        apply: |events, seed| quantised(events, 1_000, seed),
    },
    OddClock {
        name: "genuine_clock_2ms",
        apply: |events, seed| quantised(events, 2_000, seed),
    },
    OddClock {
        name: "genuine_clock_10ms",
        apply: |events, seed| quantised(events, 10_000, seed),
    },
    OddClock {
        name: "genuine_clock_16ms",
        apply: |events, seed| quantised(events, 16_000, seed),
    },
    OddClock {
        name: "genuine_clock_100ms",
        apply: |events, seed| quantised(events, 100_000, seed),
    },
    OddClock {
        name: "genuine_delayed_100ms",
        apply: |events, seed| delayed(events, 100_000, seed),
    },
];

/// A seed of an attempt on a victim.
pub(super) fn seed(victim: usize, draw: u64) -> u64 {
    20_261_121 ^ ((victim as u64) << 16) ^ draw
}

fn keys(presses: &[attack::Press]) -> Vec<InputEvent> {
    attack::events(presses, 0, 0)
}

fn forged(keeps: Keeps, cast: &Cast, victim: usize, draw: u64) -> Vec<InputEvent> {
    let forger = &cast.subjects[victim].forger;
    keys(&forger.forge(keeps, cast.text_for(victim), seed(victim, draw)))
}

fn pointer(course: Course, seed: u64) -> Vec<InputEvent> {
    scripted_pointer(course, presentation_steps(Modality::Pointer), 0, seed)
}
