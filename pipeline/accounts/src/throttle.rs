//! Attempts are counted before they are looked at, and each one too many doubles the wait for the next.
//!
//! The wait is that of one account *from one network address*, and of the address: whoever guesses makes nobody wait but
//! themselves, so that nobody is locked out by another (OWASP Authentication, *Account Lockout* and *Login Throttling*:
//! exponential, not final). NIST SP 800-63B-4 §3.2.2 asks for at most 100 failures in a row on one account, which a
//! count for each account alone would turn into a lock for everybody who knows an e-mail address; here an unknown address needs
//! the code from the mailbox besides the password, whatever was guessed.
//!
//! Invariants: admission and count are one statement, so a hundred attempts at once count as a hundred; the table never
//! holds more rows than the policy says by more than one round of cleaning; rows name nobody.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::Result;
use crate::store::Store;

/// After so many attempts, old rows are removed.
const CLEAN_EVERY: u32 = 256;
/// Doublings after which any wait has reached its end: keeps the shift in range.
const DOUBLINGS_MAX: i64 = 40;

/// How attempts of one kind are slowed down.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Attempts without a wait.
    pub free: i64,
    /// The first wait, in ms; each later one is twice as long.
    pub wait_ms: i64,
    /// The longest wait, in ms.
    pub wait_ms_max: i64,
    /// After so much time without an attempt all is forgotten, in ms.
    pub forget_ms: i64,
}

/// Limits of attempts.
#[derive(Debug, Clone)]
pub struct ThrottlePolicy {
    /// Of one account from one network address. Default: 5 free, then 1 s doubling up to 15 min, forgotten after a day.
    pub pair: Rule,
    /// Of one network address, whatever the account. Default: 50 free (an office behind one address), then 1 s up to 15 min,
    /// forgotten after a day.
    pub address: Rule,
    /// Mails to one mailbox. Default: 5 free, then 15 s up to 1 min, forgotten after an hour: it keeps a mailbox from being
    /// flooded, and its owner waits a minute at most.
    pub mails: Rule,
    /// Rows that are kept; beyond, the oldest go. Default 100,000.
    pub rows_max: i64,
}

impl Default for ThrottlePolicy {
    fn default() -> Self {
        let guesses = Rule {
            free: 5,
            wait_ms: 1_000,
            wait_ms_max: 15 * 60_000,
            forget_ms: 24 * 3_600_000,
        };
        Self {
            pair: guesses,
            address: Rule { free: 50, ..guesses },
            mails: Rule {
                free: 5,
                wait_ms: 15_000,
                wait_ms_max: 60_000,
                forget_ms: 3_600_000,
            },
            rows_max: 100_000,
        }
    }
}

/// Counts attempts.
#[derive(Debug)]
pub(crate) struct Throttle {
    store: Store,
    rows_max: i64,
    forget_ms_max: i64,
    since_clean: AtomicU32,
}

impl Throttle {
    pub(crate) fn new(store: Store, policy: &ThrottlePolicy) -> Self {
        let forget = [policy.pair, policy.address, policy.mails].map(|rule| rule.forget_ms);
        Self {
            store,
            rows_max: policy.rows_max,
            forget_ms_max: forget.into_iter().max().unwrap_or_default(),
            since_clean: AtomicU32::new(0),
        }
    }

    /// Counts an attempt and lets it through, or says how long to wait, in ms.
    pub(crate) async fn admit(&self, key: &str, rule: Rule, now_ms: i64) -> Result<std::result::Result<(), i64>> {
        let doublings = doublings(rule);
        // `count` is the one before this attempt. A wait that is longer than any can be is of a clock that was ahead.
        let admitted = sqlx::query(
            "INSERT INTO attempts (key, count, last_ms, blocked_until_ms)
             VALUES ($1, 1, $2, CASE WHEN $3 < 1 THEN $2 + $4 ELSE 0 END)
             ON CONFLICT (key) DO UPDATE SET
                 count = CASE WHEN attempts.last_ms < $7 THEN 1 ELSE attempts.count + 1 END,
                 last_ms = $2,
                 blocked_until_ms = CASE
                     WHEN attempts.last_ms < $7 OR attempts.count < $3 THEN 0
                     WHEN attempts.count - $3 >= $6 THEN $2 + $5
                     ELSE $2 + ($4 << CAST(attempts.count - $3 AS INTEGER))
                 END
             WHERE attempts.blocked_until_ms <= $2 OR attempts.blocked_until_ms > $2 + $5",
        )
        .bind(key)
        .bind(now_ms)
        .bind(rule.free)
        .bind(rule.wait_ms)
        .bind(rule.wait_ms_max)
        .bind(doublings)
        .bind(now_ms.saturating_sub(rule.forget_ms))
        .execute(&self.store.pool)
        .await?;
        self.clean_now_and_then(now_ms).await?;
        if admitted.rows_affected() > 0 {
            return Ok(Ok(()));
        }
        let until: Option<(i64,)> = sqlx::query_as("SELECT blocked_until_ms FROM attempts WHERE key = $1")
            .bind(key)
            .fetch_optional(&self.store.pool)
            .await?;
        Ok(Err(until.map_or(1, |(until_ms,)| (until_ms - now_ms).max(1))))
    }

    /// Forgets the attempts of a key: whoever it was has proved themselves.
    pub(crate) async fn forget(&self, key: &str) -> Result<()> {
        sqlx::query("DELETE FROM attempts WHERE key = $1")
            .bind(key)
            .execute(&self.store.pool)
            .await?;
        Ok(())
    }

