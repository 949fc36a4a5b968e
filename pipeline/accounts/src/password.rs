//! Passwords: what is accepted, how it is kept, how it is compared.
//!
//! Invariants: hashing happens on threads for blocking work, so many at once and so many waiting, and no more; whoever has
//! no account costs as much as whoever has one; a stored hash of older parameters is replaced when its password is next right.
//!
//! | parameter | value | from |
//! |---|---|---|
//! | argon2id | 19 MiB, 2 passes, 1 lane | OWASP Password Storage, *Argon2id* |
//! | length | 15 to 128 characters, after NFC | NIST SP 800-63B-4 §3.1.1.2 (15 where it may stand alone, at least 64 allowed) |
//! | composition | none asked for, none forbidden | the same |
//! | known passwords | refused, where a list is given | the same; OWASP Authentication, *Compare to known breached passwords* |

use std::fmt;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use serde::Serialize;
use sha1::{Digest, Sha1};
use thiserror::Error;
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

use crate::error::{AccountsError, Result};
use crate::secret::{self, Secret};

/// Longest text that is normalised and hashed at all, in bytes.
const INPUT_LEN_MAX: usize = 4_096;
/// Longest range file that is read, in bytes; real ones have some 40 KB.
const RANGE_FILE_LEN_MAX: u64 = 1 << 20;

/// What a password must be, and what its hash costs.
#[derive(Debug, Clone)]
pub struct PasswordPolicy {
    /// Fewest characters. Default 15, as a known address lets a password stand alone; never below 8.
    pub chars_min: usize,
    /// Most characters. Default 128; never below 64.
    pub chars_max: usize,
    /// Memory of one hash, in KiB. Default 19,456.
    pub memory_kib: u32,
    /// Passes over it. Default 2.
    pub passes: u32,
    /// Lanes. Default 1.
    pub lanes: u32,
    /// Hashes at once: each takes a thread and its memory. Default 2.
    pub hashes_at_once: usize,
    /// Hashes that may wait for that; more are refused as busy. Default 64.
    pub hashes_waiting_max: usize,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            chars_min: 15,
            chars_max: 128,
            memory_kib: 19_456,
            passes: 2,
            lanes: 1,
            hashes_at_once: 2,
            hashes_waiting_max: 64,
        }
    }
}

/// Why a password is not accepted for a new account; the person is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordRefusal {
    /// Fewer characters than the policy asks for.
    #[error("the password is too short")]
    TooShort,
    /// More characters than the policy allows.
    #[error("the password is too long")]
    TooLong,
    /// The address itself, or the like.
    #[error("the password is the e-mail address")]
    IsAddress,
    /// In a list of passwords that were published.
    #[error("the password is in a list of known passwords")]
    Known,
}

/// Says how often a password was seen in published lists, by the first five hex digits of its SHA-1 alone (k-anonymity).
/// Called on a thread for blocking work.
pub trait BreachList: Send + Sync + fmt::Debug {
    /// All suffixes of one prefix (five upper-case hex digits), a line each: `SUFFIX:COUNT`. Empty where there are none.
    ///
    /// # Errors
    /// Where the list cannot be read: nothing is known about the password then.
    fn range(&self, prefix: &str) -> io::Result<String>;
}

/// A folder of range files as Have I Been Pwned publishes them: `21BD1` or `21BD1.txt`.
#[derive(Debug, Clone)]
pub struct BreachFolder(pub PathBuf);

