//! Columns of numbers and what is counted over them, laid out so that the compiler turns the loops into vector code: no
//! branch, no `Option`, no bound to check within a loop.
//!
//! Invariants: the same numbers give the same bits on every machine (sums are taken in a fixed order, logarithms are our own);
//! a value that is not known is 0 and weighs 0; behind the values of a column are zeros that weigh 0, so that a loop may run
//! over whole blocks and look [`LAG_MAX`] keys ahead.

use std::cell::RefCell;

/// Values that are taken in one turn of a loop.
const BLOCK: usize = 4;
/// How far ahead [`correlation`] looks at most.
pub(super) const LAG_MAX: usize = BLOCK;
/// Fewest values behind a figure.
pub(super) const VALUES_MIN: usize = 20;
/// Two to the power of 52: added to a smaller number that is not negative, it rounds that to a whole one, in its lowest bits.
const WHOLE: f64 = 4_503_599_627_370_496.0;

thread_local! {
    /// The memory of [`with_columns`], kept from look to look: a line looks at thousands of windows a second.
    static SPACE: RefCell<Vec<f64>> = const { RefCell::new(Vec::new()) };
}

/// Columns that a look fills at most.
const COLUMNS_MAX: usize = 26;

/// Looks at columns of so many keys. What was in their memory before is never read.
pub(super) fn with_columns<R>(keys: usize, look: impl FnOnce(&mut Columns<'_>) -> R) -> R {
    let needed = COLUMNS_MAX * width(keys);
    SPACE.with_borrow_mut(|space| {
        if space.len() < needed {
            space.resize(needed, 0.0);
        }
        look(&mut Columns { rest: space, keys })
    })
}

fn width(keys: usize) -> usize {
    keys.next_multiple_of(BLOCK) + LAG_MAX
}

/// Columns that are not filled yet.
#[derive(Debug)]
pub(super) struct Columns<'a> {
    rest: &'a mut [f64],
    keys: usize,
}

impl<'a> Columns<'a> {
    /// The next one, with anything in it.
    fn next(&mut self) -> &'a mut [f64] {
        let (column, rest) = std::mem::take(&mut self.rest).split_at_mut(width(self.keys));
        self.rest = rest;
        column
    }

    /// The next one, with zeros.
    pub(super) fn empty(&mut self) -> &'a mut [f64] {
        let column = self.next();
        column.fill(0.0);
        column
    }

    /// The next one, with these values, one a key.
    pub(super) fn fill(&mut self, values: impl Iterator<Item = f64>) -> &'a [f64] {
        self.fill_and_end(values, 0.0)
    }

    /// The same, with `end` behind the values.
    pub(super) fn fill_and_end(&mut self, values: impl Iterator<Item = f64>, end: f64) -> &'a [f64] {
        let keys = self.keys;
        let column = self.next();
        for (place, value) in column[..keys].iter_mut().zip(values) {
            *place = value;
        }
        column[keys..].fill(end);
        column
    }

    /// Values and whether they are known.
    pub(super) fn pair(&self, values: &'a [f64], known: &'a [f64]) -> Column<'a> {
        Column {
            values,
            known,
            keys: self.keys,
        }
    }

    /// The values that `weights` does not weigh 0.
    pub(super) fn only(&mut self, column: Column<'_>, weights: &[f64]) -> Column<'a> {
        let weighed = |(value, weight): (&f64, &f64)| value * weight;
        let values = self.fill(column.values.iter().zip(weights).map(weighed));
        let known = self.fill(column.known.iter().zip(weights).map(weighed));
        self.pair(values, known)
    }
}

/// A value for each key, with whether it is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column<'a> {
    /// The values; 0 where none is known.
    pub(super) values: &'a [f64],
    /// 1 where the value is known, otherwise 0.
    pub(super) known: &'a [f64],
    keys: usize,
}

impl Column<'_> {
    /// How many keys.
    pub(super) fn keys(&self) -> usize {
        self.keys
    }

    /// Count, mean and squares of the known values.
    pub(super) fn moments(&self) -> Moments {
        let [count, sum] = sums(self.values, self.known, |value, known| [known, value]);
        let mean = sum / count.max(1.0);
        let [squares] = sums(self.values, self.known, |value, known| {
            let off = (value - mean) * known;
            [off * off]
        });
        Moments { count, mean, squares }
    }
}

