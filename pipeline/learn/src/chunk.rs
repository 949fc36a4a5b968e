//! A chunk of sequences on its way through the network and back.
//!
//! A batch is cut into chunks of a fixed size, whatever the number of threads; a chunk is the unit of work of a thread,
//! and the gradients of the chunks are summed in chunk order. That is what makes training deterministic.
//!
//! ```text
//! x ─► layer 0 ─► between ─► layer 1 ─► mean over real steps ─► linear ─► ÷ norm ─► embeddings
//!       ├ onward                ├ onward
//!       └ mirrored              └ mirrored
//! ```

use crate::lstm::LayerTape;
use crate::matmul::{Matrix, Store, multiply};
use crate::network::{Network, NetworkConfig};
use crate::packed::Packed;

/// Sequences a chunk. Large enough for the matrix kernels, small enough for the second-level cache and for a batch of
/// 256 to keep several threads busy. Changing it changes results by rounding.
pub(crate) const CHUNK_SEQUENCES: usize = 32;

/// Shortest norm that an embedding is divided by.
pub(crate) const NORM_MIN: f32 = 1e-12;

/// Sequences, everything computed from them, and the gradient of the weights. Buffers are kept from batch to batch.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    packed: Packed,
    /// Features, packed.
    inputs: Vec<f32>,
    /// Tape of each layer and direction.
    layers: Vec<Vec<LayerTape>>,
    /// What enters each layer after the first, packed, both directions side by side in the order of time.
    between: Vec<Vec<f32>>,
    pooled: Vec<f32>,
    embeddings: Vec<f32>,
    norms: Vec<f32>,
    /// Gradient with respect to the embeddings; set by the caller before the backward pass.
    pub(crate) d_embeddings: Vec<f32>,
    d_pooled: Vec<f32>,
    d_between: Vec<f32>,
    gradient: Vec<f32>,
}

