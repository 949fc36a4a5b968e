//! Synthetic people: typists and pointer users drawn from population figures, for demonstrations, tests and load.
//!
//! They are no stand-in for people when accuracy is judged: they show that the line works, not how well it recognises.
//! Invariants: the same seeds give the same events on every machine; times rise within a modality; press numbers run on.

pub mod attack;
pub mod forgery;
mod pointer;
mod typist;

pub use pointer::PointerUser;
pub use typist::Typist;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

/// Mean and standard deviation over the people of a population.
#[derive(Clone, Copy, Debug)]
struct Population {
    mean: f64,
    sd: f64,
}

impl Population {
    /// One person's value, at most two and a half standard deviations from the mean.
    fn draw(self, rng: &mut ChaCha8Rng) -> f64 {
        self.mean + self.sd * normal(rng).clamp(-2.5, 2.5)
    }
}

/// A standard normal value.
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    Normal::new(0.0, 1.0)
        .expect("a standard deviation of 1 is valid")
        .sample(rng)
}

/// Independent streams for the person and for each session.
fn rng(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(stream);
    rng
}

#[cfg(test)]
mod tests;
