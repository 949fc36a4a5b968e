//! One LSTM layer in one direction, forward and backward through time.
//!
//! The weights are one matrix `[(inputs + hidden) × 4·hidden]`, input weights above recurrent ones, followed by the
//! bias; gates in the order of ONNX (input, output, forget, candidate). A step multiplies `[x | h before]` by it, so
//! that one product does the work of two.
//!
//! Invariants: a step reads and writes only the sequences that are still running; the state before the first step is
//! zero; the backward pass consumes the tape (gate values become gate gradients in place).

use crate::cell;
use crate::matmul::{Matrix, Store, multiply, widest};
use crate::packed::Packed;

/// The size of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LayerShape {
    pub(crate) inputs: usize,
    pub(crate) hidden: usize,
}

impl LayerShape {
    /// Width of `[x | h before]`.
    fn joint(self) -> usize {
        self.inputs + self.hidden
    }

    fn gates(self) -> usize {
        4 * self.hidden
    }

    /// Values in the weight matrix, without the bias.
    pub(crate) fn weights(self) -> usize {
        self.joint() * self.gates()
    }

    /// Values in weights and bias together.
    pub(crate) fn parameters(self) -> usize {
        self.weights() + self.gates()
    }
}

/// What the forward pass leaves behind for the backward pass. Buffers are kept from one use to the next.
#[derive(Debug, Default)]
pub(crate) struct LayerTape {
    /// Rows `[x | h before]`.
    joint: Vec<f32>,
    /// Gate values; after the backward pass the gradient with respect to the gate sums.
    gates: Vec<f32>,
    /// Cell states, after one row of zeros a sequence for the state before the first step.
    cells: Vec<f32>,
    /// Outputs, a row a packed row.
    outputs: Vec<f32>,
    /// Gradient with respect to the outputs; set by the caller before the backward pass, which adds what flows back
    /// through time.
    pub(crate) d_outputs: Vec<f32>,
    d_inputs: Vec<f32>,
    d_cells: Vec<f32>,
    recurrent_transposed: Vec<f32>,
}

impl LayerTape {
    /// Outputs of the forward pass, `hidden` values a packed row.
    pub(crate) fn outputs(&self) -> &[f32] {
        &self.outputs
    }

    /// Gradient with respect to the inputs, `inputs` values a packed row; written by the backward pass on request.
    pub(crate) fn d_inputs(&self) -> &[f32] {
        &self.d_inputs
    }

