//! Detectors for what is not a person: scripted bots, forged statistics, pasted text, pointers moved by formula; and notes
//! on clocks that are too coarse or too disturbed to judge by.
//!
//! Invariants: a detector looks at times, classes and places only, and keeps a bounded number of them a session
//! ([`LivenessPolicy::keys_max`], [`LivenessPolicy::strokes_max`]); with too few of them it is silent; a coarse clock or a
//! disturbed one is a note and accuses nobody; one accused window adds less to the risk than a step-up needs, so that none
//! locks anybody out alone; the same windows give the same findings.
//!
//! The thresholds were chosen on people who are not judged by the figures that are reported (first half of the Aalto people
//! in the order of their folder, SapiMouse users 1-60), so that fewer than one genuine window in a thousand is accused;
//! `ductus-batch evaluate --protocol attacks` measures both sides. The line of [`Detector::ForgedTimes`] lets one in 200
//! sessions of 200 keys be accused (other Aalto people than its weights were learned from).

mod dense;
mod forged;
mod keys;
mod strokes;
mod times;
mod weights;

pub use forged::{FIGURE_NAMES, FIGURES, FULL_KEYS};
pub use keys::KeyStatistics;
pub use strokes::StrokeStatistics;

use crate::window::{Steps, Window};
use crate::wire::Reason;
use keys::Keys;
use serde::{Deserialize, Serialize};
use strokes::Strokes;

/// What the detectors keep and where their lines are.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LivenessPolicy {
    /// Whether they look at all.
    pub enabled: bool,
    /// Log-likelihood ratio against the person that an accused window adds to the suspicion (natural): too little for a
    /// step-up by one window alone.
    pub accusation: f32,
    /// Most suspicion that a session saves up: enough for a step-up whatever trust there is, too little to end the session
    /// while the evidence says nothing against the person.
    pub suspicion_max: f32,
    /// What remains of it after a window that no detector accuses.
    pub suspicion_keep: f32,
    /// Keystrokes that a session remembers.
    pub keys_max: usize,
    /// Fewest keystrokes for [`Detector::RegularTimes`] and [`Detector::PastedKeys`].
    pub keys_min: usize,
    /// Fewest keystrokes for [`Detector::IndependentTimes`] and [`Detector::ForgedTimes`].
    pub structure_keys_min: usize,
    /// Fewest keystrokes for [`Detector::SymmetricTimes`].
    pub symmetry_keys_min: usize,
    /// Standard deviation of ln dwell below which dwell is too regular.
    pub dwell_spread_min: f32,
    /// Standard deviation of ln press-press time below which the pace is too regular.
    pub pace_spread_min: f32,
    /// Quantile skew of press-press times below which they are too symmetric ([`KeyStatistics::pace_skew`]).
    pub pace_skew_min: f32,
    /// Score of [`KeyStatistics::independence`] from which times hang together less than a person's.
    pub independence_max: f32,
    /// Score of [`KeyStatistics::forged`] from which times are right key by key and do not fit together.
    pub forged_max: f32,
    /// Share of keystrokes without duration from which text was pasted or filled in.
    pub pasted_share_max: f32,
    /// Share of very brief dwells from which times are called disturbed.
    pub brief_share_max: f32,
    /// Clock grid from which a clock is called coarse, and dwell is no longer judged, µs.
    pub coarse_grid_us: i64,
    /// Strokes of the pointer that a session remembers.
    pub strokes_max: usize,
    /// Fewest strokes that are judged.
    pub strokes_min: usize,
    /// Median coefficient of variation of speed within strokes below which the speed is too even.
    pub speed_variation_min: f32,
    /// Median distance of strokes from a quintic in time, as a share of their length, below which they are too smooth.
    pub roughness_min: f32,
    /// Median sideways deviation of strokes from their chord, pixels, below which they are too straight.
    pub deviation_px_min: f32,
}

impl Default for LivenessPolicy {
    fn default() -> Self {
        Self {
            enabled: true,
            accusation: 2.0,
            suspicion_max: 6.5,
            suspicion_keep: 0.8,
            keys_max: 200,
            keys_min: 40,
            structure_keys_min: 100,
            symmetry_keys_min: 150,
            dwell_spread_min: 0.08,
            pace_spread_min: 0.25,
            pace_skew_min: 0.85,
            independence_max: 3.4,
            forged_max: 3.2,
            pasted_share_max: 0.3,
            brief_share_max: 0.04,
            coarse_grid_us: 30_000,
            strokes_max: 16,
            strokes_min: 5,
            speed_variation_min: 0.3,
            roughness_min: 0.0014,
            deviation_px_min: 1.0,
        }
    }
}

