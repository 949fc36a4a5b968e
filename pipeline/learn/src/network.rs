//! The network: its sizes, its weights, and the embedding of sequences.
//!
//! LSTM layers (one-way or both ways), the mean over the real steps, a linear map, unit length. All weights lie in one
//! vector, layer after layer, direction after direction, then the linear map and its bias: the optimiser, the average
//! and the checkpoint see nothing else.

use crate::chunk::{CHUNK_SEQUENCES, Chunk, by_length};
use crate::error::LearnError;
use crate::lstm::LayerShape;
use crate::parallel::for_each;
use crate::sampler::{self, Purpose};
use crate::{STEPS_MAX, checkpoint, onnx};
use rand_chacha::ChaCha8Rng;
use std::num::NonZeroUsize;
use std::ops::Range;

/// The sizes of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkConfig {
    /// Values a step.
    pub features: usize,
    /// LSTM layers.
    pub layers: usize,
    /// Values of state a layer and direction.
    pub hidden: usize,
    /// Whether each layer also reads the sequence from its end.
    pub bidirectional: bool,
    /// Values of the embedding.
    pub embedding: usize,
}

/// A network with its weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    config: NetworkConfig,
    parameters: Vec<f32>,
}

impl NetworkConfig {
    /// What models.md found best for keystrokes: two layers of 64 both ways, an embedding of 64.
    pub fn new(features: usize) -> Self {
        Self {
            features,
            layers: 2,
            hidden: 64,
            bidirectional: true,
            embedding: 64,
        }
    }

    /// Number of weights.
    pub fn parameters(&self) -> usize {
        self.linear_bias().end
    }

    /// Refuses sizes outside the bounds.
    pub fn validate(&self) -> Result<(), LearnError> {
        let fields = [
            ("features", self.features, 1_024),
            ("layers", self.layers, 8),
            ("hidden", self.hidden, 1_024),
            ("embedding", self.embedding, 1_024),
        ];
        for (field, found, most) in fields {
            if found == 0 || found > most {
                return Err(LearnError::setting(field, found, format!("from 1 to {most}")));
            }
        }
        Ok(())
    }

    pub(crate) fn directions(&self) -> usize {
        if self.bidirectional { 2 } else { 1 }
    }

    /// Values that leave a layer a step, all directions together.
    pub(crate) fn width(&self) -> usize {
        self.directions() * self.hidden
    }

    pub(crate) fn layer_shape(&self, layer: usize) -> LayerShape {
        LayerShape {
            inputs: if layer == 0 { self.features } else { self.width() },
            hidden: self.hidden,
        }
    }

    /// Where the weights of a layer lie in one direction.
    pub(crate) fn layer(&self, layer: usize, direction: usize) -> Range<usize> {
        let before: usize = (0..layer)
            .map(|l| self.directions() * self.layer_shape(l).parameters())
            .sum();
        let size = self.layer_shape(layer).parameters();
        let start = before + direction * size;
        start..start + size
    }

    /// Where the linear map lies, `[width × embedding]`.
    pub(crate) fn linear(&self) -> Range<usize> {
        let start = self.layer(self.layers, 0).start;
        start..start + self.width() * self.embedding
    }

    /// Where the bias of the linear map lies.
    pub(crate) fn linear_bias(&self) -> Range<usize> {
        let start = self.linear().end;
        start..start + self.embedding
    }
}

impl Network {
    /// A network with random weights: uniform within ± 1/√hidden, biases 0, forget biases 1.
    pub fn random(config: NetworkConfig, seed: u64) -> Result<Self, LearnError> {
        config.validate()?;
        let mut rng = sampler::stream(seed, Purpose::Weights, 0);
        let mut parameters = vec![0.0; config.parameters()];
        for layer in 0..config.layers {
            let shape = config.layer_shape(layer);
            for direction in 0..config.directions() {
                let (weights, bias) = parameters[config.layer(layer, direction)].split_at_mut(shape.weights());
                fill_uniform(weights, config.hidden, &mut rng);
                bias[2 * config.hidden..3 * config.hidden].fill(1.0);
            }
        }
        fill_uniform(&mut parameters[config.linear()], config.width(), &mut rng);
        Ok(Self { config, parameters })
    }

