//! What travels between processes, as JSON: the only serde types of the domain.
//!
//! Invariants: no field can hold what was typed; an unknown field anywhere makes the whole document a rejection; `t_us` is
//! relative to the batch's clock origin. The JSON Schemas in `schemas/` are generated from these types and reviewed there.
//! The hot path does not build an [`EventBatch`]: it parses the same document with [`crate::parse`].

mod webhook;

pub use webhook::{SessionAsked, Tried, WebhookMessage};

use crate::event::{Button, EventKind, InputEvent, KeyClass, KeyDetail, Modality};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// The version of every document here.
pub const VERSION: u8 = 1;

/// Raw input events of one session, as an application publishes them. Kafka key: the subject, else the session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventBatch {
    /// Version of this document: 1.
    #[schemars(range(min = 1, max = 1))]
    pub v: u8,
    /// Tenant the session belongs to.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._:-]{1,64}$"))]
    pub tenant: String,
    /// Pseudonym of the person who claims the session; absent while nobody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9._:-]{1,64}$"))]
    pub subject: Option<String>,
    /// The session.
    #[schemars(regex(pattern = r"^[A-Za-z0-9._:-]{1,64}$"))]
    pub session: String,
    /// Running number of the batch within the session, from 0.
    pub seq: u32,
    /// What the events may be used for.
    pub purpose: Purpose,
    /// Whether the person agreed to it.
    pub consent: Consent,
    /// The client's clock.
    pub clock: Clock,
    /// What the person types and points with.
    pub device: Device,
    /// How much the events say of a key.
    #[serde(default)]
    pub detail: KeyDetail,
    /// The events, oldest first within a modality.
    pub events: Vec<Event>,
}

/// What the events may be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Watch whether it is still the same person.
    #[default]
    Session,
    /// Make references: the person enrols.
    Enrol,
    /// Only keep for history and training.
    Collect,
}

/// Whether the person agreed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// The person agreed.
    Granted,
    /// The person did not, or withdrew: the batch is rejected and not kept.
    Withheld,
}

/// The client's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// What `t_us` counts from, µs since the Unix epoch (`performance.timeOrigin`). A new origin is a clock step.
    pub origin_us: i64,
    /// Measured resolution, µs.
    pub resolution_us: u32,
}

/// What the person types and points with. References are kept per device class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Keyboard in use.
    #[serde(default)]
    pub keyboard: Keyboard,
    /// Pointing device in use.
    #[serde(default)]
    pub pointer: Pointer,
    /// Keyboard layout, as far as known.
    #[serde(default)]
    pub layout: Layout,
    /// Whether the screen takes touch.
    #[serde(default)]
    pub touch: bool,
}

/// Keyboard in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Keyboard {
    /// A real one.
    Physical,
    /// On the screen.
    Virtual,
    /// There is none.
    None,
    /// Not known.
    #[default]
    Unknown,
}

/// Pointing device in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pointer {
    /// A mouse.
    Mouse,
    /// A touchpad.
    Touchpad,
    /// A finger on the screen.
    Touch,
    /// A pen.
    Pen,
    /// There is none.
    None,
    /// Not known.
    #[default]
    Unknown,
}

/// Keyboard layout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// English and relatives.
    Qwerty,
    /// German and relatives.
    Qwertz,
    /// French and relatives.
    Azerty,
    /// Any other.
    Other,
    /// Not known.
    #[default]
    Unknown,
}

/// One event of a batch. Its meaning: [`crate::event::EventKind`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "the fields repeat event::EventKind, where they are documented"
)]
pub enum Event {
    /// A key went down.
    Down { t_us: i64, press: u32, class: KeyClass },
    /// The key of this press came up.
    Up { t_us: i64, press: u32 },
    /// The pointer moved.
    Move { t_us: i64, x: i32, y: i32 },
    /// A pointer button went down.
    Press { t_us: i64, x: i32, y: i32, button: Button },
    /// A pointer button came up.
    Release { t_us: i64, x: i32, y: i32, button: Button },
    /// The page or a part of it scrolled.
    Scroll {
        t_us: i64,
        x: i32,
        y: i32,
        dx: i32,
        dy: i32,
    },
    /// The page lost the focus.
    Blur { t_us: i64 },
    /// No more events for now.
    End { t_us: i64 },
}

