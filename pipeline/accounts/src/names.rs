//! What names from outside may look like: tenants, subjects, sessions, labels.
//!
//! Invariant: nothing that passes here can break a line, hide in a log, or grow without bound.

use crate::error::{AccountsError, Result};

/// Longest id, in bytes, as in `schemas/event-batch.schema.json`.
const ID_LEN_MAX: usize = 64;
/// Longest label or reason, in characters.
const LABEL_CHARS_MAX: usize = 200;

/// An id of a tenant, a subject or a session, as events carry them.
pub(crate) fn check_id(id: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    let fits = (1..=ID_LEN_MAX).contains(&id.len()) && id.bytes().all(allowed);
    fits.then_some(()).ok_or(AccountsError::Invalid(
        "an id has 1 to 64 characters out of A-Z a-z 0-9 . _ : -",
    ))
}

/// An id of ours to look up, or one that nothing has: PostgreSQL fails on some texts that SQLite just does not find.
pub(crate) fn or_nobody_s(id: &str) -> &str {
    if check_id(id).is_ok() { id } else { "" }
}

/// A text that people read: 1 to 200 characters, no control characters.
pub(crate) fn check_label(label: &str) -> Result<()> {
    let fits =
        !label.trim().is_empty() && label.chars().count() <= LABEL_CHARS_MAX && !label.chars().any(char::is_control);
    fits.then_some(())
        .ok_or(AccountsError::Invalid("a text has 1 to 200 characters on one line"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for (id, fits) in [
            ("acme", true),
            ("User-7:a.b_c", true),
            ("user/7@x", false),
            ("", false),
            ("a b", false),
            ("a\nb", false),
            ("é", false),
            (&"a".repeat(64), true),
            (&"a".repeat(65), false),
        ] {
            assert_eq!(check_id(id).is_ok(), fits, "{id:?}");
        }
        for (label, fits) in [
            ("Büro in Zürich", true),
            (" ", false),
            ("two\nlines", false),
            (&"ü".repeat(200), true),
            (&"ü".repeat(201), false),
        ] {
            assert_eq!(check_label(label).is_ok(), fits, "{label:?}");
        }
    }
}
