//! What `evaluate` says: the JSON document that others read, and the same as a table for people.
//!
//! Invariant: a rate is a fraction in JSON and a percentage in the table; what a protocol does not give is null or a dash.

use super::EvaluateArgs;
use super::comparators::Compared;
use super::scores::{Figures, Measured, Scores};
use crate::import::Refused;
use ductus_dynamics::accuracy;
use ductus_scorer::Manifest;
use serde::Serialize;
use std::fmt::Write;

/// Draws of people behind the intervals of all but the main figures.
const RESAMPLES_BESIDE: usize = 200;

/// What the equal error rates in a report are.
pub(super) const EER_CONVENTION: &str = "(FMR + FNMR) / 2 at the operating point where |FMR - FNMR| is least, as published figures; \
                              eer_subject is the mean over people with at least 5 genuine trials";

/// What a protocol found, before it is measured. Scores are calibrated log-likelihood ratios.
#[derive(Default)]
pub(super) struct Judged {
    /// People enrolled.
    pub(super) subjects: usize,
    /// People in the folder.
    pub(super) people_read: usize,
    /// People whom the model may have learned from.
    pub(super) subjects_seen: usize,
    /// Windows embedded.
    pub(super) windows: usize,
    /// The main comparisons.
    pub(super) scores: Scores,
    /// The same with so many references.
    pub(super) by_references: Vec<(usize, Scores)>,
    /// The same with so many windows a decision.
    pub(super) after: Vec<(usize, Scores)>,
    /// The same by other means of the model.
    pub(super) variants: Vec<Compared>,
    /// The same by other methods.
    pub(super) comparators: Vec<Compared>,
    /// Rows, files and sessions refused.
    pub(super) refused: Refused,
    /// What was left out.
    pub(super) notes: Vec<String>,
}

/// The result of `evaluate` for protocols that compare windows.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Protocol.
    pub protocol: &'static str,
    /// People enrolled.
    pub subjects: usize,
    /// The figures, one window a decision unless the protocol says otherwise.
    #[serde(flatten)]
    pub figures: Figures,
    /// Cost of the calibrated log-likelihood ratios, bits.
    pub cllr: Option<f64>,
    /// Least cost that their order allows.
    pub min_cllr: Option<f64>,
    /// What an equal error rate is here.
    pub eer_convention: &'static str,
    /// The same by number of references.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by_references: Vec<ByReferences>,
    /// The same with several windows a decision.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after_windows: Vec<AfterWindows>,
    /// The same by other means of the model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Named>,
    /// The same comparisons by other methods.
    pub comparators: Vec<Named>,
    /// Figures of others, on other people or by other means.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub published: &'static [Published],
    /// The model that was judged.
    pub model: String,
    /// Hash of its network.
    pub sha256: String,
    /// Windows that were embedded.
    pub windows: usize,
    /// People in the folder.
    pub people_read: usize,
    /// People among them whom the model may have learned from: then the figures flatter it.
    pub subjects_seen: usize,
    /// Rows, files and sessions that were refused, by reason.
    pub refused: Refused,
    /// Grid that all times were brought to, µs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requantise_us: Option<u32>,
    /// Frequency that all clocks were brought to, Hz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock_hz: Option<u32>,
    /// Whether the references were given to other people, so that every rate must be 50 %.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub shuffled_labels: bool,
    /// What was left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Time taken.
    pub seconds: f64,
}

/// Figures with another number of references.
#[derive(Clone, Debug, Serialize)]
pub struct ByReferences {
    /// How many.
    pub references: usize,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// Figures where a decision looks at several consecutive windows.
#[derive(Clone, Debug, Serialize)]
pub struct AfterWindows {
    /// How many.
    pub windows: usize,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
}

/// Figures of something with a name.
#[derive(Clone, Debug, Serialize)]
pub struct Named {
    /// The name.
    pub name: String,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// The same with the most windows a decision that the protocol has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_windows: Option<AfterWindows>,
}

/// A figure that was printed somewhere, fractions.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Published {
    /// What it is of.
    pub name: &'static str,
    /// Mean over people.
    pub eer_subject: Option<f64>,
    /// One threshold.
    pub eer_global: Option<f64>,
    /// Area under the curve.
    pub auc: Option<f64>,
    /// Where, and how far it can be compared.
    pub source: &'static str,
}

