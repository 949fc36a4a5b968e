//! What a webhook is sent: the body of a message that is signed by the Standard Webhooks convention.
//!
//! Invariant: the types only grow. A receiver that knows a type reads its `data` for ever; one that it does not know it leaves.

use super::{Action, Reason};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A message to a webhook. Its id stands in the header `webhook-id`: the same however often the message comes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", deny_unknown_fields)]
pub enum WebhookMessage {
    /// A second proof of identity is asked for.
    #[serde(rename = "session.step_up")]
    StepUp {
        /// When the decision was made (RFC 3339).
        timestamp: String,
        /// About whom and why.
        data: SessionAsked,
    },
    /// The session shall be ended.
    #[serde(rename = "session.terminate")]
    Terminate {
        /// When the decision was made (RFC 3339).
        timestamp: String,
        /// About whom and why.
        data: SessionAsked,
    },
    /// The session is back to normal after one of the others.
    #[serde(rename = "session.allow")]
    Allow {
        /// When the decision was made (RFC 3339).
        timestamp: String,
        /// About whom and why.
        data: SessionAsked,
    },
    /// Somebody tries the webhook out.
    #[serde(rename = "webhook.test")]
    Test {
        /// When it was asked for (RFC 3339).
        timestamp: String,
        /// Nothing happened.
        data: Tried,
    },
}

/// What is asked of a session, and the decision that asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionAsked {
    /// Tenant.
    pub tenant: String,
    /// Pseudonym of the subject, if one is claimed.
    pub subject: Option<String>,
    /// Session.
    pub session: String,
    /// Id of the decision, as everywhere.
    pub decision: String,
    /// Risk that it is somebody else, 0-100.
    pub risk: f32,
    /// How much evidence stands behind the risk, 0-1.
    pub confidence: f32,
    /// What the application should do.
    pub action: Action,
    /// Why, strongest first; at most five.
    pub reasons: Vec<Reason>,
}

/// What a test is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tried {
    /// Tenant of the webhook.
    pub tenant: String,
}