    pub(crate) fn from_parameters(config: NetworkConfig, parameters: Vec<f32>) -> Result<Self, LearnError> {
        config.validate()?;
        if parameters.len() != config.parameters() {
            let expected = format!("{} for these sizes", config.parameters());
            return Err(LearnError::setting("parameters", parameters.len(), expected));
        }
        Ok(Self { config, parameters })
    }

    /// The sizes.
    pub fn config(&self) -> &NetworkConfig {
        &self.config
    }

    /// All weights; the order is that of the checkpoint.
    pub fn parameters(&self) -> &[f32] {
        &self.parameters
    }

    pub(crate) fn parameters_mut(&mut self) -> &mut [f32] {
        &mut self.parameters
    }

    /// Embeds sequences, each row-major `[steps × features]`: one unit vector of `embedding` values a sequence, in the
    /// order given. The result does not depend on the number of threads.
    pub fn embed(&self, sequences: &[&[f32]], threads: NonZeroUsize) -> Result<Vec<f32>, LearnError> {
        for (index, sequence) in sequences.iter().enumerate() {
            check_sequence(index, sequence, self.config.features)?;
        }
        let order = by_length(sequences);
        let dims = self.config.embedding;
        let mut embeddings = vec![0.0; sequences.len() * dims];
        // As many chunks at once as there are threads, so that memory does not grow with the number of sequences.
        let mut chunks: Vec<Chunk> = Vec::new();
        chunks.resize_with(threads.get().min(order.len().div_ceil(CHUNK_SEQUENCES)), Chunk::default);
        for round in order.chunks(CHUNK_SEQUENCES * threads.get()) {
            let parts: Vec<&[usize]> = round.chunks(CHUNK_SEQUENCES).collect();
            let mut work: Vec<_> = chunks.iter_mut().zip(&parts).collect();
            for_each(threads, &mut work, |(chunk, part)| {
                chunk.load(self.config.features, part.iter().map(|&index| sequences[index]));
                chunk.forward(self);
            });
            for (chunk, part) in chunks.iter().zip(parts) {
                for (embedding, &index) in chunk.embeddings().chunks_exact(dims).zip(part) {
                    embeddings[index * dims..(index + 1) * dims].copy_from_slice(embedding);
                }
            }
        }
        Ok(embeddings)
    }

    /// The network as an ONNX model: inputs `x` `[batch, steps, features]` (zero padded) and `lengths` `[batch]`
    /// (int32, at least 1), output `embedding` `[batch, embedding]`.
    pub fn to_onnx(&self) -> Vec<u8> {
        onnx::export(std::slice::from_ref(self))
    }

    /// The network as versioned, checksummed bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        checkpoint::write_network(self)
    }

    /// Reads what [`Network::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LearnError> {
        checkpoint::read_network(bytes)
    }
}

/// Refuses a sequence that is empty, too long, ragged or not finite.
pub(crate) fn check_sequence(index: usize, values: &[f32], features: usize) -> Result<(), LearnError> {
    let rows = values.len() / features;
    if !values.len().is_multiple_of(features) || rows == 0 || rows > STEPS_MAX {
        return Err(LearnError::SequenceShape {
            index,
            values: values.len(),
            features,
            steps_max: STEPS_MAX,
        });
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(position) => Err(LearnError::SequenceNotFinite { index, position }),
        None => Ok(()),
    }
}

