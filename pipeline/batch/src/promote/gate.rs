//! The promotion gate: whether a candidate is worse than the live model in any of the ways that [ADR 12] states.
//!
//! Invariants: both models are measured on the same comparisons of the same people; a group too small to tell is listed and
//! refuses nobody; the same scores give the same rows.
//!
//! [ADR 12]: ../../../../docs/adr/0012-promotion-gate.md

use super::groups::Group;
use crate::evaluate::{Draws, Paired, Scores, paired};
use ductus_scorer::{Accuracy, Gate, GateBasis, GateFigure, GateMeasure, GateRow, GateVerdict};
use std::fmt::Write;
use std::num::NonZeroUsize;

/// Fewest people, in all and in a group: what fewer are like says little of others.
pub(super) const PEOPLE_MIN: usize = 12;
/// The row of everybody.
pub(super) const ALL: &str = "all";
/// Draws of people behind an interval.
const RESAMPLES: usize = 1_000;
/// What the intervals of everybody, and those of all groups together, leave out.
const LEFT_OUT: f64 = 0.05;

/// Log-likelihood ratios of both models for the same comparisons.
pub(super) struct Judged {
    pub(super) candidate: Scores,
    pub(super) live: Scores,
    /// How many people are claimed, numbered from 0.
    pub(super) people: usize,
    pub(super) groups: Vec<Group>,
}

impl Judged {
    /// Everybody, then the groups.
    pub(super) fn rows(&self, threads: NonZeroUsize) -> Vec<GateRow> {
        let everybody: Vec<u32> = (0..self.people as u32).collect();
        // Many groups, many chances to look worse: their intervals are widened so that all hold together (Bonferroni).
        let tested = self.groups.iter().filter(|group| self.verdict(group).is_none()).count();
        let draws = |share: f64| Draws {
            resamples: RESAMPLES,
            tail: share / 2.0,
            threads,
        };
        let mut rows = vec![self.row(ALL, &everybody, Way::Everybody, &draws(LEFT_OUT))];
        for group in &self.groups {
            let row = match self.verdict(group) {
                Some(verdict) => GateRow {
                    group: group.name.clone(),
                    people: group.people.len(),
                    verdict,
                    figures: Vec::new(),
                },
                None => self.row(
                    &group.name,
                    &group.people,
                    Way::Group,
                    &draws(LEFT_OUT / tested.max(1) as f64),
                ),
            };
            rows.push(row);
        }
        rows
    }

    /// What is said of a group without measuring.
    fn verdict(&self, group: &Group) -> Option<GateVerdict> {
        match group.people.len() {
            all if all == self.people => Some(GateVerdict::Everybody),
            few if few < PEOPLE_MIN => Some(GateVerdict::TooFew),
            _ => None,
        }
    }

    fn row(&self, group: &str, people: &[u32], way: Way, draws: &Draws) -> GateRow {
        let found = paired(&self.candidate, &self.live, people, draws);
        let figures: Vec<GateFigure> = found
            .iter()
            .flat_map(|found| GateMeasure::ALL.into_iter().zip(found))
            .map(|(measure, found)| figure(measure, found, way))
            .collect();
        GateRow {
            group: group.to_owned(),
            people: people.len(),
            verdict: match figures.iter().any(|figure| figure.worse) {
                _ if figures.is_empty() => GateVerdict::TooFew,
                true => GateVerdict::Worse,
                false => GateVerdict::NotWorse,
            },
            figures,
        }
    }
}

/// How strictly a row is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Worse beyond chance, or by more than the margin whatever chance may do.
    Everybody,
    /// Worse beyond chance: the fewer people, the more a margin alone would refuse by chance.
    Group,
}

/// How much worse counts as such where chance cannot be told: so much, or this share of the live model's figure, whichever
/// is more.
fn margin(measure: GateMeasure, live: f64) -> f64 {
    let least = match measure {
        GateMeasure::EerGlobal => 0.005,
        GateMeasure::FnmrAtFmr1Pct => 0.02,
        GateMeasure::Cllr => 0.05,
    };
    (0.1 * live).max(least)
}