impl From<&InputEvent> for Event {
    /// The event as a batch carries it whose clock origin is what the event's time counts from.
    fn from(event: &InputEvent) -> Self {
        let t_us = event.t_us;
        match event.kind {
            EventKind::KeyDown { press, class } => Self::Down { t_us, press, class },
            EventKind::KeyUp { press } => Self::Up { t_us, press },
            EventKind::Move { x, y } => Self::Move { t_us, x, y },
            EventKind::ButtonDown { button, x, y } => Self::Press { t_us, x, y, button },
            EventKind::ButtonUp { button, x, y } => Self::Release { t_us, x, y, button },
            EventKind::Scroll { dx, dy, x, y } => Self::Scroll { t_us, x, y, dx, dy },
            EventKind::Blur => Self::Blur { t_us },
            EventKind::End => Self::End { t_us },
        }
    }
}

/// What is decided about one window. Kafka key: as the events. Elasticsearch `_id`: [`Decision::id`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Version of this document: 1.
    pub v: u8,
    /// 32 hexadecimal digits: hash of tenant, session, modality and window sequence.
    pub id: String,
    /// Tenant.
    pub tenant: String,
    /// Pseudonym of the subject, if one is claimed.
    pub subject: Option<String>,
    /// Session.
    pub session: String,
    /// The window.
    pub window: WindowRef,
    /// Risk that it is somebody else, 0-100, after this window.
    pub risk: f32,
    /// How much evidence stands behind the risk, 0-1.
    pub confidence: f32,
    /// What the application should do.
    pub action: Action,
    /// Why, strongest first; at most five.
    pub reasons: Vec<Reason>,
    /// The numbers behind it.
    pub score: Score,
    /// The model that made the embedding; absent where none was used.
    pub model: Option<ModelRef>,
    /// The references that were compared with; absent where there were none.
    pub reference: Option<ReferenceRef>,
    /// The record that completed the window.
    pub source: Source,
    /// Event time of the window's end, µs since the Unix epoch.
    pub time_us: i64,
}

/// Which window a decision is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowRef {
    /// Keystroke or pointer.
    pub modality: Modality,
    /// Running number within session and modality.
    pub sequence: u64,
    /// Event time of the first step, µs.
    pub start_us: i64,
    /// Event time of the last step's end, µs.
    pub end_us: i64,
    /// Real steps in it.
    pub steps: u32,
    /// What closed it.
    pub closed: Closed,
}

/// What closed a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Closed {
    /// It was full.
    Count,
    /// A pause followed.
    Pause,
    /// The session ended or fell idle.
    End,
    /// The client's clock has a new origin.
    ClockStep,
}

/// What the application should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Go on.
    Allow,
    /// Ask for a second proof of identity.
    StepUp,
    /// End the session.
    Terminate,
    /// Nothing can be said yet; never moves the risk.
    InsufficientData,
}

/// One reason in human units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Name of the measure, of the state that explains `insufficient_data`, or of a detector of what is no person:
    /// `regular_times`, `symmetric_times`, `independent_times`, `forged_times`, `pasted_keys`, `even_speed`,
    /// `smooth_strokes`, `straight_strokes`, `replayed`; `coarse_clock` and `disturbed_times` are notes and move nothing.
    pub measure: String,
    /// A sentence for a person.
    pub text: String,
    /// Difference from the usual, in `unit`; of a detector, what it measured.
    pub delta: f32,
    /// Unit of `delta`.
    pub unit: String,
    /// The difference in standard errors of the usual.
    pub z: f32,
}

/// The numbers behind a decision.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Score {
    /// Cosine of probe and references, −1 to 1; higher is more alike.
    pub comparison: Option<f32>,
    /// Calibrated log-likelihood ratio (natural) of this window: genuine against impostor.
    pub llr: Option<f32>,
    /// Accumulated log-likelihood ratio of the session after this window.
    pub evidence: f32,
}

/// Which model.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelRef {
    /// Name of the model line, the modality's name.
    pub id: String,
    /// Version within it.
    pub version: String,
    /// Hexadecimal SHA-256 of the ONNX file.
    pub sha256: String,
}

/// Which references.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferenceRef {
    /// Version of the reference set.
    pub version: u32,
    /// How complete it is, 0-100.
    pub maturity: u8,
    /// How many embeddings it holds.
    pub count: u32,
}

