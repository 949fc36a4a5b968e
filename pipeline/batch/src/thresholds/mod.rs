//! The command `thresholds`: the risks at which tenants and subjects are asked for a second proof, from a budget.
//!
//! The operator says what a false step-up may cost: `--budget "1 per 30d"`, at most one a subject in thirty days on which they
//! worked, or `--fmr`, the share of takeovers that may go unseen. The budget is counted in the decisions of history; what it
//! costs in detection time is measured by playing history's own people through the line with others of their tenant taking
//! over (see the protocol `continuous`). The file goes to `decision.thresholds_file` of the role `score`.
//!
//! Invariants: history's people are taken for who they say they are, but for sessions that feedback or `--without` says were
//! another's; nothing outside the bounds is ever written; without enough days the tenant's threshold holds, and without enough people the configured one.

mod budget;
mod choose;
mod picture;

#[cfg(test)]
mod tests;

pub use budget::Budget;

use crate::evaluate::continuous::{Played, play_people};
use crate::{config, corpus, query};
use anyhow::{Context, Result, bail};
use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float32Type, Int64Type};
use choose::{Bounds, Day};
use clap::Args;
use ductus_dynamics::decide::DecisionPolicy;
use ductus_history::Tables;
use ductus_scorer::{Contract, Manifest, Model};
use ductus_stream::thresholds::{Tenant, ThresholdsFile, VERSION};
use serde::Serialize;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

/// Days of the curve: one false step-up a subject in so many.
const CURVE_DAYS: [f64; 7] = [2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0];
/// Actions within which a takeover should be found: what `--fmr` counts.
const FMR_ACTIONS: usize = 200;

/// Options of `thresholds`.
#[derive(Args, Clone, Debug)]
pub struct ThresholdsArgs {
    /// The history tables.
    #[arg(long)]
    pub history: String,
    /// At most so many false step-ups a subject: `1 per 30d` (days on which they worked).
    #[arg(long, required_unless_present = "fmr", conflicts_with = "fmr")]
    pub budget: Option<Budget>,
    /// At most this share of takeovers unseen after 200 actions; needs --model.
    #[arg(long, requires = "model")]
    pub fmr: Option<f64>,
    /// Write the thresholds here, and the curve as a picture beside it.
    #[arg(long)]
    pub out: PathBuf,
    /// The live model's folder: to play takeovers among history's people. Without it the curve has no detection times.
    #[arg(long)]
    pub model: Option<PathBuf>,
    /// No threshold below this risk.
    #[arg(long, default_value = "30")]
    pub floor: f32,
    /// No threshold above this risk.
    #[arg(long, default_value = "99.5")]
    pub ceiling: f32,
    /// A session that is known to have been somebody else's, beside those that feedback says so of; may be given again.
    #[arg(long)]
    pub without: Vec<String>,
    /// Threads that embed.
    #[arg(long, default_value = "2")]
    pub threads: NonZeroUsize,
    /// The ONNX Runtime library, before `ORT_DYLIB_PATH` and the cache folder.
    #[arg(long)]
    pub onnxruntime: Option<PathBuf>,
}

/// The result of `thresholds`.
#[derive(Clone, Debug, Serialize)]
pub struct Thresholds {
    /// The budget in words.
    pub budget: String,
    /// Step-up risk by tenant.
    pub tenants: BTreeMap<String, f32>,
    /// Subjects with a threshold of their own.
    pub subjects: usize,
    /// Subjects that have their tenant's, because they have too few days.
    pub subjects_with_tenants: usize,
    /// Days of subjects that were counted.
    pub subject_days: usize,
    /// Step-ups a subject in 30 days that these thresholds would have asked for in this history.
    pub step_ups_per_30d: Option<f64>,
    /// Takeovers that were played.
    pub takeovers: usize,
    /// What other budgets cost.
    pub curve: Vec<Point>,
    /// What could not be done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A budget and its cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Point {
    /// One false step-up a subject in so many days.
    pub one_per_days: f64,
    /// The threshold of all tenants together.
    pub step_up_risk: f32,
    /// Actions until half the takeovers are found; null without a model, and where half are not found.
    pub actions_median: Option<usize>,
    /// Actions until 95 % are found.
    pub actions_p95: Option<usize>,
    /// Share found within 60 actions.
    pub found_60: Option<f64>,
    /// Share found within 200 actions.
    pub found_200: Option<f64>,
}

