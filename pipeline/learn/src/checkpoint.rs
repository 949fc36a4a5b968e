//! Networks and training states as bytes.
//!
//! ```text
//! mark (8 bytes) │ version u32 │ length of the body u64 │ body (protobuf) │ FNV-1a of all before, u64     little endian
//! ```
//!
//! Invariants: what is written is read back bit for bit; bytes that were cut off, changed or written by another version
//! are refused, never half read. The checksum finds accidents, not forgery: trust is the manifest's business.

use crate::error::LearnError;
use crate::loss::Loss;
use crate::network::{Network, NetworkConfig};
use crate::optimiser::Adam;
use crate::train::{TrainConfig, TrainState};
use prost::Message;

/// Raise it with every change of the records below or of the order of the weights.
const VERSION: u32 = 1;

struct Kind {
    name: &'static str,
    mark: &'static [u8; 8],
}

const NETWORK: Kind = Kind {
    name: "network",
    mark: b"DUCTUSnw",
};
const TRAINING: Kind = Kind {
    name: "training checkpoint",
    mark: b"DUCTUStr",
};

/// Length of mark, version and body length.
const HEAD: usize = 20;
const CHECKSUM: usize = 8;

pub(crate) fn write_network(network: &Network) -> Vec<u8> {
    frame(&NETWORK, &NetworkRecord::from(network))
}

pub(crate) fn read_network(bytes: &[u8]) -> Result<Network, LearnError> {
    unframe::<NetworkRecord>(&NETWORK, bytes)?.network()
}

pub(crate) fn write_training(config: &TrainConfig, state: &TrainState, fingerprint: u64) -> Vec<u8> {
    frame(&TRAINING, &TrainingRecord::new(config, state, fingerprint))
}

/// Returns configuration, state and the fingerprint of the data.
pub(crate) fn read_training(bytes: &[u8]) -> Result<(TrainConfig, TrainState, u64), LearnError> {
    unframe::<TrainingRecord>(&TRAINING, bytes)?.into_parts()
}

fn frame(kind: &Kind, record: &impl Message) -> Vec<u8> {
    let body = record.encode_to_vec();
    let mut bytes = Vec::with_capacity(HEAD + body.len() + CHECKSUM);
    bytes.extend_from_slice(kind.mark);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&body);
    bytes.extend_from_slice(&checksum(&bytes).to_le_bytes());
    bytes
}

