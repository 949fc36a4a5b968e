//! What is random, what is secret, and how the two are kept: drawn from the operating system, shown once, stored as hashes.
//!
//! Invariants: no secret reaches a log, an error or a `Debug` output; two secrets are compared in constant time; a stored
//! hash gives nobody the secret back. A random secret of 256 bits is kept as plain SHA-256: a slow, salted hash protects what
//! people choose, and nobody searches 2^256 values (OWASP Cryptographic Storage; NIST SP 800-63B-4 §3.1.2.2 asks for 112 bits).
//! What is short (a code of eight digits) is kept as HMAC under a key that is not in the database.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use rand::TryRng;
use rand::rngs::SysRng;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::{AccountsError, Result};

/// Bytes of a random secret: 256 bits.
const SECRET_BYTES: usize = 32;
/// Bytes of a random id: no two are ever alike, and nobody guesses one.
const ID_BYTES: usize = 12;

/// Text that is shown once to whom it belongs, and wiped from memory after that.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes over what somebody else drew or typed.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// 256 random bits as 64 hex digits: a double click selects all of it, and it needs no escaping anywhere.
    pub(crate) fn random() -> Result<Self> {
        Ok(Self::new(hex(&random::<SECRET_BYTES>()?)))
    }

    /// The text itself. Whoever calls this answers for where it goes.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A key of our own that is not in the database: it makes stored hashes of short or guessable things useless to whoever has
/// the database alone (a "pepper", OWASP Password Storage, *Peppering*).
#[derive(Clone)]
pub struct Pepper(Zeroizing<Vec<u8>>);

impl Pepper {
    /// Takes a key of at least 32 bytes from the configuration.
    ///
    /// # Errors
    /// Where it is shorter.
    pub fn new(key: &[u8]) -> Result<Self> {
        if key.len() < SECRET_BYTES {
            return Err(AccountsError::Setting(format!(
                "the key for stored codes has {} bytes; give it at least {SECRET_BYTES} random ones",
                key.len()
            )));
        }
        Ok(Self(Zeroizing::new(key.to_vec())))
    }

    /// Draws one; what it has hashed is worthless after a restart.
    ///
    /// # Errors
    /// Where the operating system gives no randomness.
    pub fn generate() -> Result<Self> {
        Self::new(&random::<SECRET_BYTES>()?)
    }

    /// HMAC-SHA-256 over the parts, in hex. `purpose` keeps hashes of different things apart.
    pub(crate) fn hash(&self, purpose: &str, parts: &[&str]) -> String {
        hex(&self.mac(purpose, parts))
    }

    /// The same as bytes.
    pub(crate) fn mac(&self, purpose: &str, parts: &[&str]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(purpose.as_bytes());
        for part in parts {
            // With lengths, no two lists of parts give the same bytes.
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().into()
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pepper(…)")
    }
}

/// How a random secret is stored.
pub(crate) fn hash(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

/// Whether two hashes are the same, in a time that does not depend on where they differ.
pub(crate) fn same(one: &str, other: &str) -> bool {
    one.as_bytes().ct_eq(other.as_bytes()).into()
}

/// A random id.
pub(crate) fn id() -> Result<String> {
    Ok(hex(&random::<ID_BYTES>()?))
}

/// Bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|_| AccountsError::Randomness)?;
    Ok(bytes)
}

/// A number below `limit`, each as likely as the other.
pub(crate) fn random_below(limit: u64) -> Result<u64> {
    // Values of the last, incomplete round are drawn again: a plain remainder would favour the small ones.
    let fair = u64::MAX - u64::MAX % limit;
    loop {
        let drawn = u64::from_be_bytes(random()?);
        if drawn < fair {
            return Ok(drawn % limit);
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show() {
        let secret = Secret::random().unwrap();
        assert_eq!(secret.expose().len(), 64);
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(format!("{:?}", Pepper::generate().unwrap()), "Pepper(…)");
    }

    #[test]
    fn hashes_keep_purposes_and_parts_apart() {
        let pepper = Pepper::new(&[7; 32]).unwrap();
        let hashes = [
            pepper.hash("code", &["ab", "c"]),
            pepper.hash("code", &["a", "bc"]),
            pepper.hash("code", &["abc"]),
            pepper.hash("throttle", &["ab", "c"]),
            Pepper::new(&[8; 32]).unwrap().hash("code", &["ab", "c"]),
        ];
        for (index, one) in hashes.iter().enumerate() {
            assert!(hashes[index + 1..].iter().all(|other| !same(one, other)), "{index}");
        }
        assert!(same(&hashes[0], &pepper.hash("code", &["ab", "c"])));
    }

    #[test]
    fn a_short_pepper_is_refused() {
        assert!(Pepper::new(&[1; 31]).is_err());
    }

    #[test]
    fn numbers_stay_below_their_limit() {
        for limit in [1, 2, 10, 100_000_000] {
            for _ in 0..100 {
                assert!(random_below(limit).unwrap() < limit);
            }
        }
    }
}