    /// Runs the layer over a chunk. `input(row)` gives the input of a packed row.
    pub(crate) fn forward<'a>(
        &mut self,
        shape: LayerShape,
        parameters: &[f32],
        packed: &Packed,
        input: impl Fn(usize) -> &'a [f32],
    ) {
        let (hidden, joint, gates) = (shape.hidden, shape.joint(), shape.gates());
        let (weights, bias) = parameters.split_at(shape.weights());
        self.reserve(shape, packed);
        for (row, values) in self.joint.chunks_exact_mut(joint).enumerate() {
            values[..shape.inputs].copy_from_slice(input(row));
        }
        let weights = Matrix::new(weights, joint, gates);
        for step in 0..packed.steps() {
            let rows = packed.step(step);
            let running = rows.len();
            if step == 0 {
                for values in self.joint[..running * joint].chunks_exact_mut(joint) {
                    values[shape.inputs..].fill(0.0);
                }
            }
            let inputs = Matrix::new(&self.joint[rows.start * joint..rows.end * joint], running, joint);
            let sums = &mut self.gates[rows.start * gates..rows.end * gates];
            multiply(inputs, weights, sums, Store::Overwrite);
            let (before, cells) = cell_rows(&mut self.cells, packed, step, hidden);
            let outputs = &mut self.outputs[rows.start * hidden..rows.end * hidden];
            widest(cell::Forward {
                hidden,
                bias,
                gates: sums,
                cells_before: before,
                cells,
                outputs,
            });
            if step + 1 < packed.steps() {
                let next = packed.step(step + 1);
                let next = self.joint[next.start * joint..next.end * joint].chunks_exact_mut(joint);
                for (values, output) in next.zip(outputs.chunks_exact(hidden)) {
                    values[shape.inputs..].copy_from_slice(output);
                }
            }
        }
    }

    /// Runs the layer backward from `d_outputs`. Overwrites `gradient`, laid out as the parameters.
    pub(crate) fn backward(
        &mut self,
        shape: LayerShape,
        parameters: &[f32],
        packed: &Packed,
        gradient: &mut [f32],
        want_inputs: bool,
    ) {
        let (hidden, gates) = (shape.hidden, shape.gates());
        let (weights, _) = parameters.split_at(shape.weights());
        let (weights_input, weights_recurrent) = weights.split_at(shape.inputs * gates);
        let (d_weights, d_bias) = gradient.split_at_mut(shape.weights());
        // The product is half as fast again when the matrix that every step uses lies the right way round.
        transpose(weights_recurrent, gates, &mut self.recurrent_transposed);
        let recurrent = Matrix::new(&self.recurrent_transposed, gates, hidden);
        d_bias.fill(0.0);
        self.d_cells.clear();
        self.d_cells.resize(packed.sequences() * hidden, 0.0);
        for step in (0..packed.steps()).rev() {
            let rows = packed.step(step);
            let d_outputs = &mut self.d_outputs[rows.start * hidden..rows.end * hidden];
            if step + 1 < packed.steps() {
                let next = packed.step(step + 1);
                let d_sums = Matrix::new(&self.gates[next.start * gates..next.end * gates], next.len(), gates);
                multiply(d_sums, recurrent, &mut d_outputs[..next.len() * hidden], Store::Add);
            }
            let (before, cells) = cell_rows(&mut self.cells, packed, step, hidden);
            widest(cell::Backward {
                hidden,
                gates: &mut self.gates[rows.start * gates..rows.end * gates],
                cells_before: before,
                cells,
                d_outputs,
                d_cells: &mut self.d_cells[..rows.len() * hidden],
                d_bias,
            });
        }
        let d_sums = Matrix::new(&self.gates, packed.rows(), gates);
        let joint = Matrix::new(&self.joint, packed.rows(), shape.joint());
        multiply(joint.transposed(), d_sums, d_weights, Store::Overwrite);
        if want_inputs {
            self.d_inputs.resize(packed.rows() * shape.inputs, 0.0);
            let weights_input = Matrix::new(weights_input, shape.inputs, gates);
            multiply(d_sums, weights_input.transposed(), &mut self.d_inputs, Store::Overwrite);
        }
    }

    fn reserve(&mut self, shape: LayerShape, packed: &Packed) {
        let (rows, sequences) = (packed.rows(), packed.sequences());
        self.joint.resize(rows * shape.joint(), 0.0);
        self.gates.resize(rows * shape.gates(), 0.0);
        self.outputs.resize(rows * shape.hidden, 0.0);
        self.cells.resize((sequences + rows) * shape.hidden, 0.0);
        self.cells[..sequences * shape.hidden].fill(0.0);
    }
}

/// The cell states before a step and those of the step.
fn cell_rows<'a>(cells: &'a mut [f32], packed: &Packed, step: usize, hidden: usize) -> (&'a [f32], &'a mut [f32]) {
    let rows = packed.step(step);
    let zeros = packed.sequences();
    let before = if step == 0 {
        0
    } else {
        zeros + packed.step(step - 1).start
    };
    let (past, present) = cells.split_at_mut((zeros + rows.start) * hidden);
    (&past[before * hidden..], &mut present[..rows.len() * hidden])
}

fn transpose(values: &[f32], columns: usize, transposed: &mut Vec<f32>) {
    let rows = values.len() / columns;
    transposed.resize(values.len(), 0.0);
    for (row, values) in values.chunks_exact(columns).enumerate() {
        for (column, &value) in values.iter().enumerate() {
            transposed[column * rows + row] = value;
        }
    }
}
