//! Network addresses that a user trusts: from them a password is enough.
//!
//! Invariants: an address becomes trusted by its owner's mailbox only (a code that opened the account there, or a link that was
//! mailed); a link works once and for the address that asked; IPv6 is taken by its network of 64 bits, as hosts change the rest
//! daily; a user trusts so many and no more.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;

use super::sign_ins::{Live, Proof};
use super::{AccessToken, Accounts, Visit, check_visit};
use crate::error::{AccountsError, Result};
use crate::event::{AccountEvent, Action, Audited, ThrottleScope};
use crate::mail::{Email, Mail};
use crate::secret::{self, Secret};

/// Bits of an IPv6 address that name the network (RFC 4291 §2.5.1).
const V6_NETWORK_BITS: u8 = 64;
/// Shortest prefix that may be trusted, in bits: a company's network, not a provider's.
const PREFIX_BITS_MIN: (u8, u8) = (16, 32);

/// A network that a user trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrustedAddress {
    /// The network; one host with IPv4.
    pub prefix: IpNet,
    /// Since when, in ms.
    pub added_ms: i64,
    /// Until when, in ms.
    pub expires_ms: i64,
}

/// What became of asking to have a network trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrustAnswer {
    /// There is mail with a link.
    LinkSent,
    /// Too many mails: not before so many ms.
    Throttled {
        /// The wait, in ms.
        retry_after_ms: i64,
    },
    /// The sign-in has ended, or must prove itself first.
    Refused,
}

/// What a mailed link would approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// The network.
    pub prefix: IpNet,
    /// When the link ends, in ms.
    pub expires_ms: i64,
}

