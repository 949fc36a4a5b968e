//! The means of many reference sets of one modality, device class and network, side by side in memory, and the exact cosine of
//! a probe with each.
//!
//! Sixteen means lie interleaved, dimension by dimension, so that their sums grow side by side, each in the order in which
//! [`ductus_dynamics::compare::dot`] adds: vector instructions are used and no bit is another than of one comparison alone.
//!
//! Invariants: rows are dense, removing one moves the last one into its place; a snapshot never changes, writers copy the
//! piece that they write to; all rows are in one space.

use ductus_dynamics::backend::Space;
use std::sync::Arc;

/// Means that lie interleaved.
const LANES: usize = 16;
/// Rows that are copied together when a row is written while a search reads them.
const PIECE_ROWS: usize = 32 * LANES;

/// A place that a row may be in, and whose it is then.
type Owner = u32;

/// Rows that are copied together.
#[derive(Clone, Debug, Default)]
struct Piece {
    owners: Vec<Owner>,
    /// `[blocks × dims × LANES]`; what no row uses is zero.
    values: Vec<f32>,
}

/// The rows of one modality, device class and network.
#[derive(Debug)]
pub(super) struct Gallery {
    dims: usize,
    space: Space,
    pieces: Vec<Arc<Piece>>,
    rows: usize,
    /// Rows that are not in `space` yet.
    stale: usize,
}

/// What a search reads: the rows as they were when it began.
#[derive(Clone, Debug)]
pub(super) struct Rows {
    dims: usize,
    pieces: Vec<Arc<Piece>>,
}

impl Gallery {
    /// An empty gallery of means `[dims]` in `space`.
    pub(super) fn new(dims: usize, space: Space) -> Self {
        Self {
            dims,
            space,
            pieces: Vec::new(),
            rows: 0,
            stale: 0,
        }
    }

    pub(super) fn dims(&self) -> usize {
        self.dims
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Whether every row is in `space`.
    pub(super) fn is_in(&self, space: &Space) -> bool {
        self.stale == 0 && self.space.is(space)
    }

    /// From now on rows are in `space`, all but `stale` of them.
    pub(super) fn move_to(&mut self, space: &Space, stale: usize) {
        self.space = space.clone();
        self.stale = stale;
    }

    /// A row was written with a mean in `space`.
    pub(super) fn came(&mut self, space: &Space) {
        self.stale += usize::from(!self.space.is(space));
    }

    /// A row with a mean in `space` is gone, or is about to be written anew.
    pub(super) fn left(&mut self, space: &Space) {
        self.stale -= usize::from(!self.space.is(space));
    }

    /// Adds a row and gives its number.
    pub(super) fn push(&mut self, owner: Owner, mean: &[f32]) -> usize {
        let row = self.rows;
        self.rows += 1;
        if row / PIECE_ROWS == self.pieces.len() {
            self.pieces.push(Arc::default());
        }
        let piece = Arc::make_mut(&mut self.pieces[row / PIECE_ROWS]);
        piece.owners.push(owner);
        let values = piece.owners.len().div_ceil(LANES) * LANES * self.dims;
        piece.values.resize(values, 0.0);
        self.write(row, mean);
        row
    }

    /// Writes a row anew. Panics where there is none.
    pub(super) fn write(&mut self, row: usize, mean: &[f32]) {
        let dims = self.dims;
        let lane = Arc::make_mut(&mut self.pieces[row / PIECE_ROWS]).lane_mut(dims, row % PIECE_ROWS);
        for (value, mean) in lane.zip(mean) {
            *value = *mean;
        }
    }

    /// Removes a row; gives the owner of the row that took its place, if one did. Panics where there is none.
    pub(super) fn remove(&mut self, row: usize) -> Option<Owner> {
        let (dims, last) = (self.dims, self.rows - 1);
        let moved = (row != last).then(|| self.pieces[last / PIECE_ROWS].mean(dims, last % PIECE_ROWS));
        let tail = Arc::make_mut(&mut self.pieces[last / PIECE_ROWS]);
        let owner = tail.owners.pop();
        // What was somebody's is not kept.
        tail.lane_mut(dims, last % PIECE_ROWS).for_each(|value| *value = 0.0);
        if tail.owners.is_empty() {
            self.pieces.pop();
        }
        self.rows = last;
        let (mean, owner) = moved.zip(owner)?;
        self.write(row, &mean);
        Arc::make_mut(&mut self.pieces[row / PIECE_ROWS]).owners[row % PIECE_ROWS] = owner;
        Some(owner)
    }

    /// What a search reads.
    pub(super) fn rows(&self) -> Rows {
        Rows {
            dims: self.dims,
            pieces: self.pieces.clone(),
        }
    }
}

impl Piece {
    /// The values of a row.
    fn lane_mut(&mut self, dims: usize, row: usize) -> impl Iterator<Item = &mut f32> {
        let start = row / LANES * LANES * dims + row % LANES;
        self.values[start..].iter_mut().step_by(LANES).take(dims)
    }

