//! Stored references as they are read from outside: a record of the references topic.
//!
//! Invariant: what is read can be compared: its embeddings are of one length, and every number is finite (JSON has no other, and
//! one that is out of range is refused).

use crate::wire::{Reference, VERSION};

/// Why a record is no reference.
#[derive(Debug, thiserror::Error)]
pub enum ReferenceError {
    /// It is not JSON, or not of the document's shape.
    #[error("the record is no reference: {0}")]
    NotJson(#[from] serde_json::Error),
    /// A version of the document that this build does not know.
    #[error("its version is {0}, but this build knows only {VERSION}")]
    Version(u8),
    /// Embeddings of different lengths.
    #[error("its embeddings have {0} and {1} dimensions, but those of one model have the same")]
    Dimensions(usize, usize),
}

/// Reads the value of a record of the references topic.
///
/// # Errors
///
/// [`ReferenceError`].
pub fn read_reference(value: &[u8]) -> Result<Reference, ReferenceError> {
    let reference: Reference = serde_json::from_slice(value)?;
    if reference.v != VERSION {
        return Err(ReferenceError::Version(reference.v));
    }
    let mut dims = None;
    for sample in reference.anchors.iter().chain(&reference.recent) {
        let (found, expected) = (sample.embedding.len(), *dims.get_or_insert(sample.embedding.len()));
        if found != expected {
            return Err(ReferenceError::Dimensions(expected, found));
        }
    }
    Ok(reference)
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn what_cannot_be_compared_is_refused() {
        let sample = |embedding: &str| format!(r#"{{"embedding":{embedding},"session":"x","sequence":0,"end_us":1}}"#);
        let record = |v: u8, anchors: &str| {
            format!(
                r#"{{"v":{v},"tenant":"acme","subject":"s-1","modality":"keystroke","device":"physical",
                    "model":{{"id":"keystroke","version":"1","sha256":"ab"}},"version":1,"anchors":[{anchors}],
                    "recent":[],"usual":[],"updated_us":1}}"#
            )
        };
        let two = |a: &str, b: &str| record(1, &format!("{},{}", sample(a), sample(b)));
        let said = [
            two("[0.6,0.8]", "[1.0,0.0]"),
            record(1, ""),
            record(2, ""),
            two("[1.0]", "[1.0,0.0]"),
            two("[1.0,0.0]", "[1e39,0.0]"),
            "[]".to_owned(),
        ]
        .map(|record| match read_reference(record.as_bytes()) {
            Ok(reference) => format!("{} anchors", reference.anchors.len()),
            Err(error) => error.to_string(),
        });
        expect![[r#"
            2 anchors
            0 anchors
            its version is 2, but this build knows only 1
            its embeddings have 1 and 2 dimensions, but those of one model have the same
            the record is no reference: number out of range at line 2 column 178
            the record is no reference: invalid length 0, expected struct Reference with 12 elements at line 1 column 2"#]]
        .assert_eq(&said.join("\n"));
    }
}
