//! The keys that sign our tokens: HMAC-SHA-256, known by name, rotated without signing anybody out.
//!
//! Invariants: the newest key signs, all of them verify; the algorithm is fixed and never read from a token (RFC 8725 §3.1);
//! a token of one kind never passes for another, as each kind has its own type and audience (RFC 8725 §3.9, §3.11); a key has at
//! least 256 bits (RFC 7518 §3.2). Time is an argument: the library's own clock is switched off.

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{AccountsError, Result};
use crate::secret::{self, Secret};
use crate::tokens::TokenRefusal;

/// Who signs, in every token.
pub(crate) const ISSUER: &str = "ductus";
/// Keys that are held at once: the signing one and those before, whose tokens still live.
const KEYS_MAX: usize = 8;
/// Shortest key, in bytes.
const KEY_BYTES_MIN: usize = 32;
/// Longest name of a key, in bytes.
const KID_LEN_MAX: usize = 32;
/// Longest text that is looked at as a token, in bytes. Ours stay below 1,000.
const TOKEN_LEN_MAX: usize = 2_048;

/// One signing key.
#[derive(Clone)]
pub struct SigningKey {
    kid: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl SigningKey {
    /// A key from the configuration: its name, which tokens carry in the open, and at least 32 random bytes.
    ///
    /// # Errors
    /// Where the name is empty or not plain, or the key is shorter.
    pub fn new(kid: &str, key: &[u8]) -> Result<Self> {
        let plain = kid
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if kid.is_empty() || kid.len() > KID_LEN_MAX || !plain {
            return Err(AccountsError::Setting(format!(
                "the name of a signing key has 1 to {KID_LEN_MAX} characters out of A-Z a-z 0-9 . _ -"
            )));
        }
        if key.len() < KEY_BYTES_MIN {
            return Err(AccountsError::Setting(format!(
                "the signing key {kid} has {} bytes; give it at least {KEY_BYTES_MIN} random ones",
                key.len()
            )));
        }
        Ok(Self {
            kid: kid.to_owned(),
            encoding: EncodingKey::from_secret(key),
            decoding: DecodingKey::from_secret(key),
        })
    }

    /// A key that nobody else has, and that is gone after a restart.
    ///
    /// # Errors
    /// Where the operating system gives no randomness.
    pub fn generate() -> Result<Self> {
        Self::new(&secret::id()?, &secret::random::<KEY_BYTES_MIN>()?)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

/// All signing keys of a gateway, the newest first.
#[derive(Debug, Clone)]
pub struct SigningKeys(Vec<SigningKey>);

impl SigningKeys {
    /// Takes the keys, the one that signs first.
    ///
    /// # Errors
    /// Where there is none, there are more than eight, or two have one name.
    pub fn new(newest_first: Vec<SigningKey>) -> Result<Self> {
        if newest_first.is_empty() || newest_first.len() > KEYS_MAX {
            return Err(AccountsError::Setting(format!(
                "{} signing keys are given; give 1 to {KEYS_MAX}, the newest first",
                newest_first.len()
            )));
        }
        let twice = |(index, key): (usize, &SigningKey)| newest_first[..index].iter().any(|other| other.kid == key.kid);
        if newest_first.iter().enumerate().any(twice) {
            return Err(AccountsError::Setting("two signing keys have one name".to_owned()));
        }
        Ok(Self(newest_first))
    }

    pub(crate) fn sign(&self, kind: &str, claims: &impl Serialize) -> Result<Secret> {
        let key = &self.0[0];
        let mut header = Header::new(Algorithm::HS256);
        header.typ = Some(kind.to_owned());
        header.kid = Some(key.kid.clone());
        let token = jsonwebtoken::encode(&header, claims, &key.encoding)
            .map_err(|_| AccountsError::Internal("a token could not be signed"))?;
        Ok(Secret::new(token))
    }

    /// The claims of a token that one of these keys signed, of this kind and for this audience. Its times are not looked at.
    pub(crate) fn verify<C: DeserializeOwned>(
        &self,
        kind: &str,
        audience: &str,
        token: &str,
    ) -> std::result::Result<C, TokenRefusal> {
        if token.len() > TOKEN_LEN_MAX {
            return Err(TokenRefusal::Malformed);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenRefusal::Malformed)?;
        if header.typ.as_deref() != Some(kind) {
            return Err(TokenRefusal::OtherKind);
        }
        let key = self.0.iter().find(|key| header.kid.as_ref() == Some(&key.kid));
        let key = key.ok_or(TokenRefusal::UnknownKey)?;
        let mut rules = Validation::new(Algorithm::HS256);
        // Ours to check: time is an argument.
        rules.validate_exp = false;
        rules.set_audience(&[audience]);
        rules.set_issuer(&[ISSUER]);
        rules.set_required_spec_claims(&["exp", "aud", "iss"]);
        match jsonwebtoken::decode::<C>(token, &key.decoding, &rules) {
            Ok(token) => Ok(token.claims),
            Err(error) => Err(match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenRefusal::BadSignature,
                jsonwebtoken::errors::ErrorKind::InvalidAudience
                | jsonwebtoken::errors::ErrorKind::InvalidIssuer
                | jsonwebtoken::errors::ErrorKind::MissingRequiredClaim(_) => TokenRefusal::OtherKind,
                _ => TokenRefusal::Malformed,
            }),
        }
    }
}