/// How many values, their mean, and the sum of the squares of what they are off it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moments {
    pub(super) count: f64,
    pub(super) mean: f64,
    pub(super) squares: f64,
}

impl Moments {
    /// Standard deviation.
    pub(super) fn spread(&self) -> Option<f32> {
        (self.count >= VALUES_MIN as f64).then(|| (self.squares / self.count).sqrt() as f32)
    }
}

/// Sum and count of the values in a cell.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cell {
    pub(super) sum: f64,
    pub(super) count: f64,
}

impl Cell {
    pub(super) fn add(&mut self, value: f64, known: f64) {
        self.sum += value;
        self.count += known;
    }

    /// The mean; 0 of nothing.
    pub(super) fn mean(&self) -> f64 {
        self.sum / self.count.max(1.0)
    }
}

/// Squares that lie between the cells, and how many cells are not empty.
fn between_cells(cells: &[Cell], mean: f64) -> (f64, f64) {
    let (mut between, mut filled) = (0.0, 0.0);
    for cell in cells {
        let off = cell.mean() - mean;
        between += cell.count * (off * off);
        filled += if cell.count > 0.0 { 1.0 } else { 0.0 };
    }
    (between, filled)
}

/// The share of the variance that lies between the cells, 0-1 (η²).
pub(super) fn explained(cells: &[Cell], of: &Moments) -> f64 {
    if of.count < VALUES_MIN as f64 || of.squares <= 1e-12 {
        return 0.0;
    }
    (between_cells(cells, of.mean).0 / of.squares).clamp(0.0, 1.0)
}

/// The same less what would by chance (adjusted η²); 0 where there is too little.
pub(super) fn explained_beyond_chance(cells: &[Cell], of: &Moments) -> f64 {
    if of.count < VALUES_MIN as f64 || of.squares < 1e-9 {
        return 0.0;
    }
    let (between, filled) = between_cells(cells, of.mean);
    (between / of.squares).clamp(0.0, 1.0) - (filled - 1.0) / (of.count - 1.0)
}

/// A column that is correlated with others, with what all these correlations share.
#[derive(Debug)]
pub(super) struct Series<'a> {
    column: Column<'a>,
    /// Keys whose value is not known.
    gaps: Vec<u32>,
    all: Partners,
}

/// Values that have a partner in another series: how many, their sum and that of their squares.
#[derive(Clone, Copy, Debug)]
struct Partners {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Partners {
    /// Without these keys.
    fn without(mut self, column: Column<'_>, keys: impl Iterator<Item = usize>) -> Self {
        for key in keys {
            let value = column.values[key];
            self.count -= column.known[key];
            self.sum -= value;
            self.squares -= value * value;
        }
        self
    }
}

impl<'a> Series<'a> {
    /// A series of values that lie around 0: sums of squares are not taken about the mean.
    pub(super) fn of(column: Column<'a>) -> Self {
        let mut gaps = vec![0; column.keys + 1];
        let mut count = 0;
        for (key, known) in (0..).zip(&column.known[..column.keys]) {
            gaps[count] = key;
            count += usize::from(*known == 0.0);
        }
        gaps.truncate(count);
        let [sum, squares] = sums(column.values, column.values, |value, same| [value, value * same]);
        let count = (column.keys - gaps.len()) as f64;
        let all = Partners { count, sum, squares };
        Self { column, gaps, all }
    }

    /// Count, mean and squares of the known values.
    pub(super) fn moments(&self) -> Moments {
        let Partners { count, sum, squares } = self.all;
        let mean = sum / count.max(1.0);
        Moments {
            count,
            mean,
            squares: squares - sum * mean,
        }
    }

    /// The column itself.
    pub(super) fn column(&self) -> Column<'a> {
        self.column
    }

