//! Whether times fit together as those of hands do: a score against forgeries that are right key by key.
//!
//! Who draws every dwell and every pace from a person's own times, class by class, gets each of them right and loses what lies
//! between them: dwell and pace keep their level for some keys and some words, a dwell goes with the pace before and after it,
//! the last letter of a word comes at another pace, keys are let go in the order in which they went down, a modifier is
//! still down when its key goes down. [`figures`] measures these, and one logistic score weighs them.
//!
//! Correlations are of ranks, of what is left of ln dwell without the mean of its class and of ln pace without the mean of its
//! pair of classes. Pauses have no pace, and that somebody pauses or does not is no figure: in sentences that are typed one
//! by one everybody pauses, in free text one stretch of 200 keys in five is without a pause.
//!
//! Invariants: every figure is finite, bounded and 0 where there is too little to say; the score grows with the keys behind
//! it, up to [`FULL_KEYS`], so that a few keys accuse nobody.

use super::keys::{Levelled, MODIFIER, Timed, VALUES_MIN, correlation, order};
use super::weights::{CONSTANT, WEIGHTS};

/// Keystrokes that the score was learned from.
pub const FULL_KEYS: usize = 200;
/// Keys of a stretch over which drift is looked for.
const STRETCH: usize = 10;
/// Group of letters.
const LETTER: usize = 0;
/// Bounds of figures that have none of their own.
const EXPLAINED_MAX: f64 = 0.5;
const EARLY_MAX: f64 = 5.0;
const DEEP_MAX: f64 = 0.05;

/// How many figures there are.
pub const FIGURES: usize = 21;

/// What the figures are called, in their order.
pub const FIGURE_NAMES: [&str; FIGURES] = [
    "dwell with the dwell before",
    "the same without its sign",
    "dwell with the second dwell before",
    "pace with the pace before",
    "the same without its sign",
    "pace with the second pace before",
    "pace with the third pace before",
    "dwell with the pace to its key",
    "the same without its sign",
    "pace with the dwell before",
    "the same without its sign",
    "pace with the second dwell before",
    "pace with the end of a word",
    "the same without its sign",
    "variance of dwell between tens of keys",
    "variance of pace between tens of keys",
    "variance of dwell between words",
    "modifiers up before their key",
    "keys let go out of order, root",
    "three keys down at once",
    "dwell explained by class, root",
];

/// Log-odds that these times were drawn rather than typed. There are [`super::keys::are_enough`].
pub(super) fn score(keys: &[Timed], levelled: &Levelled) -> f32 {
    let score: f64 = figures(keys, levelled)
        .iter()
        .zip(WEIGHTS)
        .map(|(figure, weight)| figure * weight)
        .sum();
    let full = keys.len().min(FULL_KEYS) as f64 / FULL_KEYS as f64;
    ((score + CONSTANT) * full) as f32
}

/// What the score weighs ([`FIGURE_NAMES`]). There are [`super::keys::are_enough`].
pub(super) fn figures(keys: &[Timed], levelled: &Levelled) -> [f64; FIGURES] {
    let Levelled {
        classes,
        dwells,
        dwell,
        pace,
        ..
    } = levelled;
    let (dwell_rank, pace_rank) = (ranks(dwell), ranks(pace));
    let words = words(keys);
    let of_letters: Vec<Option<f64>> = dwell
        .iter()
        .zip(keys)
        .map(|(left, key)| left.filter(|_| key.group == LETTER))
        .collect();
    let tens: Vec<usize> = (0..keys.len()).map(|i| i / STRETCH).collect();
    let dwell_dwell = correlation(&dwell_rank, &dwell_rank, 1);
    let pace_pace = correlation(&pace_rank, &pace_rank, 1);
    let pace_dwell = correlation(&dwell_rank, &pace_rank, 0);
    let dwell_pace = correlation(&dwell_rank, &pace_rank, 1);
    let word_end = word_end(keys, pace);
    let (early, inversions) = order(keys);
    [
        dwell_dwell,
        dwell_dwell.abs(),
        correlation(&dwell_rank, &dwell_rank, 2),
        pace_pace,
        pace_pace.abs(),
        correlation(&pace_rank, &pace_rank, 2),
        correlation(&pace_rank, &pace_rank, 3),
        pace_dwell,
        pace_dwell.abs(),
        dwell_pace,
        dwell_pace.abs(),
        correlation(&dwell_rank, &pace_rank, 2),
        word_end,
        word_end.abs(),
        between(dwell, &tens),
        between(pace, &tens),
        between(&of_letters, &words),
        early.min(EARLY_MAX),
        inversions.max(0.0).sqrt(),
        deep(keys).min(DEEP_MAX),
        between(dwells, classes).max(0.0).sqrt().min(EXPLAINED_MAX),
    ]
}