    /// Takes one attempt back, as it was none: the others of the same key still count.
    pub(crate) async fn take_back(&self, key: &str, rule: Rule) -> Result<()> {
        sqlx::query(
            "UPDATE attempts SET count = count - 1,
                 blocked_until_ms = CASE WHEN count <= $2 + 1 THEN 0 ELSE blocked_until_ms END
             WHERE key = $1 AND count > 0",
        )
        .bind(key)
        .bind(rule.free)
        .execute(&self.store.pool)
        .await?;
        Ok(())
    }

    async fn clean_now_and_then(&self, now_ms: i64) -> Result<()> {
        if self.since_clean.fetch_add(1, Ordering::Relaxed) % CLEAN_EVERY != CLEAN_EVERY - 1 {
            return Ok(());
        }
        self.clean(now_ms).await
    }

    /// Removes what is forgotten, and what is too many.
    pub(crate) async fn clean(&self, now_ms: i64) -> Result<()> {
        sqlx::query("DELETE FROM attempts WHERE last_ms < $1 AND blocked_until_ms <= $2")
            .bind(now_ms.saturating_sub(self.forget_ms_max))
            .bind(now_ms)
            .execute(&self.store.pool)
            .await?;
        sqlx::query(
            "DELETE FROM attempts WHERE key IN (SELECT key FROM attempts ORDER BY last_ms DESC, key LIMIT 1000000000 OFFSET $1)",
        )
        .bind(self.rows_max)
        .execute(&self.store.pool)
        .await?;
        Ok(())
    }
}

/// How often the first wait doubles until it reaches the longest one.
fn doublings(rule: Rule) -> i64 {
    (0..DOUBLINGS_MAX)
        .find(|doubling| {
            rule.wait_ms
                .checked_shl(u32::try_from(*doubling).unwrap_or_default())
                .is_none_or(|wait| wait >= rule.wait_ms_max)
        })
        .unwrap_or(DOUBLINGS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::PoolPolicy;

    const RULE: Rule = Rule {
        free: 3,
        wait_ms: 1_000,
        wait_ms_max: 5_000,
        forget_ms: 60_000,
    };

    async fn throttle(rows_max: i64) -> Throttle {
        let store = Store::open("sqlite::memory:", &PoolPolicy::default()).await.unwrap();
        let policy = ThrottlePolicy {
            pair: RULE,
            address: RULE,
            mails: RULE,
            rows_max,
        };
        Throttle::new(store, &policy)
    }

    #[tokio::test]
    async fn waits_double_up_to_their_end_and_are_forgotten() {
        let throttle = throttle(10).await;
        let mut now = 1_000_000;
        let mut waits = Vec::new();
        for _ in 0..9 {
            match throttle.admit("k", RULE, now).await.unwrap() {
                Ok(()) => waits.push(0),
                Err(wait_ms) => {
                    assert_eq!(throttle.admit("k", RULE, now + wait_ms - 1).await.unwrap(), Err(1));
                    waits.push(wait_ms);
                    now += wait_ms;
                    throttle.admit("k", RULE, now).await.unwrap().unwrap();
                }
            }
        }
        assert_eq!(waits, [0, 0, 0, 0, 1_000, 2_000, 4_000, 5_000, 5_000]);
        now += RULE.forget_ms + 1;
        for _ in 0..4 {
            throttle.admit("k", RULE, now).await.unwrap().unwrap();
        }
        assert!(throttle.admit("k", RULE, now).await.unwrap().is_err());
    }

    #[tokio::test]
    async fn other_keys_do_not_wait() {
        let throttle = throttle(10).await;
        for _ in 0..20 {
            let _ = throttle.admit("attacker", RULE, 0).await.unwrap();
        }
        throttle.admit("owner", RULE, 0).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_attempt_that_was_none_is_taken_back() {
        let throttle = throttle(10).await;
        for _ in 0..20 {
            throttle.admit("office", RULE, 0).await.unwrap().unwrap();
            throttle.take_back("office", RULE).await.unwrap();
        }
        for _ in 0..4 {
            throttle.admit("office", RULE, 0).await.unwrap().unwrap();
        }
        assert!(throttle.admit("office", RULE, 0).await.unwrap().is_err());
        throttle.take_back("office", RULE).await.unwrap();
        throttle.admit("office", RULE, 0).await.unwrap().unwrap();
        throttle.forget("office").await.unwrap();
        throttle.admit("office", RULE, 0).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_clock_that_goes_back_blocks_nobody() {
        let throttle = throttle(10).await;
        for now_ms in [1_000_000, 999_000, 1_000_000] {
            throttle.admit("free", RULE, now_ms).await.unwrap().unwrap();
        }
        for _ in 0..4 {
            throttle.admit("ahead", RULE, 1_000_000_000).await.unwrap().unwrap();
        }
        assert!(throttle.admit("ahead", RULE, 1_000_000_000).await.unwrap().is_err());
        throttle.admit("ahead", RULE, 1_000_000).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn rows_are_bounded() {
        let throttle = throttle(10).await;
        for index in 0..i64::from(CLEAN_EVERY) * 2 {
            throttle.admit(&index.to_string(), RULE, index).await.unwrap().unwrap();
        }
        let (rows,): (i64,) = sqlx::query_as("SELECT count(*) FROM attempts")
            .fetch_one(&throttle.store.pool)
            .await
            .unwrap();
        assert!(rows <= 10, "{rows}");
    }

    #[test]
    fn doublings_end_in_time() {
        for (wait_ms, wait_ms_max, expected) in [(1_000, 900_000, 10), (1, 1, 0), (1, i64::MAX, 40), (5, 1, 0)] {
            let rule = Rule {
                wait_ms,
                wait_ms_max,
                ..RULE
            };
            assert_eq!(doublings(rule), expected, "{wait_ms} {wait_ms_max}");
        }
    }
}
