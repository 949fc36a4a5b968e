//! How fast a network trains: prints one JSON object. The yardstick is `training_torch.py` beside this file.
#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures time")]

use ductus_learn::{Dataset, LearnError, Loss, NetworkConfig, TrainConfig, Trainer};
use std::num::NonZeroUsize;
use std::time::Instant;

const FEATURES: usize = 17;
const STEPS: usize = 50;
const PEOPLE: usize = 64;
const SEQUENCES: usize = 12;
const THREADS: NonZeroUsize = NonZeroUsize::new(2).expect("two is not zero");
const ROUNDS: usize = 7;
const BATCHES_PER_ROUND: usize = 12;

fn main() -> Result<(), LearnError> {
    let network = NetworkConfig {
        features: FEATURES,
        layers: 2,
        hidden: 64,
        bidirectional: false,
        embedding: 64,
    };
    let config = TrainConfig {
        loss: Loss::Contrastive { margin: 1.0 },
        ..TrainConfig::new(network)
    };
    let mut trainer = Trainer::new(config, data()?)?;
    let mut round = || -> Result<f64, LearnError> {
        let start = Instant::now();
        let mut sequences = 0;
        for _ in 0..BATCHES_PER_ROUND {
            sequences += trainer.step(THREADS)?.sequences;
        }
        Ok(sequences as f64 / start.elapsed().as_secs_f64())
    };
    round()?;
    let mut rates = (0..ROUNDS).map(|_| round()).collect::<Result<Vec<_>, _>>()?;
    rates.sort_by(f64::total_cmp);
    // The median: other work on the machine disturbs single rounds.
    println!(
        r#"{{"name":"learn/train-2x64","value":{:.0},"unit":"seq/s"}}"#,
        rates[ROUNDS / 2]
    );
    Ok(())
}

/// Any numbers will do: the work does not depend on them.
fn data() -> Result<Dataset, LearnError> {
    let mut data = Dataset::new(FEATURES)?;
    for person in 0..PEOPLE {
        let wave = |index: usize| -> Vec<f32> {
            (0..STEPS * FEATURES)
                .map(|i| ((i * (person + 3) + index * 7) as f32 * 0.13).sin())
                .collect()
        };
        let sequences: Vec<Vec<f32>> = (0..SEQUENCES).map(wave).collect();
        data.add_person(sequences.iter().map(|values| (0, values.as_slice())))?;
    }
    Ok(data)
}