fn unframe<R: Message + Default>(kind: &Kind, bytes: &[u8]) -> Result<R, LearnError> {
    let damaged = |problem: String| LearnError::Damaged {
        what: kind.name,
        problem,
    };
    let Some((mark, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(damaged(format!("{} bytes are too few", bytes.len())));
    };
    if mark != kind.mark {
        return Err(LearnError::Mark { expected: kind.name });
    }
    let Some((version, rest)) = rest.split_first_chunk::<4>() else {
        return Err(damaged("it ends inside its head".into()));
    };
    let found = u32::from_le_bytes(*version);
    if found != VERSION {
        return Err(LearnError::Version {
            what: kind.name,
            found,
            supported: VERSION,
        });
    }
    let Some((length, rest)) = rest.split_first_chunk::<8>() else {
        return Err(damaged("it ends inside its head".into()));
    };
    let length = u64::from_le_bytes(*length);
    let expected = length.saturating_add(CHECKSUM as u64);
    if rest.len() as u64 != expected {
        return Err(damaged(format!(
            "{} bytes follow the head instead of {expected}",
            rest.len()
        )));
    }
    let Some((covered, sum)) = bytes.split_last_chunk::<CHECKSUM>() else {
        return Err(damaged("it has no checksum".into()));
    };
    if checksum(covered) != u64::from_le_bytes(*sum) {
        return Err(damaged("the checksum does not match".into()));
    }
    R::decode(&covered[HEAD..]).map_err(|error| damaged(error.to_string()))
}

/// FNV-1a, 64 bits.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |state, &byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[derive(Clone, PartialEq, Message)]
struct NetworkRecord {
    #[prost(uint64, tag = "1")]
    features: u64,
    #[prost(uint64, tag = "2")]
    layers: u64,
    #[prost(uint64, tag = "3")]
    hidden: u64,
    #[prost(bool, tag = "4")]
    bidirectional: bool,
    #[prost(uint64, tag = "5")]
    embedding: u64,
    #[prost(float, repeated, tag = "6")]
    parameters: Vec<f32>,
}

impl From<&Network> for NetworkRecord {
    fn from(network: &Network) -> Self {
        let NetworkConfig {
            features,
            layers,
            hidden,
            bidirectional,
            embedding,
        } = *network.config();
        Self {
            features: features as u64,
            layers: layers as u64,
            hidden: hidden as u64,
            bidirectional,
            embedding: embedding as u64,
            parameters: network.parameters().to_vec(),
        }
    }
}

impl NetworkRecord {
    fn network(self) -> Result<Network, LearnError> {
        let config = NetworkConfig {
            features: size("features", self.features)?,
            layers: size("layers", self.layers)?,
            hidden: size("hidden", self.hidden)?,
            bidirectional: self.bidirectional,
            embedding: size("embedding", self.embedding)?,
        };
        Network::from_parameters(config, self.parameters)
    }
}

#[derive(Clone, PartialEq, Message)]
struct TrainingRecord {
    #[prost(message, required, tag = "1")]
    network: NetworkRecord,
    #[prost(float, repeated, tag = "2")]
    first_moments: Vec<f32>,
    #[prost(float, repeated, tag = "3")]
    second_moments: Vec<f32>,
    #[prost(float, repeated, tag = "4")]
    average: Vec<f32>,
    #[prost(uint64, tag = "5")]
    steps_done: u64,
    #[prost(fixed64, tag = "6")]
    fingerprint: u64,
    #[prost(oneof = "LossRecord", tags = "7, 8, 9")]
    loss: Option<LossRecord>,
    #[prost(uint64, tag = "10")]
    people_per_batch: u64,
    #[prost(uint64, tag = "11")]
    sequences_per_person: u64,
    #[prost(uint64, tag = "12")]
    steps: u64,
    #[prost(uint64, tag = "13")]
    warmup_steps: u64,
    #[prost(float, tag = "14")]
    learning_rate: f32,
    #[prost(float, tag = "15")]
    learning_rate_floor: f32,
    #[prost(float, tag = "16")]
    gradient_norm_max: f32,
    #[prost(float, optional, tag = "17")]
    average_decay: Option<f32>,
    #[prost(uint64, tag = "18")]
    seed: u64,
}

#[derive(Clone, Copy, PartialEq, prost::Oneof)]
enum LossRecord {
    #[prost(float, tag = "7")]
    ContrastiveMargin(f32),
    #[prost(float, tag = "8")]
    TripletMargin(f32),
    #[prost(float, tag = "9")]
    SupervisedContrastiveTemperature(f32),
}

impl TrainingRecord {
    fn new(config: &TrainConfig, state: &TrainState, fingerprint: u64) -> Self {
        Self {
            network: NetworkRecord::from(&state.network),
            first_moments: state.adam.first.clone(),
            second_moments: state.adam.second.clone(),
            average: state
                .average
                .as_ref()
                .map_or(Vec::new(), |average| average.parameters().to_vec()),
            steps_done: state.steps_done,
            fingerprint,
            loss: Some(match config.loss {
                Loss::Contrastive { margin } => LossRecord::ContrastiveMargin(margin),
                Loss::Triplet { margin } => LossRecord::TripletMargin(margin),
                Loss::SupervisedContrastive { temperature } => {
                    LossRecord::SupervisedContrastiveTemperature(temperature)
                }
            }),
            people_per_batch: config.people_per_batch as u64,
            sequences_per_person: config.sequences_per_person as u64,
            steps: config.steps,
            warmup_steps: config.warmup_steps,
            learning_rate: config.learning_rate,
            learning_rate_floor: config.learning_rate_floor,
            gradient_norm_max: config.gradient_norm_max,
            average_decay: config.average_decay,
            seed: config.seed,
        }
    }

    fn into_parts(self) -> Result<(TrainConfig, TrainState, u64), LearnError> {
        let damaged = |problem: &str| LearnError::Damaged {
            what: TRAINING.name,
            problem: problem.into(),
        };
        let network = self.network.network()?;
        let count = network.parameters().len();
        if self.first_moments.len() != count || self.second_moments.len() != count {
            return Err(damaged("it has another number of moments than of weights"));
        }
        let average = match self.average_decay {
            Some(_) => Some(Network::from_parameters(*network.config(), self.average)?),
            None => None,
        };
        let loss = match self.loss.ok_or_else(|| damaged("it names no loss"))? {
            LossRecord::ContrastiveMargin(margin) => Loss::Contrastive { margin },
            LossRecord::TripletMargin(margin) => Loss::Triplet { margin },
            LossRecord::SupervisedContrastiveTemperature(temperature) => Loss::SupervisedContrastive { temperature },
        };
        let config = TrainConfig {
            network: *network.config(),
            loss,
            people_per_batch: size("people_per_batch", self.people_per_batch)?,
            sequences_per_person: size("sequences_per_person", self.sequences_per_person)?,
            steps: self.steps,
            warmup_steps: self.warmup_steps,
            learning_rate: self.learning_rate,
            learning_rate_floor: self.learning_rate_floor,
            gradient_norm_max: self.gradient_norm_max,
            average_decay: self.average_decay,
            seed: self.seed,
        };
        let adam = Adam {
            first: self.first_moments,
            second: self.second_moments,
        };
        let state = TrainState {
            network,
            adam,
            average,
            steps_done: self.steps_done,
        };
        Ok((config, state, self.fingerprint))
    }
}

fn size(field: &'static str, value: u64) -> Result<usize, LearnError> {
    // The owner of the field checks its own bounds; this one only keeps products of sizes from overflowing.
    usize::try_from(value)
        .ok()
        .filter(|&size| size <= 1 << 20)
        .ok_or_else(|| LearnError::setting(field, value, "at most 1048576"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn network() -> Network {
        let config = NetworkConfig {
            features: 2,
            layers: 1,
            hidden: 3,
            bidirectional: true,
            embedding: 2,
        };
        Network::random(config, 5).unwrap()
    }

    #[test]
    fn reads_back_what_was_written() {
        assert_eq!(Network::from_bytes(&network().to_bytes()).unwrap(), network());
    }

    #[test]
    fn refuses_with_words() {
        let good = network().to_bytes();
        let versioned = |version: u32| [&good[..8], &version.to_le_bytes(), &good[12..]].concat();
        let longer = [&good[..], &[0]].concat();
        let cases: [(&[u8], expect_test::Expect); 7] = [
            (
                b"",
                expect_test::expect!["this network is damaged (0 bytes are too few): take another copy"],
            ),
            (
                b"PK\x03\x04 and so on",
                expect_test::expect!["these bytes are no network: they do not begin with its mark"],
            ),
            (
                &good[..10],
                expect_test::expect!["this network is damaged (it ends inside its head): take another copy"],
            ),
            (
                &good[..16],
                expect_test::expect!["this network is damaged (it ends inside its head): take another copy"],
            ),
            (
                &good[..good.len() - 1],
                expect_test::expect![
                    "this network is damaged (652 bytes follow the head instead of 653): take another copy"
                ],
            ),
            (
                &longer,
                expect_test::expect![
                    "this network is damaged (654 bytes follow the head instead of 653): take another copy"
                ],
            ),
            (
                &versioned(7),
                expect_test::expect![
                    "this network has format version 7, this build reads version 1: use the build that wrote it, or train again"
                ],
            ),
        ];
        for (bytes, expected) in cases {
            expected.assert_eq(&Network::from_bytes(bytes).unwrap_err().to_string());
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let good = network().to_bytes();
        for position in 0..good.len() {
            let mut bad = good.clone();
            bad[position] ^= 0x10;
            assert!(Network::from_bytes(&bad).is_err(), "byte {position}");
        }
    }

    #[test]
    fn impossible_sizes_are_refused_before_memory_is_taken() {
        let record = NetworkRecord {
            hidden: u64::MAX,
            layers: 1,
            features: 1,
            embedding: 1,
            ..Default::default()
        };
        assert!(matches!(
            record.clone().network(),
            Err(LearnError::Setting { field: "hidden", .. })
        ));
        let record = NetworkRecord {
            hidden: 1_000_000,
            ..record
        };
        assert!(matches!(
            record.network(),
            Err(LearnError::Setting { field: "hidden", .. })
        ));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Network::from_bytes(&bytes).is_err());
            prop_assert!(Network::from_bytes(&[NETWORK.mark, &VERSION.to_le_bytes()[..], &bytes].concat()).is_err());
            prop_assert!(read_training(&frame(&TRAINING, &NetworkRecord::default())).is_err());
        }
    }
}
