//! The trainer: one step at a time, driven by the caller.
//!
//! ```text
//! sampler ─► batch ─► chunks of fixed size ─► embeddings ─► loss ─► gradients of the chunks, summed in order
//!                     (threads)                                     (threads)   ─► clip ─► Adam ─► average
//! ```
//!
//! Invariants: the weights after step n depend on the configuration, the data and the augmentation alone; the number
//! of threads is no part of the configuration. A step that fails changes nothing.

use crate::checkpoint;
use crate::chunk::{CHUNK_SEQUENCES, Chunk, by_length};
use crate::dataset::Dataset;
use crate::error::LearnError;
use crate::loss::Loss;
use crate::network::{Network, NetworkConfig, check_sequence};
use crate::optimiser::{Adam, Schedule, clip, norm};
use crate::parallel::for_each;
use crate::sampler::{Draw, Purpose, Sampler, stream};
use rand_chacha::ChaCha8Rng;
use std::borrow::Cow;
use std::num::NonZeroUsize;

/// Changes a sequence on its way into a batch: `(chance, person, sequence, values)`. It may change the number of rows.
/// As long as it uses no other source of chance than the generator it is given, training stays reproducible.
pub type Augment<'a> = dyn FnMut(&mut ChaCha8Rng, usize, usize, &mut Vec<f32>) + 'a;

/// Everything that decides what is learned, besides the data.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainConfig {
    /// Sizes of the network.
    pub network: NetworkConfig,
    /// What is minimised.
    pub loss: Loss,
    /// People in a batch (all of them where the data has fewer).
    pub people_per_batch: usize,
    /// Sequences of each (all of them where a person has fewer).
    pub sequences_per_person: usize,
    /// Steps until the learning rate has come down to its floor.
    pub steps: u64,
    /// Steps in which it rises to its peak.
    pub warmup_steps: u64,
    /// The peak.
    pub learning_rate: f32,
    /// The floor, as a share of the peak.
    pub learning_rate_floor: f32,
    /// Longer gradients are shortened to this.
    pub gradient_norm_max: f32,
    /// Keeps a running average of the weights, of which each step keeps this share (0.999 remembers some thousand
    /// steps); none where absent.
    pub average_decay: Option<f32>,
    /// Decides the first weights and every draw.
    pub seed: u64,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// Number of the step, the first one being 1.
    pub step: u64,
    /// Loss of the batch before the step.
    pub loss: f64,
    /// Length of the gradient before clipping.
    pub gradient_norm: f64,
    /// Learning rate of the step.
    pub learning_rate: f32,
    /// Sequences in the batch.
    pub sequences: usize,
}

/// Trains a network.
#[derive(Debug)]
pub struct Trainer {
    // Constant.
    config: TrainConfig,
    data: Dataset,
    // What a checkpoint holds.
    state: TrainState,
    // Buffers, and what follows from the rest.
    sampler: Sampler,
    buffers: BatchBuffers,
}

/// A batch on its way through the network and back; kept from step to step.
#[derive(Debug, Default)]
pub(crate) struct BatchBuffers {
    chunks: Vec<Chunk>,
    gradient: Vec<f32>,
}

/// What training has come to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TrainState {
    pub(crate) network: Network,
    pub(crate) adam: Adam,
    pub(crate) average: Option<Network>,
    pub(crate) steps_done: u64,
}

impl TrainConfig {
    /// The recipe of models.md: supervised contrastive loss, 32 people × 8 sequences, 1,200 steps, Adam at 0.01.
    pub fn new(network: NetworkConfig) -> Self {
        Self {
            network,
            loss: Loss::BEST,
            people_per_batch: 32,
            sequences_per_person: 8,
            steps: 1_200,
            warmup_steps: 100,
            learning_rate: 0.01,
            learning_rate_floor: 0.01,
            gradient_norm_max: 1.0,
            average_decay: None,
            seed: 1,
        }
    }

