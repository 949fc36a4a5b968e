//! Who may ask the gateway what: application keys, session tokens, users, second factors, and what a tenant has switched on.
//!
//! A library without HTTP and without Kafka. It keeps its tables in SQLite or PostgreSQL ([`Store`]), takes the time as an
//! argument (`now_ms`, milliseconds since 1970) and randomness from the operating system. Every operation that changes or
//! refuses something hands back what must be audited ([`Audited`]).
//!
//! | who | shows | checked by |
//! |---|---|---|
//! | a back end | an application key, `dk_<id>_<secret>` | [`ApplicationKeys::authenticate`] |
//! | a page | a session token, minted with a key | [`SessionTokens::verify`], [`SessionToken::covers`] |
//! | a person | an access token, after [`Accounts::log_in`] and [`Accounts::confirm`] | [`Accounts::verify_access`], [`Accounts::me`] |
//!
//! # Invariants
//!
//! 1. No secret is stored, logged or shown twice: hashes at rest, [`Secret`] in memory, [`AccountEvent`] without either.
//! 2. What may be used once is used up by one conditional statement; two at once never both succeed.
//! 3. Whoever is refused learns nothing that tells an account, a key or a code from one that does not exist: the same answer
//!    after the same work. The reason stands in the event.
//! 4. A tenant's rows are reached with the tenant's name only.
//! 5. Everything grows within a bound of a policy: rows, attempts, waiting hashes, lives of tokens.

mod error;
mod event;
mod keys;
mod mail;
mod names;
mod password;
mod scope;
mod secret;
mod signing;
mod store;
mod tenants;
mod throttle;
mod tokens;
mod users;
mod webhooks;

pub use error::{AccountsError, Result};
pub use event::{AccountEvent, Action, Audited, CodeRefusal, LoginRefusal, Purpose, RefreshRefusal, ThrottleScope};
pub use keys::{ApplicationKeys, CreatedKey, KeyPolicy, KeyRefusal, KeyView, NewKey, Principal};
pub use mail::{Email, Mail, Mailbox, Mailer, SmtpMailer};
pub use password::{BreachFolder, BreachList, PasswordPolicy, PasswordRefusal};
pub use scope::{Scope, Scopes};
pub use secret::{Pepper, Secret};
pub use signing::{SigningKey, SigningKeys};
pub use store::{Engine, PoolPolicy, Store};
pub use tenants::{Erasure, ErasureState, TenantSettings, Tenants};
pub use throttle::{Rule, ThrottlePolicy};
pub use tokens::{
    Forgery, MintRefusal, MintedToken, SessionToken, SessionTokens, TokenPolicy, TokenRefusal, TokenRequest,
};
pub use users::{
    Access, AccessToken, Accounts, AccountsPolicy, Approval, Ceremony, Challenge, CodeAnswer, LoginAnswer, Me, Mode,
    PasskeyView, Passkeys, PasswordAnswer, Proof, RegisterAnswer, SignedIn, StepUp, TrustAnswer, TrustedAddress,
    UserView, Visit,
};
pub use webhooks::{
    Asked, Claimed, Deliveries, DeliveryState, DeliveryView, Enqueued, Failure, NewDelivery, NewWebhook,
    SessionActions, Webhook, WebhookEvent, WebhookFormat, WebhookKey, WebhookPolicy, WebhookSecrets, Webhooks,
    delivery_id,
};
