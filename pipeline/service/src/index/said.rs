//! What an audit record says, in the words of the Elastic Common Schema.
//!
//! Invariant: every action has one line here: its name (as in the schema), category and type of ECS, and a sentence for people.

use ductus_dynamics::wire::AuditAction;

/// An audit action in the words of ECS.
pub(super) struct Said {
    pub(super) action: &'static str,
    pub(super) category: &'static str,
    pub(super) r#type: &'static str,
    pub(super) message: &'static str,
}

impl Said {
    #[rustfmt::skip]
    pub(super) fn of(action: AuditAction) -> Self {
        use AuditAction as A;
        let (action, category, r#type, message) = match action {
            A::SessionOpened => ("session_opened", "session", "start", "session opened"),
            A::SessionClosed => ("session_closed", "session", "end", "session closed"),
            A::ActionRaised => ("action_raised", "authentication", "change", "a more severe action is asked for"),
            A::ActionLowered => ("action_lowered", "authentication", "change", "a less severe action is asked for"),
            A::ReferenceCreated => ("reference_created", "iam", "creation", "first reference stored"),
            A::ReferenceMatured => ("reference_matured", "iam", "change", "enough references to compare with"),
            A::ReferenceRemoved => ("reference_removed", "iam", "deletion", "references were removed"),
            A::ModelLive => ("model_live", "configuration", "change", "another model went live"),
            A::CredentialRefused => ("credential_refused", "authentication", "denied", "no credential that holds"),
            A::AccessRefused => ("access_refused", "api", "denied", "the credential does not give that right"),
            A::BatchForged => ("batch_forged", "intrusion_detection", "denied", "a batch under another's name was refused"),
            A::RateLimited => ("rate_limited", "api", "denied", "more than the limits allow was refused"),
            A::Verified => ("verified", "authentication", "info", "somebody was compared with a subject"),
            A::Identified => ("identified", "authentication", "info", "somebody was looked for among many"),
            A::IdentifySet => ("identify_set", "configuration", "change", "identification among many was switched"),
            A::FeedbackGiven => ("feedback_given", "authentication", "info", "an analyst judged a decision"),
            A::ErasureAsked => ("erasure_asked", "iam", "deletion", "the erasure of a subject was asked for"),
            A::ErasureChanged => ("erasure_changed", "iam", "deletion", "the erasure of a subject went on"),
            A::WebhookAdded => ("webhook_added", "configuration", "creation", "a webhook was added"),
            A::WebhookRemoved => ("webhook_removed", "configuration", "deletion", "a webhook was removed"),
            A::WebhookGaveUp => ("webhook_gave_up", "api", "error", "a message to a webhook was given up"),
            A::KeyCreated => ("key_created", "iam", "creation", "an application key was made"),
            A::KeyRotated => ("key_rotated", "iam", "change", "an application key got a new secret"),
            A::KeyRevoked => ("key_revoked", "iam", "deletion", "an application key was ended"),
            A::TokenMinted => ("token_minted", "iam", "creation", "a session token was made"),
            A::LoginRefused => ("login_refused", "authentication", "denied", "a sign-in failed"),
            A::CodeSent => ("code_sent", "authentication", "info", "a code was mailed"),
            A::CodeRefused => ("code_refused", "authentication", "denied", "a code was refused"),
            A::Registered => ("registered", "iam", "creation", "an account was opened"),
            A::SignedIn => ("signed_in", "authentication", "start", "somebody signed in"),
            A::Refreshed => ("refreshed", "authentication", "info", "a sign-in was prolonged"),
            A::RefreshRefused => ("refresh_refused", "authentication", "denied", "a sign-in was not prolonged"),
            A::LoggedOut => ("logged_out", "authentication", "end", "somebody signed out"),
            A::LoggedOutEverywhere => ("logged_out_everywhere", "authentication", "end", "somebody signed out everywhere"),
            A::PasswordChanged => ("password_changed", "iam", "change", "a password was replaced"),
            A::ModeSet => ("mode_set", "iam", "change", "a user's mode was changed"),
            A::StepUpRaised => ("step_up_raised", "authentication", "change", "risk asks a user for a second proof"),
            A::StepUpLowered => ("step_up_lowered", "authentication", "change", "a user gave the second proof"),
            A::ApprovalSent => ("approval_sent", "iam", "info", "a link to trust a network address was mailed"),
            A::ApprovalRefused => ("approval_refused", "iam", "denied", "a link to trust a network address did not hold"),
            A::AddressTrusted => ("address_trusted", "iam", "creation", "a network address is trusted"),
            A::AddressForgotten => ("address_forgotten", "iam", "deletion", "a network address is no longer trusted"),
            A::PasskeyAdded => ("passkey_added", "iam", "creation", "a passkey was added"),
            A::PasskeyRemoved => ("passkey_removed", "iam", "deletion", "a passkey was removed"),
            A::PasskeyRefused => ("passkey_refused", "authentication", "denied", "a passkey did not hold"),
            A::UserDeleted => ("user_deleted", "iam", "deletion", "an account was removed"),
        };
        Self { action, category, r#type, message }
    }
}
