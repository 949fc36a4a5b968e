//! Names that follow from what they name: the same cause has the same id in every run, so that sinks can write by id.

use crate::event::Modality;
use sha2::{Digest, Sha256};

/// Id of the decision about one window: 32 hexadecimal digits of SHA-256 over tenant, session, modality and sequence.
pub fn decision_id(tenant: &str, session: &str, modality: Modality, sequence: u64) -> String {
    id(&["decision", tenant, session, modality.name(), &sequence.to_string()])
}

/// Id of anything else that follows from `parts`.
pub fn id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // Ids hold no NUL, so that no two lists of parts run into the same bytes.
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hex(&hash.finalize()[..16])
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}
