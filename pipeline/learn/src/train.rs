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
    pub(crate) average: Option<Vec<f32>>,
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
            average: config.average_decay.map(|_| network.parameters().to_vec()),
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
    pub fn averaged_network(&self) -> Option<Network> {
        let average = self.state.average.clone()?;
        Network::from_parameters(self.config.network, average).ok()
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
            for (average, parameter) in average.iter_mut().zip(state.network.parameters()) {
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
mod tests {
    use super::*;
    use crate::reference;
    use rand::Rng;

    fn threads(number: usize) -> NonZeroUsize {
        NonZeroUsize::new(number).unwrap()
    }

    /// People who differ in the pace of a wave, sequences of 8 to 20 steps.
    fn waves(people: usize, sequences: usize) -> Dataset {
        let mut data = Dataset::new(2).unwrap();
        for person in 0..people {
            let wave = |index: usize| -> Vec<f32> {
                let pace = 0.3 + 0.45 * person as f32;
                let phase = index as f32 * 1.7;
                (0..8 + (index * 5 + person) % 13)
                    .flat_map(|step| [(phase + pace * step as f32).sin(), (phase + pace * step as f32).cos()])
                    .collect()
            };
            let sequences: Vec<Vec<f32>> = (0..sequences).map(wave).collect();
            data.add_person(
                sequences
                    .iter()
                    .enumerate()
                    .map(|(i, values)| (i as u32 % 3, values.as_slice())),
            )
            .unwrap();
        }
        data
    }

    fn config() -> TrainConfig {
        let network = NetworkConfig {
            features: 2,
            layers: 2,
            hidden: 12,
            bidirectional: true,
            embedding: 8,
        };
        TrainConfig {
            people_per_batch: 5,
            sequences_per_person: 16,
            steps: 150,
            warmup_steps: 5,
            average_decay: Some(0.9),
            ..TrainConfig::new(network)
        }
    }

    fn jitter(rng: &mut ChaCha8Rng, _person: usize, _sequence: usize, values: &mut Vec<f32>) {
        let rows = values.len() / 2;
        values.truncate(2 * (rows - rng.next_u32() as usize % 3));
        values
            .iter_mut()
            .for_each(|value| *value += 0.05 * crate::sampler::uniform(rng));
    }

    #[test]
    fn every_gradient_agrees_with_finite_differences() {
        let losses = [
            Loss::Contrastive { margin: 1.5 },
            Loss::Triplet { margin: 1.0 },
            Loss::BEST,
        ];
        for bidirectional in [false, true] {
            for layers in [1, 2] {
                for loss in losses {
                    let config = NetworkConfig {
                        features: 3,
                        layers,
                        hidden: 4,
                        bidirectional,
                        embedding: 3,
                    };
                    check_gradient(&Network::random(config, 11).unwrap(), &loss);
                }
            }
        }
    }

    fn check_gradient(network: &Network, loss: &Loss) {
        let config = network.config();
        let people = [0, 0, 1, 1, 1, 2, 2];
        let sequences: Vec<Vec<f32>> = (0..people.len())
            .map(|i| {
                (0..3 * (1 + i * 3 % 5))
                    .map(|k| ((k * k + 7 * i) as f32 * 0.61).sin() * 1.5)
                    .collect()
            })
            .collect();
        let mut parameters: Vec<f64> = network.parameters().iter().map(|&value| f64::from(value)).collect();
        let value = |parameters: &[f64]| {
            let embeddings: Vec<f64> = sequences
                .iter()
                .flat_map(|sequence| reference::embed(config, parameters, sequence))
                .collect();
            reference::loss(loss, &embeddings, &people)
        };
        let mut buffers = BatchBuffers::default();
        let (found, gradient) = buffers.differentiate(network, loss, &people, &sequences, threads(1));
        let expected = value(&parameters);
        assert!(
            (found - expected).abs() < 1e-5 * (1.0 + expected),
            "{loss:?}: loss {found}, not {expected}"
        );
        let scale = gradient.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        assert!(scale > 1e-3, "{loss:?} has a gradient to check");
        for (index, &analytic) in gradient.iter().enumerate() {
            const STEP: f64 = 1e-5;
            let middle = parameters[index];
            parameters[index] = middle + STEP;
            let above = value(&parameters);
            parameters[index] = middle - STEP;
            let below = value(&parameters);
            parameters[index] = middle;
            let numeric = (above - below) / (2.0 * STEP);
            let difference = (f64::from(analytic) - numeric).abs();
            assert!(
                difference < 1e-4 * f64::from(scale) + 1e-4 * numeric.abs(),
                "{loss:?} {config:?} weight {index}: {analytic} by backpropagation, {numeric} by differences"
            );
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let run = |number: usize| {
            let mut trainer = Trainer::new(config(), waves(7, 18)).unwrap();
            let reports: Vec<_> = (0..6)
                .map(|_| trainer.step_augmented(threads(number), &mut jitter).unwrap())
                .collect();
            (trainer.checkpoint(), reports)
        };
        let one = run(1);
        assert_eq!(one.1[0].sequences, 80, "more than two chunks");
        assert!(one == run(2), "two threads");
        assert!(one == run(3), "three threads");
    }

    #[test]
    fn resuming_equals_never_having_stopped() {
        let mut whole = Trainer::new(config(), waves(6, 18)).unwrap();
        let mut checkpoints = vec![whole.checkpoint()];
        for _ in 0..9 {
            whole.step_augmented(threads(2), &mut jitter).unwrap();
            checkpoints.push(whole.checkpoint());
        }
        for start in [0, 4, 8] {
            let mut trainer = Trainer::resume(&checkpoints[start], waves(6, 18)).unwrap();
            assert_eq!((trainer.steps_done(), trainer.config()), (start as u64, &config()));
            for expected in &checkpoints[start + 1..] {
                trainer.step_augmented(threads(1), &mut jitter).unwrap();
                assert!(
                    &trainer.checkpoint() == expected,
                    "resumed at {start}, step {}",
                    trainer.steps_done()
                );
            }
        }
    }

    #[test]
    fn other_data_is_refused() {
        let checkpoint = Trainer::new(config(), waves(6, 18)).unwrap().checkpoint();
        let error = Trainer::resume(&checkpoint, waves(6, 17)).unwrap_err();
        assert!(matches!(error, LearnError::OtherData { .. }), "{error}");
        let error = Network::from_bytes(&checkpoint).unwrap_err();
        assert!(matches!(error, LearnError::Mark { .. }), "{error}");
    }

    #[test]
    fn learns_a_toy_problem_with_every_loss() {
        for loss in [
            Loss::Contrastive { margin: 1.0 },
            Loss::Triplet { margin: 0.5 },
            Loss::BEST,
        ] {
            let mut trainer = Trainer::new(TrainConfig { loss, ..config() }, waves(5, 16)).unwrap();
            while !trainer.is_finished() {
                trainer.step(threads(2)).unwrap();
            }
            for network in [trainer.network().clone(), trainer.averaged_network().unwrap()] {
                let (nearest_other, farthest_own) = separation(&network, trainer.data());
                assert!(
                    nearest_other < farthest_own,
                    "{loss:?}: {nearest_other} against {farthest_own}"
                );
            }
        }
    }

    /// Highest cosine between different people, lowest within one.
    fn separation(network: &Network, data: &Dataset) -> (f32, f32) {
        let draws: Vec<(usize, &[f32])> = (0..data.people())
            .flat_map(|person| (0..data.sequences(person)).map(move |i| (person, data.sequence(person, i))))
            .collect();
        let sequences: Vec<&[f32]> = draws.iter().map(|&(_, sequence)| sequence).collect();
        let embeddings = network.embed(&sequences, threads(2)).unwrap();
        let vectors: Vec<&[f32]> = embeddings.chunks_exact(network.config().embedding).collect();
        let (mut other, mut own) = (-1.0_f32, 1.0_f32);
        for (i, a) in vectors.iter().enumerate() {
            for (j, b) in vectors.iter().enumerate() {
                let cosine: f32 = a.iter().zip(*b).map(|(a, b)| a * b).sum();
                if draws[i].0 == draws[j].0 {
                    own = own.min(cosine)
                } else {
                    other = other.max(cosine)
                }
            }
        }
        (other, own)
    }

    #[test]
    fn a_failed_step_changes_nothing() {
        let mut trainer = Trainer::new(config(), waves(5, 16)).unwrap();
        trainer.step(threads(1)).unwrap();
        let before = trainer.checkpoint();
        let errors: [&mut Augment<'_>; 3] = [
            &mut |_: &mut ChaCha8Rng, _, _, values: &mut Vec<f32>| values.clear(),
            &mut |_: &mut ChaCha8Rng, _, _, values: &mut Vec<f32>| values.push(0.0),
            &mut |_: &mut ChaCha8Rng, _, _, values: &mut Vec<f32>| values[1] = f32::NAN,
        ];
        for augment in errors {
            trainer.step_augmented(threads(1), augment).unwrap_err();
            assert!(trainer.checkpoint() == before);
        }
    }

    #[test]
    fn refuses_settings_with_words() {
        let good = config();
        let with = |change: fn(&mut TrainConfig)| {
            let mut config = good.clone();
            change(&mut config);
            Trainer::new(config, waves(4, 4)).unwrap_err().to_string()
        };
        let texts = [
            with(|config| config.network.hidden = 0),
            with(|config| config.network.features = 3),
            with(|config| config.people_per_batch = 1),
            with(|config| (config.people_per_batch, config.sequences_per_person) = (100, 100)),
            with(|config| config.steps = 0),
            with(|config| config.learning_rate = f32::NAN),
            with(|config| config.average_decay = Some(1.0)),
            Trainer::new(good.clone(), waves(4, 1)).unwrap_err().to_string(),
        ];
        expect_test::expect![[r#"
            setting hidden is 0: it must be from 1 to 1024
            setting features is 3: it must be 2, as the data has
            setting people_per_batch is 1: it must be from 2 to 1024
            setting people_per_batch × sequences_per_person is 10000: it must be at most 4096
            setting steps is 0: it must be from 1 to 10000000
            setting learning_rate is NaN: it must be from 0.00000001 to 10
            setting average_decay is 1: it must be from 0 to 0.999999
            the data has 4 people, 0 of them with two sequences or more: at least two of each are needed"#]]
        .assert_eq(&texts.join("\n"));
    }
}