impl BreachList for BreachFolder {
    fn range(&self, prefix: &str) -> io::Result<String> {
        for name in [prefix.to_owned(), format!("{prefix}.txt")] {
            match std::fs::File::open(self.0.join(name)) {
                Ok(file) => {
                    let mut text = String::new();
                    file.take(RANGE_FILE_LEN_MAX).read_to_string(&mut text)?;
                    return Ok(text);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(String::new())
    }
}

/// Hashes and compares.
#[derive(Debug, Clone)]
pub(crate) struct Passwords {
    policy: Arc<PasswordPolicy>,
    params: Params,
    /// A hash of nothing that anybody knows: compared with where there is no account.
    nobody: Arc<str>,
    breaches: Option<Arc<dyn BreachList>>,
    queue: Arc<Semaphore>,
    workers: Arc<Semaphore>,
    /// Computations of argon2id so far.
    #[cfg(test)]
    pub(crate) computed: Arc<std::sync::atomic::AtomicU64>,
}

/// What comparing gave.
pub(crate) struct Verdict {
    pub(crate) holds: bool,
    /// The hash to keep instead, where the stored one was made with other parameters.
    pub(crate) fresh_hash: Option<String>,
}

impl Passwords {
    pub(crate) async fn new(policy: PasswordPolicy, breaches: Option<Arc<dyn BreachList>>) -> Result<Self> {
        if policy.chars_min < 8 || policy.chars_max < 64 || policy.chars_min > policy.chars_max {
            return Err(AccountsError::Setting(
                "passwords must be allowed 64 characters or more, and have 8 or more".to_owned(),
            ));
        }
        let params = Params::new(policy.memory_kib, policy.passes, policy.lanes, None)
            .map_err(|error| AccountsError::Setting(format!("argon2id cannot work with these parameters: {error}")))?;
        let workers = policy.hashes_at_once.max(1);
        let mut passwords = Self {
            queue: Arc::new(Semaphore::new(workers + policy.hashes_waiting_max)),
            workers: Arc::new(Semaphore::new(workers)),
            policy: Arc::new(policy),
            params,
            nobody: Arc::from(""),
            breaches,
            #[cfg(test)]
            computed: Arc::default(),
        };
        passwords.nobody = passwords.hash(Secret::random()?).await?.into();
        Ok(passwords)
    }

    /// The hash of a new password, or why it is refused. `email`: whose it shall be.
    pub(crate) async fn accept(
        &self,
        password: &Secret,
        email: &str,
    ) -> Result<std::result::Result<String, PasswordRefusal>> {
        let normal = match self.check(password, email) {
            Ok(normal) => normal,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Some(list) = self.breaches.clone() {
            let asked = normal.clone();
            if self.work(move || is_known(list.as_ref(), &asked)).await? {
                return Ok(Err(PasswordRefusal::Known));
            }
        }
        self.hash(normal).await.map(Ok)
    }

    /// Whether this is the password of the stored hash; the same work where there is none.
    pub(crate) async fn verify(&self, password: &Secret, stored: Option<String>) -> Result<Verdict> {
        // Too long to be anybody's: compared all the same, as nothing.
        let normal = normalise(password).unwrap_or_else(|| Secret::new(String::new()));
        let (nobody, params) = (self.nobody.clone(), self.params.clone());
        #[cfg(test)]
        let computed = Arc::clone(&self.computed);
        self.work(move || {
            let exists = stored.is_some();
            let stored = stored.unwrap_or_else(|| nobody.to_string());
            let hash = PasswordHash::new(&stored)
                .map_err(|_| AccountsError::Internal("a stored password hash cannot be read"))?;
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
            #[cfg(test)]
            computed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let holds = argon2.verify_password(normal.expose().as_bytes(), &hash).is_ok() && exists;
            let is_old = Params::try_from(&hash).ok().is_none_or(|stored| {
                (stored.m_cost(), stored.t_cost(), stored.p_cost())
                    != (params.m_cost(), params.t_cost(), params.p_cost())
            });
            let fresh_hash = (holds && is_old).then(|| hash_with(&params, &normal)).transpose()?;
            Ok(Verdict { holds, fresh_hash })
        })
        .await
    }

    fn check(&self, password: &Secret, email: &str) -> std::result::Result<Secret, PasswordRefusal> {
        let normal = normalise(password).ok_or(PasswordRefusal::TooLong)?;
        let chars = normal.expose().chars().count();
        if chars < self.policy.chars_min {
            return Err(PasswordRefusal::TooShort);
        }
        if chars > self.policy.chars_max {
            return Err(PasswordRefusal::TooLong);
        }
        if normal.expose().trim().eq_ignore_ascii_case(email) {
            return Err(PasswordRefusal::IsAddress);
        }
        Ok(normal)
    }

    async fn hash(&self, password: Secret) -> Result<String> {
        let params = self.params.clone();
        #[cfg(test)]
        self.computed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.work(move || hash_with(&params, &password)).await
    }

    /// Runs one piece of slow work when its turn comes.
    async fn work<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let place = self
            .queue
            .clone()
            .try_acquire_owned()
            .map_err(|_| AccountsError::Busy)?;
        let turn = self.workers.clone().acquire_owned().await;
        let turn = turn.map_err(|_| AccountsError::Internal("the hashing threads are closed"))?;
        let done = tokio::task::spawn_blocking(move || {
            // Both are given back by the work itself: a caller that goes away does not make room for more of it.
            let _held = (place, turn);
            work()
        });
        done.await
            .map_err(|_| AccountsError::Internal("a hashing thread ended before its work"))?
    }
}

fn hash_with(params: &Params, password: &Secret) -> Result<String> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let salt = secret::random::<16>()?;
    let hash: PasswordHash = argon2
        .hash_password_with_salt(password.expose().as_bytes(), &salt)
        .map_err(|_| AccountsError::Internal("a password could not be hashed"))?;
    Ok(hash.to_string())
}

/// The same password, whichever way its accents were typed (NFC). None: far too long to be one.
fn normalise(password: &Secret) -> Option<Secret> {
    (password.expose().len() <= INPUT_LEN_MAX).then(|| Secret::new(password.expose().nfc().collect()))
}

fn is_known(list: &dyn BreachList, password: &Secret) -> Result<bool> {
    let digest = secret::hex(&Sha1::digest(password.expose().as_bytes())).to_ascii_uppercase();
    let (prefix, suffix) = digest.split_at(5);
    let range = list
        .range(prefix)
        .map_err(|_| AccountsError::Internal("the list of known passwords cannot be read"))?;
    // Padding lines have the count 0.
    Ok(range
        .lines()
        .filter_map(|line| line.trim().split_once(':'))
        .any(|(known, count)| known.eq_ignore_ascii_case(suffix) && count.trim() != "0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cheap() -> PasswordPolicy {
        PasswordPolicy {
            memory_kib: 64,
            passes: 1,
            ..PasswordPolicy::default()
        }
    }

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn passwords_are_accepted_by_length_and_not_by_taste() {
        let passwords = Passwords::new(cheap(), None).await.unwrap();
        for (password, expected) in [
            ("correct horse battery", None),
            ("aaaaaaaaaaaaaaa", None),
            ("üüüüüüüüüüüüüüü", None),
            ("fourteen chars", Some(PasswordRefusal::TooShort)),
            ("", Some(PasswordRefusal::TooShort)),
            (&"x".repeat(128), None),
            (&"x".repeat(129), Some(PasswordRefusal::TooLong)),
            (&"x".repeat(1 << 20), Some(PasswordRefusal::TooLong)),
            (" Ann@Some-Example.org", Some(PasswordRefusal::IsAddress)),
        ] {
            let accepted = passwords
                .accept(&secret(password), "ann@some-example.org")
                .await
                .unwrap();
            assert_eq!(accepted.err(), expected, "{}", password.len());
        }
    }

    #[tokio::test]
    async fn the_right_password_holds_however_its_accents_were_typed() {
        let passwords = Passwords::new(cheap(), None).await.unwrap();
        let hash = passwords
            .accept(&secret("Zu\u{308}rich am See 1"), "a@b.org")
            .await
            .unwrap()
            .unwrap();
        for (password, stored, expected) in [
            ("Z\u{fc}rich am See 1", Some(hash.clone()), true),
            ("Zurich am See 1", Some(hash.clone()), false),
            ("", Some(hash.clone()), false),
            ("Z\u{fc}rich am See 1", None, false),
            (&"x".repeat(1 << 20), Some(hash), false),
        ] {
            let verdict = passwords.verify(&secret(password), stored).await.unwrap();
            assert_eq!(verdict.holds, expected);
            assert!(verdict.fresh_hash.is_none());
        }
    }

    #[tokio::test]
    async fn an_old_hash_is_replaced_once_its_password_is_right() {
        let old = Passwords::new(cheap(), None).await.unwrap();
        let new = Passwords::new(PasswordPolicy { passes: 2, ..cheap() }, None)
            .await
            .unwrap();
        let password = secret("correct horse battery");
        let stored = old.accept(&password, "a@b.org").await.unwrap().unwrap();
        assert!(
            new.verify(&secret("wrong"), Some(stored.clone()))
                .await
                .unwrap()
                .fresh_hash
                .is_none()
        );
        let fresh = new.verify(&password, Some(stored)).await.unwrap().fresh_hash.unwrap();
        assert!(fresh.starts_with("$argon2id$v=19$m=64,t=2,p=1$"), "{fresh}");
        let again = new.verify(&password, Some(fresh)).await.unwrap();
        assert!(again.holds && again.fresh_hash.is_none());
    }

    #[test]
    fn the_parameters_are_those_of_owasp() {
        let policy = PasswordPolicy::default();
        assert_eq!((policy.memory_kib, policy.passes, policy.lanes), (19_456, 2, 1));
    }

    #[tokio::test]
    async fn known_passwords_are_refused_by_range_files() {
        let folder = tempfile::tempdir().unwrap();
        // Range files as they are published: the prefix is the name, the suffix is in the line; padding counts 0.
        let digest = secret::hex(&Sha1::digest(b"correct horse battery staple")).to_ascii_uppercase();
        let padded = secret::hex(&Sha1::digest(b"a password of padding")).to_ascii_uppercase();
        std::fs::write(
            folder.path().join(&digest[..5]),
            format!("0000:1\r\n{}:384\r\n", &digest[5..]),
        )
        .unwrap();
        std::fs::write(
            folder.path().join(format!("{}.txt", &padded[..5])),
            format!("{}:0\n", &padded[5..]),
        )
        .unwrap();
        let list = Arc::new(BreachFolder(folder.path().to_path_buf()));
        let passwords = Passwords::new(cheap(), Some(list)).await.unwrap();
        for (password, expected) in [
            ("correct horse battery staple", Some(PasswordRefusal::Known)),
            ("a password of padding", None),
            ("something nobody has used", None),
        ] {
            let accepted = passwords.accept(&secret(password), "a@b.org").await.unwrap();
            assert_eq!(accepted.err(), expected, "{password}");
        }
    }

    #[tokio::test]
    async fn more_than_may_wait_are_refused() {
        let policy = PasswordPolicy {
            hashes_at_once: 1,
            hashes_waiting_max: 2,
            ..cheap()
        };
        let passwords = Passwords::new(policy, None).await.unwrap();
        let (release, wait) = std::sync::mpsc::sync_channel::<()>(0);
        let first = tokio::spawn({
            let passwords = passwords.clone();
            async move { passwords.work(move || Ok(wait.recv().is_ok())).await }
        });
        while passwords.workers.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let passwords = passwords.clone();
                tokio::spawn(async move { passwords.work(|| Ok(())).await })
            })
            .collect();
        while passwords.queue.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(passwords.work(|| Ok(())).await, Err(AccountsError::Busy)));
        release.send(()).unwrap();
        assert!(first.await.unwrap().unwrap());
        for one in waiting {
            one.await.unwrap().unwrap();
        }
        passwords.work(|| Ok(())).await.unwrap();
    }
}