fn figure(measure: GateMeasure, found: &Paired, way: Way) -> GateFigure {
    let by_margin = found.ours - found.theirs > margin(measure, found.theirs);
    let beyond_chance = found.interval[0] > 0.0;
    let worse = match (measure, way) {
        // A little is mended by `ductus-batch backend` in a minute; only much is a reason.
        (GateMeasure::Cllr, Way::Everybody) => by_margin,
        (GateMeasure::Cllr, Way::Group) => by_margin && beyond_chance,
        (_, Way::Everybody) => by_margin || beyond_chance,
        (_, Way::Group) => beyond_chance,
    };
    GateFigure {
        measure,
        candidate: found.ours,
        live: found.theirs,
        difference_ci: Some(found.interval),
        worse,
    }
}

/// The row of two manifests of the same protocol and people. Without an interval the equal error rate may not rise at all,
/// the others not beyond their margin. `None` where one of them has no equal error rate.
pub(super) fn of_manifests(candidate: &Accuracy, live: &Accuracy) -> Option<GateRow> {
    let of = |accuracy: &Accuracy| [accuracy.eer_global, accuracy.fnmr_at_fmr_1pct, accuracy.cllr];
    let pairs = GateMeasure::ALL
        .into_iter()
        .zip(of(candidate).into_iter().zip(of(live)));
    let figures: Vec<GateFigure> = pairs
        .filter_map(|(measure, (candidate, live))| {
            let (candidate, live) = candidate.zip(live)?;
            Some(GateFigure {
                measure,
                candidate,
                live,
                difference_ci: None,
                worse: match measure {
                    GateMeasure::EerGlobal => candidate > live,
                    _ => candidate - live > margin(measure, live),
                },
            })
        })
        .collect();
    candidate.eer_global.zip(live.eer_global)?;
    Some(GateRow {
        group: ALL.to_owned(),
        people: candidate.subjects,
        verdict: if figures.iter().any(|figure| figure.worse) {
            GateVerdict::Worse
        } else {
            GateVerdict::NotWorse
        },
        figures,
    })
}

/// What is worse, in words: all of it for everybody, the first measure for a group. Empty where nothing is.
pub(super) fn worse(rows: &[GateRow]) -> String {
    let mut words = Vec::new();
    for row in rows {
        let (most, group) = match row.group.as_str() {
            ALL => (usize::MAX, String::new()),
            group => (1, format!(" ({group})")),
        };
        for figure in row.figures.iter().filter(|figure| figure.worse).take(most) {
            let [candidate, live] = [figure.candidate, figure.live].map(|rate| value(figure.measure, rate));
            words.push(format!("{} {candidate} against {live}{group}", name(figure.measure)));
        }
    }
    words.join(", ")
}

/// On whom the rows stand, in a line below the table.
pub(super) fn told(gate: &Gate) -> String {
    let people = gate.people;
    let on = match (gate.basis, gate.seen_by_live) {
        (GateBasis::Nothing, _) => return String::new(),
        (GateBasis::Manifests, _) => "figures of the manifests, no ranges and no groups".to_owned(),
        (GateBasis::History, 0) => format!("{people} people from whom neither model has learned"),
        (GateBasis::History, seen) => {
            format!("{people} people; the live model has learned from {seen} of them, which favours it")
        }
    };
    format!("{}{on}", table(&gate.rows))
}

fn name(measure: GateMeasure) -> &'static str {
    match measure {
        GateMeasure::EerGlobal => "equal error rate",
        GateMeasure::FnmrAtFmr1Pct => "FNMR at FMR 1 %",
        GateMeasure::Cllr => "Cllr",
    }
}

fn value(measure: GateMeasure, value: f64) -> String {
    match measure {
        GateMeasure::Cllr => format!("{value:.3} bits"),
        _ => format!("{:.2} %", value * 100.0),
    }
}

fn difference(measure: GateMeasure, value: f64) -> String {
    match measure {
        GateMeasure::Cllr => format!("{value:+.3}"),
        _ => format!("{:+.2}", value * 100.0),
    }
}