/// What found something. Its code stands in a decision's reasons as their measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Detector {
    /// Constant or almost constant times: a script.
    RegularTimes,
    /// Press-press times without the long tail of people: drawn from a Gaussian.
    SymmetricTimes,
    /// Times that do not hang together as a person's do: a copied histogram.
    IndependentTimes,
    /// Times that are a person's key by key, but do not fit together: drawn from that person's own.
    ForgedTimes,
    /// Keystrokes without duration: pasted or filled-in text, or a tool that sends keys.
    PastedKeys,
    /// Strokes of constant speed.
    EvenSpeed,
    /// Strokes that a low polynomial describes to the pixel: a line or a Bézier curve.
    SmoothStrokes,
    /// Strokes without any bend.
    StraightStrokes,
    /// A window that repeats an earlier one of the same subject ([`crate::replay`]).
    Replayed,
    /// A note: the clock is coarse.
    CoarseClock,
    /// A note: times look randomly delayed, as by a keystroke anonymiser.
    DisturbedTimes,
}

impl Detector {
    /// All of them, those that accuse first.
    pub const ALL: [Self; 11] = [
        Self::RegularTimes,
        Self::SymmetricTimes,
        Self::IndependentTimes,
        Self::ForgedTimes,
        Self::PastedKeys,
        Self::EvenSpeed,
        Self::SmoothStrokes,
        Self::StraightStrokes,
        Self::Replayed,
        Self::CoarseClock,
        Self::DisturbedTimes,
    ];

    /// The code in a decision's reasons.
    pub fn code(self) -> &'static str {
        match self {
            Self::RegularTimes => "regular_times",
            Self::SymmetricTimes => "symmetric_times",
            Self::IndependentTimes => "independent_times",
            Self::ForgedTimes => "forged_times",
            Self::PastedKeys => "pasted_keys",
            Self::EvenSpeed => "even_speed",
            Self::SmoothStrokes => "smooth_strokes",
            Self::StraightStrokes => "straight_strokes",
            Self::Replayed => "replayed",
            Self::CoarseClock => "coarse_clock",
            Self::DisturbedTimes => "disturbed_times",
        }
    }

    /// The detector of a code.
    pub fn of_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|detector| detector.code() == code)
    }

    /// Whether it speaks against the person; the others are notes on the quality of the data.
    pub fn accuses(self) -> bool {
        !matches!(self, Self::CoarseClock | Self::DisturbedTimes)
    }
}

/// What a detector found in a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Which detector.
    pub detector: Detector,
    /// What it measured, in `unit`.
    pub value: f32,
    /// Unit of `value`; empty for shares and scores.
    pub unit: &'static str,
    /// A sentence for a person.
    pub text: String,
}

impl Finding {
    /// The reason that a decision carries.
    pub fn reason(&self) -> Reason {
        Reason {
            measure: self.detector.code().to_owned(),
            text: self.text.clone(),
            delta: self.value,
            unit: self.unit.to_owned(),
            z: 0.0,
        }
    }
}

/// What the detectors remember of a session with one subject.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    keys: Keys,
    strokes: Strokes,
    suspicion: f32,
}

impl Watch {
    /// What accusations have added up to, as a log-likelihood ratio against the person (natural, not negative).
    pub fn suspicion(&self) -> f32 {
        self.suspicion
    }

    /// Whether it can have come from windows: what was read from outside is asked before it is used.
    pub(crate) fn is_sound(&self) -> bool {
        let suspicion = self.suspicion.is_finite() && self.suspicion >= 0.0;
        suspicion && self.keys.is_sound() && self.strokes.is_sound()
    }

    /// A window was compared, and was accused or not: suspicion grows to its bound, or fades.
    pub fn suspect(&mut self, accused: bool, policy: &LivenessPolicy) {
        self.suspicion = if accused {
            (self.suspicion + policy.accusation).min(policy.suspicion_max)
        } else {
            self.suspicion * policy.suspicion_keep
        };
    }

    /// Takes the fresh steps of the session's next window and says what they show together with those before.
    pub fn look(&mut self, window: &Window, policy: &LivenessPolicy) -> Vec<Finding> {
        if !policy.enabled {
            return Vec::new();
        }
        match &window.steps {
            Steps::Keys(keys) => {
                self.keys.take(keys, window.fresh, policy.keys_max);
                judge_keys(&self.keys.statistics(policy.structure_keys_min), policy)
            }
            Steps::Pointer(steps) => {
                self.strokes.take(steps, window.fresh, policy.strokes_max);
                judge_strokes(&self.strokes.statistics(), policy)
            }
        }
    }