    /// Ranks of the known values, in steps of 2 around 0; equal values in the order of their keys.
    pub(super) fn ranks(&self, columns: &mut Columns<'a>) -> Self {
        let sorted = Sorted::of(self.column);
        let (known, ranks) = (sorted.len(), columns.empty());
        for (rank, key) in (0..).zip(sorted.into_keys()) {
            ranks[key] = f64::from(2 * rank + 1 - known as i32);
        }
        let count = known as f64;
        Self {
            column: columns.pair(ranks, self.column.known),
            gaps: self.gaps.clone(),
            all: Partners {
                count,
                sum: 0.0,
                squares: count * (count * count - 1.0) / 3.0,
            },
        }
    }
}

/// Correlation of `a` with what stands `lag` keys later in `b`, at most [`LAG_MAX`]; 0 where there is too little to say.
pub(super) fn correlation(a: &Series<'_>, b: &Series<'_>, lag: usize) -> f64 {
    let keys = a.column.keys;
    let whole = a.column.values.len() - LAG_MAX;
    let product = dot(&a.column.values[..whole], &b.column.values[lag..lag + whole]);
    // Of all values those go that have no partner: few, so that this is less work than to ask each pair.
    let behind = keys.saturating_sub(lag);
    let of_a = a.all.without(
        a.column,
        b.gaps
            .iter()
            .filter_map(|key| (*key as usize).checked_sub(lag))
            .chain(behind..keys),
    );
    let ahead = a.gaps.iter().map(|key| *key as usize + lag).filter(|key| *key < keys);
    let of_b = b.all.without(b.column, ahead.chain(0..lag.min(keys)));
    of_pairs(of_a, of_b, product)
}

/// Correlation of two columns in which the same values are known; 0 where there is too little to say.
pub(super) fn correlation_of_known(a: Column<'_>, b: &[f64]) -> f64 {
    let [count, sum_a] = sums(a.values, a.known, |value, known| [known, value]);
    let [sum_b] = sums(b, a.known, |value, known| [value * known]);
    let of_a = Partners {
        count,
        sum: sum_a,
        squares: dot(a.values, a.values),
    };
    let of_b = Partners {
        count,
        sum: sum_b,
        squares: dot(b, b),
    };
    of_pairs(of_a, of_b, dot(a.values, b))
}

fn of_pairs(a: Partners, b: Partners, product: f64) -> f64 {
    let count = a.count;
    if count < VALUES_MIN as f64 {
        return 0.0;
    }
    let (of_a, of_b) = (a.squares - a.sum * a.sum / count, b.squares - b.sum * b.sum / count);
    if of_a * of_b > 1e-12 {
        (product - a.sum * b.sum / count) / (of_a * of_b).sqrt()
    } else {
        0.0
    }
}

/// Sum of the products.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let [sum] = sums(a, b, |a, b| [a * b]);
    sum
}

/// Sums over two slices of the same length, which is a multiple of the lanes.
pub(super) fn sums<const N: usize>(a: &[f64], b: &[f64], terms: impl Fn(f64, f64) -> [f64; N]) -> [f64; N] {
    let mut sums = [[0.0; BLOCK]; N];
    for (a, b) in a.as_chunks::<BLOCK>().0.iter().zip(b.as_chunks::<BLOCK>().0) {
        for lane in 0..BLOCK {
            for (sum, term) in sums.iter_mut().zip(terms(a[lane], b[lane])) {
                sum[lane] += term;
            }
        }
    }
    sums.map(|lanes| (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]))
}

/// Natural logarithm of a number from 1 on that is finite, to within 1e-13. Not that of the standard library, which is a call
/// for each number and may differ in its last bit from machine to machine.
pub(super) fn ln(x: f64) -> f64 {
    /// Bits of √½: the mantissa is taken from there to √2, where the series converges best.
    const ROOT_HALF: u64 = 0x3fe6_a09e_0000_0000;
    let exponent = x.to_bits().wrapping_sub(ROOT_HALF) >> 52;
    let mantissa = f64::from_bits(x.to_bits().wrapping_sub(exponent << 52));
    let exponent = f64::from_bits(exponent | WHOLE.to_bits()) - WHOLE;
    // ln m = 2 (s + s³/3 + s⁵/5 + …) of s = (m − 1) / (m + 1), which is at most 0.172: eight terms leave 1e-14.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let z = s * s;
    let high = (1.0 / 9.0 + z * (1.0 / 11.0)) + (z * z) * (1.0 / 13.0 + z * (1.0 / 15.0));
    let low = (1.0 + z * (1.0 / 3.0)) + (z * z) * (1.0 / 5.0 + z * (1.0 / 7.0));
    let z4 = (z * z) * (z * z);
    exponent * std::f64::consts::LN_2 + 2.0 * s * (low + z4 * high)
}