impl Accounts {
    /// What a link would approve, without using it up: programs that look into mails follow links, so a page asks first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn approval(&self, token: &str, now_ms: i64) -> Result<Option<Approval>> {
        let row: Option<(String, i64)> =
            sqlx::query_as("SELECT prefix, expires_ms FROM approvals WHERE hash = $1 AND expires_ms > $2")
                .bind(secret::hash(token))
                .bind(now_ms)
                .fetch_optional(&self.store.pool)
                .await?;
        row.map(|(prefix, expires_ms)| {
            let prefix = read_prefix(&prefix)?;
            Ok(Approval { prefix, expires_ms })
        })
        .transpose()
    }

    /// Trusts the network that a mailed link was made for, and uses the link up. None: it does not hold.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn approve(&self, visit: &Visit<'_>, token: &str) -> Result<Audited<Option<IpNet>>> {
        check_visit(visit)?;
        let row: Option<(String, String)> = sqlx::query_as(
            "DELETE FROM approvals WHERE hash = $1 AND expires_ms > $2
             AND user_id IN (SELECT id FROM users WHERE tenant = $3) RETURNING user_id, prefix",
        )
        .bind(secret::hash(token))
        .bind(visit.now_ms)
        .bind(visit.tenant)
        .fetch_optional(&self.store.pool)
        .await?;
        let Some((user, prefix)) = row else {
            return Ok(Audited::with(None, AccountEvent::of(visit, Action::ApprovalRefused)));
        };
        let prefix = read_prefix(&prefix)?;
        self.trust(&user, prefix, visit.now_ms).await?;
        let event = AccountEvent::of(visit, Action::AddressTrusted { user, prefix });
        Ok(Audited::with(Some(prefix), event))
    }

    /// What the user trusts, the newest first.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn addresses(&self, who: &AccessToken, now_ms: i64) -> Result<Vec<TrustedAddress>> {
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(
            "SELECT prefix, added_ms, expires_ms FROM trusted_addresses
             WHERE user_id = $1 AND expires_ms > $2 ORDER BY added_ms DESC, prefix LIMIT $3",
        )
        .bind(&who.user)
        .bind(now_ms)
        .bind(self.policy.trusted_max)
        .fetch_all(&self.store.pool)
        .await?;
        rows.into_iter()
            .map(|(prefix, added_ms, expires_ms)| {
                let prefix = read_prefix(&prefix)?;
                Ok(TrustedAddress {
                    prefix,
                    added_ms,
                    expires_ms,
                })
            })
            .collect()
    }

    /// Mails a link that makes a whole network trusted: the owner of the account names it, the mailbox confirms it.
    ///
    /// # Errors
    /// Where the network is wider than a company's, the mail cannot be sent, or the database fails.
    pub async fn ask_trust(&self, visit: &Visit<'_>, who: &AccessToken, prefix: IpNet) -> Result<Audited<TrustAnswer>> {
        check_visit(visit)?;
        let bits_min = match prefix {
            IpNet::V4(_) => PREFIX_BITS_MIN.0,
            IpNet::V6(_) => PREFIX_BITS_MIN.1,
        };
        if prefix.prefix_len() < bits_min {
            return Err(AccountsError::Invalid(
                "the network is too wide: name at least /16 (IPv4) or /32 (IPv6)",
            ));
        }
        let live = self.live(who, visit.now_ms).await?;
        let Some(Live { email, .. }) = live.filter(|live| live.proof != Proof::Asked) else {
            return Ok(Audited::quiet(TrustAnswer::Refused));
        };
        let mut events = Vec::new();
        let scopes = [ThrottleScope::Mails];
        if let Err(retry_after_ms) = self.admit(visit, Some(&email), &scopes, &mut events).await? {
            let answer = TrustAnswer::Throttled { retry_after_ms };
            return Ok(Audited { answer, events });
        }
        events.push(self.send_approval(visit, &who.user, &email, prefix.trunc()).await?);
        let answer = TrustAnswer::LinkSent;
        Ok(Audited { answer, events })
    }

    /// Trusts a network no more. False: it was not trusted.
    ///
    /// # Errors
    /// Where the database fails.
    pub async fn forget_address(&self, visit: &Visit<'_>, who: &AccessToken, prefix: IpNet) -> Result<Audited<bool>> {
        let gone = sqlx::query("DELETE FROM trusted_addresses WHERE user_id = $1 AND prefix = $2")
            .bind(&who.user)
            .bind(prefix.trunc().to_string())
            .execute(&self.store.pool)
            .await?;
        if gone.rows_affected() == 0 {
            return Ok(Audited::quiet(false));
        }
        let user = who.user.clone();
        let event = AccountEvent::of(visit, Action::AddressForgotten { user, prefix });
        Ok(Audited::with(true, event))
    }

    pub(super) async fn is_trusted(&self, user: &str, visit: &Visit<'_>) -> Result<bool> {
        let rows: Vec<(String,)> =
            sqlx::query_as("SELECT prefix FROM trusted_addresses WHERE user_id = $1 AND expires_ms > $2")
                .bind(user)
                .bind(visit.now_ms)
                .fetch_all(&self.store.pool)
                .await?;
        let address = visit.address.to_canonical();
        for (prefix,) in rows {
            if read_prefix(&prefix)?.contains(&address) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) async fn trust(&self, user: &str, prefix: IpNet, now_ms: i64) -> Result<()> {
        sqlx::query(
            "INSERT INTO trusted_addresses (user_id, prefix, added_ms, expires_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (user_id, prefix) DO UPDATE SET added_ms = $3, expires_ms = $4",
        )
        .bind(user)
        .bind(prefix.to_string())
        .bind(now_ms)
        .bind(now_ms + self.policy.trust_ms)
        .execute(&self.store.pool)
        .await?;
        sqlx::query(
            "DELETE FROM trusted_addresses WHERE user_id = $1 AND prefix IN (SELECT prefix FROM trusted_addresses
             WHERE user_id = $1 ORDER BY added_ms DESC, prefix LIMIT 1000000 OFFSET $2)",
        )
        .bind(user)
        .bind(self.policy.trusted_max)
        .execute(&self.store.pool)
        .await?;
        Ok(())
    }

    /// Mails a link. One a network: a new one takes the place of the old.
    pub(super) async fn send_approval(
        &self,
        visit: &Visit<'_>,
        user: &str,
        email: &Email,
        prefix: IpNet,
    ) -> Result<AccountEvent> {
        let token = Secret::random()?;
        sqlx::query(
            "INSERT INTO approvals (hash, user_id, prefix, expires_ms) VALUES ($1, $2, $3, $4)
             ON CONFLICT (user_id, prefix) DO UPDATE SET hash = excluded.hash, expires_ms = excluded.expires_ms",
        )
        .bind(secret::hash(token.expose()))
        .bind(user)
        .bind(prefix.to_string())
        .bind(visit.now_ms + self.policy.approval_ms)
        .execute(&self.store.pool)
        .await?;
        let text = format!(
            "Somebody signed in to your account from {prefix} with your password and your code.\n\n\
             Was it you, and will you work there again? Then this link makes the address trusted,\n\
             so that your password is enough there:\n\n{}/v1/auth/approvals/{}\n\n\
             It works once, until an hour from now. If it was not you, choose a new password.\n",
            self.policy.public_url,
            token.expose()
        );
        let mail = Mail {
            to: email.clone(),
            subject: "Trust this address?",
            text,
            at_ms: visit.now_ms,
        };
        self.mailer.send(mail).await?;
        let user = user.to_owned();
        Ok(AccountEvent::of(visit, Action::ApprovalSent { user, prefix }))
    }
}

/// The network that an address is taken for: one host with IPv4, 64 bits with IPv6.
pub(super) fn network(address: IpAddr) -> IpNet {
    match address.to_canonical() {
        v4 @ IpAddr::V4(_) => IpNet::from(v4),
        v6 @ IpAddr::V6(_) => IpNet::new(v6, V6_NETWORK_BITS)
            .unwrap_or_else(|_| IpNet::from(v6))
            .trunc(),
    }
}

fn read_prefix(text: &str) -> Result<IpNet> {
    text.parse()
        .map_err(|_| AccountsError::Internal("a stored network cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_by_their_network() {
        for (address, expected) in [
            ("192.0.2.7", "192.0.2.7/32"),
            ("::ffff:192.0.2.7", "192.0.2.7/32"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("::1", "::/64"),
        ] {
            assert_eq!(network(address.parse().unwrap()).to_string(), expected, "{address}");
        }
    }
}
