//! Gradients against finite differences; determinism; resuming; learning.

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
        for network in [trainer.network(), trainer.averaged_network().unwrap()] {
            let (nearest_other, farthest_own) = separation(network, trainer.data());
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
