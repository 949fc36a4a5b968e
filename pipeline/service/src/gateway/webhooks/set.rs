//! Security event tokens (RFC 8417) with the events of CAEP 1.0, and the keys to check them with.
//!
//! | asked of the session | event |
//! |---|---|
//! | end it | `session-revoked` |
//! | a second proof; nothing any more | `assurance-level-change`, namespace `ductus`: `none` < `low` < `normal` |
//! | (a test) | `verification` of the Shared Signals Framework |
//!
//! Invariants: the token's id is the delivery's; its claims are the same at every attempt; it has neither `sub` nor `exp`, and
//! its type is `secevent+jwt`, so that it passes for no access or identity token (RFC 8417 §4.5 to 4.8).

use crate::config;
use anyhow::{Context, bail, ensure};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use ductus_accounts::{Claimed, Webhook, WebhookEvent};
use ductus_dynamics::wire::{Action, SessionAsked};
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::message::Facts;

/// Before the name of each event.
const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
const VERIFICATION: &str = "https://schemas.openid.net/secevent/ssf/event-type/verification";
/// Whose words the assurance levels are.
const NAMESPACE: &str = "ductus";
/// Keys at once: the one that signs and those before it.
const KEYS_MAX: usize = 4;
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// Signs tokens.
pub(super) struct Issuer {
    name: String,
    key: EncodingKey,
    kid: String,
    /// What `GET /v1/jwks.json` answers.
    key_set: String,
}

impl Issuer {
    /// With the configured keys, or one that is drawn.
    pub(super) fn open(settings: &config::Webhooks) -> anyhow::Result<Self> {
        let mut keys = keys(settings.signing_key.reveal()).context("webhooks.signing_key")?;
        if keys.is_empty() {
            tracing::warn!(
                "webhooks.signing_key is empty: security event tokens are signed with a key that ends with this process"
            );
            let drawn = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .context("no key for security event tokens can be drawn")?;
            keys.push(EncodingKey::from_ec_der(drawn.as_ref()));
        }
        let public: Vec<Jwk> = keys.iter().map(public).collect::<Result<_, _>>()?;
        let kid = public[0].common.key_id.clone().unwrap_or_default();
        Ok(Self {
            name: settings.issuer.clone(),
            key: keys.swap_remove(0),
            kid,
            key_set: serde_json::to_string(&JwkSet { keys: public })?,
        })
    }

    /// The public keys.
    pub(super) fn key_set(&self) -> &str {
        &self.key_set
    }

    /// The token of a delivery.
    pub(super) fn token(
        &self,
        webhook: &Webhook,
        claimed: &Claimed,
        event: WebhookEvent,
        facts: &Facts,
    ) -> anyhow::Result<String> {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("secevent+jwt".to_owned());
        header.kid = Some(self.kid.clone());
        let claims = claims(&self.name, webhook, claimed, event, facts);
        Ok(jsonwebtoken::encode(&header, &claims, &self.key)?)
    }
}

fn claims(issuer: &str, webhook: &Webhook, claimed: &Claimed, event: WebhookEvent, facts: &Facts) -> Value {
    let mut claims = json!({
        "iss": issuer,
        "iat": claimed.created_ms.div_euclid(1000),
        "jti": claimed.id,
        "aud": webhook.url,
    });
    let (kind, members) = match (&facts.asked, event) {
        (Some(asked), WebhookEvent::Terminate) => ("session-revoked", caused(facts, asked, json!({}))),
        (Some(asked), WebhookEvent::StepUp | WebhookEvent::Allow) => (
            "assurance-level-change",
            caused(facts, asked, level_change(facts.before, asked.action)),
        ),
        (None, _) | (_, WebhookEvent::Test) => {
            claims["sub_id"] = opaque(&webhook.id);
            claims["events"] = json!({ VERIFICATION: { "state": claimed.id } });
            return claims;
        }
    };
    if let Some(asked) = &facts.asked {
        claims["txn"] = asked.decision.clone().into();
        claims["sub_id"] = subject(issuer, asked);
    }
    claims["events"] = json!({ format!("{CAEP}{kind}"): members });
    claims
}

/// Who and what it is about: the session, and its subject where one is claimed.
fn subject(issuer: &str, asked: &SessionAsked) -> Value {
    let mut subject = json!({
        "format": "complex",
        "session": opaque(&asked.session),
        "tenant": opaque(&asked.tenant),
    });
    if let Some(user) = &asked.subject {
        subject["user"] = json!({ "format": "iss_sub", "iss": issuer, "sub": user });
    }
    subject
}

fn opaque(id: &str) -> Value {
    json!({ "format": "opaque", "id": id })
}

/// The members that every event of ours has, added to `members`.
fn caused(facts: &Facts, asked: &SessionAsked, mut members: Value) -> Value {
    members["event_timestamp"] = facts.at_ms.div_euclid(1000).into();
    members["initiating_entity"] = "policy".into();
    let mut why = format!("risk {:.0} of 100", asked.risk);
    for reason in &asked.reasons {
        why.push_str("; ");
        why.push_str(&reason.text);
    }
    members["reason_admin"] = json!({ "en": why });
    members
}

fn level_change(before: Action, now: Action) -> Value {
    let (before, now) = (level(before), level(now));
    json!({
        "namespace": NAMESPACE,
        "previous_level": before.1,
        "current_level": now.1,
        "change_direction": if now.0 < before.0 { "decrease" } else { "increase" },
    })
}

/// How sure we are that it is the subject.
fn level(action: Action) -> (u8, &'static str) {
    match action {
        Action::Terminate => (0, "none"),
        Action::StepUp => (1, "low"),
        Action::Allow | Action::InsufficientData => (2, "normal"),
    }
}

/// The keys of a PEM text or of the file that it names, in their order.
fn keys(setting: &str) -> anyhow::Result<Vec<EncodingKey>> {
    let text = match setting.trim() {
        "" => return Ok(Vec::new()),
        // A line of an environment file has no line ends of its own.
        pem if pem.starts_with(BEGIN) => pem.replace("\\n", "\n"),
        path => std::fs::read_to_string(path).context("the file cannot be read")?,
    };
    let mut keys = Vec::new();
    for block in text.split_inclusive(END).filter(|block| !block.trim().is_empty()) {
        // Nothing of the key stands in the error.
        let Ok(key) = EncodingKey::from_ec_pem(block.trim().as_bytes()) else {
            bail!("give P-256 keys as PKCS#8 in PEM, the newest first");
        };
        keys.push(key);
    }
    ensure!((1..=KEYS_MAX).contains(&keys.len()), "give 1 to {KEYS_MAX} keys");
    Ok(keys)
}

fn public(key: &EncodingKey) -> anyhow::Result<Jwk> {
    let mut public = Jwk::from_encoding_key(key, Algorithm::ES256).context("webhooks.signing_key: give P-256 keys")?;
    public.common.public_key_use = Some(PublicKeyUse::Signature);
    public.common.key_id = Some(public.thumbprint(ThumbprintHash::SHA256)?);
    Ok(public)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_go_up_and_down() {
        let directions = [
            (Action::Allow, Action::StepUp),
            (Action::Terminate, Action::StepUp),
            (Action::StepUp, Action::Allow),
        ]
        .map(|(before, now)| level_change(before, now)["change_direction"].clone());
        assert_eq!(directions, ["decrease", "increase", "increase"]);
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_repeated() {
        for wrong in [
            "/nowhere/at/all",
            "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n",
        ] {
            let error = keys(wrong).expect_err("refused");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
        assert!(keys(" ").expect("none").is_empty());
    }
}