    fn mean(&self, dims: usize, row: usize) -> Vec<f32> {
        let start = row / LANES * LANES * dims + row % LANES;
        self.values[start..].iter().step_by(LANES).take(dims).copied().collect()
    }
}

impl Rows {
    /// How many there are.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.owners.len()).sum()
    }

    /// Hands out owner and cosine of every row whose owner is wanted, in the order of rows. `probe` is of unit length, `[dims]`,
    /// in the space of the rows.
    pub(super) fn search(&self, probe: &[f32], wanted: impl Fn(Owner) -> bool, mut each: impl FnMut(Owner, f32)) {
        if self.dims == 0 {
            return;
        }
        for piece in &self.pieces {
            let blocks = piece.values.chunks_exact(self.dims * LANES);
            for (block, owners) in blocks.zip(piece.owners.chunks(LANES)) {
                if !owners.iter().any(|owner| wanted(*owner)) {
                    continue;
                }
                for (owner, cosine) in owners.iter().zip(cosines(block, probe)) {
                    if wanted(*owner) {
                        each(*owner, cosine);
                    }
                }
            }
        }
    }
}

/// Products of a probe with a block of means.
fn cosines(block: &[f32], probe: &[f32]) -> [f32; LANES] {
    let mut sums = [0.0; LANES];
    let (columns, _) = block.as_chunks::<LANES>();
    for (column, value) in columns.iter().zip(probe) {
        for (sum, mean) in sums.iter_mut().zip(column) {
            *sum += mean * value;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use ductus_dynamics::compare::dot;
    use proptest::prelude::*;

    fn vector(seed: u32, dims: usize) -> Vec<f32> {
        let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..dims).map(|_| next()).collect()
    }

    fn found(rows: &Rows, probe: &[f32]) -> Vec<(Owner, u32)> {
        let mut found = Vec::new();
        rows.search(probe, |_| true, |owner, cosine| found.push((owner, cosine.to_bits())));
        found.sort_unstable();
        found
    }

    proptest! {
        #![proptest_config(crate::proptest_config(24))]

        /// Whatever is put, overwritten and removed: the same bits as one comparison at a time, for whoever is there.
        #[test]
        fn every_row_is_compared_to_the_bit(dims in 1_usize..70, changes in prop::collection::vec((0_u32..900, any::<bool>()), 1..1_500)) {
            let mut gallery = Gallery::new(dims, Space::default());
            let mut expected: Vec<(Owner, Vec<f32>)> = Vec::new();
            let mut rows: std::collections::HashMap<Owner, usize> = Default::default();
            for (at, (owner, put)) in (0..).zip(changes) {
                let place = expected.iter().position(|(other, _)| *other == owner);
                let mean = vector(at, dims);
                match (put, place) {
                    (true, Some(place)) => {
                        gallery.write(rows[&owner], &mean);
                        expected[place].1 = mean;
                    }
                    (true, None) => {
                        rows.insert(owner, gallery.push(owner, &mean));
                        expected.push((owner, mean));
                    }
                    (false, Some(place)) => {
                        let row = rows.remove(&owner).unwrap();
                        if let Some(moved) = gallery.remove(row) {
                            rows.insert(moved, row);
                        }
                        expected.remove(place);
                    }
                    (false, None) => {}
                }
            }
            let probe = vector(9_999_999, dims);
            let mut alone: Vec<_> = expected.iter().map(|(owner, mean)| (*owner, dot(mean, &probe).to_bits())).collect();
            alone.sort_unstable();
            prop_assert_eq!(gallery.is_empty(), alone.is_empty());
            prop_assert_eq!(gallery.rows().len(), alone.len());
            prop_assert_eq!(found(&gallery.rows(), &probe), alone.clone());
            let mut some = Vec::new();
            gallery.rows().search(&probe, |owner| owner % 3 == 0, |owner, cosine| some.push((owner, cosine.to_bits())));
            some.sort_unstable();
            alone.retain(|(owner, _)| owner % 3 == 0);
            prop_assert_eq!(some, alone);
        }
    }

    #[test]
    fn a_search_reads_what_was_there_when_it_began() {
        let mut gallery = Gallery::new(8, Space::default());
        for owner in 0..700 {
            gallery.push(owner, &vector(owner, 8));
        }
        let (rows, probe) = (gallery.rows(), vector(7, 8));
        let before = found(&rows, &probe);
        gallery.write(3, &probe);
        gallery.remove(0);
        assert_eq!(found(&rows, &probe), before);
        assert_ne!(found(&gallery.rows(), &probe), before);
    }
}
