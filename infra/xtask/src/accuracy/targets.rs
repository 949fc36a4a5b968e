//! The targets that were set, beside what was reached: the table on top of the page.
//!
//! Invariant: a target whose row failed or is absent says so; it is never left out.

use std::fmt::Write;

use super::findings::{Compared, Interval, Report};
use super::tables::{area, percent, rate};

/// What a target says of a measure.
#[derive(Clone, Copy)]
enum Limit {
    AtMost(f64),
    AtLeast(f64),
    /// Lower than that of every comparator in the same report.
    BelowComparators,
}

#[derive(Clone, Copy)]
enum Unit {
    Percent,
    Area,
    Actions,
}

/// What was measured; a note says of what.
#[derive(Default)]
struct Reached {
    value: Option<f64>,
    interval: Interval,
    note: String,
}

/// One task with its targets.
struct Task {
    /// Of the row that is judged.
    key: &'static str,
    what: &'static str,
    yardstick: &'static str,
    measures: &'static [Measure],
}

struct Measure {
    what: &'static str,
    limit: Limit,
    unit: Unit,
    of: fn(&Report) -> Option<Reached>,
}

const fn measure(what: &'static str, limit: Limit, unit: Unit, of: fn(&Report) -> Option<Reached>) -> Measure {
    Measure { what, limit, unit, of }
}

use Limit::{AtLeast, AtMost, BelowComparators};
use Unit::{Actions, Area, Percent};

const CLLR: Measure = measure("Cllr above its least", AtMost(0.10), Percent, |report| {
    let of = report.compared()?;
    Some(Reached {
        value: of.miscalibration(),
        ..Reached::default()
    })
});