impl Chunk {
    /// Takes in sequences, longest first, each `[steps × features]`.
    pub(crate) fn load<'a>(&mut self, features: usize, sequences: impl Iterator<Item = &'a [f32]> + Clone) {
        self.packed = Packed::new(sequences.clone().map(|values| values.len() / features).collect());
        self.inputs.resize(self.packed.rows() * features, 0.0);
        for (sequence, values) in sequences.enumerate() {
            for (step, values) in values.chunks_exact(features).enumerate() {
                let row = self.packed.step(step).start + sequence;
                self.inputs[row * features..(row + 1) * features].copy_from_slice(values);
            }
        }
    }

    /// One unit vector a sequence, in the order of loading.
    pub(crate) fn embeddings(&self) -> &[f32] {
        &self.embeddings
    }

    /// The gradient of the weights, laid out as they are.
    pub(crate) fn gradient(&self) -> &[f32] {
        &self.gradient
    }

    /// Computes the embeddings.
    pub(crate) fn forward(&mut self, network: &Network) {
        let config = network.config();
        self.layers.resize_with(config.layers, Vec::new);
        self.between.resize_with(config.layers - 1, Vec::new);
        for layer in 0..config.layers {
            let (shape, mirror) = (config.layer_shape(layer), self.packed.mirror());
            let inputs = if layer == 0 {
                &self.inputs
            } else {
                &self.between[layer - 1]
            };
            let input = |row: usize| &inputs[row * shape.inputs..(row + 1) * shape.inputs];
            let tapes = &mut self.layers[layer];
            tapes.resize_with(config.directions(), LayerTape::default);
            for (direction, tape) in tapes.iter_mut().enumerate() {
                let parameters = &network.parameters()[config.layer(layer, direction)];
                match direction {
                    0 => tape.forward(shape, parameters, &self.packed, input),
                    _ => tape.forward(shape, parameters, &self.packed, |row| input(mirror[row])),
                }
            }
            if layer + 1 < config.layers {
                self.join_directions(config, layer);
            }
        }
        self.pool(config);
        self.project(network);
    }

    /// Computes the gradient of the weights from `d_embeddings`. Consumes what `forward` left.
    pub(crate) fn backward(&mut self, network: &Network) {
        let config = network.config();
        self.gradient.resize(config.parameters(), 0.0);
        self.project_backward(network);
        self.pool_backward(config);
        for layer in (0..config.layers).rev() {
            let shape = config.layer_shape(layer);
            for (direction, tape) in self.layers[layer].iter_mut().enumerate() {
                let range = config.layer(layer, direction);
                let gradient = &mut self.gradient[range.clone()];
                tape.backward(shape, &network.parameters()[range], &self.packed, gradient, layer > 0);
            }
            if layer > 0 {
                self.split_directions(config, layer);
            }
        }
    }

    /// Lays the outputs of a layer's directions side by side, the mirrored one turned round.
    fn join_directions(&mut self, config: &NetworkConfig, layer: usize) {
        let (hidden, width) = (config.hidden, config.width());
        let between = &mut self.between[layer];
        between.resize(self.packed.rows() * width, 0.0);
        for (direction, tape) in self.layers[layer].iter().enumerate() {
            for (row, values) in between.chunks_exact_mut(width).enumerate() {
                let source = if direction == 0 { row } else { self.packed.mirror()[row] };
                let output = &tape.outputs()[source * hidden..(source + 1) * hidden];
                values[direction * hidden..(direction + 1) * hidden].copy_from_slice(output);
            }
        }
    }

    /// Hands the gradient at a layer's inputs to the layer below: the reverse of `join_directions`.
    fn split_directions(&mut self, config: &NetworkConfig, layer: usize) {
        let (hidden, width) = (config.hidden, config.width());
        let mirror = self.packed.mirror();
        self.d_between.clear();
        self.d_between.extend_from_slice(self.layers[layer][0].d_inputs());
        for tape in &self.layers[layer][1..] {
            for (sums, &source) in self.d_between.chunks_exact_mut(width).zip(mirror) {
                let values = &tape.d_inputs()[source * width..(source + 1) * width];
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            }
        }
        for (direction, tape) in self.layers[layer - 1].iter_mut().enumerate() {
            tape.d_outputs.resize(self.packed.rows() * hidden, 0.0);
            for (row, values) in tape.d_outputs.chunks_exact_mut(hidden).enumerate() {
                let source = if direction == 0 { row } else { mirror[row] };
                values.copy_from_slice(&self.d_between[source * width + direction * hidden..][..hidden]);
            }
        }
    }

    /// Mean of the last layer's outputs over the steps that each sequence has.
    fn pool(&mut self, config: &NetworkConfig) {
        let (hidden, width) = (config.hidden, config.width());
        self.pooled.clear();
        self.pooled.resize(self.packed.sequences() * width, 0.0);
        for (direction, tape) in self.layers[config.layers - 1].iter().enumerate() {
            for step in 0..self.packed.steps() {
                let rows = self.packed.step(step);
                let outputs = tape.outputs()[rows.start * hidden..rows.end * hidden].chunks_exact(hidden);
                for (sums, values) in self.pooled.chunks_exact_mut(width).zip(outputs) {
                    let sums = &mut sums[direction * hidden..(direction + 1) * hidden];
                    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
                }
            }
        }
        for (sums, &length) in self.pooled.chunks_exact_mut(width).zip(self.packed.lengths()) {
            sums.iter_mut().for_each(|sum| *sum /= length as f32);
        }
    }

    fn pool_backward(&mut self, config: &NetworkConfig) {
        let (hidden, width) = (config.hidden, config.width());
        for (gradient, &length) in self.d_pooled.chunks_exact_mut(width).zip(self.packed.lengths()) {
            gradient.iter_mut().for_each(|value| *value /= length as f32);
        }
        for (direction, tape) in self.layers[config.layers - 1].iter_mut().enumerate() {
            tape.d_outputs.resize(self.packed.rows() * hidden, 0.0);
            for step in 0..self.packed.steps() {
                let rows = self.packed.step(step);
                let outputs = tape.d_outputs[rows.start * hidden..rows.end * hidden].chunks_exact_mut(hidden);
                for (values, gradient) in outputs.zip(self.d_pooled.chunks_exact(width)) {
                    values.copy_from_slice(&gradient[direction * hidden..(direction + 1) * hidden]);
                }
            }
        }
    }

    /// Linear map and division by the norm.
    fn project(&mut self, network: &Network) {
        let config = network.config();
        let (width, dims, sequences) = (config.width(), config.embedding, self.packed.sequences());
        self.embeddings.resize(sequences * dims, 0.0);
        for embedding in self.embeddings.chunks_exact_mut(dims) {
            embedding.copy_from_slice(&network.parameters()[config.linear_bias()]);
        }
        let linear = Matrix::new(&network.parameters()[config.linear()], width, dims);
        multiply(
            Matrix::new(&self.pooled, sequences, width),
            linear,
            &mut self.embeddings,
            Store::Add,
        );
        self.norms.clear();
        for embedding in self.embeddings.chunks_exact_mut(dims) {
            let norm = embedding.iter().map(|value| value * value).sum::<f32>().sqrt();
            // A comparison that is false for NaN, so that NaN stays visible.
            let norm = if norm < NORM_MIN { NORM_MIN } else { norm };
            embedding.iter_mut().for_each(|value| *value /= norm);
            self.norms.push(norm);
        }
    }

    fn project_backward(&mut self, network: &Network) {
        let config = network.config();
        let (width, dims, sequences) = (config.width(), config.embedding, self.packed.sequences());
        let pairs = self
            .embeddings
            .chunks_exact(dims)
            .zip(self.d_embeddings.chunks_exact_mut(dims));
        for ((embedding, gradient), &norm) in pairs.zip(&self.norms) {
            let along: f32 = embedding.iter().zip(gradient.iter()).map(|(a, b)| a * b).sum();
            for (value, &direction) in gradient.iter_mut().zip(embedding) {
                *value = (*value - along * direction) / norm;
            }
        }
        let d_projected = Matrix::new(&self.d_embeddings, sequences, dims);
        let pooled = Matrix::new(&self.pooled, sequences, width);
        multiply(
            pooled.transposed(),
            d_projected,
            &mut self.gradient[config.linear()],
            Store::Overwrite,
        );
        let d_bias = &mut self.gradient[config.linear_bias()];
        d_bias.fill(0.0);
        for gradient in self.d_embeddings.chunks_exact(dims) {
            d_bias.iter_mut().zip(gradient).for_each(|(sum, value)| *sum += value);
        }
        let linear = Matrix::new(&network.parameters()[config.linear()], width, dims);
        self.d_pooled.resize(sequences * width, 0.0);
        multiply(d_projected, linear.transposed(), &mut self.d_pooled, Store::Overwrite);
    }
}

/// The order from the longest sequence to the shortest; equal lengths keep their order.
pub(crate) fn by_length<S: AsRef<[f32]>>(sequences: &[S]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sequences.len()).collect();
    order.sort_by_key(|&index| std::cmp::Reverse(sequences[index].as_ref().len()));
    order
}
