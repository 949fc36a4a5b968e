//! Yardsticks: methods that others use, on the windows, references and comparisons of the protocol, through the same code.
//! A model that does not beat them has learned nothing worth having.
//!
//! All but the last see a window as mean and standard deviation over its steps of each dense feature:
//!
//! - `scaled_manhattan`: Killourhy & Maxion, DSN 2009, whose best detector it was.
//! - `gaussian`: a normal distribution a person against that of the background.
//! - `gmm_ubm`: a mixture learned from the background, adapted to each person (Reynolds, Quatieri & Dunn, Digital Signal
//!   Processing 10, 2000); its relevance was set beforehand, its number of components changed once (8 to 4), which
//!   made no clear difference.
//! - `sgd_logistic`: a logistic classifier a person, learned by stochastic gradient descent against the background, as one of
//!   the two projects that Ductus grew from did it.
//! - `seed_lstm`: the network of the other one, see [`seed`].
//!
//! Invariant: they see what the model sees, and the background that a comparison uses holds neither the claimed nor the
//! probed person.

mod background;
mod gaussian;
mod gmm;
mod logistic;
mod manhattan;
pub(super) mod seed;
mod statistics;

use super::layout::{Enrolled, Layout, Trials};
use super::scores::Scores;
use background::Background;
use ductus_dynamics::feature::FeatureWindow;
use statistics::Statistics;
use std::num::NonZeroUsize;

/// The scores of one method on the main comparisons and on those with the most windows a decision.
pub(super) struct Compared {
    pub(super) name: &'static str,
    pub(super) scores: Scores,
    pub(super) after: Option<(usize, Scores)>,
}

/// A method that scores a window against an enrolment.
trait Method {
    fn name(&self) -> &'static str;
    fn score(&self, enrolled: &[Enrolled], trials: &Trials, threads: NonZeroUsize) -> Scores;
}

/// Scores all methods that need no network. `others` are people who are not part of the protocol, by person; without them the
/// enrolled people are each other's background. What could not be scored is said in `notes`.
pub(super) fn score_all(
    layout: &Layout,
    others: &[Vec<FeatureWindow>],
    threads: NonZeroUsize,
    notes: &mut Vec<String>,
) -> Vec<Compared> {
    let statistics = Statistics::of(layout.windows.iter().chain(others.iter().flatten()));
    let background = Background::new(layout, others, &statistics);
    let mut compared = vec![compare(
        &manhattan::Manhattan::new(layout, &statistics, &background),
        layout,
        threads,
    )];
    if background.is_enough() {
        compared.push(compare(
            &gaussian::Gaussian::new(layout, &statistics, &background),
            layout,
            threads,
        ));
        compared.push(compare(
            &gmm::Mixture::new(layout, &statistics, &background, threads),
            layout,
            threads,
        ));
        compared.push(compare(
            &logistic::Logistic::new(layout, &statistics, &background, threads),
            layout,
            threads,
        ));
    } else {
        notes.push("too few other people for the comparators that need a background".to_owned());
    }
    compared
}

fn compare(method: &dyn Method, layout: &Layout, threads: NonZeroUsize) -> Compared {
    by(method.name(), layout, |trials| {
        method.score(&layout.enrolled, trials, threads)
    })
}

/// Scores the main comparisons and those with the most windows a decision.
pub(super) fn by(name: &'static str, layout: &Layout, score: impl Fn(&Trials) -> Scores) -> Compared {
    let after = layout.after.iter().filter(|(_, trials)| !trials.pairs.is_empty());
    Compared {
        name,
        scores: score(&layout.trials),
        after: after
            .max_by_key(|(windows, _)| *windows)
            .map(|(windows, trials)| (*windows, score(trials))),
    }
}

/// Scaled Manhattan distance on the main comparisons, for those who want a yardstick and no report.
#[cfg(test)]
pub(super) fn scaled_manhattan(layout: &Layout) -> Scores {
    let statistics = Statistics::of(layout.windows.iter());
    let background = Background::new(layout, &[], &statistics);
    let method = manhattan::Manhattan::new(layout, &statistics, &background);
    method.score(&layout.enrolled, &layout.trials, NonZeroUsize::MIN)
}
