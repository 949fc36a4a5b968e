//! Planted bugs: each leaves one rule of the page out, or something that the page rests on.

use std::fmt;

/// What is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Broken {
    /// Decisions are not read back.
    NoReadBack,
    /// A decision that is there is not repeated, but the line goes on with numbers of its own.
    SilentOnly,
    /// The transaction is sent while decisions before it are in flight.
    NotAcknowledged,
    /// `D` is taken when the transaction is sent, not when the checkpoint is prepared.
    LateD,
    /// The offset is sent under an identity that the group takes from anybody: none, or one that a zombie's process got anew.
    NoGenerationCheck,
    /// The group's offset is read under a pending transaction.
    PendingNotWaitedFor,
    /// The last readable session states are loaded, not those up to the marker that the commit names.
    AnyMarker,
    /// A partition without a marker is decided about at once.
    NoFirstCheckpoint,
    /// A model takes effect when it arrives.
    ModelOnArrival,
    /// Windows are decided about while a checkpoint that changes the model is under way.
    DecidesMeanwhile,
    /// A model takes effect before the frontier.
    BeforeFrontier,
    /// A marker that names no models is replaced as if nothing could have been decided under it.
    NoModelsReplaced,
    /// An owner whose session is over goes on reading.
    LostSessionGoesOn,
    /// A partition is given back while decisions are in flight.
    ReleasedAtOnce,
    /// Audit records are produced at once, like decisions.
    AuditAtOnce,
    /// A partition is given back with everything acknowledged, but without a last checkpoint.
    ReleasedUnsaved,
    /// The client gives a decision up and writes later ones before the shard begins anew.
    Gap,
}

impl Broken {
    /// Rules, each of which the promise needs.
    pub(crate) const RULES: [Self; 15] = [
        Self::NoReadBack,
        Self::SilentOnly,
        Self::NotAcknowledged,
        Self::LateD,
        Self::NoGenerationCheck,
        Self::PendingNotWaitedFor,
        Self::AnyMarker,
        Self::NoFirstCheckpoint,
        Self::ModelOnArrival,
        Self::DecidesMeanwhile,
        Self::BeforeFrontier,
        Self::NoModelsReplaced,
        Self::LostSessionGoesOn,
        Self::ReleasedAtOnce,
        Self::AuditAtOnce,
    ];
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoReadBack => "decisions are not read back",
            Self::SilentOnly => "known decisions are left out, but not adopted",
            Self::NotAcknowledged => "commit before decisions are acknowledged",
            Self::LateD => "D taken after S",
            Self::NoGenerationCheck => "offset committed without the assignment's generation",
            Self::PendingNotWaitedFor => "load without waiting for a pending transaction",
            Self::AnyMarker => "load up to any marker, not the one named",
            Self::NoFirstCheckpoint => "no first checkpoint where there is no marker",
            Self::ModelOnArrival => "model takes effect when it arrives",
            Self::DecidesMeanwhile => "deciding while a model's checkpoint is under way",
            Self::BeforeFrontier => "model takes effect before F",
            Self::NoModelsReplaced => "marker without models replaced before F",
            Self::LostSessionGoesOn => "reading on after the session is over",
            Self::ReleasedAtOnce => "given back with decisions in flight",
            Self::AuditAtOnce => "audit records produced at once",
            Self::ReleasedUnsaved => "given back without a last checkpoint",
            Self::Gap => "a decision given up, later ones written",
        })
    }
}
