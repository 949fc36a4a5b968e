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

use super::dense::{Cell, Column, Columns, correlation, correlation_of_known, explained_beyond_chance};
use super::times::{Levelled, Order, Times};
use super::weights::{CONSTANT, WEIGHTS};

/// Keystrokes that the score was learned from.
pub const FULL_KEYS: usize = 200;
/// Keys of a stretch over which drift is looked for.
const STRETCH: usize = 10;
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

/// Log-odds that these times were drawn rather than typed. There are [`Times::are_enough`].
pub(super) fn score<'a>(times: &Times<'a>, levelled: &Levelled<'a>, order: &Order, columns: &mut Columns<'a>) -> f32 {
    let score: f64 = figures(times, levelled, order, columns)
        .iter()
        .zip(WEIGHTS)
        .map(|(figure, weight)| figure * weight)
        .sum();
    let full = times.keys().min(FULL_KEYS) as f64 / FULL_KEYS as f64;
    ((score + CONSTANT) * full) as f32
}

/// What the score weighs ([`FIGURE_NAMES`]). There are [`Times::are_enough`].
pub(super) fn figures<'a>(
    times: &Times<'a>,
    levelled: &Levelled<'a>,
    order: &Order,
    columns: &mut Columns<'a>,
) -> [f64; FIGURES] {
    let Levelled { dwells, dwell, pace } = levelled;
    let (dwell_rank, pace_rank) = (&dwell.ranks(columns), &pace.ranks(columns));
    let letters = times.letters(columns);
    let of_letters = columns.only(dwell.column(), letters);
    let dwell_dwell = correlation(dwell_rank, dwell_rank, 1);
    let pace_pace = correlation(pace_rank, pace_rank, 1);
    let pace_dwell = correlation(dwell_rank, pace_rank, 0);
    let dwell_pace = correlation(dwell_rank, pace_rank, 1);
    let word_end = word_end(letters, pace.column(), columns);
    [
        dwell_dwell,
        dwell_dwell.abs(),
        correlation(dwell_rank, dwell_rank, 2),
        pace_pace,
        pace_pace.abs(),
        correlation(pace_rank, pace_rank, 2),
        correlation(pace_rank, pace_rank, 3),
        pace_dwell,
        pace_dwell.abs(),
        dwell_pace,
        dwell_pace.abs(),
        correlation(dwell_rank, pace_rank, 2),
        word_end,
        word_end.abs(),
        explained_beyond_chance(&stretches(dwell.column()), &dwell.moments()),
        explained_beyond_chance(&stretches(pace.column()), &pace.moments()),
        explained_beyond_chance(&words(of_letters, letters), &of_letters.moments()),
        order.early_modifiers().min(EARLY_MAX),
        order.inversions().max(0.0).sqrt(),
        order.held().min(DEEP_MAX),
        explained_beyond_chance(dwells, &times.of_dwell)
            .max(0.0)
            .sqrt()
            .min(EXPLAINED_MAX),
    ]
}

/// The column by tens of keys.
fn stretches(column: Column<'_>) -> Vec<Cell> {
    let keys = column.keys();
    let stretches = column.values[..keys]
        .chunks(STRETCH)
        .zip(column.known[..keys].chunks(STRETCH));
    let cell = |(values, known): (&[f64], &[f64])| Cell {
        sum: values.iter().sum(),
        count: known.iter().sum(),
    };
    stretches.map(cell).collect()
}

/// The column, of letters only, by words: a word ends with every key that is no letter.
fn words(column: Column<'_>, letters: &[f64]) -> Vec<Cell> {
    let mut cells = vec![Cell::default(); column.keys() + 1];
    let (mut word, mut cell) = (0, Cell::default());
    for ((letter, value), known) in letters.iter().zip(column.values).zip(column.known).take(column.keys()) {
        let goes_on = *letter > 0.0;
        word += usize::from(!goes_on);
        cell.sum = if goes_on { cell.sum } else { 0.0 } + value;
        cell.count = if goes_on { cell.count } else { 0.0 } + known;
        // Written for each key, so that nothing has to be asked.
        cells[word] = cell;
    }
    cells.truncate(word + 1);
    cells
}

/// Correlation of a letter's pace, from the second letter of a word on, with whether the word ends with it.
fn word_end<'a>(letters: &[f64], pace: Column<'a>, columns: &mut Columns<'a>) -> f64 {
    // The last key of a session may or may not end a word, and the first has no pace.
    let judged = pace.keys().saturating_sub(2);
    let (inside, ends) = (columns.empty(), columns.empty());
    let three = letters.iter().zip(&letters[1..]).zip(&letters[2..]).take(judged);
    let judge = inside[1..].iter_mut().zip(&mut ends[1..]);
    for ((inside, end), ((before, letter), next)) in judge.zip(three) {
        *inside = before * letter;
        *end = *inside * (1.0 - next);
    }
    let paces = columns.only(pace, inside);
    let ends = columns.fill(ends.iter().zip(paces.known).map(|(end, known)| end * known));
    correlation_of_known(paces, ends)
}