/// The rows as a table for people, aligned, and Markdown.
pub(super) fn table(rows: &[GateRow]) -> String {
    let head = [
        "group",
        "people",
        "measure",
        "candidate",
        "live",
        "difference, its range",
        "",
    ];
    let mut lines = vec![head.map(str::to_owned)];
    for row in rows {
        let (group, people) = (row.group.clone(), row.people.to_string());
        let said = match row.verdict {
            GateVerdict::TooFew => format!("too few to tell (under {PEOPLE_MIN})"),
            GateVerdict::Everybody => "everybody, see all".to_owned(),
            GateVerdict::Worse | GateVerdict::NotWorse => String::new(),
        };
        if !said.is_empty() {
            lines.push([
                group,
                people,
                String::new(),
                String::new(),
                String::new(),
                String::new(),
                said,
            ]);
            continue;
        }
        for (number, figure) in row.figures.iter().enumerate() {
            let first = |text: &str| if number == 0 { text.to_owned() } else { String::new() };
            let apart = difference(figure.measure, figure.candidate - figure.live);
            let range = figure.difference_ci.map_or(apart.clone(), |[low, high]| {
                let of = |end| difference(figure.measure, end);
                format!("{apart} ({} to {})", of(low), of(high))
            });
            lines.push([
                first(&group),
                first(&people),
                name(figure.measure).to_owned(),
                value(figure.measure, figure.candidate),
                value(figure.measure, figure.live),
                range,
                if figure.worse { "WORSE" } else { "" }.to_owned(),
            ]);
        }
    }
    aligned(&lines)
}

