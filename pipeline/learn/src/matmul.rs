//! Matrix products and the choice of vector instructions: the one module with `unsafe`.
//!
//! Invariants:
//! - A [`Matrix`] can only be made over a slice of exactly `rows × columns` values, so every address that the product
//!   computes from it lies inside the slice.
//! - A product runs on the calling thread alone and always in the same order: equal input, equal bits.
//! - [`widest`] changes the speed of a kernel, never its result: Rust does not contract or reorder float arithmetic.
#![allow(
    unsafe_code,
    reason = "gemm takes raw pointers, and processor features are found at run time"
)]

/// What a product does with the values that are already there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    /// Replace them.
    Overwrite,
    /// Add to them.
    Add,
}

/// A view of a slice as a matrix.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: isize,
    column_stride: isize,
}

impl<'a> Matrix<'a> {
    /// Rows one after the other. Panics when the slice is not exactly `rows × columns` long.
    pub(crate) fn new(values: &'a [f32], rows: usize, columns: usize) -> Self {
        assert_eq!(
            Some(values.len()),
            rows.checked_mul(columns),
            "a {rows}x{columns} matrix fills its slice"
        );
        // A slice holds at most isize::MAX bytes, so a row of it always fits.
        Self {
            values,
            rows,
            columns,
            row_stride: columns as isize,
            column_stride: 1,
        }
    }

    /// The same values with rows and columns exchanged; nothing is copied.
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// Computes `left × right` into `product`, row-major. Panics when the shapes do not fit each other.
pub(crate) fn multiply(left: Matrix<'_>, right: Matrix<'_>, product: &mut [f32], store: Store) {
    assert_eq!(left.columns, right.rows, "inner dimensions agree");
    assert_eq!(
        Some(product.len()),
        left.rows.checked_mul(right.columns),
        "the product fills its slice"
    );
    if product.is_empty() {
        return;
    }
    let add = store == Store::Add;
    // SAFETY: each of the three pointers comes from a slice whose length equals rows × columns (asserted above and in
    // `Matrix::new`), the strides address each of those elements exactly once, and `product` is borrowed mutably, so
    // it overlaps neither operand.
    unsafe {
        gemm::gemm(
            left.rows,
            right.columns,
            left.columns,
            product.as_mut_ptr(),
            1,
            right.columns as isize,
            add,
            left.values.as_ptr(),
            left.column_stride,
            left.row_stride,
            right.values.as_ptr(),
            right.column_stride,
            right.row_stride,
            if add { 1.0 } else { 0.0 },
            1.0_f32,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Element-wise work that gains from wider registers. `run` must be `#[inline(always)]`, or the gain is lost.
pub(crate) trait Kernel {
    /// Does the work.
    fn run(self);
}

/// Runs a kernel compiled for the widest vectors that this processor has.
#[inline]
pub(crate) fn widest(kernel: impl Kernel) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
            // SAFETY: the processor has the features that the function is compiled for.
            return unsafe { with_avx512(kernel) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: as above.
            return unsafe { with_avx2(kernel) };
        }
    }
    kernel.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512dq")]
fn with_avx512(kernel: impl Kernel) {
    kernel.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn with_avx2(kernel: impl Kernel) {
    kernel.run();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naive(left: &[f32], right: &[f32], (m, k, n): (usize, usize, usize)) -> Vec<f32> {
        let mut product = vec![0.0; m * n];
        for row in 0..m {
            for column in 0..n {
                product[row * n + column] = (0..k).map(|i| left[row * k + i] * right[i * n + column]).sum();
            }
        }
        product
    }

    #[test]
    fn agrees_with_the_definition() {
        // Small whole numbers, so that every order of summation gives the same float.
        for (m, k, n) in [(1, 1, 1), (3, 5, 2), (7, 17, 33), (64, 81, 256), (2, 0, 3)] {
            let left: Vec<f32> = (0..m * k).map(|i| (i % 7) as f32 - 3.0).collect();
            let right: Vec<f32> = (0..k * n).map(|i| (i % 5) as f32 - 2.0).collect();
            let expected = naive(&left, &right, (m, k, n));
            let mut product = vec![f32::NAN; m * n];
            multiply(
                Matrix::new(&left, m, k),
                Matrix::new(&right, k, n),
                &mut product,
                Store::Overwrite,
            );
            assert_eq!(product, expected, "{m}x{k}x{n}");
            multiply(
                Matrix::new(&left, m, k),
                Matrix::new(&right, k, n),
                &mut product,
                Store::Add,
            );
            assert_eq!(
                product,
                expected.iter().map(|v| 2.0 * v).collect::<Vec<_>>(),
                "{m}x{k}x{n} added"
            );

            let mut swapped = vec![0.0; m * n];
            let (left, right) = (Matrix::new(&left, m, k), Matrix::new(&right, k, n));
            multiply(right.transposed(), left.transposed(), &mut swapped, Store::Overwrite);
            for row in 0..m {
                for column in 0..n {
                    assert_eq!(swapped[column * m + row], expected[row * n + column]);
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "fills its slice")]
    fn refuses_a_slice_of_another_length() {
        Matrix::new(&[0.0; 5], 2, 3);
    }

    #[test]
    #[should_panic(expected = "inner dimensions agree")]
    fn refuses_shapes_that_do_not_fit() {
        multiply(
            Matrix::new(&[0.0; 6], 2, 3),
            Matrix::new(&[0.0; 6], 2, 3),
            &mut [0.0; 6],
            Store::Overwrite,
        );
    }
}