/// Where in Kafka something came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// Something worth keeping for an auditor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditRecord {
    /// Version of this document: 1.
    pub v: u8,
    /// 32 hexadecimal digits, the same for the same cause; drawn where somebody asked a gateway.
    pub id: String,
    /// What happened.
    pub action: AuditAction,
    /// Tenant.
    pub tenant: String,
    /// Pseudonym of the subject, if one is concerned.
    pub subject: Option<String>,
    /// Session, if one is concerned.
    pub session: Option<String>,
    /// The decision that caused it, if one did.
    pub decision: Option<String>,
    /// The model concerned, if one is.
    pub model: Option<ModelRef>,
    /// The references concerned, if any.
    pub reference: Option<ReferenceRef>,
    /// The record that caused it.
    pub source: Option<Source>,
    /// Who did it, and how it ended, where somebody asked a gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<AuditAccess>,
    /// Event time, µs since the Unix epoch; of what happened at a gateway, its clock's.
    pub time_us: i64,
}

/// Who asked a gateway for something, and how it ended. Never a credential, and nothing that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditAccess {
    /// How it ended.
    pub outcome: Outcome,
    /// Id of the application key, the user or the analyst who asked, where somebody was recognised.
    pub by: Option<String>,
    /// Network address that asked, where it is known.
    pub address: Option<IpAddr>,
    /// Code of why it was refused, or the reason that was given for it.
    pub reason: Option<String>,
    /// Id of what it was about, where that is neither subject, session nor decision: a key, a token, a sign-in, a receipt.
    pub object: Option<String>,
    /// How many times it happened: refusals of one kind are told together.
    pub count: u64,
}

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was refused.
    Failure,
}

/// What an audit record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditAction {
    /// First batch of a session.
    SessionOpened,
    /// The session ended or fell idle.
    SessionClosed,
    /// The action asked for became more severe.
    ActionRaised,
    /// The action asked for became less severe.
    ActionLowered,
    /// A subject's first reference was stored.
    ReferenceCreated,
    /// References became enough to compare with.
    ReferenceMatured,
    /// Another model went live.
    ModelLive,
    /// Something was asked for without a credential that holds.
    CredentialRefused,
    /// Something was asked for that the credential does not give.
    AccessRefused,
    /// A batch named a tenant, a subject or a session that its sender may not speak for.
    BatchForged,
    /// Somebody sent more, or asked more often, than the limits allow.
    RateLimited,
    /// Somebody was compared with one subject.
    Verified,
    /// Somebody was looked for among many.
    Identified,
    /// Identification among many was switched on or off for a tenant.
    IdentifySet,
    /// An analyst said what a decision was worth.
    FeedbackGiven,
    /// The erasure of a subject was asked for.
    ErasureAsked,
    /// It went on.
    ErasureChanged,
    /// References of a subject were removed.
    ReferenceRemoved,
    /// An address to be told of decisions was added.
    WebhookAdded,
    /// It was removed.
    WebhookRemoved,
    /// A message to it was given up.
    WebhookGaveUp,
    /// An application key was made.
    KeyCreated,
    /// It got a new secret.
    KeyRotated,
    /// It was ended.
    KeyRevoked,
    /// A session token was made.
    TokenMinted,
    /// A sign-in failed.
    LoginRefused,
    /// A code was mailed.
    CodeSent,
    /// A code was refused.
    CodeRefused,
    /// An account was opened.
    Registered,
    /// Somebody signed in.
    SignedIn,
    /// A sign-in was prolonged.
    Refreshed,
    /// It was not.
    RefreshRefused,
    /// Somebody signed out.
    LoggedOut,
    /// Somebody signed out everywhere.
    LoggedOutEverywhere,
    /// A password was replaced.
    PasswordChanged,
    /// A user's mode was changed.
    ModeSet,
    /// Risk asks a user for a second proof.
    StepUpRaised,
    /// It was given.
    StepUpLowered,
    /// A link was mailed to have a network address trusted.
    ApprovalSent,
    /// A link did not hold.
    ApprovalRefused,
    /// A network address is trusted now.
    AddressTrusted,
    /// It is not any more.
    AddressForgotten,
    /// A passkey was added.
    PasskeyAdded,
    /// It was removed.
    PasskeyRemoved,
    /// A passkey did not hold.
    PasskeyRefused,
    /// An account was removed.
    UserDeleted,
}

