//! The file of step-up risks by tenant and subject: what `ductus-batch thresholds` writes and the role `score` reads.
//!
//! Invariants: a file that is not what it should be is refused whole, with the place and what would be right; what is read is
//! what was written.

use ductus_dynamics::decide::{TenantThresholds, Thresholds};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The only version of the file.
pub const VERSION: u8 = 1;

/// The file, as JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdsFile {
    /// Version of this document: 1.
    pub v: u8,
    /// The budget that they were computed for, in words.
    pub budget: String,
    /// Event time of the latest decision that they were computed from, µs since the Unix epoch.
    pub until_us: i64,
    /// By tenant.
    pub tenants: BTreeMap<String, Tenant>,
}

/// Step-up risks of one tenant, 0-100.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// For everybody who has none of their own.
    pub step_up_risk: f32,
    /// By subject.
    #[serde(default)]
    pub subjects: BTreeMap<String, f32>,
}

/// Why a file was refused.
#[derive(Debug, thiserror::Error)]
pub enum ThresholdsError {
    /// It cannot be read or written.
    #[error("{path} cannot be {what}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Read or written.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// It is not what it should be.
    #[error("{path} is no file of thresholds: {reason}; `ductus-batch thresholds` writes one")]
    Bad {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Reads and checks a file.
///
/// # Errors
/// [`ThresholdsError`]
pub fn load(path: &Path) -> Result<Thresholds, ThresholdsError> {
    let io = |source| ThresholdsError::Io {
        path: path.to_owned(),
        what: "read",
        source,
    };
    let bad = |reason: String| ThresholdsError::Bad {
        path: path.to_owned(),
        reason,
    };
    let text = std::fs::read_to_string(path).map_err(io)?;
    let file: ThresholdsFile = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    file.check().map_err(bad)?;
    Ok(file.into_thresholds())
}

impl ThresholdsFile {
    /// What is wrong with it, if anything.
    fn check(&self) -> Result<(), String> {
        if self.v != VERSION {
            return Err(format!(
                "its version is {}, but this build knows only {VERSION}",
                self.v
            ));
        }
        for (name, tenant) in &self.tenants {
            let own = tenant
                .subjects
                .iter()
                .map(|(subject, risk)| (format!("{name}/{subject}"), *risk));
            for (whose, risk) in std::iter::once((name.clone(), tenant.step_up_risk)).chain(own) {
                // A threshold of 0 would ask everybody, and one that is no number nobody.
                if !(risk > 0.0 && risk <= 100.0) {
                    return Err(format!(
                        "the step-up risk of {whose} is {risk}, but must be above 0 and at most 100"
                    ));
                }
            }
        }
        Ok(())
    }

    fn into_thresholds(self) -> Thresholds {
        let tenants = self.tenants.into_iter().map(|(name, tenant)| {
            let thresholds = TenantThresholds {
                step_up_risk: tenant.step_up_risk,
                subjects: tenant.subjects,
            };
            (name, thresholds)
        });
        Thresholds {
            tenants: tenants.collect(),
        }
    }

    /// Checks it and writes it, so that a reader sees the old or the new one, never half.
    ///
    /// # Errors
    /// [`ThresholdsError`]
    pub fn save(&self, path: &Path) -> Result<(), ThresholdsError> {
        let bad = |reason: String| ThresholdsError::Bad {
            path: path.to_owned(),
            reason,
        };
        self.check().map_err(bad)?;
        let text = serde_json::to_string_pretty(self).map_err(|error| bad(error.to_string()))?;
        let unfinished = path.with_extension("unfinished");
        let io = |source| ThresholdsError::Io {
            path: path.to_owned(),
            what: "written",
            source,
        };
        std::fs::write(&unfinished, text + "\n").map_err(io)?;
        std::fs::rename(&unfinished, path).map_err(io)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn file() -> ThresholdsFile {
        ThresholdsFile {
            v: VERSION,
            budget: "1 per 30d".to_owned(),
            until_us: 1,
            tenants: BTreeMap::from([(
                "acme".to_owned(),
                Tenant {
                    step_up_risk: 81.5,
                    subjects: BTreeMap::from([("s-1".to_owned(), 97.25)]),
                },
            )]),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thresholds.json");
        file().save(&path).unwrap();
        let thresholds = load(&path).unwrap();
        assert_eq!(thresholds.step_up_risk("acme", Some("s-1")), Some(97.25));
        assert_eq!(thresholds.step_up_risk("acme", Some("s-2")), Some(81.5));
        assert_eq!(thresholds.step_up_risk("other", None), None);
    }

    fn check(text: &str, expect: Expect) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("thresholds.json");
        std::fs::write(&path, text).unwrap();
        let message = load(&path).unwrap_err().to_string();
        expect.assert_eq(&message.replace(&folder.path().display().to_string(), "DIR"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let text = |from: &str, to: &str| serde_json::to_string(&file()).unwrap().replacen(from, to, 1);
        check(
            "{",
            expect![[
                r#"DIR/thresholds.json is no file of thresholds: EOF while parsing an object at line 1 column 1; `ductus-batch thresholds` writes one"#
            ]],
        );
        check(
            &text("\"v\":1", "\"v\":2"),
            expect![
                "DIR/thresholds.json is no file of thresholds: its version is 2, but this build knows only 1; `ductus-batch thresholds` writes one"
            ],
        );
        check(
            &text("97.25", "101"),
            expect![
                "DIR/thresholds.json is no file of thresholds: the step-up risk of acme/s-1 is 101, but must be above 0 and at most 100; `ductus-batch thresholds` writes one"
            ],
        );
        check(
            &text("81.5", "0"),
            expect![
                "DIR/thresholds.json is no file of thresholds: the step-up risk of acme is 0, but must be above 0 and at most 100; `ductus-batch thresholds` writes one"
            ],
        );
    }
}