impl Report {
    /// Measures what was judged.
    pub(super) fn of(args: &EvaluateArgs, manifest: &Manifest, judged: &Judged) -> Self {
        let beside = |scores: &Scores| scores.figures(RESAMPLES_BESIDE.min(args.resamples), args.threads);
        let after = |(windows, scores): &(usize, Scores)| AfterWindows {
            windows: *windows,
            figures: beside(scores),
        };
        let named = |compared: &Compared| Named {
            name: compared.name.to_owned(),
            figures: beside(&compared.scores),
            after_windows: compared.after.as_ref().map(after),
        };
        let (genuine, impostor) = judged.scores.split();
        Self {
            protocol: args.protocol.name(),
            subjects: judged.subjects,
            figures: judged.scores.figures(args.resamples, args.threads),
            cllr: accuracy::cllr(&genuine, &impostor),
            min_cllr: accuracy::min_cllr(&genuine, &impostor),
            eer_convention: EER_CONVENTION,
            by_references: judged
                .by_references
                .iter()
                .map(|(references, scores)| ByReferences {
                    references: *references,
                    figures: beside(scores),
                })
                .collect(),
            after_windows: judged.after.iter().map(after).collect(),
            variants: judged.variants.iter().map(named).collect(),
            comparators: judged.comparators.iter().map(named).collect(),
            published: args.protocol.published(),
            model: manifest.name(),
            sha256: manifest.sha256.clone(),
            windows: judged.windows,
            people_read: judged.people_read,
            subjects_seen: judged.subjects_seen,
            refused: judged.refused.clone(),
            requantise_us: args.requantise_us.map(Into::into),
            clock_hz: args.clock_hz.map(Into::into),
            shuffled_labels: args.shuffle_labels,
            notes: judged.notes.clone(),
            seconds: 0.0,
        }
    }

    /// The report as Markdown.
    pub(super) fn table(&self) -> String {
        let mut text = format!("# `{}` of {}\n\n{}\n", self.model, self.protocol, self.summary());
        text.push_str(
            "\n| | EER per subject, % | EER, one threshold, % | AUC | FNMR at FMR 1 %, % | at 0.1 %, % | trials |\n\
             |---|---|---|---|---|---|---|\n",
        );
        row(&mut text, &format!("**{}**", self.model), &self.figures);
        for part in &self.by_references {
            row(&mut text, &format!("{} references", part.references), &part.figures);
        }
        for part in &self.after_windows {
            row(
                &mut text,
                &format!("{} windows a decision", part.windows),
                &part.figures,
            );
        }
        for part in self.variants.iter().chain(&self.comparators) {
            row(&mut text, &part.name, &part.figures);
            if let Some(after) = &part.after_windows {
                row(
                    &mut text,
                    &format!("{}, {} windows", part.name, after.windows),
                    &after.figures,
                );
            }
        }
        for published in self.published {
            let Published {
                name,
                eer_subject,
                eer_global,
                auc,
                source,
            } = published;
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| {name} ({source}) | {} | {} | {} | – | – | – |",
                percent(*eer_subject),
                percent(*eer_global),
                auc.map_or("–".to_owned(), |auc| format!("{auc:.3}")),
            );
        }
        if !self.notes.is_empty() {
            let _ = writeln!(text, "\n- {}", self.notes.join("\n- "));
        }
        text.push_str("\n![DET](det.svg) ![ROC](roc.svg) ![Scores](scores.svg) ![Reliability](reliability.svg)\n");
        text
    }

    fn summary(&self) -> String {
        let cost = |cost: Option<f64>| cost.map_or("–".to_owned(), |cost| format!("{cost:.3}"));
        let mut text = format!(
            "{} people of {} read; 95 % intervals by drawing people. Cllr {}, least {}. Equal error rates: {}.",
            self.subjects,
            self.people_read,
            cost(self.cllr),
            cost(self.min_cllr),
            self.eer_convention
        );
        if self.subjects_seen > 0 {
            let _ = write!(
                text,
                " **The model may have learned from {} of these people.**",
                self.subjects_seen
            );
        }
        if self.refused.total() > 0 {
            let _ = write!(
                text,
                " Refused: {}.",
                serde_json::to_string(&self.refused).unwrap_or_default()
            );
        }
        text
    }
}

fn row(text: &mut String, name: &str, Figures { measured, intervals }: &Figures) {
    let Measured { genuine, impostor, .. } = measured;
    let _ = writeln!(
        text,
        "| {name} | {} | {} | {} | {} | {} | {genuine} + {impostor} |",
        rate(measured.eer_subject, intervals.eer_subject_ci),
        rate(measured.eer_global, intervals.eer_global_ci),
        measured.auc.map_or("–".to_owned(), |auc| format!("{auc:.4}")),
        rate(measured.fnmr_at_fmr_1pct, intervals.fnmr_at_fmr_1pct_ci),
        rate(measured.fnmr_at_fmr_0_1pct, intervals.fnmr_at_fmr_0_1pct_ci),
    );
}

fn rate(rate: Option<f64>, interval: Option<[f64; 2]>) -> String {
    let range = interval.map(|[low, high]| format!(" ({:.1}-{:.1})", 100.0 * low, 100.0 * high));
    percent(rate) + &range.unwrap_or_default()
}

fn percent(rate: Option<f64>) -> String {
    rate.map_or("–".to_owned(), |rate| format!("{:.2}", 100.0 * rate))
}
