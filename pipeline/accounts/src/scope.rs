//! What a key or a token may do.
//!
//! Invariant: a set of scopes only ever shrinks on its way from a key to a token.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{AccountsError, Result};

/// One thing that may be asked of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Send event batches.
    Ingest,
    /// Enrol, verify, identify, read references.
    Verify,
    /// Read sessions, risks and decisions.
    Monitor,
    /// Manage the tenant: keys, webhooks, settings, erasure.
    Admin,
}

impl Scope {
    /// All of them, in the order in which they are written.
    pub const ALL: [Self; 4] = [Self::Ingest, Self::Verify, Self::Monitor, Self::Admin];

    /// The word for it in requests, tokens and tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Verify => "verify",
            Self::Monitor => "monitor",
            Self::Admin => "admin",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A set of scopes. Written as words with a space between (RFC 6749 §3.3), in JSON as a list of words.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// These scopes.
    #[must_use]
    pub fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |all, scope| all | scope.bit()))
    }

    /// Whether this scope is among them.
    #[must_use]
    pub fn allow(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether all of these are among the others.
    #[must_use]
    pub fn within(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }

    /// Whether nothing is allowed.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The scopes, in the order in which they are written.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL.into_iter().filter(move |scope| self.allow(*scope))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<&str> = self.iter().map(Scope::word).collect();
        f.write_str(&words.join(" "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

impl FromStr for Scopes {
    type Err = AccountsError;

    fn from_str(words: &str) -> Result<Self> {
        words.split_ascii_whitespace().try_fold(Self::default(), |all, word| {
            let scope = Scope::ALL.into_iter().find(|scope| scope.word() == word);
            let scope = scope.ok_or(AccountsError::Invalid(
                "an unknown scope: use ingest, verify, monitor, admin",
            ))?;
            Ok(Self(all.0 | scope.bit()))
        })
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        Vec::<Scope>::deserialize(deserializer).map(|scopes| Self::of(&scopes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_read_and_written() {
        for (words, written) in [
            ("", Some("")),
            ("monitor ingest", Some("ingest monitor")),
            ("admin admin", Some("admin")),
            ("ingest,verify", None),
            ("Ingest", None),
            ("root", None),
        ] {
            let scopes = words.parse::<Scopes>().ok().map(|scopes| scopes.to_string());
            assert_eq!(scopes.as_deref(), written, "{words:?}");
        }
    }

    proptest! {
        #[test]
        fn text_and_json_give_the_same_set_back(bits in 0_u8..16) {
            let scopes = Scopes(bits);
            prop_assert_eq!(scopes.to_string().parse::<Scopes>().unwrap(), scopes);
            let json = serde_json::to_string(&scopes).unwrap();
            prop_assert_eq!(serde_json::from_str::<Scopes>(&json).unwrap(), scopes);
        }

        #[test]
        fn within_is_what_allow_says(one in 0_u8..16, other in 0_u8..16) {
            let (one, other) = (Scopes(one), Scopes(other));
            prop_assert_eq!(one.within(other), one.iter().all(|scope| other.allow(scope)));
        }
    }
}