/// What somebody who looked into it said of a decision: the value of a compacted topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Feedback {
    /// Version of this document: 1.
    pub v: u8,
    /// 32 hexadecimal digits, drawn.
    pub id: String,
    /// Tenant.
    pub tenant: String,
    /// The decision.
    pub decision: String,
    /// Its session.
    pub session: String,
    /// Pseudonym of the subject that the session claimed, if one did.
    pub subject: Option<String>,
    /// What was said.
    pub verdict: FeedbackVerdict,
    /// Who said it: id of an application key, a user or an analyst; absent where access is open.
    pub by: Option<String>,
    /// A sentence of theirs.
    pub note: Option<String>,
    /// When, µs since the Unix epoch, by the gateway's clock.
    pub time_us: i64,
}

/// What a decision was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FeedbackVerdict {
    /// It was the subject.
    FalseAlarm,
    /// It was somebody else.
    Confirmed,
}

/// A subject's references of one modality, device class and model: the value of a compacted topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Version of this document: 1.
    pub v: u8,
    /// Tenant.
    pub tenant: String,
    /// Pseudonym of the subject.
    pub subject: String,
    /// Keystroke or pointer.
    pub modality: Modality,
    /// Device class, see [`crate::compare::device_class`].
    pub device: String,
    /// The model whose embeddings these are: those of two models never mix.
    pub model: ModelRef,
    /// Counts every change of the set.
    pub version: u32,
    /// The first embeddings: they stay, and bound how far the others may drift.
    pub anchors: Vec<Sample>,
    /// The latest embeddings, added while the subject was trusted.
    pub recent: Vec<Sample>,
    /// What is usual for the subject, by measure, for reasons in human units.
    pub usual: Vec<Usual>,
    /// Rhythms of the latest windows, so that a replay of one is known again: pace or moves, neither keys nor places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sketches: Vec<Sketch>,
    /// Event time of the last change, µs.
    pub updated_us: i64,
}

/// One stored embedding and where its window is found in history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// Unit-length embedding, `[D]`.
    pub embedding: Vec<f32>,
    /// Session of the window.
    pub session: String,
    /// Sequence of the window.
    pub sequence: u64,
    /// Event time of the window's end, µs.
    pub end_us: i64,
}

/// The rhythm of one window: pace or moves, one character a step, neither keys nor places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sketch {
    /// Session of the window.
    pub session: String,
    /// Event time of the window's end, µs.
    pub end_us: i64,
    /// One of 56 characters for each step but the first.
    #[schemars(regex(pattern = r"^[#-Z]{0,1024}$"))]
    pub codes: String,
}

/// Running mean and spread of one measure (Welford).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Usual {
    /// Name of the measure, see [`crate::reason`].
    pub measure: String,
    /// How many values.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// Sum of squared deviations from the mean.
    pub m2: f64,
}

/// A model that goes live: the value of the compacted models topic, keyed by modality.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelAnnouncement {
    /// Version of this document: 1.
    pub v: u8,
    /// Keystroke or pointer.
    pub modality: Modality,
    /// The model that is to be live.
    pub model: ModelRef,
    /// Hash of the feature layout that it was trained on.
    pub layout_hash: String,
    /// Folder of the model, relative to the registry that every process is configured with.
    pub path: String,
    /// What it replaces: where roll-back returns to.
    pub previous: Option<Box<PreviousModel>>,
    /// When it was announced, µs since the Unix epoch.
    pub announced_us: i64,
}

/// The model that an announcement replaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviousModel {
    /// The model.
    pub model: ModelRef,
    /// Its folder in the registry.
    pub path: String,
    /// What that one replaced in its turn.
    pub previous: Option<Box<PreviousModel>>,
}

/// A refused record: the value of the dead-letter topic, under the record's own key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadLetter {
    /// Version of this document: 1.
    pub v: u8,
    /// Reason code.
    pub reason: crate::reject::RejectReason,
    /// Where the record stands.
    pub source: Source,
    /// Size of the record's value, bytes.
    pub size_bytes: u64,
    /// Hexadecimal SHA-256 of the record's value.
    pub sha256: String,
    /// Timestamp of the record, µs since the Unix epoch.
    pub timestamp_us: i64,
    /// Version of the program that refused it.
    pub program: String,
    /// The original value, only where parsing proved that it holds no content (or the operator switched it on).
    pub payload: Option<String>,
}
