//! The LSTM cell, element by element: gates to state, and the way back.
//!
//! Gates lie as `[input | output | forget | candidate]`, the order of ONNX, `hidden` values each. The loops are written
//! so that the compiler turns them into vector code; [`crate::matmul::widest`] picks how wide.

use crate::matmul::Kernel;

/// One time step forward, for all sequences that are still running.
pub(crate) struct Forward<'a> {
    /// Values a gate.
    pub(crate) hidden: usize,
    /// Bias of the four gates.
    pub(crate) bias: &'a [f32],
    /// In: gate sums without bias, a row of `4 × hidden` a sequence. Out: gate values.
    pub(crate) gates: &'a mut [f32],
    /// Cell states of the step before, at least as many rows.
    pub(crate) cells_before: &'a [f32],
    /// Cell states of this step (written).
    pub(crate) cells: &'a mut [f32],
    /// Outputs of this step (written).
    pub(crate) outputs: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    #[inline(always)]
    fn run(self) {
        let hidden = self.hidden;
        let states = self
            .cells_before
            .chunks_exact(hidden)
            .zip(self.cells.chunks_exact_mut(hidden));
        let rows = self
            .gates
            .chunks_exact_mut(4 * hidden)
            .zip(states)
            .zip(self.outputs.chunks_exact_mut(hidden));
        for ((gates, (before, cells)), outputs) in rows {
            let [input, output, forget, candidate] = quarters_mut(gates, hidden);
            forward_row(
                quarters(self.bias, hidden),
                input,
                output,
                forget,
                candidate,
                before,
                cells,
                outputs,
            );
        }
    }
}

/// One time step backward, for all sequences that are running at it.
pub(crate) struct Backward<'a> {
    /// Values a gate.
    pub(crate) hidden: usize,
    /// In: gate values. Out: the gradient with respect to the gate sums.
    pub(crate) gates: &'a mut [f32],
    /// Cell states of the step before, at least as many rows.
    pub(crate) cells_before: &'a [f32],
    /// Cell states of this step.
    pub(crate) cells: &'a [f32],
    /// Gradient with respect to the outputs of this step.
    pub(crate) d_outputs: &'a [f32],
    /// In: gradient with respect to this step's cell states that comes from later. Out: the one for the step before.
    pub(crate) d_cells: &'a mut [f32],
    /// Gradient with respect to the bias (added to).
    pub(crate) d_bias: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    #[inline(always)]
    fn run(self) {
        let hidden = self.hidden;
        let states = self
            .cells_before
            .chunks_exact(hidden)
            .zip(self.cells.chunks_exact(hidden));
        let gradients = self
            .d_outputs
            .chunks_exact(hidden)
            .zip(self.d_cells.chunks_exact_mut(hidden));
        for ((gates, (before, cells)), (d_outputs, d_cells)) in
            self.gates.chunks_exact_mut(4 * hidden).zip(states).zip(gradients)
        {
            let [input, output, forget, candidate] = quarters_mut(gates, hidden);
            backward_row(input, output, forget, candidate, before, cells, d_outputs, d_cells);
            for (sum, gradient) in self.d_bias.iter_mut().zip(gates.iter()) {
                *sum += gradient;
            }
        }
    }
}

#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "as parameters the compiler knows that the slices do not overlap"
)]
fn forward_row(
    bias: [&[f32]; 4],
    input: &mut [f32],
    output: &mut [f32],
    forget: &mut [f32],
    candidate: &mut [f32],
    before: &[f32],
    cells: &mut [f32],
    outputs: &mut [f32],
) {
    let hidden = cells.len();
    let [bias_input, bias_output, bias_forget, bias_candidate] = bias.map(|gate| &gate[..hidden]);
    let (input, output) = (&mut input[..hidden], &mut output[..hidden]);
    let (forget, candidate) = (&mut forget[..hidden], &mut candidate[..hidden]);
    let (before, outputs) = (&before[..hidden], &mut outputs[..hidden]);
    for j in 0..hidden {
        let i = sigmoid(input[j] + bias_input[j]);
        let o = sigmoid(output[j] + bias_output[j]);
        let f = sigmoid(forget[j] + bias_forget[j]);
        let g = tanh(candidate[j] + bias_candidate[j]);
        let c = f * before[j] + i * g;
        input[j] = i;
        output[j] = o;
        forget[j] = f;
        candidate[j] = g;
        cells[j] = c;
        outputs[j] = o * tanh(c);
    }
}