fn fill_uniform(values: &mut [f32], fan: usize, rng: &mut ChaCha8Rng) {
    let bound = 1.0 / (fan as f32).sqrt();
    for value in values {
        *value = bound * (2.0 * sampler::uniform(rng) - 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;
    use proptest::prelude::*;

    const DIMS: usize = 6;

    fn network(layers: usize, bidirectional: bool) -> Network {
        Network::random(
            NetworkConfig {
                features: 3,
                layers,
                hidden: 8,
                bidirectional,
                embedding: DIMS,
            },
            3,
        )
        .unwrap()
    }

    fn wave(steps: usize, seed: usize) -> Vec<f32> {
        (0..3 * steps)
            .map(|i| ((i * (seed + 3)) as f32 * 0.37).sin() * 2.0)
            .collect()
    }

    fn embed(network: &Network, sequences: &[Vec<f32>], threads: usize) -> Vec<f32> {
        let sequences: Vec<&[f32]> = sequences.iter().map(Vec::as_slice).collect();
        network.embed(&sequences, NonZeroUsize::new(threads).unwrap()).unwrap()
    }

    #[test]
    fn agrees_with_the_definition() {
        let sequences: Vec<Vec<f32>> = (0..70).map(|i| wave(1 + i * 7 % 30, i)).collect();
        for (layers, bidirectional) in [(1, false), (1, true), (2, false), (3, true)] {
            let network = network(layers, bidirectional);
            let parameters: Vec<f64> = network.parameters().iter().map(|&value| f64::from(value)).collect();
            let embeddings = embed(&network, &sequences, 2);
            for (sequence, embedding) in sequences.iter().zip(embeddings.chunks_exact(DIMS)) {
                for (found, expected) in embedding
                    .iter()
                    .zip(reference::embed(network.config(), &parameters, sequence))
                {
                    assert!(
                        (f64::from(*found) - expected).abs() < 3e-6,
                        "{found} instead of {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let sequences: Vec<Vec<f32>> = (0..150).map(|i| wave(1 + i * 7 % 30, i)).collect();
        let network = network(2, true);
        let one = embed(&network, &sequences, 1);
        for threads in [2, 3, 9] {
            assert_eq!(embed(&network, &sequences, threads), one, "{threads} threads");
        }
    }

    #[test]
    fn nothing_gives_nothing() {
        assert_eq!(embed(&network(1, false), &[], 2), Vec::<f32>::new());
    }

    #[test]
    fn refuses_sequences_with_words() {
        let network = network(1, false);
        let good = wave(2, 1);
        let long = wave(STEPS_MAX + 1, 1);
        let cases: [&[f32]; 4] = [&[], &[1.0, 2.0], &long, &[0.0, f32::INFINITY, 0.0]];
        let texts = cases
            .map(|bad| network.embed(&[&good, bad], NonZeroUsize::MIN).unwrap_err().to_string())
            .join("\n");
        expect_test::expect![[r#"
            sequence 1 has 0 values: give 1 to 4096 rows of 3 values each
            sequence 1 has 2 values: give 1 to 4096 rows of 3 values each
            sequence 1 has 12291 values: give 1 to 4096 rows of 3 values each
            sequence 1 has a value that is not finite at position 1: drop or repair the sequence"#]]
        .assert_eq(&texts);
    }

    #[test]
    fn the_weights_are_laid_out_without_gaps() {
        for (layers, bidirectional) in [(1, false), (3, true)] {
            let config = *network(layers, bidirectional).config();
            let mut end = 0;
            for layer in 0..layers {
                for direction in 0..config.directions() {
                    let range = config.layer(layer, direction);
                    assert_eq!(range.start, end);
                    end = range.end;
                }
            }
            assert_eq!(
                (config.linear().start, config.linear_bias().start),
                (end, config.linear().end)
            );
            assert_eq!(config.parameters(), config.linear_bias().end);
        }
    }

    proptest! {
        /// Whatever a sequence shares a chunk with, and so however much padding another implementation would give it.
        #[test]
        fn company_does_not_change_an_embedding(
            lengths in proptest::collection::vec(1..40_usize, 1..40),
            bidirectional: bool,
        ) {
            let network = network(2, bidirectional);
            let sequences: Vec<Vec<f32>> = lengths.iter().enumerate().map(|(i, &steps)| wave(steps, i)).collect();
            let together = embed(&network, &sequences, 1);
            for (sequence, expected) in sequences.iter().zip(together.chunks_exact(DIMS)) {
                let alone = embed(&network, std::slice::from_ref(sequence), 1);
                for (a, b) in alone.iter().zip(expected) {
                    prop_assert!((a - b).abs() < 2e-6);
                }
            }
        }
    }
}
