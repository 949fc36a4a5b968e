//! What the search begins with: documents that are accepted, of synthetic people only.
//!
//! `cargo run -p ductus-fuzz-targets --example seeds` writes them anew where the form of a document has changed.

use crate::{marker, session_state};
use ductus_dynamics::state::StateError;

/// The seeds of a target.
#[derive(Debug)]
pub struct Seeds {
    /// Its name.
    pub target: &'static str,
    /// What it begins with.
    pub contents: Vec<Vec<u8>>,
}

/// The seeds of the targets whose documents are bytes. Those of the others are written by hand.
///
/// # Errors
///
/// [`StateError`] where a state cannot be written.
pub fn seeds() -> Result<[Seeds; 2], StateError> {
    Ok([
        Seeds {
            target: "marker",
            contents: marker::seeds()?,
        },
        Seeds {
            target: "session_state",
            contents: session_state::seeds()?,
        },
    ])
}