/// Ranks of the known values, spread over −½ to ½; equal values in their order.
fn ranks(values: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut known: Vec<(usize, f64)> = Vec::with_capacity(values.len());
    known.extend(values.iter().enumerate().filter_map(|(i, value)| Some((i, (*value)?))));
    known.sort_unstable_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
    let mut ranks = vec![None; values.len()];
    for (rank, (i, _)) in known.iter().enumerate() {
        ranks[*i] = Some((rank as f64 + 0.5) / known.len() as f64 - 0.5);
    }
    ranks
}

/// Which word each key is in: a word ends with every key that is no letter.
fn words(keys: &[Timed]) -> Vec<usize> {
    let mut word = 0;
    let number = |key: &Timed| {
        word += usize::from(key.group != LETTER);
        word
    };
    keys.iter().map(number).collect()
}

/// Correlation of a letter's pace, from the second letter of a word on, with whether the word ends with it.
fn word_end(keys: &[Timed], pace: &[Option<f64>]) -> f64 {
    let mut paces = vec![None; keys.len()];
    let mut ends = vec![None; keys.len()];
    for (i, both) in keys.windows(2).enumerate() {
        if both[0].group != LETTER || both[1].group != LETTER {
            continue;
        }
        // The last key of a session may or may not end a word.
        let Some(next) = keys.get(i + 2) else {
            continue;
        };
        paces[i + 1] = pace[i + 1];
        ends[i + 1] = Some(f64::from(u8::from(next.group != LETTER)));
    }
    correlation(&paces, &ends, 0)
}

/// Share of the variance that lies between the cells, less what would by chance (adjusted η²); 0 where there is too little.
fn between(values: &[Option<f64>], cell_of: &[usize]) -> f64 {
    let mut cells = vec![(0.0, 0.0); cell_of.iter().max().map_or(0, |most| most + 1)];
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for (value, cell) in values.iter().zip(cell_of) {
        if let Some(value) = value {
            cells[*cell].0 += value;
            cells[*cell].1 += 1.0;
            (count, sum, squares) = (count + 1.0, sum + value, squares + value * value);
        }
    }
    let mean = sum / f64::max(count, 1.0);
    let total = squares - count * mean * mean;
    if count < VALUES_MIN as f64 || total < 1e-9 {
        return 0.0;
    }
    let filled = cells.iter().filter(|(_, of)| *of > 0.0);
    let explained: f64 = filled.clone().map(|(sum, of)| of * (sum / of - mean).powi(2)).sum();
    (explained / total).clamp(0.0, 1.0) - (filled.count() - 1) as f64 / (count - 1.0)
}

/// Share of keys that were still down when the second key after them went down, modifiers left out.
fn deep(keys: &[Timed]) -> f64 {
    let (mut all, mut down) = (0.0, 0.0);
    for three in keys.windows(3) {
        if three.iter().any(|key| key.group == MODIFIER) {
            continue;
        }
        if let (Some(dwell), Some(first), Some(second)) = (three[0].dwell_ms, three[1].pace_ms, three[2].pace_ms) {
            all += 1.0;
            down += f64::from(u8::from(dwell > first + second));
        }
    }
    down / f64::max(all, 1.0)
}
