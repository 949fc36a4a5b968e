//! Whether a candidate is at least as good as the live model, on the same people.
//!
//! Manifest figures are compared only where protocol and number of people are equal. Otherwise both models are judged now, on
//! the people of the history whom the candidate did not learn from, each with its own back-end.

use super::{PromoteArgs, Refused};
use crate::corpus::{self, Person};
use crate::embed;
use crate::evaluate::{Settings, held_out};
use crate::train::HELD_OUT_FILE;
use anyhow::{Context, Result};
use ductus_scorer::Model;
use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Equal error rates of candidate and live model, where they were found.
pub(super) fn check(
    candidate: &Arc<Model>,
    live: &Arc<Model>,
    args: &PromoteArgs,
) -> Result<(Option<f64>, Option<f64>)> {
    let (new, old) = (&candidate.manifest().accuracy, &live.manifest().accuracy);
    let same = new.protocol == old.protocol && new.subjects == old.subjects && new.genuine == old.genuine;
    let rates = match (same, new.eer_global.zip(old.eer_global), &args.history) {
        (true, Some(rates), _) => Some(rates),
        (_, _, Some(history)) => judge(candidate, live, history, args)?,
        _ => None,
    };
    let Some((new, old)) = rates else {
        return refuse(
            args,
            format!(
                "{} was judged by {} on {} people and {} by {} on {}: give --history with people to judge both on",
                candidate.manifest().name(),
                new.protocol,
                new.subjects,
                live.manifest().name(),
                old.protocol,
                old.subjects
            ),
            (None, None),
        );
    };
    if new > old {
        let text = format!(
            "{} is worse than the live {}: equal error rate {:.2} % against {:.2} % on the same people",
            candidate.manifest().name(),
            live.manifest().name(),
            new * 100.0,
            old * 100.0
        );
        return refuse(args, text, (Some(new), Some(old)));
    }
    Ok((Some(new), Some(old)))
}

fn refuse(args: &PromoteArgs, text: String, rates: (Option<f64>, Option<f64>)) -> Result<(Option<f64>, Option<f64>)> {
    if args.force {
        tracing::warn!("{text}; promoted by --force");
        return Ok(rates);
    }
    Err(Refused(text).into())
}

/// Judges both on the history's people; `None` where too few of them are left.
fn judge(candidate: &Arc<Model>, live: &Arc<Model>, history: &str, args: &PromoteArgs) -> Result<Option<(f64, f64)>> {
    let manifest = candidate.manifest();
    let detail = manifest.detail.max(live.manifest().detail);
    let people = corpus::from_history(history, manifest.modality, detail)?;
    let people = unseen(people, args)?;
    let mut settings = Settings::of(manifest.modality);
    settings.steps = settings.steps.min(manifest.steps_max).min(live.manifest().steps_max);
    let layout = held_out(&people, manifest.modality, settings);
    if let Err(error) = layout.check() {
        tracing::warn!("the history cannot tell which model is better: {error:#}");
        return Ok(None);
    }
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let rate = |model: &Arc<Model>| -> Result<Option<f64>> {
        let embeddings = embed::with_model(model, &layout.windows, threads)?.in_space(&model.back_end().space);
        Ok(layout.score(&layout.trials, &embeddings).measure().eer_global)
    };
    Ok(rate(candidate)?.zip(rate(live)?))
}

/// The people that the candidate kept aside, where its folder says so; else everybody.
fn unseen(people: Vec<Person>, args: &PromoteArgs) -> Result<Vec<Person>> {
    let Some(file) = args
        .model
        .as_ref()
        .map(|folder| folder.join(HELD_OUT_FILE))
        .filter(|file| file.is_file())
    else {
        return Ok(people);
    };
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let kept: BTreeSet<&str> = text.lines().collect();
    let (ours, others): (Vec<Person>, Vec<Person>) = people
        .into_iter()
        .partition(|person| kept.contains(format!("{}/{}", person.tenant, person.subject).as_str()));
    // A model from elsewhere kept aside people whom this history does not know, and saw none of those it does.
    Ok(if ours.is_empty() { others } else { ours })
}
