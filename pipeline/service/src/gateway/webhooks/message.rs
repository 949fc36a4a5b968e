//! Messages by the Standard Webhooks convention: body, signature, and the facts that both formats are made from.
//!
//! Invariants: the body of a delivery is the same at every attempt, its signature holds for one attempt's time; it is signed
//! with the secret of its webhook under every key that is configured.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat};
use ductus_accounts::{WebhookEvent, WebhookKey};
use ductus_dynamics::wire::{Action, SessionAsked, Tried, WebhookMessage};
use serde::{Deserialize, Serialize};

/// What is kept of a delivery, from which it is made at each attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Facts {
    /// When the decision was made, ms.
    pub(super) at_ms: i64,
    pub(super) tenant: String,
    /// None of a test.
    pub(super) asked: Option<SessionAsked>,
    /// What was asked of the session before.
    pub(super) before: Action,
}

/// The body of a message.
pub(super) fn body(event: WebhookEvent, facts: &Facts) -> String {
    let timestamp = DateTime::from_timestamp_millis(facts.at_ms)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Millis, true);
    let message = match (event, facts.asked.clone()) {
        (WebhookEvent::StepUp, Some(data)) => WebhookMessage::StepUp { timestamp, data },
        (WebhookEvent::Terminate, Some(data)) => WebhookMessage::Terminate { timestamp, data },
        (WebhookEvent::Allow, Some(data)) => WebhookMessage::Allow { timestamp, data },
        (WebhookEvent::Test, _) | (_, None) => WebhookMessage::Test {
            timestamp,
            data: Tried {
                tenant: facts.tenant.clone(),
            },
        },
    };
    // A message is texts and numbers.
    serde_json::to_string(&message).unwrap_or_default()
}

/// The header `webhook-signature`: one signature a key.
pub(super) fn signature(keys: &[WebhookKey], id: &str, timestamp_s: i64, body: &str) -> String {
    let signed = format!("{id}.{timestamp_s}.{body}");
    let one = |key: &WebhookKey| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &**key);
        format!("v1,{}", STANDARD.encode(hmac::sign(&key, signed.as_bytes())))
    };
    let all: Vec<String> = keys.iter().map(one).collect();
    all.join(" ")
}

/// A secret as its owner is shown it, once.
pub(super) fn show(key: &WebhookKey) -> String {
    format!("whsec_{}", STANDARD.encode(**key))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in the convention's own documents.
    #[test]
    fn a_signature_is_the_conventions() {
        let mut key = WebhookKey::default();
        let known = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        let body = r#"{"test": 2432232314}"#;
        let signed = |key: &[u8]| {
            let key = hmac::Key::new(hmac::HMAC_SHA256, key);
            let text = format!("msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{body}");
            STANDARD.encode(hmac::sign(&key, text.as_bytes()))
        };
        assert_eq!(signed(&known), "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        key.copy_from_slice(&[7; 32]);
        let ours = signature(
            &[key.clone(), key.clone()],
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            body,
        );
        let one = format!("v1,{}", signed(&[7; 32]));
        assert_eq!(ours, format!("{one} {one}"));
        assert_eq!(show(&key), "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
    }
}