#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "as parameters the compiler knows that the slices do not overlap"
)]
fn backward_row(
    input: &mut [f32],
    output: &mut [f32],
    forget: &mut [f32],
    candidate: &mut [f32],
    before: &[f32],
    cells: &[f32],
    d_outputs: &[f32],
    d_cells: &mut [f32],
) {
    let hidden = cells.len();
    let (input, output) = (&mut input[..hidden], &mut output[..hidden]);
    let (forget, candidate) = (&mut forget[..hidden], &mut candidate[..hidden]);
    let (before, d_outputs, d_cells) = (&before[..hidden], &d_outputs[..hidden], &mut d_cells[..hidden]);
    for j in 0..hidden {
        let (i, o, f, g) = (input[j], output[j], forget[j], candidate[j]);
        let squashed = tanh(cells[j]);
        let d_cell = d_cells[j] + d_outputs[j] * o * (1.0 - squashed * squashed);
        input[j] = d_cell * g * i * (1.0 - i);
        output[j] = d_outputs[j] * squashed * o * (1.0 - o);
        forget[j] = d_cell * before[j] * f * (1.0 - f);
        candidate[j] = d_cell * i * (1.0 - g * g);
        d_cells[j] = d_cell * f;
    }
}

#[inline(always)]
fn quarters(gates: &[f32], hidden: usize) -> [&[f32]; 4] {
    let (input, rest) = gates.split_at(hidden);
    let (output, rest) = rest.split_at(hidden);
    let (forget, candidate) = rest.split_at(hidden);
    [input, output, forget, candidate]
}

#[inline(always)]
fn quarters_mut(gates: &mut [f32], hidden: usize) -> [&mut [f32]; 4] {
    let (input, rest) = gates.split_at_mut(hidden);
    let (output, rest) = rest.split_at_mut(hidden);
    let (forget, candidate) = rest.split_at_mut(hidden);
    [input, output, forget, candidate]
}

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    0.5 * tanh(0.5 * x) + 0.5
}

/// Hyperbolic tangent as a quotient of two polynomials (13th over 6th degree, the coefficients of Eigen and of ONNX
/// Runtime), within 4e-7 of the truth and never beyond 1; NaN stays NaN. One division and no branch, so that it vectorises.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    // Here the quotient reaches 1, and farther out it would pass it. Compared so that NaN goes through.
    const LIMIT: f32 = 7.905_311;
    let x = if x > LIMIT { LIMIT } else { x };
    let x = if x < -LIMIT { -LIMIT } else { x };
    let square = x * x;
    let mut over = -2.760_768_4e-16_f32;
    for coefficient in [
        2.000_188e-13,
        -8.604_672e-11,
        5.122_297e-8,
        1.485_722_4e-5,
        6.372_619_4e-4,
        4.893_524_6e-3_f32,
    ] {
        over = over * square + coefficient;
    }
    let mut under = 1.198_258_4e-6_f32;
    for coefficient in [1.185_347_1e-4, 2.268_434_6e-3, 4.893_525e-3_f32] {
        under = under * square + coefficient;
    }
    x * over / under
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matmul::widest;

    #[test]
    fn tanh_and_sigmoid_are_close_to_the_truth() {
        for step in -40_000..=40_000_i32 {
            let x = step as f32 * 1e-3;
            let truth = f64::from(x).tanh();
            assert!(tanh(x).abs() <= 1.0);
            assert!(
                (f64::from(tanh(x)) - truth).abs() < 4e-7,
                "tanh({x}) = {} instead of {truth}",
                tanh(x)
            );
            let truth = 1.0 / (1.0 + (-f64::from(x)).exp());
            assert!(
                (f64::from(sigmoid(x)) - truth).abs() < 4e-7,
                "sigmoid({x}) = {} not {truth}",
                sigmoid(x)
            );
        }
        assert!(tanh(f32::NAN).is_nan(), "a diverged network must not look healthy");
        assert!((tanh(f32::INFINITY) - 1.0).abs() < 1e-6 && (tanh(f32::NEG_INFINITY) + 1.0).abs() < 1e-6);
    }

    #[test]
    fn wide_vectors_change_no_bit() {
        let (hidden, rows) = (37, 5);
        let wave = |n: usize, scale: f32| (0..n).map(|i| (i as f32 * 0.37).sin() * scale).collect::<Vec<f32>>();
        let (bias, before) = (wave(4 * hidden, 0.5), wave(rows * hidden, 1.5));
        let run = |wide: bool| {
            let mut gates = wave(rows * 4 * hidden, 4.0);
            let (mut cells, mut outputs) = (vec![0.0; rows * hidden], vec![0.0; rows * hidden]);
            let forward = Forward {
                hidden,
                bias: &bias,
                gates: &mut gates,
                cells_before: &before,
                cells: &mut cells,
                outputs: &mut outputs,
            };
            if wide {
                widest(forward)
            } else {
                forward.run()
            }
            let (mut d_cells, mut d_bias) = (wave(rows * hidden, 0.2), vec![0.0; 4 * hidden]);
            let backward = Backward {
                hidden,
                gates: &mut gates,
                cells_before: &before,
                cells: &cells,
                d_outputs: &outputs,
                d_cells: &mut d_cells,
                d_bias: &mut d_bias,
            };
            if wide {
                widest(backward)
            } else {
                backward.run()
            }
            [gates, cells, outputs, d_cells, d_bias]
                .map(|values| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>())
        };
        assert_eq!(run(true), run(false));
    }
}