const TASKS: [Task; 14] = [
    Task {
        key: "typenet",
        what: "`typenet`, class, G = 5",
        yardstick: "TypeNet reproduction with key codes 3.60 / 6.43 %; published 2.2 % (68,000 people to learn from)",
        measures: &[
            measure("EER per subject", AtMost(0.012), Percent, |report| {
                eer_subject(report.compared()?)
            }),
            measure("EER, one threshold", AtMost(0.033), Percent, |report| {
                eer_global(report.compared()?)
            }),
            measure("FNMR at FMR 1 %", AtMost(0.15), Percent, |report| {
                fnmr_1(report.compared()?)
            }),
            measure("FNMR at FMR 0.1 %", AtMost(0.45), Percent, |report| {
                fnmr_0_1(report.compared()?)
            }),
            CLLR,
        ],
    },
    Task {
        key: "typenet/hand",
        what: "the same, detail `hand`",
        yardstick: "study 1.5 / 4.0 %",
        measures: &[
            measure("EER per subject", AtMost(0.010), Percent, |report| {
                eer_subject(report.compared()?)
            }),
            measure("EER, one threshold", AtMost(0.030), Percent, |report| {
                eer_global(report.compared()?)
            }),
        ],
    },
    Task {
        key: "typenet",
        what: "evidence over 5 windows of 50 keys",
        yardstick: "–",
        measures: &[measure("FNMR at FMR 0.1 %", AtMost(0.05), Percent, |report| {
            let after = report.compared()?.after(5)?;
            reached(after.fnmr_at_fmr_0_1pct, after.fnmr_at_fmr_0_1pct_ci)
        })],
    },
    Task {
        key: "cross/100",
        what: "`cross`, 100 keys, 10 references, learned whitening",
        yardstick: "study 4.6 / 8.0 %, five windows 3.6 %; without whitening 6.9 / 10.2 / 7.3 %",
        measures: &[
            measure("EER per subject", AtMost(0.03), Percent, |report| {
                let learned = &report.compared()?.variants.first()?.figures;
                reached(learned.eer_subject, learned.eer_subject_ci)
            }),
            measure("EER, one threshold", AtMost(0.055), Percent, |report| {
                let learned = &report.compared()?.variants.first()?.figures;
                reached(learned.eer_global, learned.eer_global_ci)
            }),
            measure("five windows, one threshold", AtMost(0.02), Percent, |report| {
                let after = report.compared()?.variants.first()?.after_windows.as_ref()?;
                reached(after.figures.eer_global, after.figures.eer_global_ci)
            }),
            CLLR,
        ],
    },
    Task {
        key: "cross/50",
        what: "`cross`, 50 keys, 5 references, learned whitening",
        yardstick: "study 9.95 / 12.7 % without whitening",
        measures: &[
            measure("EER per subject", AtMost(0.06), Percent, |report| {
                let learned = &report.compared()?.variants.first()?.figures;
                reached(learned.eer_subject, learned.eer_subject_ci)
            }),
            measure("EER, one threshold", AtMost(0.08), Percent, |report| {
                let learned = &report.compared()?.variants.first()?.figures;
                reached(learned.eer_global, learned.eer_global_ci)
            }),
        ],
    },
    Task {
        key: "pohmm",
        what: "`pohmm`, a whole sample",
        yardstick: "the best comparator",
        measures: &[measure("EER, one threshold", BelowComparators, Percent, |report| {
            eer_global(report.compared()?)
        })],
    },
    Task {
        key: "cmu",
        what: "`cmu`",
        yardstick: "Manhattan (scaled) 9.62 %; GMM-UBM 5.5 %",
        measures: &[measure("EER per subject", AtMost(0.055), Percent, |report| {
            eer_subject(report.compared()?)
        })],
    },
    Task {
        key: "sapimouse",
        what: "`sapimouse`, one block / five, one threshold",
        yardstick: "published AUC .876 / .950 (a normalisation that leaks); study .958 / .974, EER 10.9 / 8.0 %",
        measures: &[
            measure("AUC, one block", AtLeast(0.970), Area, |report| auc(report.compared()?)),
            measure("AUC, five blocks", AtLeast(0.985), Area, |report| {
                auc_after(report.compared()?)
            }),
            measure("EER, one block", AtMost(0.08), Percent, |report| {
                eer_global(report.compared()?)
            }),
            measure("EER, five blocks", AtMost(0.05), Percent, |report| {
                let after = report.compared()?.after(5)?;
                reached(after.eer_global, after.eer_global_ci)
            }),
            CLLR,
        ],
    },
    Task {
        key: "sapimouse/60hz",
        what: "the same at 60 Hz",
        yardstick: "study, trained so: .901 / .951",
        measures: &[
            measure("AUC, one block", AtLeast(0.93), Area, |report| auc(report.compared()?)),
            measure("AUC, five blocks", AtLeast(0.97), Area, |report| {
                auc_after(report.compared()?)
            }),
        ],
    },
    Task {
        key: "balabit",
        what: "`balabit`, a whole session",
        yardstick: "published AUC .92",
        measures: &[measure("AUC", AtLeast(0.94), Area, |report| auc(report.compared()?))],
    },
    Task {
        key: "continuous/aalto",
        what: "takeover, one false step-up in 8 h",
        yardstick: "ANIA 275 actions (Mondal & Bours)",
        measures: &[
            measure("median", AtMost(60.0), Actions, |report| {
                reached(report.continuous()?.actions_median.map(|actions| actions as f64), None)
            }),
            measure("found within 200", AtLeast(0.95), Percent, |report| {
                let report = report.continuous()?;
                let [low, high] = report.found_200_ci;
                reached(report.found_200, low.zip(high).map(|(low, high)| [low, high]))
            }),
        ],
    },
    Task {
        key: "attacks/keystroke",
        what: "a stranger who just types, 200 keys",
        yardstick: "NIST SP 800-63B-4: FMR ≤ 0.01 %",
        measures: &[measure("sessions accepted", AtMost(0.0001), Percent, |report| {
            worst(report, |name| name == "zero_effort")
        })],
    },
    Task {
        key: "attacks/keystroke",
        what: "attacks on typing",
        yardstick: "NIST SP 800-63B-4: IAPAR < 15 %",
        measures: &[
            measure("worst attack", AtMost(0.15), Percent, |report| {
                worst(report, |name| name != "zero_effort")
            }),
            measure("worst replay of what was seen", AtMost(0.01), Percent, |report| {
                worst(report, is_seen_replay)
            }),
        ],
    },
    Task {
        key: "attacks/pointer",
        what: "attacks on the pointer",
        yardstick: "the same",
        measures: &[
            measure("worst attack", AtMost(0.15), Percent, |report| {
                worst(report, |name| name != "zero_effort")
            }),
            measure("worst replay of what was seen", AtMost(0.01), Percent, |report| {
                worst(report, is_seen_replay)
            }),
        ],
    },
];

fn is_seen_replay(name: &str) -> bool {
    name.starts_with("replay") && !name.contains("unseen")
}

