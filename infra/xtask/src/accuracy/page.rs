//! `docs/accuracy.md`: one page from all reports.
//!
//! Invariants: the page is a pure function of the plan and the reports; a row that failed says so in its place.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::findings::Report;
use super::models::Models;
use super::plan::{Plan, Run, Section};
use super::runs::Outcome;
use super::{tables, targets};

/// Names of files below `docs/` where pictures lie.
pub(super) const PICTURES: &str = "accuracy";

/// The page; `outcomes` has those of each section's rows.
pub(super) fn render(plan: &Plan, models: &Models, outcomes: &[Vec<Outcome>]) -> String {
    let mut text = head(plan, outcomes);
    text.push_str(&self::models(models));
    text.push_str(&how_to(plan));
    for (section, outcomes) in plan.sections.iter().zip(outcomes) {
        text.push_str(&self::section(section, outcomes));
    }
    text
}

fn head(plan: &Plan, outcomes: &[Vec<Outcome>]) -> String {
    let summary = targets::table(|key| report_of(plan, outcomes, key));
    format!(
        "# Accuracy\n\n\
         What the released models get right and wrong, by protocols that others publish by, on people whom they have not seen. \
         Made by `cargo xtask accuracy`; change that and not this page.\n\n\
         An *equal error rate* (EER) is where as many strangers are accepted (FMR) as genuine people refused (FNMR): \
         (FMR + FNMR) / 2 at the nearest operating point, as papers print it; *per subject* it is the mean over people under \
         each one's own threshold, where they have at least five genuine trials; *one threshold* is what a deployment has. \
         Intervals are 95 %, by drawing people and not trials. No threshold, normalisation or choice of a variant saw the people judged; \
         with everybody's references given to somebody else (last row of `typenet`) the error is that of a coin.\n\n\
         ## In a minute\n\n{summary}\n"
    )
}

/// The report that a key names, or what to say instead.
fn report_of(plan: &Plan, outcomes: &[Vec<Outcome>], key: &str) -> Result<Report, String> {
    for (section, outcomes) in plan.sections.iter().zip(outcomes) {
        for (run, outcome) in section.runs.iter().zip(outcomes) {
            match outcome {
                Outcome::Found(report) if run.key == key => return Ok((**report).clone()),
                Outcome::Failed(_) if run.key == key => return Err("**failed**".to_owned()),
                _ => {}
            }
        }
    }
    let protocol = key.split('/').next().unwrap_or(key);
    let section = plan.sections.iter().find(|section| section.protocol == protocol);
    let absent = section.and_then(|section| section.absent.clone());
    Err(absent.unwrap_or_else(|| "no such model is released".to_owned()))
}

fn models(models: &Models) -> String {
    let mut text = "## The models\n\n| model | detail | learned from | kept aside | terms | SHA-256 of the network |\n|---|---|---|---|---|---|\n".to_owned();
    for model in models.all() {
        let terms = if model.is_non_commercial() {
            "**non-commercial**"
        } else {
            "see its card"
        };
        let live = if model.is_live { " (default)" } else { "" };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| [`{}`](../{}/card.md){live} | `{}` | {} | {} | {terms} | `{}` |",
            model.name(),
            model.folder,
            model.manifest.detail,
            model.learned_from(),
            model.held_out.len(),
            model.manifest.sha256
        );
    }
    text + "\nA default keystroke model that has learned from everybody of its collection is judged on other collections; for its own it was \
            judged in folds by person before it was trained on all. What is told of a key (`class`, or `hand`: letters split into left \
            and right) is the model's, so each detail has its own rows.\n\n"
}

fn how_to(plan: &Plan) -> String {
    let mut text = "## How to make it again\n\n\
        ```sh\n\
        export DUCTUS_DATA=…                # the folder with the archives, or with folders unpacked from them\n\
        cargo xtask accuracy                # everything; what is there for the same models and arguments is not made again\n\
        cargo xtask accuracy --only cross   # one protocol; --again makes its reports again\n\
        ```\n\n\
        Every row's own command stands below its table; `ductus-batch` is `cargo build --release --bins`. Each writes a report with \
        every figure, its table and pictures. Seeds are fixed: the same models and recordings give the same figures on the same kind of \
        processor. How fast all this is, `cargo xtask bench` says.\n"
        .to_owned();
    if let Some(seed) = &plan.seed {
        let _ = write!(
            text,
            "\nThe model of the seed's design, which rows compare with, is no release; it learns from the people from whom the first keystroke \
             model of `typenet` learned:\n\n```sh\n{}\n```\n",
            seed.command
        );
    }
    text.push('\n');
    text
}