/// Computes the thresholds and writes them.
pub fn thresholds(args: &ThresholdsArgs) -> Result<Thresholds> {
    let bounds = check(args)?;
    let mut notes = Vec::new();
    let (days, until_us) = days(args)?;
    if days.is_empty() {
        bail!(
            "{} holds no decision that compared somebody with their references: thresholds need a history of them",
            args.history
        );
    }
    let played = played(args, &mut notes)?;
    let (tenants, budget) = match (args.budget, args.fmr) {
        (Some(budget), _) => (choose::choose(&days, budget, bounds), budget.to_string()),
        (None, Some(fmr)) => (
            for_fmr(&days, &played, fmr, bounds, &mut notes)?,
            format!("fmr {fmr} over {FMR_ACTIONS} actions"),
        ),
        (None, None) => bail!("say --budget or --fmr"),
    };
    let file = ThresholdsFile {
        v: VERSION,
        budget: budget.clone(),
        until_us,
        tenants: tenants.clone(),
    };
    file.save(&args.out)?;
    let curve = curve(&days, &played, bounds);
    let picture = args.out.with_extension("svg");
    std::fs::write(&picture, picture::draw(&curve, played.takeovers())?)
        .with_context(|| format!("cannot write {}", picture.display()))?;
    let people: std::collections::BTreeSet<(&str, &str)> = days
        .iter()
        .map(|day| (day.tenant.as_str(), day.subject.as_str()))
        .collect();
    let subjects = tenants.values().map(|tenant| tenant.subjects.len()).sum();
    Ok(Thresholds {
        budget,
        subjects,
        subjects_with_tenants: people.len() - subjects,
        subject_days: days.len(),
        step_ups_per_30d: choose::cost(&days, &tenants).map(|a_day| a_day * 30.0),
        takeovers: played.takeovers(),
        curve,
        tenants: tenants
            .into_iter()
            .map(|(name, tenant)| (name, tenant.step_up_risk))
            .collect(),
        notes,
    })
}

fn check(args: &ThresholdsArgs) -> Result<Bounds> {
    let (floor, ceiling) = (args.floor, args.ceiling);
    if !(floor > 0.0 && floor <= ceiling && ceiling <= 100.0) {
        bail!("--floor is {floor} and --ceiling {ceiling}, but they must rise between 0 and 100");
    }
    if args.fmr.is_some_and(|fmr| !(fmr > 0.0 && fmr < 1.0)) {
        bail!("--fmr must be between 0 and 1");
    }
    Ok(Bounds { floor, ceiling })
}

/// Every subject's days with their highest risk, and the time of the latest decision.
fn days(args: &ThresholdsArgs) -> Result<(Vec<Day>, i64)> {
    let mut tables = Tables::open(&args.history)?;
    let disowned = corpus::disowned(&mut tables)?;
    let disowned = disowned.iter().map(|(tenant, session)| format!("{tenant}/{session}"));
    let without = not_in("session", args.without.iter().cloned());
    let disowned = not_in("tenant || '/' || session", disowned);
    let sql = format!(
        "SELECT tenant, subject, max(risk) AS risk, max(time_us) AS until_us FROM decisions \
         WHERE subject IS NOT NULL AND llr IS NOT NULL{without}{disowned} GROUP BY tenant, subject, event_date \
         ORDER BY tenant, subject, event_date"
    );
    let (mut days, mut until_us) = (Vec::new(), 0);
    for batch in query::rows(&args.history, &sql)? {
        let column = |name: &str| {
            batch
                .column_by_name(name)
                .with_context(|| format!("no column {name} in the answer"))
        };
        let (tenant, subject) = (text(column("tenant")?)?, text(column("subject")?)?);
        let risk = column("risk")?
            .as_primitive_opt::<Float32Type>()
            .context("the column risk holds no numbers")?;
        let until = column("until_us")?
            .as_primitive_opt::<Int64Type>()
            .context("the column time_us holds no times")?;
        for row in 0..batch.num_rows() {
            days.push(Day {
                tenant: tenant[row].clone(),
                subject: subject[row].clone(),
                risk: risk.value(row),
            });
            until_us = until_us.max(until.value(row));
        }
    }
    Ok((days, until_us))
}

