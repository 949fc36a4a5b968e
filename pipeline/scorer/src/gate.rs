//! `[gate]` of a manifest: what was found when the model was compared with the one that was live, before it took its place.
//!
//! Invariants: it stands in the registry's copy only, never in a folder that `train` writes; the network and its hash do not
//! depend on it, and nothing reads it to decide about people.

use serde::{Deserialize, Serialize};

/// The comparison that a promotion rested on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// The model that was live, `id/version`.
    pub against: String,
    /// Hash of its network, 64 lowercase hexadecimal digits.
    pub against_sha256: String,
    /// What was compared.
    pub basis: GateBasis,
    /// People on whom both were judged.
    pub people: usize,
    /// How many of them the model that was live had learned from, which favours it.
    pub seen_by_live: usize,
    /// Why it would have been refused, where it was promoted by force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forced: Option<String>,
    /// Everybody first, then the groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<GateRow>,
}

/// What two models were compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateBasis {
    /// Both were judged on the same windows of the same people in the history tables.
    History,
    /// The figures in their manifests, of the same protocol and people: no intervals and no groups.
    Manifests,
    /// Nothing could be compared; promoted by force.
    Nothing,
}

/// A group of people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateRow {
    /// `all`, or kind and name of the group: `speed: slow`.
    pub group: String,
    /// People in it.
    pub people: usize,
    /// What came out.
    pub verdict: GateVerdict,
    /// By measure; none where the verdict rests on none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<GateFigure>,
}

/// What is said of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateVerdict {
    /// In no stated way worse than the live model.
    NotWorse,
    /// Worse by at least one measure.
    Worse,
    /// Too few people to tell.
    TooFew,
    /// Everybody is in this group: see `all`.
    Everybody,
}

/// One measure of both models; higher is worse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateFigure {
    /// Which.
    pub measure: GateMeasure,
    /// The model that was to be promoted.
    pub candidate: f64,
    /// The model that was live.
    pub live: f64,
    /// Interval of `candidate` − `live`, the same people drawn for both: 95 % for everybody, 95 % for all groups together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub difference_ci: Option<[f64; 2]>,
    /// Whether it is worse in the stated way.
    pub worse: bool,
}

/// Measures that the gate looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateMeasure {
    /// Equal error rate under one threshold, 0-1.
    EerGlobal,
    /// False non-match rate where the false match rate is 1 %, 0-1.
    #[serde(rename = "fnmr_at_fmr_1pct")]
    FnmrAtFmr1Pct,
    /// Cost of the calibrated ratios, bits.
    Cllr,
}

impl GateMeasure {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 3] = [Self::EerGlobal, Self::FnmrAtFmr1Pct, Self::Cllr];
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn it_is_read_as_it_was_written() {
        let figure = |measure, worse: bool| GateFigure {
            measure,
            candidate: 0.051,
            live: 0.05,
            difference_ci: worse.then_some([0.0005, 0.002]),
            worse,
        };
        let row = |group: &str, people, verdict, figures| GateRow {
            group: group.to_owned(),
            people,
            verdict,
            figures,
        };
        let gate = Gate {
            against: "keystroke/2026-11-21-pace-ensemble".to_owned(),
            against_sha256: "0a".repeat(32),
            basis: GateBasis::History,
            people: 40,
            seen_by_live: 3,
            forced: Some("it is worse".to_owned()),
            rows: vec![
                row(
                    "all",
                    40,
                    GateVerdict::Worse,
                    vec![
                        figure(GateMeasure::EerGlobal, true),
                        figure(GateMeasure::FnmrAtFmr1Pct, false),
                    ],
                ),
                row("device: virtual", 2, GateVerdict::TooFew, Vec::new()),
            ],
        };
        let text = toml::to_string(&gate).unwrap();
        expect![[r#"
            against = "keystroke/2026-11-21-pace-ensemble"
            against_sha256 = "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
            basis = "history"
            people = 40
            seen_by_live = 3
            forced = "it is worse"

            [[rows]]
            group = "all"
            people = 40
            verdict = "worse"

            [[rows.figures]]
            measure = "eer_global"
            candidate = 0.051
            live = 0.05
            difference_ci = [0.0005, 0.002]
            worse = true

            [[rows.figures]]
            measure = "fnmr_at_fmr_1pct"
            candidate = 0.051
            live = 0.05
            worse = false

            [[rows]]
            group = "device: virtual"
            people = 2
            verdict = "too_few"
        "#]]
        .assert_eq(&text);
        assert_eq!(toml::from_str::<Gate>(&text).unwrap(), gate);
        assert!(toml::from_str::<Gate>(&text.replace("people = 40", "persons = 40")).is_err());
    }
}