    /// The figures that keystrokes are judged by: what thresholds are chosen from.
    pub fn key_statistics(&self) -> KeyStatistics {
        self.keys.statistics(0)
    }

    /// What the score against forged times weighs ([`FIGURE_NAMES`]): what its weights are learned from.
    pub fn forgery_figures(&self) -> Option<[f64; FIGURES]> {
        self.keys.forgery_figures()
    }

    /// The figures that pointer strokes are judged by.
    pub fn stroke_statistics(&self) -> StrokeStatistics {
        self.strokes.statistics()
    }
}

fn judge_keys(seen: &KeyStatistics, policy: &LivenessPolicy) -> Vec<Finding> {
    let mut findings = Vec::new();
    if seen.keys < policy.keys_min {
        return findings;
    }
    let coarse = seen.grid_us >= policy.coarse_grid_us;
    let mut find = |detector, value: f32, unit, text: String| {
        findings.push(Finding {
            detector,
            value,
            unit,
            text,
        });
    };
    if !coarse && seen.pasted_share >= policy.pasted_share_max {
        let text = format!("{:.0} % of the keys were down for no time", 100.0 * seen.pasted_share);
        find(Detector::PastedKeys, 100.0 * seen.pasted_share, "%", text);
    }
    let regular = [
        ("dwell", seen.dwell_spread, policy.dwell_spread_min, !coarse),
        ("press-press times", seen.pace_spread, policy.pace_spread_min, true),
    ];
    let regular = regular
        .into_iter()
        .filter(|(_, spread, least, judged)| *judged && spread.is_some_and(|spread| spread < *least));
    if let Some((what, Some(spread), ..)) = regular.into_iter().next() {
        let text = format!("{what} vary by {:.0} %, less than a person's", 100.0 * spread);
        find(Detector::RegularTimes, 100.0 * spread, "%", text);
    }
    let symmetric = seen.pace_skew.filter(|skew| *skew < policy.pace_skew_min);
    if let Some(skew) = symmetric.filter(|_| !coarse && seen.keys >= policy.symmetry_keys_min) {
        let text = format!("press-press times are symmetric, skew {skew:.1}: people's have a long tail");
        find(Detector::SymmetricTimes, skew, "", text);
    }
    let independent = seen.independence.filter(|score| *score >= policy.independence_max);
    if let Some(score) = independent.filter(|_| !coarse && seen.keys >= policy.structure_keys_min) {
        let text = format!("times do not hang together as a person's do, score {score:.1}");
        find(Detector::IndependentTimes, score, "", text);
    }
    let forged = seen.forged.filter(|score| *score >= policy.forged_max);
    // Random delays tear apart what hands hold together: whoever uses them is noted, not accused.
    let disturbed = seen.brief_share >= policy.brief_share_max;
    if let Some(score) = forged.filter(|_| !coarse && !disturbed && seen.keys >= policy.structure_keys_min) {
        let text = format!("times fit key by key but not together, score {score:.1}: drawn from recordings?");
        find(Detector::ForgedTimes, score, "", text);
    }
    if !coarse && seen.brief_share >= policy.brief_share_max && seen.pasted_share < policy.pasted_share_max {
        let text = format!(
            "{:.0} % of the dwells are shorter than a key's travel: delayed at random?",
            100.0 * seen.brief_share
        );
        find(Detector::DisturbedTimes, 100.0 * seen.brief_share, "%", text);
    }
    if coarse {
        let text = format!(
            "the clock ticks every {:.0} ms: dwell is not judged",
            seen.grid_us as f64 / 1e3
        );
        find(Detector::CoarseClock, seen.grid_us as f32 / 1e3, "ms", text);
    }
    findings
}

fn judge_strokes(seen: &StrokeStatistics, policy: &LivenessPolicy) -> Vec<Finding> {
    if seen.strokes < policy.strokes_min {
        return Vec::new();
    }
    let lines = [
        (
            Detector::StraightStrokes,
            seen.deviation_px,
            policy.deviation_px_min,
            "px",
            "strokes bend by",
        ),
        (
            Detector::SmoothStrokes,
            100.0 * seen.roughness,
            100.0 * policy.roughness_min,
            "%",
            "strokes leave a smooth curve by",
        ),
        (
            Detector::EvenSpeed,
            100.0 * seen.speed_variation,
            100.0 * policy.speed_variation_min,
            "%",
            "speed within strokes varies by",
        ),
    ];
    lines
        .into_iter()
        .filter(|(_, value, least, ..)| value < least)
        .map(|(detector, value, _, unit, what)| Finding {
            detector,
            value,
            unit,
            text: format!("{what} {value:.1} {unit}, less than a person's"),
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests;
