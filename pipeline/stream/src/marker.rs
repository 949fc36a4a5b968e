//! A checkpoint's marker: what of a partition belongs to no session.
//!
//! Invariant: it is written last in its checkpoint, so that whoever has read it has read the session states before it.

use ductus_dynamics::line::LineState;
use ductus_dynamics::state::{self, StateError};
use ductus_dynamics::wire::ModelRef;
use serde::{Deserialize, Serialize};

/// Key of markers. Session keys hold a slash.
pub(crate) const MARKER_KEY: &[u8] = b"marker";

/// No partition has so many checkpoints, and there is room to go on.
const NUMBER_MAX: u64 = 1 << 62;

/// A partition at one point of the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Marker {
    /// Number of the checkpoint, from 1.
    pub(crate) number: u64,
    /// The next offset of the events partition (S).
    pub(crate) events_next: i64,
    /// Decisions about records from there on stand at or after this offset (D).
    pub(crate) decisions_from: i64,
    /// References that others wrote from this offset on had not taken effect (R).
    pub(crate) references_next: i64,
    /// Timestamp of the last record, µs since the Unix epoch.
    pub(crate) timestamp_us: Option<i64>,
    /// The models in use, by modality.
    pub(crate) models: [Option<ModelState>; 2],
    /// The line.
    pub(crate) line: LineState,
}

/// A [`ModelRef`], as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ModelState {
    id: String,
    version: String,
    sha256: String,
}

impl From<&ModelRef> for ModelState {
    fn from(model: &ModelRef) -> Self {
        Self {
            id: model.id.clone(),
            version: model.version.clone(),
            sha256: model.sha256.clone(),
        }
    }
}

impl From<&ModelState> for ModelRef {
    fn from(model: &ModelState) -> Self {
        Self {
            id: model.id.clone(),
            version: model.version.clone(),
            sha256: model.sha256.clone(),
        }
    }
}

impl Marker {
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, StateError> {
        state::seal(self, Vec::new())
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, StateError> {
        let marker: Self = state::open(bytes)?;
        let offsets = [marker.events_next, marker.decisions_from, marker.references_next];
        if !(1..NUMBER_MAX).contains(&marker.number) || offsets.iter().any(|offset| *offset < 0) {
            return Err(StateError::Contradiction(
                "a number or an offset that no checkpoint has",
            ));
        }
        marker.line.check()?;
        Ok(marker)
    }
}