fn section(section: &Section, outcomes: &[Outcome]) -> String {
    let about = section.about;
    let mut text = format!("## {}\n\n{}\n\n{}\n\n", about.title, about.asks, about.source);
    if let Some(why) = &section.absent {
        let _ = write!(text, "**Not judged here**: {why}.\n\n");
        return text;
    }
    text.push_str(&judged(section));
    text.push_str(&tables::of(section, outcomes));
    text.push_str(&notes(section, outcomes));
    for (file, what) in pictures(section, outcomes) {
        let _ = writeln!(text, "![{what}]({PICTURES}/{})", picture(section, file));
    }
    if !about.pictures.is_empty() {
        text.push('\n');
    }
    text.push_str("<details><summary>Commands</summary>\n\n```sh\n");
    for run in &section.runs {
        let _ = writeln!(text, "# {}\n{}", run.label, run.command());
    }
    text.push_str("```\n\n</details>\n\n");
    text
}

fn judged(section: &Section) -> String {
    let models: BTreeSet<&(String, String)> = section.runs.iter().flat_map(|run| &run.models).collect();
    let models: Vec<String> = models
        .iter()
        .map(|(name, sha)| format!("`{name}` (`{}`)", &sha[..sha.len().min(16)]))
        .collect();
    format!("Judged: {}.\n\n", models.join(", "))
}

/// Counts and what was left out, once for all rows of which the same is true.
fn notes(section: &Section, outcomes: &[Outcome]) -> String {
    let mut said: Vec<(String, BTreeSet<&str>)> = Vec::new();
    for (run, outcome) in section.runs.iter().zip(outcomes) {
        let Outcome::Found(report) = outcome else { continue };
        for note in notes_of(report) {
            match said.iter_mut().find(|(known, _)| *known == note) {
                Some((_, labels)) => _ = labels.insert(&run.label),
                None => said.push((note, BTreeSet::from([run.label.as_str()]))),
            }
        }
    }
    let mut text = String::from("\n");
    for (note, labels) in &said {
        let whose = if labels.len() == section.runs.len() || labels.len() > 2 {
            String::new()
        } else {
            let labels: Vec<&str> = labels.iter().copied().collect();
            format!(" ({})", labels.join("; "))
        };
        let _ = writeln!(text, "- {note}{whose}");
    }
    if !said.is_empty() {
        text.push('\n');
    }
    text
}

fn notes_of(report: &Report) -> Vec<String> {
    match report {
        Report::Compared(report) => {
            let mut notes = Vec::new();
            if report.people_read > 0 {
                notes.push(format!(
                    "{} people read, {} windows embedded",
                    report.people_read, report.windows
                ));
            }
            if report.subjects_seen > 0 {
                notes.push(format!(
                    "**the model may have learned from {} of these people**",
                    report.subjects_seen
                ));
            }
            if !report.refused.is_empty() {
                let refused: Vec<String> = report
                    .refused
                    .iter()
                    .map(|(reason, count)| format!("{reason} {count}"))
                    .collect();
                notes.push(format!("refused: {}", refused.join(", ")));
            }
            notes.extend(report.notes.iter().cloned());
            notes
        }
        Report::Continuous(report) => {
            let mut notes = report.notes.clone();
            if report.subjects_seen > 0 {
                notes.push(format!(
                    "**the model may have learned from {} of these people**",
                    report.subjects_seen
                ));
            }
            notes
        }
        Report::Attacks(report) => report.notes.clone(),
    }
}

/// The pictures of a section that are there.
pub(super) fn pictures(section: &Section, outcomes: &[Outcome]) -> Vec<(&'static str, &'static str)> {
    match outcomes.first() {
        Some(Outcome::Found(_)) => section.about.pictures.to_vec(),
        _ => Vec::new(),
    }
}

/// The name of a picture in its folder.
pub(super) fn picture(section: &Section, file: &str) -> String {
    format!("{}-{file}", section.protocol)
}

/// One section alone.
pub(super) fn only(plan: &Plan, outcomes: &[Vec<Outcome>], protocol: &str) -> String {
    let sections = plan
        .sections
        .iter()
        .zip(outcomes)
        .filter(|(section, _)| section.protocol == protocol);
    sections
        .map(|(section, outcomes)| self::section(section, outcomes))
        .collect()
}

/// Rows that failed, by label, with what was said.
pub(super) fn failed<'a>(plan: &'a Plan, outcomes: &'a [Vec<Outcome>]) -> Vec<(&'a Run, &'a str)> {
    let rows = plan
        .sections
        .iter()
        .zip(outcomes)
        .flat_map(|(section, outcomes)| section.runs.iter().zip(outcomes));
    rows.filter_map(|(run, outcome)| match outcome {
        Outcome::Failed(why) => Some((run, why.as_str())),
        Outcome::Found(_) => None,
    })
    .collect()
}