fn worst(report: &Report, what: impl Fn(&str) -> bool) -> Option<Reached> {
    let attack = report.attacks()?.worst(what)?;
    Some(Reached {
        value: attack.iapar,
        note: format!(" ({})", attack.name.replace('_', " ")),
        ..Reached::default()
    })
}

fn reached(value: Option<f64>, interval: Interval) -> Option<Reached> {
    Some(Reached {
        value,
        interval,
        ..Reached::default()
    })
}

fn eer_subject(report: &Compared) -> Option<Reached> {
    reached(report.figures.eer_subject, report.figures.eer_subject_ci)
}

fn eer_global(report: &Compared) -> Option<Reached> {
    reached(report.figures.eer_global, report.figures.eer_global_ci)
}

fn fnmr_1(report: &Compared) -> Option<Reached> {
    reached(report.figures.fnmr_at_fmr_1pct, report.figures.fnmr_at_fmr_1pct_ci)
}

fn fnmr_0_1(report: &Compared) -> Option<Reached> {
    reached(report.figures.fnmr_at_fmr_0_1pct, report.figures.fnmr_at_fmr_0_1pct_ci)
}

fn auc(report: &Compared) -> Option<Reached> {
    reached(report.figures.auc, report.figures.auc_ci)
}

fn auc_after(report: &Compared) -> Option<Reached> {
    let after = report.after(5)?;
    reached(after.auc, after.auc_ci)
}

/// The table; `of` gives the report of a key, and what to say where there is none.
pub(super) fn table(of: impl Fn(&str) -> Result<Report, String>) -> String {
    let mut rows = String::new();
    let (mut judged, mut met) = (0, 0);
    for task in &TASKS {
        let report = of(task.key);
        let people = report
            .as_ref()
            .map_or(String::new(), |report| report.subjects().to_string());
        for (i, measure) in task.measures.iter().enumerate() {
            let (reached, verdict) = match &report {
                Ok(report) => measure.judge(report),
                Err(why) => (why.clone(), None),
            };
            judged += usize::from(verdict.is_some());
            met += usize::from(verdict == Some(true));
            let [what, people, yardstick] = if i == 0 {
                [task.what, &people, task.yardstick]
            } else {
                [""; 3]
            };
            let verdict = match verdict {
                Some(true) => "**reached**",
                Some(false) => "missed",
                None => "–",
            };
            // Writing to a string cannot fail.
            let _ = writeln!(
                rows,
                "| {what} | {people} | {} | {reached} | {} | {verdict} | {yardstick} |",
                measure.what,
                measure.target()
            );
        }
    }
    format!(
        "{met} of the {judged} targets judged here are reached; rates in per cent, 95 % intervals in brackets.\n\n\
         | task | people | measure | measured | target | | yardstick |\n|---|---|---|---|---|---|---|\n{rows}"
    )
}

impl Measure {
    /// The figure, and whether it holds.
    fn judge(&self, report: &Report) -> (String, Option<bool>) {
        let Some(Reached {
            value: Some(value),
            interval,
            note,
        }) = (self.of)(report)
        else {
            return ("not measured".to_owned(), None);
        };
        let limit = match self.limit {
            AtMost(limit) | AtLeast(limit) => Some(limit),
            BelowComparators => best_comparator(report),
        };
        let holds = limit.map(|limit| match self.limit {
            AtMost(_) => value <= limit,
            AtLeast(_) => value >= limit,
            BelowComparators => value < limit,
        });
        let figure = match self.unit {
            Percent => rate(Some(value), interval),
            Area => area(Some(value), interval),
            Actions => format!("{value:.0}"),
        };
        (figure + &note, holds)
    }

    fn target(&self) -> String {
        let number = |limit: f64| match self.unit {
            Percent => percent(Some(limit))
                .trim_end_matches('0')
                .trim_end_matches('.')
                .to_owned(),
            Area => format!("{limit:.3}"),
            Actions => format!("{limit:.0}"),
        };
        match self.limit {
            AtMost(limit) => format!("≤ {}", number(limit)),
            AtLeast(limit) => format!("≥ {}", number(limit)),
            BelowComparators => "below all comparators".to_owned(),
        }
    }
}

fn best_comparator(report: &Report) -> Option<f64> {
    let comparators = report.compared()?.comparators.iter();
    comparators
        .filter_map(|named| named.figures.eer_global)
        .min_by(f64::total_cmp)
}