    /// Refuses settings outside their bounds.
    pub fn validate(&self) -> Result<(), LearnError> {
        self.network.validate()?;
        self.loss.validate()?;
        for (field, found, least) in [
            ("people_per_batch", self.people_per_batch, 2),
            ("sequences_per_person", self.sequences_per_person, 2),
        ] {
            if !(least..=1_024).contains(&found) {
                return Err(LearnError::setting(field, found, format!("from {least} to 1024")));
            }
        }
        // The loss looks at every pair of a batch: 4,096 sequences are 64 MiB of cosines.
        let sequences = self.people_per_batch * self.sequences_per_person;
        if sequences > 4_096 {
            return Err(LearnError::setting(
                "people_per_batch × sequences_per_person",
                sequences,
                "at most 4096",
            ));
        }
        if self.steps == 0 || self.steps > 10_000_000 {
            return Err(LearnError::setting("steps", self.steps, "from 1 to 10000000"));
        }
        let floats = [
            ("learning_rate", self.learning_rate, 1e-8, 10.0),
            ("learning_rate_floor", self.learning_rate_floor, 0.0, 1.0),
            ("gradient_norm_max", self.gradient_norm_max, 1e-6, 1e6),
            ("average_decay", self.average_decay.unwrap_or(0.0), 0.0, 0.999_999),
        ];
        for (field, found, least, most) in floats {
            if !(least..=most).contains(&found) {
                return Err(LearnError::setting(field, found, format!("from {least} to {most}")));
            }
        }
        Ok(())
    }

    fn schedule(&self) -> Schedule {
        Schedule {
            peak: self.learning_rate,
            floor: self.learning_rate_floor,
            warmup_steps: self.warmup_steps,
            steps: self.steps,
        }
    }
}

impl Trainer {
    /// Begins with random weights.
    pub fn new(config: TrainConfig, data: Dataset) -> Result<Self, LearnError> {
        config.validate()?;
        let network = Network::random(config.network, config.seed)?;
        let state = TrainState {
            adam: Adam::new(network.parameters().len()),
            average: config.average_decay.map(|_| network.clone()),
            network,
            steps_done: 0,
        };
        Self::with_state(config, data, state)
    }

    /// Goes on from a checkpoint, with the same data: every later step is as if there had been no interruption.
    pub fn resume(bytes: &[u8], data: Dataset) -> Result<Self, LearnError> {
        let (config, state, fingerprint) = checkpoint::read_training(bytes)?;
        config.validate()?;
        if fingerprint != data.fingerprint() {
            return Err(LearnError::OtherData {
                expected: fingerprint,
                found: data.fingerprint(),
            });
        }
        Self::with_state(config, data, state)
    }

    fn with_state(config: TrainConfig, data: Dataset, state: TrainState) -> Result<Self, LearnError> {
        if data.features() != config.network.features {
            let expected = format!("{}, as the data has", data.features());
            return Err(LearnError::setting("features", config.network.features, expected));
        }
        let pairable = (0..data.people()).filter(|&person| data.sequences(person) >= 2).count();
        if pairable < 2 {
            return Err(LearnError::TooFewPeople {
                people: data.people(),
                pairable,
            });
        }
        let sampler = Sampler::new(config.seed, config.people_per_batch, config.sequences_per_person);
        Ok(Self {
            config,
            data,
            state,
            sampler,
            buffers: BatchBuffers::default(),
        })
    }

    /// Trains on one batch. After the last step of the schedule it goes on at the lowest learning rate.
    pub fn step(&mut self, threads: NonZeroUsize) -> Result<StepReport, LearnError> {
        self.run(threads, None)
    }

    /// As [`Trainer::step`], with each sequence changed on its way into the batch.
    pub fn step_augmented(
        &mut self,
        threads: NonZeroUsize,
        augment: &mut Augment<'_>,
    ) -> Result<StepReport, LearnError> {
        self.run(threads, Some(augment))
    }

    /// Everything that is needed to go on later, as versioned, checksummed bytes (the data is not among them).
    pub fn checkpoint(&self) -> Vec<u8> {
        checkpoint::write_training(&self.config, &self.state, self.data.fingerprint())
    }

    /// The network as it is.
    pub fn network(&self) -> &Network {
        &self.state.network
    }

    /// The network with the running average of the weights, where one is kept.
    pub fn averaged_network(&self) -> Option<&Network> {
        self.state.average.as_ref()
    }

    /// Whether the schedule has come to its end.
    pub fn is_finished(&self) -> bool {
        self.state.steps_done >= self.config.steps
    }

    /// Steps done so far.
    pub fn steps_done(&self) -> u64 {
        self.state.steps_done
    }

    /// The configuration.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// The data.
    pub fn data(&self) -> &Dataset {
        &self.data
    }