/// Buckets that values are sorted by: a few for each key, so that most values are in their place at once.
const BUCKETS: usize = 512;
/// Bits of a place within a bucket, and of the number of a key.
const PLACE_BITS: u32 = 30;
const KEY_BITS: u32 = 64 - PLACE_BITS - BUCKETS.ilog2() - 1;

/// The known values of a column by buckets, in the order of the buckets and within each in that of the keys. Values are told
/// apart to within a 10¹¹th of their range.
#[derive(Debug)]
pub(super) struct Sorted<'a> {
    column: Column<'a>,
    /// Bucket, place within it, key: these are numbers that grow with the value, and with the key where values are equal.
    placed: Vec<u64>,
    /// Where each bucket ends; behind them what is not known.
    ends: [u32; BUCKETS + 1],
    known: usize,
}

impl<'a> Sorted<'a> {
    pub(super) fn of(column: Column<'a>) -> Self {
        let (mut least, mut most) = ([0.0; BLOCK], [0.0; BLOCK]);
        for block in column.values.as_chunks::<BLOCK>().0 {
            for lane in 0..BLOCK {
                least[lane] = if block[lane] < least[lane] {
                    block[lane]
                } else {
                    least[lane]
                };
                most[lane] = if block[lane] > most[lane] {
                    block[lane]
                } else {
                    most[lane]
                };
            }
        }
        let least = least.into_iter().fold(0.0, f64::min);
        let range = most.into_iter().fold(0.0, f64::max) - least;
        let places = ((BUCKETS - 1) << PLACE_BITS) as f64;
        let scale = if range > 1e-200 { places / range } else { 0.0 };
        let values = column.values[..column.keys].iter().zip(&column.known[..column.keys]);
        let found = values.enumerate().map(|(key, (value, known))| {
            let place = ((value - least) * scale + WHOLE).to_bits() ^ WHOLE.to_bits();
            let place = if *known > 0.0 {
                place
            } else {
                (BUCKETS as u64) << PLACE_BITS
            };
            (place << KEY_BITS) | key as u64
        });
        let found: Vec<u64> = found.collect();
        let bucket = |found: u64| (found >> (PLACE_BITS + KEY_BITS)) as usize;
        let mut ends = [0_u32; BUCKETS + 1];
        for found in &found {
            ends[bucket(*found)] += 1;
        }
        let mut before = 0;
        for end in &mut ends {
            (*end, before) = (before, before + *end);
        }
        let known = ends[BUCKETS] as usize;
        let mut placed = vec![0; column.keys];
        for found in found {
            let end = &mut ends[bucket(found)];
            placed[*end as usize] = found;
            *end += 1;
        }
        Self {
            column,
            placed,
            ends,
            known,
        }
    }

    /// How many values are known.
    pub(super) fn len(&self) -> usize {
        self.known
    }

    /// The known value that so many others come before.
    pub(super) fn at(&mut self, rank: usize) -> f64 {
        let bucket = self.ends.partition_point(|end| *end as usize <= rank);
        let start = bucket.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        let end = self.ends[bucket] as usize;
        sort(&mut self.placed[start..end]);
        self.column.values[key(self.placed[rank])]
    }

    /// The keys of the known values, in the order of these.
    fn into_keys(mut self) -> impl Iterator<Item = usize> {
        self.placed.truncate(self.known);
        sort(&mut self.placed);
        self.placed.into_iter().map(key)
    }
}

fn key(placed: u64) -> usize {
    (placed & ((1 << KEY_BITS) - 1)) as usize
}

/// Insertion: few are out of order, and those not far.
fn sort(placed: &mut [u64]) {
    for last in 2..=placed.len() {
        let [before @ .., moved] = &mut placed[..last] else {
            return;
        };
        let mut hole = moved;
        let moved = *hole;
        for other in before.iter_mut().rev() {
            if *other <= moved {
                break;
            }
            *hole = *other;
            hole = other;
        }
        *hole = moved;
    }
}
