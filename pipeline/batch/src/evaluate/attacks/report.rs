//! The result of the protocol: a JSON object and a table beside it.

use super::cast::Cast;
use super::figures::Quantiles;
use super::play::Played;
use crate::evaluate::Measured;
use anyhow::{Context, Result};
use ductus_dynamics::liveness::Detector;
use ductus_scorer::Manifest;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

/// IAPAR that NIST SP 800-63B-4 wants an attack to stay below.
const IAPAR_MAX: f64 = 0.15;

/// The result of `evaluate --protocol attacks`.
#[derive(Clone, Debug, Serialize)]
pub struct AttackReport {
    /// Protocol.
    pub protocol: &'static str,
    /// People who were attacked.
    pub subjects: usize,
    /// Genuine sessions and attack sessions. Nothing is compared window by window here, so every rate is null.
    #[serde(flatten)]
    pub measured: Measured,
    /// Steps of a presentation.
    pub presentation_steps: usize,
    /// Share of zero-effort sessions that end without a step-up: the false match rate of the transaction.
    pub fmr_zero_effort: Option<f64>,
    /// Attacks, and genuine people with odd clocks.
    pub attacks: Vec<Row>,
    /// What the detectors judge by, over the genuine windows.
    pub genuine_figures: Vec<Quantiles>,
    /// The model that was judged.
    pub model: String,
    /// Hash of its network.
    pub sha256: String,
    /// What was left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Time taken.
    pub seconds: f64,
}

/// One kind of session.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Name.
    pub name: &'static str,
    /// Whether these are the subjects themselves.
    pub genuine: bool,
    /// Sessions.
    pub presentations: u64,
    /// Share of attack sessions that end without a step-up; null for genuine people.
    pub iapar: Option<f64>,
    /// The same with the detectors switched off.
    pub iapar_without_detectors: Option<f64>,
    /// Share of genuine sessions with a step-up; null for attacks.
    pub false_step_ups: Option<f64>,
    /// The same with the detectors switched off.
    pub false_step_ups_without_detectors: Option<f64>,
    /// Share of sessions in which a detector accused somebody.
    pub detected: f64,
    /// Share of sessions in which each detector, notes included, found something.
    pub by: BTreeMap<&'static str, f64>,
    /// Windows that were compared.
    pub windows: u64,
    /// Share of the windows in which a detector accused somebody.
    pub windows_accused: f64,
}

/// Counts of one kind of session.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    presentations: u64,
    stepped_up: u64,
    stepped_up_without: u64,
    detected: u64,
    by: BTreeMap<Detector, u64>,
    windows: u64,
    accused: u64,
}

impl Tally {
    /// Counts a session that was played with detectors and without.
    pub(super) fn add(&mut self, with: &Played, without: &Played) {
        self.presentations += 1;
        self.stepped_up += u64::from(with.stepped_up);
        self.stepped_up_without += u64::from(without.stepped_up);
        self.detected += u64::from(with.accused > 0);
        for detector in with.detectors() {
            *self.by.entry(detector).or_default() += 1;
        }
        self.windows += with.windows as u64;
        self.accused += with.accused as u64;
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.presentations += other.presentations;
        self.stepped_up += other.stepped_up;
        self.stepped_up_without += other.stepped_up_without;
        self.detected += other.detected;
        for (detector, count) in other.by {
            *self.by.entry(detector).or_default() += count;
        }
        self.windows += other.windows;
        self.accused += other.accused;
    }
}

impl Row {
    pub(super) fn of(name: &'static str, genuine: bool, tally: &Tally) -> Self {
        let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        let of_all = |count: u64| share(count, tally.presentations);
        let (stepped_up, without) = (of_all(tally.stepped_up), of_all(tally.stepped_up_without));
        Self {
            name,
            genuine,
            presentations: tally.presentations,
            iapar: (!genuine).then_some(1.0 - stepped_up),
            iapar_without_detectors: (!genuine).then_some(1.0 - without),
            false_step_ups: genuine.then_some(stepped_up),
            false_step_ups_without_detectors: genuine.then_some(without),
            detected: of_all(tally.detected),
            by: tally
                .by
                .iter()
                .map(|(detector, count)| (detector.code(), of_all(*count)))
                .collect(),
            windows: tally.windows,
            windows_accused: share(tally.accused, tally.windows),
        }
    }
}

impl AttackReport {
    pub(super) fn of(
        manifest: &Manifest,
        cast: &Cast,
        attacks: Vec<Row>,
        genuine_figures: Vec<Quantiles>,
        notes: Vec<String>,
        started: Instant,
    ) -> Self {
        let count = |genuine: bool| {
            let rows = attacks.iter().filter(|row| row.genuine == genuine);
            rows.map(|row| row.presentations).sum()
        };
        let zero_effort = attacks.iter().find(|row| row.name == "zero_effort");
        Self {
            protocol: "attacks",
            subjects: cast.subjects.len(),
            measured: Measured {
                genuine: count(true),
                impostor: count(false),
                ..Measured::default()
            },
            presentation_steps: super::cast::presentation_steps(cast.modality),
            fmr_zero_effort: zero_effort.and_then(|row| row.iapar),
            attacks,
            genuine_figures,
            model: manifest.name(),
            sha256: manifest.sha256.clone(),
            notes,
            seconds: started.elapsed().as_secs_f64(),
        }
    }

    /// The table for people.
    pub fn markdown(&self) -> String {
        let mut text = format!(
            "# Attacks on {}\n\n{} victims; sessions of {} steps at the default thresholds. IAPAR: share of attack sessions that \
             end without a step-up. In brackets: with the detectors switched off.\n\n\
             | attack | sessions | IAPAR | detected | by |\n|---|---|---|---|---|\n",
            self.model, self.subjects, self.presentation_steps
        );
        for row in self.attacks.iter().filter(|row| !row.genuine) {
            let over = if row.iapar > Some(IAPAR_MAX) {
                " **over 15 %**"
            } else {
                ""
            };
            let rates = rates(row.iapar, row.iapar_without_detectors);
            line(&mut text, row, &format!("{rates}{over}"));
        }
        text.push_str("\nGenuine people, with the clocks that they enrolled with:\n\n");
        text.push_str("| clock | sessions | false step-ups | detected | by |\n|---|---|---|---|---|\n");
        for row in self.attacks.iter().filter(|row| row.genuine) {
            line(
                &mut text,
                row,
                &rates(row.false_step_ups, row.false_step_ups_without_detectors),
            );
        }
        for note in &self.notes {
            text.push_str(&format!("\n- {note}"));
        }
        text.push('\n');
        text
    }
}

fn rates(with: Option<f64>, without: Option<f64>) -> String {
    let percent = |rate: Option<f64>| rate.map_or("–".to_owned(), |rate| format!("{:.1} %", 100.0 * rate));
    format!("{} ({})", percent(with), percent(without))
}

fn line(text: &mut String, row: &Row, rates: &str) {
    let by: Vec<String> = row
        .by
        .iter()
        .map(|(code, share)| format!("{code} {:.1} %", 100.0 * share))
        .collect();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "| {} | {} | {rates} | {:.1} % | {} |",
        row.name,
        row.presentations,
        100.0 * row.detected,
        by.join(", ")
    );
}

/// Writes the report, and its table with the ending `.md` beside it.
pub(super) fn write(path: &Path, report: &AttackReport) -> Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let text = serde_json::to_string_pretty(report).context("cannot write the report as JSON")?;
    for (path, text) in [
        (path.to_owned(), text + "\n"),
        (path.with_extension("md"), report.markdown()),
    ] {
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
