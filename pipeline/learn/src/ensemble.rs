//! Several networks as one: each embeds the sequence, and their embeddings stand side by side.
//!
//! Networks of one recipe that began with other weights err on other people, so that the cosine of the joined embeddings,
//! which is the mean of the members' cosines, errs less than any of them (Hansen and Salamon, PAMI 1990).
//!
//! Invariants: every member weighs the same, and the joined embedding has unit length; an ensemble of one is that network,
//! to the bit, in its embeddings and in its ONNX model.

use crate::error::LearnError;
use crate::network::Network;
use crate::onnx;
use std::num::NonZeroUsize;

/// Most networks in an ensemble: a bound on the work a window costs.
pub const MEMBERS_MAX: usize = 16;

/// Networks that embed together.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble {
    members: Vec<Network>,
}

impl Ensemble {
    /// Of these networks, in this order.
    ///
    /// # Errors
    ///
    /// None, or more than [`MEMBERS_MAX`] of them, or some that read other features than the first.
    pub fn new(members: Vec<Network>) -> Result<Self, LearnError> {
        if members.is_empty() || members.len() > MEMBERS_MAX {
            return Err(LearnError::setting(
                "members",
                members.len(),
                format!("from 1 to {MEMBERS_MAX}"),
            ));
        }
        let features = members[0].config().features;
        if let Some(other) = members.iter().find(|member| member.config().features != features) {
            let expected = format!("{features}, as of the first member");
            return Err(LearnError::setting("features", other.config().features, expected));
        }
        Ok(Self { members })
    }

    /// The networks.
    pub fn members(&self) -> &[Network] {
        &self.members
    }

    /// Values of a joined embedding.
    pub fn dims(&self) -> usize {
        self.members.iter().map(|member| member.config().embedding).sum()
    }

    /// Embeds sequences as [`Network::embed`] does: one unit vector of [`Ensemble::dims`] values a sequence.
    ///
    /// # Errors
    ///
    /// Those of [`Network::embed`].
    pub fn embed(&self, sequences: &[&[f32]], threads: NonZeroUsize) -> Result<Vec<f32>, LearnError> {
        if let [only] = self.members.as_slice() {
            return only.embed(sequences, threads);
        }
        let (dims, share) = (self.dims(), share(self.members.len()));
        let mut joined = vec![0.0; sequences.len() * dims];
        let mut from = 0;
        for member in &self.members {
            let own = member.config().embedding;
            let embeddings = member.embed(sequences, threads)?;
            for (row, embedding) in joined.chunks_exact_mut(dims).zip(embeddings.chunks_exact(own)) {
                for (value, ours) in row[from..from + own].iter_mut().zip(embedding) {
                    *value = ours * share;
                }
            }
            from += own;
        }
        Ok(joined)
    }

    /// The ensemble as one ONNX model with the inputs and the output of [`Network::to_onnx`].
    pub fn to_onnx(&self) -> Vec<u8> {
        onnx::export(&self.members)
    }
}

/// What the values of one of `members` unit vectors are multiplied with, so that they make a unit vector together.
pub(crate) fn share(members: usize) -> f32 {
    1.0 / (members as f32).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::NetworkConfig;

    fn network(features: usize, embedding: usize, seed: u64) -> Network {
        let config = NetworkConfig {
            hidden: 8,
            embedding,
            ..NetworkConfig::new(features)
        };
        Network::random(config, seed).unwrap()
    }

    fn sequence(steps: usize, features: usize) -> Vec<f32> {
        (0..steps * features).map(|i| (i as f32 * 0.7).sin()).collect()
    }

    #[test]
    fn the_joined_cosine_is_the_mean_of_the_members() {
        let members = [network(3, 5, 1), network(3, 7, 2), network(3, 5, 3)];
        let sequences = [sequence(4, 3), sequence(9, 3)];
        let sequences = [sequences[0].as_slice(), sequences[1].as_slice()];
        let cosine = |embeddings: &[f32]| -> f32 {
            let (a, b) = embeddings.split_at(embeddings.len() / 2);
            a.iter().zip(b).map(|(a, b)| a * b).sum()
        };
        let own = members
            .each_ref()
            .map(|member| cosine(&member.embed(&sequences, NonZeroUsize::MIN).unwrap()));
        let ensemble = Ensemble::new(members.to_vec()).unwrap();
        let joined = ensemble.embed(&sequences, NonZeroUsize::MIN).unwrap();
        assert_eq!((ensemble.dims(), joined.len()), (17, 34));
        assert!((cosine(&joined) - own.iter().sum::<f32>() / 3.0).abs() < 1e-6);
        let length: f32 = joined[..17].iter().map(|value| value * value).sum();
        assert!((length - 1.0).abs() < 1e-6);
    }

    #[test]
    fn one_member_is_that_network() {
        let only = network(3, 5, 1);
        let ensemble = Ensemble::new(vec![only.clone()]).unwrap();
        let sequence = sequence(4, 3);
        let embed = [sequence.as_slice()];
        assert_eq!(
            ensemble.embed(&embed, NonZeroUsize::MIN).unwrap(),
            only.embed(&embed, NonZeroUsize::MIN).unwrap()
        );
        assert_eq!(ensemble.to_onnx(), only.to_onnx());
    }

    #[test]
    fn refuses_what_is_no_ensemble() {
        let cases = [
            vec![],
            vec![network(3, 5, 1); MEMBERS_MAX + 1],
            vec![network(3, 5, 1), network(4, 5, 1)],
        ];
        let texts = cases.map(|members| Ensemble::new(members).unwrap_err().to_string());
        expect_test::expect![[r#"
            setting members is 0: it must be from 1 to 16
            setting members is 17: it must be from 1 to 16
            setting features is 4: it must be 3, as of the first member"#]]
        .assert_eq(&texts.join("\n"));
    }
}
