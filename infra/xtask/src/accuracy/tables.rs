//! Tables of Markdown from reports.
//!
//! Invariant: a rate is a fraction in reports and a percentage here; what a protocol does not give is a dash.

use std::fmt::Write;

use super::about::name_of;
use super::findings::{Adaptation, Attack, Attacks, Compared, Continuous, Figures, Interval, Published};
use super::models::Accuracy;
use super::plan::Section;
use super::runs::Outcome;

/// Draws nothing where there is nothing.
const DASH: &str = "–";
/// IAPAR that NIST SP 800-63B-4 wants an attack to stay below.
const IAPAR_MAX: f64 = 0.15;

/// The table of a section, its rows beside those of comparators and of others.
pub(super) fn of(section: &Section, outcomes: &[Outcome]) -> String {
    match section.protocol {
        "continuous" => continuous(section, outcomes),
        "attacks" => attacks(section, outcomes),
        _ => compared(section, outcomes),
    }
}

/// `3.01 %`.
pub(super) fn percent(rate: Option<f64>) -> String {
    rate.map_or(DASH.to_owned(), |rate| format!("{:.2}", 100.0 * rate))
}

/// `3.01 (2.3-3.8)`, both in per cent.
pub(super) fn rate(rate: Option<f64>, interval: Interval) -> String {
    let range = interval.filter(|_| rate.is_some());
    percent(rate)
        + &range.map_or(String::new(), |[low, high]| {
            format!(" ({:.1}-{:.1})", 100.0 * low, 100.0 * high)
        })
}

/// `0.989 (0.985-0.993)`.
pub(super) fn area(area: Option<f64>, interval: Interval) -> String {
    let Some(area) = area else { return DASH.to_owned() };
    let range = interval.map_or(String::new(), |[low, high]| format!(" ({low:.3}-{high:.3})"));
    format!("{area:.3}{range}")
}

fn costs(cllr: Option<f64>, least: Option<f64>) -> String {
    cllr.zip(least)
        .map_or(DASH.to_owned(), |(cllr, least)| format!("{cllr:.3} / {least:.3}"))
}

fn compared(section: &Section, outcomes: &[Outcome]) -> String {
    let mut text = "| | people | EER per subject, % | EER, one threshold, % | FNMR at FMR 1 %, % | at 0.1 %, % | AUC | Cllr / least | \
                    genuine + impostor |\n|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    let mut published: &[Published] = &[];
    for (run, outcome) in section.runs.iter().zip(outcomes) {
        match outcome {
            Outcome::Failed(_) => line(&mut text, &format!("{}: **failed**", run.label), &[""; 8]),
            Outcome::Found(report) => {
                let Some(report) = report.compared() else { continue };
                rows(&mut text, &run.label, report, run.is_brief);
                if published.is_empty() {
                    published = &report.published;
                }
            }
        }
    }
    for (model, accuracy) in &section.folds {
        folds(&mut text, model, accuracy);
    }
    for Published {
        name,
        eer_subject,
        eer_global,
        auc,
        source,
    } in published
    {
        let (ours, one) = (percent(*eer_subject), percent(*eer_global));
        line(
            &mut text,
            &format!("*quoted:* {name} ({source})"),
            &[DASH, &ours, &one, DASH, DASH, &area(*auc, None), DASH, DASH],
        );
    }
    text
}

