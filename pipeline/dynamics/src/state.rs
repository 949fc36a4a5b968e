//! The envelope of what a checkpoint keeps: a version, the content, a checksum.
//!
//! ```text
//! [ version: 1 byte | content: postcard | CRC-32 of both: 4 bytes, little endian ]
//! ```
//!
//! Invariants: what [`seal`] wrote, [`open`] gives back; anything else is refused with what is wrong with it, and never
//! guessed; no bytes make it panic or allocate more than they are long.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The only version that this build knows. It changes whenever the content of any sealed document does.
pub const VERSION: u8 = 3;

const CHECKSUM_BYTES: usize = 4;

/// Why bytes were refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// Too few bytes.
    #[error("it has {0} bytes, too few for a state")]
    Short(usize),
    /// Of another version.
    #[error(
        "its version is {0}, but this build knows only {VERSION}: run the build that wrote it, or remove the partition's states \
         and let sessions begin anew"
    )]
    Version(u8),
    /// Damaged.
    #[error("its checksum does not fit, it was damaged")]
    Checksum,
    /// The content is none.
    #[error("its content cannot be read: {0}")]
    Content(postcard::Error),
    /// The content contradicts itself.
    #[error("its content contradicts itself: {0}")]
    Contradiction(&'static str),
}

/// Appends `content` to `out`, sealed.
///
/// # Errors
///
/// [`StateError::Content`] for what postcard cannot write: maps and sequences of unknown length.
pub fn seal(content: &impl Serialize, mut out: Vec<u8>) -> Result<Vec<u8>, StateError> {
    let start = out.len();
    out.push(VERSION);
    let mut out = postcard::to_extend(content, out).map_err(StateError::Content)?;
    let checksum = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&checksum.to_le_bytes());
    Ok(out)
}

/// The content of sealed bytes.
///
/// # Errors
///
/// [`StateError`]
pub fn open<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StateError> {
    let Some((body, checksum)) = bytes.split_last_chunk::<CHECKSUM_BYTES>() else {
        return Err(StateError::Short(bytes.len()));
    };
    let Some((&version, content)) = body.split_first() else {
        return Err(StateError::Short(bytes.len()));
    };
    // Before the checksum: a later version may have another one.
    if version != VERSION {
        return Err(StateError::Version(version));
    }
    if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
        return Err(StateError::Checksum);
    }
    let (content, rest) = postcard::take_from_bytes(content).map_err(StateError::Content)?;
    if rest.is_empty() {
        Ok(content)
    } else {
        Err(StateError::Contradiction("bytes follow its end"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn sealed() -> Vec<u8> {
        seal(&(7_u32, "x"), Vec::new()).unwrap()
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: Expect) {
        expected.assert_eq(&open::<(u32, String)>(bytes).unwrap_err().to_string());
    }

    #[test]
    fn what_is_no_state_is_refused_with_words() {
        check(b"", expect!["it has 0 bytes, too few for a state"]);
        check(b"\x03\0\0\0", expect!["it has 4 bytes, too few for a state"]);
        let mut later = sealed();
        later[0] = 4;
        check(
            &later,
            expect![
                "its version is 4, but this build knows only 3: run the build that wrote it, or remove the partition's states and let sessions begin anew"
            ],
        );
        let mut damaged = sealed();
        damaged[2] ^= 1;
        check(&damaged, expect!["its checksum does not fit, it was damaged"]);
        let other = seal(&(7_u32, 300_u32), Vec::new()).unwrap();
        check(
            &other,
            expect!["its content cannot be read: Hit the end of buffer, expected more data"],
        );
        let longer = seal(&(7_u32, "x", 1_u8), Vec::new()).unwrap();
        check(&longer, expect!["its content contradicts itself: bytes follow its end"]);
    }

    #[test]
    fn what_was_there_before_stays() {
        let bytes = seal(&1_u8, b"before".to_vec()).unwrap();
        assert_eq!(bytes.strip_prefix(b"before").map(open), Some(Ok(1_u8)));
    }

    proptest! {
        #![proptest_config(crate::proptest_config(256))]

        #[test]
        fn what_was_sealed_is_opened(content in any::<(u64, i64, String, Vec<(u8, f32)>)>()) {
            let bytes = seal(&content, Vec::new()).unwrap();
            prop_assert_eq!(open(&bytes), Ok(content));
        }

        #[test]
        fn one_changed_bit_is_seen(content in any::<Vec<u8>>(), at in any::<proptest::sample::Index>(), bit in 0u8..8) {
            let mut bytes = seal(&content, Vec::new()).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= 1u8 << bit;
            prop_assert!(open::<Vec<u8>>(&bytes).is_err());
        }
    }
}
