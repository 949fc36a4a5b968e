//! What reports of `ductus-batch evaluate` hold, as far as the page prints it.
//!
//! Invariant: what the page prints comes from here; a report that lacks a field that it must have is refused.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;

/// A report of any protocol.
#[derive(Clone, Debug)]
pub(crate) enum Report {
    Compared(Box<Compared>),
    Continuous(Box<Continuous>),
    Attacks(Box<Attacks>),
}

impl Report {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Head {
            protocol: String,
        }
        let head: Head = serde_json::from_str(text).context("the report names no protocol")?;
        let of = |error| anyhow::Error::new(error).context(format!("the report of {} is not as it was", head.protocol));
        match head.protocol.as_str() {
            "continuous" => serde_json::from_str(text).map(Self::Continuous).map_err(of),
            "attacks" => serde_json::from_str(text).map(Self::Attacks).map_err(of),
            _ => serde_json::from_str(text).map(Self::Compared).map_err(of),
        }
    }

    pub(crate) fn compared(&self) -> Option<&Compared> {
        match self {
            Self::Compared(report) => Some(report),
            _ => None,
        }
    }

    pub(crate) fn continuous(&self) -> Option<&Continuous> {
        match self {
            Self::Continuous(report) => Some(report),
            _ => None,
        }
    }

    pub(crate) fn attacks(&self) -> Option<&Attacks> {
        match self {
            Self::Attacks(report) => Some(report),
            _ => None,
        }
    }

    pub(crate) fn subjects(&self) -> u64 {
        match self {
            Self::Compared(report) => report.subjects,
            Self::Continuous(report) => report.subjects,
            Self::Attacks(report) => report.subjects,
        }
    }
}

/// A 95 % interval, fractions.
pub(crate) type Interval = Option<[f64; 2]>;

/// Measures over comparisons, fractions.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Figures {
    pub(crate) genuine: u64,
    pub(crate) impostor: u64,
    pub(crate) eer_subject: Option<f64>,
    pub(crate) eer_global: Option<f64>,
    pub(crate) auc: Option<f64>,
    pub(crate) fnmr_at_fmr_1pct: Option<f64>,
    pub(crate) fnmr_at_fmr_0_1pct: Option<f64>,
    #[serde(default)]
    pub(crate) eer_subject_ci: Interval,
    #[serde(default)]
    pub(crate) eer_global_ci: Interval,
    #[serde(default)]
    pub(crate) auc_ci: Interval,
    #[serde(default)]
    pub(crate) fnmr_at_fmr_1pct_ci: Interval,
    #[serde(default)]
    pub(crate) fnmr_at_fmr_0_1pct_ci: Interval,
}

/// Comparisons of windows.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Compared {
    pub(crate) subjects: u64,
    #[serde(flatten)]
    pub(crate) figures: Figures,
    pub(crate) cllr: Option<f64>,
    pub(crate) min_cllr: Option<f64>,
    #[serde(default)]
    pub(crate) by_references: Vec<ByReferences>,
    #[serde(default)]
    pub(crate) after_windows: Vec<AfterWindows>,
    #[serde(default)]
    pub(crate) variants: Vec<Named>,
    #[serde(default)]
    pub(crate) comparators: Vec<Named>,
    #[serde(default)]
    pub(crate) published: Vec<Published>,
    pub(crate) windows: u64,
    pub(crate) people_read: u64,
    pub(crate) subjects_seen: u64,
    #[serde(default)]
    pub(crate) refused: BTreeMap<String, u64>,
    #[serde(default)]
    pub(crate) notes: Vec<String>,
}

impl Compared {
    /// The figures with so many windows a decision.
    pub(crate) fn after(&self, windows: u64) -> Option<&Figures> {
        let after = self.after_windows.iter().find(|after| after.windows == windows);
        after.map(|after| &after.figures)
    }

    /// How far the cost of the ratios is above the least that their order allows.
    pub(crate) fn miscalibration(&self) -> Option<f64> {
        Some(self.cllr? / self.min_cllr.filter(|least| *least > 0.0)? - 1.0)
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ByReferences {
    pub(crate) references: u64,
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct AfterWindows {
    pub(crate) windows: u64,
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Named {
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) figures: Figures,
    #[serde(default)]
    pub(crate) after_windows: Option<AfterWindows>,
}

/// A figure that somebody printed somewhere.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Published {
    pub(crate) name: String,
    pub(crate) eer_subject: Option<f64>,
    pub(crate) eer_global: Option<f64>,
    pub(crate) auc: Option<f64>,
    pub(crate) source: String,
}

/// Takeovers in mid-session.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Continuous {
    pub(crate) subjects: u64,
    #[serde(flatten)]
    pub(crate) figures: Figures,
    pub(crate) action: String,
    pub(crate) subjects_choosing: u64,
    pub(crate) takeovers: u64,
    pub(crate) takeovers_left_out: u64,
    pub(crate) actions_median: Option<u64>,
    pub(crate) actions_median_ci: [Option<u64>; 2],
    pub(crate) actions_p95: Option<u64>,
    pub(crate) ania: Option<f64>,
    pub(crate) found_60: Option<f64>,
    pub(crate) found_200: Option<f64>,
    pub(crate) found_200_ci: [Option<f64>; 2],
    pub(crate) genuine_hours: f64,
    pub(crate) false_step_ups: u64,
    pub(crate) false_step_up_subjects: u64,
    pub(crate) false_step_ups_per_8h: Option<f64>,
    pub(crate) curve: Vec<Point>,
    #[serde(default)]
    pub(crate) adaptation: Option<Adaptation>,
    #[serde(default)]
    pub(crate) subjects_seen: u64,
    #[serde(default)]
    pub(crate) notes: Vec<String>,
}

/// A budget and what it costs.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Point {
    pub(crate) budget_hours: f64,
    pub(crate) false_step_ups_per_8h: Option<f64>,
    pub(crate) actions_median: Option<u64>,
    pub(crate) actions_p95: Option<u64>,
    pub(crate) found_60: Option<f64>,
    pub(crate) found_200: Option<f64>,
}

/// Simulated weeks of somebody who nudges a profile.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Adaptation {
    pub(crate) weeks: u64,
    pub(crate) pairs: u64,
    pub(crate) walks: Vec<Walk>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Walk {
    pub(crate) references: String,
    pub(crate) found_on_the_way: f64,
    pub(crate) in_at_the_end: f64,
    pub(crate) in_unnoticed: f64,
}

/// Attack sessions.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Attacks {
    pub(crate) subjects: u64,
    pub(crate) presentation_steps: u64,
    pub(crate) attacks: Vec<Attack>,
    #[serde(default)]
    pub(crate) notes: Vec<String>,
}

/// One kind of session.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Attack {
    pub(crate) name: String,
    pub(crate) genuine: bool,
    pub(crate) presentations: u64,
    pub(crate) iapar: Option<f64>,
    pub(crate) iapar_without_detectors: Option<f64>,
    pub(crate) false_step_ups: Option<f64>,
    pub(crate) false_step_ups_without_detectors: Option<f64>,
    pub(crate) detected: f64,
    #[serde(default)]
    pub(crate) by: BTreeMap<String, f64>,
}

impl Attacks {
    /// Attacks of which a name says `what`, the one that gets through most often first.
    pub(crate) fn worst(&self, what: impl Fn(&str) -> bool) -> Option<&Attack> {
        let attacks = self
            .attacks
            .iter()
            .filter(|attack| !attack.genuine && what(&attack.name));
        attacks.max_by(|a, b| a.iapar.unwrap_or(0.0).total_cmp(&b.iapar.unwrap_or(0.0)))
    }
}