/// All rows of a report, or where it repeats another one under a condition the main ones.
fn rows(text: &mut String, label: &str, report: &Compared, is_brief: bool) {
    let people = report.subjects.to_string();
    let mut row = |label: &str, figures: &Figures, cost: &str| {
        let Figures { genuine, impostor, .. } = figures;
        let cells = [
            people.clone(),
            rate(figures.eer_subject, figures.eer_subject_ci),
            rate(figures.eer_global, figures.eer_global_ci),
            rate(figures.fnmr_at_fmr_1pct, figures.fnmr_at_fmr_1pct_ci),
            rate(figures.fnmr_at_fmr_0_1pct, figures.fnmr_at_fmr_0_1pct_ci),
            area(figures.auc, figures.auc_ci),
            cost.to_owned(),
            format!("{genuine} + {impostor}"),
        ];
        line(text, label, &cells);
    };
    row(
        &format!("**{label}**"),
        &report.figures,
        &costs(report.cllr, report.min_cllr),
    );
    if !is_brief {
        // The gallery of the main row stands there already.
        let others = report
            .by_references
            .iter()
            .filter(|by| by.figures.eer_global != report.figures.eer_global);
        for by in others {
            let word = if by.references == 1 { "reference" } else { "references" };
            row(&format!("{} {word}", by.references), &by.figures, DASH);
        }
    }
    let last = report.after_windows.last().map(|after| after.windows);
    for after in report
        .after_windows
        .iter()
        .filter(|after| !is_brief || Some(after.windows) == last)
    {
        row(&format!("{} windows a decision", after.windows), &after.figures, DASH);
    }
    let variants = report
        .variants
        .iter()
        .map(|named| (name_of(&named.name).to_owned(), named));
    let comparators = report
        .comparators
        .iter()
        .map(|named| (format!("comparator: {}", name_of(&named.name)), named));
    for (name, named) in variants.chain(comparators) {
        row(&name, &named.figures, DASH);
        if let Some(after) = &named.after_windows {
            row(&format!("{name}, {} windows", after.windows), &after.figures, DASH);
        }
    }
}

fn folds(text: &mut String, model: &str, accuracy: &Accuracy) {
    let trials = accuracy.genuine.zip(accuracy.impostor);
    let cells = [
        accuracy.subjects.to_string(),
        percent(accuracy.eer_subject),
        percent(accuracy.eer_global),
        percent(accuracy.fnmr_at_fmr_1pct),
        percent(accuracy.fnmr_at_fmr_0_1pct),
        area(accuracy.auc, None),
        costs(accuracy.cllr, accuracy.min_cllr),
        trials.map_or(DASH.to_owned(), |(genuine, impostor)| format!("{genuine} + {impostor}")),
    ];
    let label = format!(
        "`{model}` in folds by person, one window a decision (from its manifest: the released weights have learned from everybody)"
    );
    line(text, &label, &cells);
}

fn line(text: &mut String, label: &str, cells: &[impl AsRef<str>]) {
    let cells: Vec<&str> = cells.iter().map(AsRef::as_ref).collect();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "| {label} | {} |", cells.join(" | "));
}

fn actions(actions: Option<u64>) -> String {
    actions.map_or("not reached".to_owned(), |actions| actions.to_string())
}

fn decimal(value: Option<f64>) -> String {
    value.map_or(DASH.to_owned(), |value| format!("{value:.2}"))
}

fn continuous(section: &Section, outcomes: &[Outcome]) -> String {
    let mut text = "| | people: chose + reported | takeovers (left out) | median actions | 95 % found within | found within 60, % | within \
                    200, % | ANIA | false step-ups in 8 h | EER of windows per subject / one threshold, % |\n\
                    |---|---|---|---|---|---|---|---|---|---|\n"
        .to_owned();
    for (run, outcome) in section.runs.iter().zip(outcomes) {
        match outcome {
            Outcome::Failed(_) => line(&mut text, &format!("{}: **failed**", run.label), &[""; 9]),
            Outcome::Found(report) => {
                if let Some(report) = report.continuous() {
                    line(
                        &mut text,
                        &format!("**{}** ({})", run.label, report.action),
                        &takeovers(report),
                    );
                }
            }
        }
    }
    line(
        &mut text,
        "*quoted:* Mondal & Bours 2017, keystrokes and mouse",
        &[DASH, DASH, DASH, DASH, DASH, DASH, "275", DASH, DASH],
    );
    let found = section
        .runs
        .iter()
        .zip(outcomes)
        .find_map(|(run, outcome)| match outcome {
            Outcome::Found(report) => Some((run, report.continuous()?)),
            Outcome::Failed(_) => None,
        });
    if let Some((run, report)) = found {
        let _ = write!(text, "\nWhat other budgets cost, {}:\n\n", run.label);
        curve(&mut text, report);
        if let Some(adaptation) = &report.adaptation {
            self::adaptation(&mut text, adaptation);
        }
    }
    text
}

