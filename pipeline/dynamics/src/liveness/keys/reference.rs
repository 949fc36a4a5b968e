//! The figures written as they are defined, key by key and slowly: what the dense columns are held against.
//!
//! Invariant: nothing is shared with what is held against it but the keys and the constants.

use super::*;
use crate::liveness::forged::FIGURES;
use proptest::prelude::*;

const STRETCH: usize = 10;
const LETTER: usize = 0;
const PAUSE_MS: f64 = 1_500.0;

/// A keystroke with its logarithms.
#[derive(Clone, Copy, Debug)]
struct Slow {
    group: usize,
    dwell_ms: Option<f64>,
    /// ln ms, of a dwell of 10 ms to 2 s.
    ln_dwell: Option<f64>,
    /// Press to press, ms, where it is no pause.
    pace_ms: Option<f64>,
    /// ln ms, of at least 5 ms.
    ln_pace: Option<f64>,
}

impl Slow {
    fn of(key: &Key) -> Self {
        let dwell_ms = key.dwell_ms().map(f64::from);
        let pace_ms = key
            .pace_ms()
            .map(f64::from)
            .filter(|pace| (0.0..PAUSE_MS).contains(pace));
        Self {
            group: usize::from(key.group()),
            dwell_ms,
            ln_dwell: dwell_ms.map(|dwell| dwell.clamp(10.0, 2_000.0).ln()),
            pace_ms,
            ln_pace: pace_ms.map(|pace| pace.max(5.0).ln()),
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Standard deviation.
fn spread(values: &[f64]) -> Option<f32> {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (values.len() >= VALUES_MIN).then(|| (squares / values.len() as f64).sqrt() as f32)
}

fn skew_of(keys: &[Slow]) -> Option<f32> {
    let mut paces: Vec<f64> = keys.iter().filter_map(|key| key.pace_ms).collect();
    if paces.len() < VALUES_MIN {
        return None;
    }
    let last = (paces.len() - 1) as f64;
    let mut quantile = |share: f64| {
        *paces
            .select_nth_unstable_by((share * last).round() as usize, f64::total_cmp)
            .1
    };
    let (low, middle, high) = (quantile(0.1), quantile(0.5), quantile(0.9));
    Some(((high - middle) / (middle - low).max(1.0)) as f32)
}

/// The figures that the score weighs: correlations of what is left of ln dwell and ln pace when the means of their classes
/// (for pace: pairs of classes) are taken away, with their absolute values; the share of dwell that its class explains;
/// modifiers that were released too early; releases out of order.
fn structure_of(keys: &[Slow], levelled: &Left) -> [f64; STRUCTURE] {
    let Left {
        classes,
        dwells,
        plain,
        dwell,
        pace,
    } = levelled;
    let explained = explained_of(dwells, classes);
    let explained_plain = explained_of(plain, classes);
    let [dwell_dwell, pace_pace, dwell_next, dwell_pace, pace_second] = [
        correlation_of(dwell, dwell, 1),
        correlation_of(pace, pace, 1),
        correlation_of(dwell, pace, 1),
        correlation_of(dwell, pace, 0),
        correlation_of(pace, pace, 2),
    ];
    let (early, inversions) = order_of(keys);
    [
        dwell_dwell,
        dwell_dwell.abs(),
        pace_pace,
        pace_pace.abs(),
        dwell_next,
        dwell_next.abs(),
        dwell_pace,
        dwell_pace.abs(),
        pace_second,
        explained.sqrt().min(EXPLAINED_MAX),
        explained_plain.sqrt().min(EXPLAINED_PLAIN_MAX),
        early.min(EARLY_MAX),
        inversions,
    ]
}

/// Times of keys, and what is left of them without the level of what was typed. One value a key each.
struct Left {
    /// The class of each key.
    classes: Vec<usize>,
    /// ln dwell.
    dwells: Vec<Option<f64>>,
    /// ln dwell of all but modifiers.
    plain: Vec<Option<f64>>,
    /// The same without the mean of its class.
    dwell: Vec<Option<f64>>,
    /// ln pace without the mean of its pair of classes.
    pace: Vec<Option<f64>>,
}

impl Left {
    fn of(keys: &[Slow]) -> Self {
        let classes: Vec<usize> = keys.iter().map(|key| key.group).collect();
        let mut pairs = vec![GROUPS * GROUPS; keys.len()];
        for (pair, both) in pairs.iter_mut().skip(1).zip(keys.windows(2)) {
            *pair = both[0].group * GROUPS + both[1].group;
        }
        let not_modifier = |key: &Slow| key.ln_dwell.filter(|_| key.group != MODIFIER);
        let plain: Vec<Option<f64>> = keys.iter().map(not_modifier).collect();
        let paces: Vec<Option<f64>> = keys.iter().map(|key| key.ln_pace).collect();
        Self {
            dwells: keys.iter().map(|key| key.ln_dwell).collect(),
            dwell: residuals(&plain, &classes),
            pace: residuals(&paces, &pairs),
            classes,
            plain,
        }
    }
}

/// Sum and count of the values of each cell.
fn cells(values: &[Option<f64>], cell_of: &[usize]) -> [(f64, f64); GROUPS * GROUPS + 1] {
    let mut cells = [(0.0, 0.0); GROUPS * GROUPS + 1];
    for (value, &cell) in values.iter().zip(cell_of) {
        if let Some(value) = value {
            cells[cell].0 += value;
            cells[cell].1 += 1.0;
        }
    }
    cells
}

/// The values without the mean of their cell.
fn residuals(values: &[Option<f64>], cell_of: &[usize]) -> Vec<Option<f64>> {
    let cells = cells(values, cell_of);
    let left = |(value, &cell): (&Option<f64>, &usize)| value.map(|value| value - cells[cell].0 / cells[cell].1);
    values.iter().zip(cell_of).map(left).collect()
}

/// The share of the variance that lies between the cells, 0-1 (η²).
fn explained_of(values: &[Option<f64>], cell_of: &[usize]) -> f64 {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    if known.len() < VALUES_MIN {
        return 0.0;
    }
    let mean = mean(&known);
    let total: f64 = known.iter().map(|value| (value - mean).powi(2)).sum();
    let cells = cells(values, cell_of);
    let filled = cells.iter().filter(|(_, count)| *count > 0.0);
    let between: f64 = filled.map(|(sum, count)| count * (sum / count - mean).powi(2)).sum();
    if total > 1e-12 {
        (between / total).clamp(0.0, 1.0)
    } else {
        0.0
    }
}

/// Correlation of `a` with what stands `lag` keys later in `b`; 0 where there is too little to say.
fn correlation_of(a: &[Option<f64>], b: &[Option<f64>], lag: usize) -> f64 {
    let pairs = || a.iter().zip(b.iter().skip(lag)).filter_map(|(a, b)| a.zip(*b));
    let count = pairs().count();
    if count < VALUES_MIN {
        return 0.0;
    }
    let (mean_a, mean_b) = pairs().fold((0.0, 0.0), |sum, (a, b)| (sum.0 + a, sum.1 + b));
    let (mean_a, mean_b) = (mean_a / count as f64, mean_b / count as f64);
    let (mut both, mut of_a, mut of_b) = (0.0, 0.0, 0.0);
    for (a, b) in pairs() {
        let (a, b) = (a - mean_a, b - mean_b);
        both += a * b;
        of_a += a * a;
        of_b += b * b;
    }
    if of_a * of_b > 1e-12 {
        both / (of_a * of_b).sqrt()
    } else {
        0.0
    }
}

/// How many of up to ten modifiers were up before the key that followed them went down; and ten times the share of keys (at
/// most a tenth) that were released after the key that followed them.
fn order_of(keys: &[Slow]) -> (f64, f64) {
    let (mut modifiers, mut early, mut plain, mut inverted) = (0, 0, 0, 0);
    for pair in keys.windows(2) {
        let (Some(dwell), Some(pace)) = (pair[0].dwell_ms, pair[1].pace_ms) else {
            continue;
        };
        match (pair[0].group == MODIFIER, pair[1].group == MODIFIER, pair[1].dwell_ms) {
            (true, false, _) => {
                modifiers += 1;
                early += usize::from(dwell < pace);
            }
            (false, false, Some(next_dwell)) => {
                plain += 1;
                inverted += usize::from(dwell > pace + next_dwell);
            }
            _ => {}
        }
    }
    let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    let early = share(early, modifiers) * modifiers.min(10) as f64;
    (early, 10.0 * share(inverted, plain).min(0.1))
}

/// What the score weighs ([`FIGURE_NAMES`]). There are enough of them ([`Times::are_enough`]).
fn figures_of(keys: &[Slow], levelled: &Left) -> [f64; FIGURES] {
    let Left {
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
    let dwell_dwell = correlation_of(&dwell_rank, &dwell_rank, 1);
    let pace_pace = correlation_of(&pace_rank, &pace_rank, 1);
    let pace_dwell = correlation_of(&dwell_rank, &pace_rank, 0);
    let dwell_pace = correlation_of(&dwell_rank, &pace_rank, 1);
    let word_end = word_end(keys, pace);
    let (early, inversions) = order_of(keys);
    [
        dwell_dwell,
        dwell_dwell.abs(),
        correlation_of(&dwell_rank, &dwell_rank, 2),
        pace_pace,
        pace_pace.abs(),
        correlation_of(&pace_rank, &pace_rank, 2),
        correlation_of(&pace_rank, &pace_rank, 3),
        pace_dwell,
        pace_dwell.abs(),
        dwell_pace,
        dwell_pace.abs(),
        correlation_of(&dwell_rank, &pace_rank, 2),
        word_end,
        word_end.abs(),
        between(dwell, &tens),
        between(pace, &tens),
        between(&of_letters, &words),
        early.min(5.0),
        inversions.max(0.0).sqrt(),
        deep(keys).min(0.05),
        between(dwells, classes).max(0.0).sqrt().min(0.5),
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
fn words(keys: &[Slow]) -> Vec<usize> {
    let mut word = 0;
    let number = |key: &Slow| {
        word += usize::from(key.group != LETTER);
        word
    };
    keys.iter().map(number).collect()
}

/// Correlation of a letter's pace, from the second letter of a word on, with whether the word ends with it.
fn word_end(keys: &[Slow], pace: &[Option<f64>]) -> f64 {
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
    correlation_of(&paces, &ends, 0)
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
fn deep(keys: &[Slow]) -> f64 {
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

fn are_enough(keys: &[Slow]) -> bool {
    let known = |key: &&Slow| key.ln_dwell.is_some() && key.ln_pace.is_some();
    keys.iter().filter(known).count() >= VALUES_MIN
}

fn any_key() -> impl Strategy<Value = Key> {
    let dwell_us = prop_oneof![8 => 0_u32..400_000, 1 => 0_u32..3_000_000, 1 => Just(UNKNOWN_US)];
    let pace_us = prop_oneof![8 => 0_u32..600_000, 1 => 0_u32..3_000_000, 1 => Just(UNKNOWN_US)];
    let group = prop_oneof![6 => Just(0_u8), 4 => 0_u8..5];
    (group, dwell_us, pace_us).prop_map(|(group, dwell_us, pace_us)| Key::new(group, dwell_us, pace_us))
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() <= 1e-9 * one.abs().max(1.0)
}

proptest! {
    #![proptest_config(crate::proptest_config(256))]

    #[test]
    fn dense_figures_are_those_that_are_defined(latest in proptest::collection::vec(any_key(), 0..260), turn in 0usize..260) {
        let mut keys = Keys { latest: latest.into() };
        // The queue's memory begins anywhere.
        let turn = turn.min(keys.latest.len());
        let first: Vec<Key> = keys.latest.drain(..turn).collect();
        keys.latest.extend(first);
        let slow: Vec<Slow> = keys.latest.iter().map(Slow::of).collect();
        let seen = keys.statistics(0);
        let dwells: Vec<f64> = slow.iter().filter(|key| key.group != MODIFIER).filter_map(|key| key.ln_dwell).collect();
        let paces: Vec<f64> = slow.iter().filter_map(|key| key.ln_pace).collect();
        for (dense, defined) in [
            (seen.dwell_spread, spread(&dwells)),
            (seen.pace_spread, spread(&paces)),
            (seen.pace_skew, skew_of(&slow)),
        ] {
            prop_assert_eq!(dense.is_some(), defined.is_some());
            prop_assert!(near(dense.unwrap_or(0.0).into(), defined.unwrap_or(0.0).into()), "{dense:?} {defined:?}");
        }
        let brief = slow.iter().filter(|key| key.dwell_ms.is_some_and(|dwell| dwell <= BRIEF_MS)).count();
        prop_assert_eq!(seen.brief_share, brief as f32 / slow.len().max(1) as f32);
        let figures = keys.forgery_figures();
        prop_assert_eq!(figures.is_some(), are_enough(&slow));
        if let Some(dense) = figures {
            let left = Left::of(&slow);
            let defined = figures_of(&slow, &left);
            for (i, (dense, defined)) in dense.iter().zip(defined).enumerate() {
                prop_assert!(near(*dense, defined), "figure {i} against forged times: {dense} {defined}");
            }
            let dense = with_columns(keys.latest.len(), |columns| {
                let times = Times::of(&keys.latest, columns);
                structure(&times, &times.levelled(columns), &times.order(columns))
            });
            for (i, (dense, defined)) in dense.iter().zip(structure_of(&slow, &left)).enumerate() {
                prop_assert!(near(*dense, defined), "figure {i} against independent times: {dense} {defined}");
            }
        }
    }

    #[test]
    fn a_key_is_what_it_was_made_of(group in 0_u8..5, dwell_us in any::<u32>(), pace_us in any::<u32>()) {
        let key = Key::new(group, dwell_us, pace_us);
        prop_assert_eq!((key.group(), key.dwell_us), (group, dwell_us));
        if pace_us == UNKNOWN_US || pace_us < PACE_UNKNOWN {
            prop_assert_eq!(key.pace_us(), pace_us);
        } else {
            prop_assert!(key.pace_us() >= GRID_UP_TO_US && key.pace_us() != UNKNOWN_US, "still a pause");
        }
    }
}