/// A condition more, where there is any name. Each stands between quotes; a quote in it is doubled.
fn not_in(what: &str, names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.map(|name| format!("'{}'", name.replace('\'', "''"))).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!(" AND {what} NOT IN ({})", names.join(", ")),
    }
}

/// A column of text, however the engine keeps it.
fn text(column: &Arc<dyn Array>) -> Result<Vec<String>> {
    let strings = arrow::compute::cast(column, &arrow::datatypes::DataType::Utf8).context("a name is no text")?;
    let strings = strings.as_string_opt::<i32>().context("a name is no text")?;
    Ok((0..strings.len()).map(|row| strings.value(row).to_owned()).collect())
}

/// Plays takeovers among history's people, if there is a model.
fn played(args: &ThresholdsArgs, notes: &mut Vec<String>) -> Result<Played> {
    let Some(folder) = &args.model else {
        notes.push("no --model: the curve has no detection times".to_owned());
        return Ok(Played::default());
    };
    config::start_runtime(args.onnxruntime.as_deref())?;
    let manifest = Manifest::load(folder)?;
    let model = Arc::new(Model::load(folder, &Contract::of(manifest.modality))?);
    let people = corpus::from_history(&args.history, manifest.modality, manifest.detail)?;
    match play_people(&people, &model, args.threads, notes) {
        Ok(played) => Ok(played),
        Err(error) => {
            notes.push(format!("no takeover could be played: {error:#}"));
            Ok(Played::default())
        }
    }
}

/// The highest risk at which no more takeovers go unseen than `fmr`, for every tenant.
fn for_fmr(
    days: &[Day],
    played: &Played,
    fmr: f64,
    bounds: Bounds,
    notes: &mut Vec<String>,
) -> Result<BTreeMap<String, Tenant>> {
    if played.takeovers() == 0 {
        bail!(
            "--fmr needs takeovers to count, and none could be played: {}",
            notes.join("; ")
        );
    }
    if (played.takeovers() as f64) < 1.0 / fmr {
        notes.push(format!(
            "{} takeovers cannot show a share of {fmr}: the threshold is the highest at which none goes unseen",
            played.takeovers()
        ));
    }
    let risk = played.risk_for_fmr(fmr, FMR_ACTIONS).unwrap_or(bounds.floor);
    let names: std::collections::BTreeSet<&str> = days.iter().map(|day| day.tenant.as_str()).collect();
    let tenant = |name: &str| {
        let tenant = Tenant {
            step_up_risk: risk.clamp(bounds.floor, bounds.ceiling),
            subjects: BTreeMap::new(),
        };
        (name.to_owned(), tenant)
    };
    Ok(names.into_iter().map(tenant).collect())
}

fn curve(days: &[Day], played: &Played, bounds: Bounds) -> Vec<Point> {
    let risks: Vec<f32> = days.iter().map(|day| day.risk).collect();
    let point = |one_per_days: &f64| {
        let risk = choose::lowest(risks.clone(), Budget::one_in(*one_per_days));
        let step_up_risk = risk.clamp(bounds.floor, bounds.ceiling);
        let found = played.found(step_up_risk, &DecisionPolicy::default());
        Point {
            one_per_days: *one_per_days,
            step_up_risk,
            actions_median: found.median,
            actions_p95: found.p95,
            found_60: found.within_60,
            found_200: found.within_200,
        }
    };
    CURVE_DAYS.iter().map(point).collect()
}