fn takeovers(report: &Continuous) -> [String; 9] {
    let [low, high] = report.actions_median_ci.map(actions);
    let median = match report.actions_median {
        Some(median) => format!("{median} ({low}-{high})"),
        None => actions(None),
    };
    let interval = report.found_200_ci;
    [
        format!("{} + {}", report.subjects_choosing, report.subjects),
        format!("{} ({})", report.takeovers, report.takeovers_left_out),
        median,
        actions(report.actions_p95),
        percent(report.found_60),
        rate(
            report.found_200,
            interval[0].zip(interval[1]).map(|(low, high)| [low, high]),
        ),
        report.ania.map_or(DASH.to_owned(), |ania| format!("{ania:.0}")),
        format!(
            "{} ({} in {:.1} h, of {} people)",
            decimal(report.false_step_ups_per_8h),
            report.false_step_ups,
            report.genuine_hours,
            report.false_step_up_subjects
        ),
        format!(
            "{} / {}",
            rate(report.figures.eer_subject, report.figures.eer_subject_ci),
            rate(report.figures.eer_global, report.figures.eer_global_ci)
        ),
    ]
}

fn curve(text: &mut String, report: &Continuous) {
    text.push_str(
        "| one false step-up in | measured in 8 h | median actions | 95 % found within | found within 60, % | within 200, % |\n\
         |---|---|---|---|---|---|\n",
    );
    for point in &report.curve {
        let cells = [
            decimal(point.false_step_ups_per_8h),
            actions(point.actions_median),
            actions(point.actions_p95),
            percent(point.found_60),
            percent(point.found_200),
        ];
        line(text, &format!("{} h", point.budget_hours), &cells);
    }
}

fn adaptation(text: &mut String, adaptation: &Adaptation) {
    let Adaptation { weeks, pairs, walks } = adaptation;
    let _ = write!(
        text,
        "\nSomebody who sits at another's account and moves the profile towards themselves for {weeks} simulated weeks, {pairs} pairs \
         (who is stepped up on the way goes on all the same, but in the last column):\n\n\
         | references | stepped up on the way, % | in at the end, % | in and never stepped up, % |\n|---|---|---|---|\n"
    );
    for walk in walks {
        let shares = [walk.found_on_the_way, walk.in_at_the_end, walk.in_unnoticed];
        line(
            text,
            &walk.references,
            &shares.map(|share| format!("{:.1}", 100.0 * share)),
        );
    }
}

fn attacks(section: &Section, outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for (run, outcome) in section.runs.iter().zip(outcomes) {
        match outcome {
            Outcome::Failed(_) => {
                let _ = writeln!(text, "{}: **failed**\n", run.label);
            }
            Outcome::Found(report) => {
                if let Some(report) = report.attacks() {
                    attacks_of(&mut text, &run.label, report);
                }
            }
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn attacks_of(text: &mut String, label: &str, report: &Attacks) {
    let Attacks {
        subjects,
        presentation_steps,
        attacks,
        ..
    } = report;
    let _ = write!(
        text,
        "**{label}**: {subjects} victims, sessions of {presentation_steps} actions.\n\n\
         | attack | sessions | IAPAR, % | without detectors, % | detected, % | by |\n|---|---|---|---|---|---|\n"
    );
    for attack in attacks.iter().filter(|attack| !attack.genuine) {
        let over = if attack.iapar > Some(IAPAR_MAX) {
            " **over 15**"
        } else {
            ""
        };
        attack_row(text, attack, attack.iapar, attack.iapar_without_detectors, over);
    }
    text.push_str("\n| genuine people whose clock is | sessions | false step-ups, % | without detectors, % | detected, % | by |\n|---|---|---|---|---|---|\n");
    for attack in attacks.iter().filter(|attack| attack.genuine) {
        attack_row(
            text,
            attack,
            attack.false_step_ups,
            attack.false_step_ups_without_detectors,
            "",
        );
    }
    text.push('\n');
}

fn attack_row(text: &mut String, attack: &Attack, with: Option<f64>, without: Option<f64>, mark: &str) {
    let share = |share: f64| format!("{:.1}", 100.0 * share);
    let rate = |rate: Option<f64>| rate.map_or(DASH.to_owned(), share);
    let by: Vec<String> = attack
        .by
        .iter()
        .map(|(code, part)| format!("{code} {}", share(*part)))
        .collect();
    let name = match attack.name.as_str() {
        "genuine" => "as recorded",
        name => name.strip_prefix("genuine_").unwrap_or(name),
    };
    let cells = [
        attack.presentations.to_string(),
        rate(with) + mark,
        rate(without),
        share(attack.detected),
        by.join(", "),
    ];
    line(text, &name.replace('_', " "), &cells);
}