    fn run(&mut self, threads: NonZeroUsize, augment: Option<&mut Augment<'_>>) -> Result<StepReport, LearnError> {
        let step = self.state.steps_done;
        let draws = self.sampler.draw(&self.data, step);
        let sequences = assemble(
            &self.data,
            &draws,
            stream(self.config.seed, Purpose::Augmentation, step),
            augment,
        )?;
        let people: Vec<usize> = draws.iter().map(|draw| draw.person).collect();
        let network = &self.state.network;
        let (loss, gradient) = self
            .buffers
            .differentiate(network, &self.config.loss, &people, &sequences, threads);
        let gradient_norm = norm(gradient);
        if !loss.is_finite() || !gradient_norm.is_finite() {
            return Err(LearnError::Diverged { step: step + 1 });
        }
        let learning_rate = self.config.schedule().rate(step);
        let scale = clip(gradient_norm, self.config.gradient_norm_max);
        let state = &mut self.state;
        state
            .adam
            .apply(state.network.parameters_mut(), gradient, scale, learning_rate, step);
        if let (Some(average), Some(decay)) = (&mut state.average, self.config.average_decay) {
            // Early on the average follows quickly, or the random first weights would stay in it for long.
            let share = 1.0 - decay.min((step + 1) as f32 / (step + 10) as f32);
            for (average, parameter) in average.parameters_mut().iter_mut().zip(state.network.parameters()) {
                *average += share * (parameter - *average);
            }
        }
        state.steps_done += 1;
        Ok(StepReport {
            step: step + 1,
            loss,
            gradient_norm,
            learning_rate,
            sequences: sequences.len(),
        })
    }
}

impl BatchBuffers {
    /// Computes the loss of a batch and its gradient. `people[i]` tells whose sequence `i` is.
    pub(crate) fn differentiate(
        &mut self,
        network: &Network,
        loss: &Loss,
        people: &[usize],
        sequences: &[impl AsRef<[f32]> + Sync],
        threads: NonZeroUsize,
    ) -> (f64, &[f32]) {
        let NetworkConfig {
            features,
            embedding: dims,
            ..
        } = *network.config();
        let order = by_length(sequences);
        let parts: Vec<&[usize]> = order.chunks(CHUNK_SEQUENCES).collect();
        self.chunks
            .resize_with(self.chunks.len().max(parts.len()), Chunk::default);
        let mut work: Vec<_> = self.chunks.iter_mut().zip(parts).collect();
        for_each(threads, &mut work, |(chunk, part)| {
            chunk.load(features, part.iter().map(|&index| sequences[index].as_ref()));
            chunk.forward(network);
        });
        let mut embeddings = vec![0.0; sequences.len() * dims];
        for (chunk, part) in &work {
            for (values, &index) in chunk.embeddings().chunks_exact(dims).zip(*part) {
                embeddings[index * dims..(index + 1) * dims].copy_from_slice(values);
            }
        }
        let mut d_embeddings = Vec::new();
        let value = loss.evaluate(&embeddings, people, &mut d_embeddings);
        for_each(threads, &mut work, |(chunk, part)| {
            chunk.d_embeddings.clear();
            for &index in *part {
                chunk
                    .d_embeddings
                    .extend_from_slice(&d_embeddings[index * dims..(index + 1) * dims]);
            }
            chunk.backward(network);
        });
        self.gradient.clear();
        self.gradient.resize(network.parameters().len(), 0.0);
        for (chunk, _) in &work {
            self.gradient
                .iter_mut()
                .zip(chunk.gradient())
                .for_each(|(sum, value)| *sum += value);
        }
        (value, &self.gradient)
    }
}

/// Fetches the sequences of a batch; copies them only where they are to be changed.
fn assemble<'a>(
    data: &'a Dataset,
    draws: &[Draw],
    mut rng: ChaCha8Rng,
    augment: Option<&mut Augment<'_>>,
) -> Result<Vec<Cow<'a, [f32]>>, LearnError> {
    let originals = draws.iter().map(|draw| data.sequence(draw.person, draw.sequence));
    let Some(augment) = augment else {
        return Ok(originals.map(Cow::Borrowed).collect());
    };
    let mut sequences = Vec::with_capacity(draws.len());
    for (index, (original, draw)) in originals.zip(draws).enumerate() {
        let mut values = original.to_vec();
        augment(&mut rng, draw.person, draw.sequence, &mut values);
        check_sequence(index, &values, data.features())?;
        sequences.push(Cow::Owned(values));
    }
    Ok(sequences)
}

#[cfg(test)]
mod tests;