fn aligned<const N: usize>(lines: &[[String; N]]) -> String {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (cell, width) in line.iter().zip(widths) {
            // Writing to a String cannot fail.
            let _ = write!(text, "| {cell:width$} ");
        }
        text.push_str("|\n");
        if number == 0 {
            widths.iter().for_each(|width| {
                let _ = write!(text, "|{:-<1$}", "", width + 2);
            });
            text.push_str("|\n");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREADS: NonZeroUsize = NonZeroUsize::MIN;

    /// Log-likelihood ratios of 48 people, ten genuine and fifty impostor ones each; `lower` says by how much the genuine ones
    /// of a person are lower than they might be.
    fn scores(lower: impl Fn(u32) -> f32) -> Scores {
        let one = |person: u32| {
            let lower = lower(person) + 0.2 * (person % 5) as f32;
            let genuine = (0..10).map(move |i| (person, true, 4.0 - lower - 0.7 * i as f32));
            genuine.chain((0..50).map(move |i| (person, false, 0.5 - 0.1 * i as f32 - 0.1 * (person % 3) as f32)))
        };
        Scores {
            all: (0..48).flat_map(one).collect(),
        }
    }

    fn group(name: &str, people: std::ops::Range<u32>) -> Group {
        Group {
            name: name.to_owned(),
            people: people.collect(),
        }
    }

    fn rows(candidate: Scores, live: Scores) -> Vec<GateRow> {
        let judged = Judged {
            candidate,
            live,
            people: 48,
            groups: vec![
                group("speed: fast", 0..16),
                group("speed: middling", 16..32),
                group("speed: slow", 32..48),
                group("device: physical", 0..48),
                group("clock: coarse", 45..48),
            ],
        };
        let rows = judged.rows(THREADS);
        assert_eq!(rows, judged.rows(NonZeroUsize::new(3).unwrap()));
        rows
    }

    #[test]
    fn worse_in_any_stated_way_is_found_where_it_is() {
        let live = || scores(|_| 1.0);
        let all_scores = |candidate: &Scores, change: fn(f32) -> f32| Scores {
            all: candidate.all.iter().map(|s| (s.0, s.1, change(s.2))).collect(),
        };
        for (what, candidate, expected) in [
            ("the same", live(), vec![]),
            ("better for everybody", scores(|_| 0.4), vec![]),
            (
                "worse for everybody",
                scores(|_| 2.5),
                vec!["all", "speed: fast", "speed: middling", "speed: slow"],
            ),
            // Better in all, and yet a third of the people would pay for it.
            (
                "better for most",
                scores(|person| if person >= 32 { 1.9 } else { -0.5 }),
                vec!["speed: slow"],
            ),
            // Three people are too few to speak of a group, and a small part of all.
            (
                "worse for three",
                scores(|person| if person >= 45 { 1.6 } else { 0.6 }),
                vec![],
            ),
            // The order is the same; what the numbers mean is not.
            (
                "boastful",
                all_scores(&live(), |llr| 4.0 * llr),
                vec!["all", "speed: fast", "speed: middling", "speed: slow"],
            ),
            ("a little boastful", all_scores(&live(), |llr| 1.05 * llr), vec![]),
        ] {
            let rows = rows(candidate, live());
            let found = rows.iter().filter(|row| row.verdict == GateVerdict::Worse);
            assert_eq!(
                found.map(|row| row.group.as_str()).collect::<Vec<_>>(),
                expected,
                "{what}:\n{}",
                table(&rows)
            );
        }
    }

    #[test]
    fn the_table_names_the_group() {
        let rows = rows(scores(|person| if person >= 32 { 1.9 } else { -0.5 }), scores(|_| 1.0));
        expect_test::expect![[r#"
            | group            | people | measure          | candidate  | live       | difference, its range     |                            |
            |------------------|--------|------------------|------------|------------|---------------------------|----------------------------|
            | all              | 48     | equal error rate | 31.52 %    | 35.92 %    | -4.40 (-7.33 to -1.94)    |                            |
            |                  |        | FNMR at FMR 1 %  | 53.33 %    | 63.75 %    | -10.42 (-15.21 to -5.62)  |                            |
            |                  |        | Cllr             | 0.972 bits | 1.174 bits | -0.203 (-0.336 to -0.073) |                            |
            | speed: fast      | 16     | equal error rate | 25.87 %    | 35.88 %    | -10.00 (-13.63 to -10.00) |                            |
            |                  |        | FNMR at FMR 1 %  | 41.88 %    | 63.75 %    | -21.87 (-24.38 to -20.00) |                            |
            |                  |        | Cllr             | 0.662 bits | 1.170 bits | -0.509 (-0.536 to -0.485) |                            |
            | speed: middling  | 16     | equal error rate | 25.81 %    | 35.81 %    | -10.00 (-14.25 to -10.00) |                            |
            |                  |        | FNMR at FMR 1 %  | 41.88 %    | 63.75 %    | -21.87 (-24.38 to -20.00) |                            |
            |                  |        | Cllr             | 0.664 bits | 1.174 bits | -0.510 (-0.532 to -0.485) |                            |
            | speed: slow      | 16     | equal error rate | 44.12 %    | 36.38 %    | +7.75 (+5.31 to +9.50)    | WORSE                      |
            |                  |        | FNMR at FMR 1 %  | 76.25 %    | 63.75 %    | +12.50 (+10.00 to +15.00) | WORSE                      |
            |                  |        | Cllr             | 1.589 bits | 1.179 bits | +0.411 (+0.398 to +0.424) | WORSE                      |
            | device: physical | 48     |                  |            |            |                           | everybody, see all         |
            | clock: coarse    | 3      |                  |            |            |                           | too few to tell (under 12) |
        "#]].assert_eq(&table(&rows));
        expect_test::expect!["equal error rate 44.12 % against 36.38 % (speed: slow)"].assert_eq(&worse(&rows));
    }

    #[test]
    fn manifests_are_read_without_an_interval() {
        let of = |eer_global, fnmr_at_fmr_1pct, cllr| Accuracy {
            eer_global: Some(eer_global),
            fnmr_at_fmr_1pct: Some(fnmr_at_fmr_1pct),
            cllr: Some(cllr),
            ..crate::evaluate::Measured::default().accuracy("typenet", 129, None, None)
        };
        let live = of(0.05, 0.2, 0.2);
        for (candidate, expected) in [
            (of(0.05, 0.2, 0.2), ""),
            (of(0.051, 0.2, 0.2), "equal error rate 5.10 % against 5.00 %"),
            (of(0.05, 0.219, 0.249), ""),
            (
                of(0.04, 0.221, 0.251),
                "FNMR at FMR 1 % 22.10 % against 20.00 %, Cllr 0.251 bits against 0.200 bits",
            ),
        ] {
            assert_eq!(worse(&[of_manifests(&candidate, &live).unwrap()]), expected);
        }
        let none = Accuracy {
            eer_global: None,
            ..live.clone()
        };
        assert_eq!(of_manifests(&none, &live), None);
    }
}
