//! The LSTM of Ductus, trained: forward and backward through time, losses, optimiser, ONNX export.
//!
//! A [`Network`] turns a sequence of feature rows (one row a key press or pointer event) into an embedding: LSTM
//! layers, the mean over the real steps, a linear map, unit length. A [`Trainer`] moves its weights so that two
//! sequences of one person point the same way and two sequences of different people do not.
//! [`Network::to_onnx`] writes what the scorer loads. Networks that err on other people judge together in an [`Ensemble`].
//!
//! ```
//! use ductus_learn::{Dataset, NetworkConfig, TrainConfig, Trainer};
//! use std::num::NonZeroUsize;
//!
//! let mut data = Dataset::new(2)?;
//! for person in 0..4u8 {
//!     let sequences: Vec<Vec<f32>> = (0..4u8).map(|i| vec![f32::from(person), f32::from(i), 1.0, 0.5]).collect();
//!     data.add_person(sequences.iter().map(|values| (0, values.as_slice())))?;
//! }
//! let config = TrainConfig { steps: 3, ..TrainConfig::new(NetworkConfig { hidden: 4, ..NetworkConfig::new(2) }) };
//! let mut trainer = Trainer::new(config, data)?;
//! while !trainer.is_finished() {
//!     trainer.step(NonZeroUsize::MIN)?;
//! }
//! let embedding = trainer.network().embed(&[&[1.0, 2.0, 1.0, 0.5]], NonZeroUsize::MIN)?;
//! assert_eq!(embedding.len(), 64);
//! # Ok::<(), ductus_learn::LearnError>(())
//! ```
//!
//! Invariants:
//! - No I/O, no clock, no logging: the caller drives every step and keeps every byte.
//! - On one machine the same configuration, seed and data give the same weights bit for bit, whatever the number of
//!   threads and however often training was interrupted. Between machines the matrix kernels may differ by rounding.
//! - Padding does not exist: only real steps are computed ([`Network::embed`] takes sequences of any length).

mod cell;
mod checkpoint;
mod chunk;
mod dataset;
mod ensemble;
mod error;
mod loss;
mod lstm;
mod matmul;
mod network;
mod onnx;
mod optimiser;
mod packed;
mod parallel;
mod sampler;
mod train;

#[cfg(test)]
mod reference;

pub use dataset::Dataset;
pub use ensemble::{Ensemble, MEMBERS_MAX};
pub use error::LearnError;
pub use loss::Loss;
pub use network::{Network, NetworkConfig};
pub use rand_chacha::ChaCha8Rng;
pub use train::{Augment, StepReport, TrainConfig, Trainer};

/// The longest sequence that is accepted, in steps: a bound on memory, far above any window of the product.
pub const STEPS_MAX: usize = 4_096;
