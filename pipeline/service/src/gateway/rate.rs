//! How often one subject, and one credential, may send.
//!
//! Invariant: at most `gateway.rate_keys_max` are remembered of each; those that have been quiet long enough to be forgotten
//! without harm are forgotten first, and where that makes no room, a newcomer is told to wait.

use crate::config;
use governor::clock::Clock;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::hash::Hash;
use std::num::NonZeroU32;

/// Come again after this many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooOften {
    pub(super) retry_after_s: u32,
}

/// The rates of everybody who sends.
pub(super) struct Rates {
    subjects: Rate<(String, String)>,
    credentials: Rate<String>,
}

impl Rates {
    pub(super) fn new(config: &config::Gateway) -> Self {
        let max = config.rate_keys_max;
        Self {
            subjects: Rate::new(config.subject_batches_per_s, config.subject_batches_burst, max),
            credentials: Rate::new(config.credential_batches_per_s, config.credential_batches_burst, max),
        }
    }

    /// One more batch of a subject (or of a session while nobody is claimed), sent with this credential.
    pub(super) fn batch(&self, credential: Option<&str>, tenant: &str, subject: &str) -> Result<(), TooOften> {
        // What one subject sends too much of is not counted for the credential: others send with it as well.
        self.subjects.one_more(&(tenant.to_owned(), subject.to_owned()))?;
        match credential {
            Some(credential) => self.credentials.one_more(&credential.to_owned()),
            None => Ok(()),
        }
    }
}

/// The generic cell rate algorithm (ITU-T I.371), one cell a key.
struct Rate<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    keys_max: usize,
}

impl<K: Hash + Eq + Clone> Rate<K> {
    fn new(per_s: u32, burst: u32, keys_max: usize) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(per_s)).allow_burst(at_least_one(burst));
        Self {
            limiter: RateLimiter::keyed(quota),
            keys_max,
        }
    }

    fn one_more(&self, key: &K) -> Result<(), TooOften> {
        if self.limiter.len() >= self.keys_max {
            self.limiter.retain_recent();
            if self.limiter.len() >= self.keys_max {
                return Err(TooOften { retry_after_s: 1 });
            }
        }
        self.limiter.check_key(key).map_err(|until| {
            let wait = until.wait_time_from(self.limiter.clock().now());
            TooOften {
                retry_after_s: (wait.as_millis().div_ceil(1000) as u32).max(1),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_pass_and_floods_wait() {
        let rate = Rate::new(1, 3, 2);
        let tried: Vec<bool> = (0..5).map(|_| rate.one_more(&"a").is_ok()).collect();
        assert_eq!(tried, [true, true, true, false, false]);
        assert!(rate.one_more(&"b").is_ok(), "another is not held back");
        let full = rate.one_more(&"c");
        assert_eq!(full, Err(TooOften { retry_after_s: 1 }), "nobody more is remembered");
    }
}
