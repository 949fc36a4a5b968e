//! One training: people to sequences, steps with checkpoints, a network or several that judge together.
//!
//! Invariants: a training that was interrupted and resumed gives the network of one that was not; a checkpoint is used only
//! for the very same recipe and data.

use super::coarse::Coarse;
use super::recipe::Recipe;
use crate::corpus::Person;
use crate::evaluate::seed_sees;
use crate::{config, interrupt, progress};
use anyhow::{Context, Result, bail};
use ductus_dynamics::feature::FeatureWindow;
use ductus_dynamics::window::Window;
use ductus_learn::{ChaCha8Rng, Dataset, Ensemble, Network, TrainConfig, Trainer};
use sha2::{Digest, Sha256};
use std::io::{self, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::NamedTempFile;

/// Time between checkpoints: what an interruption without warning may cost.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(20);
/// Steps that the loss in the result is averaged over.
const LOSS_STEPS: usize = 50;

/// What a training made.
#[derive(Debug)]
pub(super) struct Fitted {
    pub(super) network: Ensemble,
    /// Mean over the last steps.
    pub(super) loss: f64,
    /// People with at least two sequences.
    pub(super) people: usize,
    /// Sequences of all.
    pub(super) windows: usize,
}

/// Windows of the people, by person and number, beside the features that the trainer holds.
pub(super) struct Material {
    pub(super) data: Dataset,
    windows: Vec<Vec<Window>>,
    coarse: Coarse,
}

impl Material {
    /// Cuts the sessions of `people` into training windows; those without two are left out.
    pub(super) fn of<'a>(people: impl Iterator<Item = &'a Person>, recipe: &Recipe) -> Result<Self> {
        let mut data = Dataset::new(ductus_dynamics::feature::features(recipe.modality))?;
        let (mut windows, mut coarse) = (Vec::new(), Coarse::new(&recipe.clocks));
        for person in people {
            interrupt::check()?;
            let mut own: Vec<(u32, Window)> = Vec::new();
            for (occasion, session) in (0..).zip(&person.sessions) {
                own.extend(
                    recipe
                        .cutting
                        .windows(session)
                        .into_iter()
                        .map(|window| (occasion, window)),
                );
            }
            if own.len() < 2 {
                continue;
            }
            let features: Vec<(u32, FeatureWindow)> = own
                .iter()
                .map(|(occasion, window)| (*occasion, recipe.seen(FeatureWindow::of(window))))
                .collect();
            data.add_person(
                features
                    .iter()
                    .map(|(occasion, window)| (*occasion, window.values.as_slice())),
            )
            .with_context(|| format!("cannot learn from {}", person.subject))?;
            windows.push(own.into_iter().map(|(_, window)| window).collect());
            coarse.add_person(&person.sessions, &recipe.cutting);
        }
        Ok(Self { data, windows, coarse })
    }

    pub(super) fn people(&self) -> usize {
        self.windows.len()
    }

    fn sequences(&self) -> usize {
        self.windows.iter().map(Vec::len).sum()
    }
}

/// How a training is run; nothing here changes its result.
pub(super) struct Run<'a> {
    /// What the progress bar calls it.
    pub(super) label: &'static str,
    /// Sets checkpoints of one command apart.
    pub(super) part: &'a str,
    pub(super) threads: NonZeroUsize,
    pub(super) resume: bool,
}

/// Trains every member to the end of the schedule.
pub(super) fn fit(material: &Material, recipe: &Recipe, run: &Run<'_>) -> Result<Fitted> {
    let (mut members, mut losses, mut checkpoints) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..recipe.members {
        let member = Member {
            material,
            recipe,
            config: TrainConfig {
                seed: recipe.config.seed.wrapping_add(number),
                ..recipe.config.clone()
            },
            part: format!("{} {}/{}", run.part, number + 1, recipe.members),
            run,
        };
        let (network, loss, checkpoint) = member.fit()?;
        members.push(network);
        losses.extend(loss);
        checkpoints.extend(checkpoint);
    }
    checkpoints.iter().for_each(Checkpoint::remove);
    Ok(Fitted {
        loss: losses.iter().sum::<f64>() / losses.len().max(1) as f64,
        network: Ensemble::new(members)?,
        people: material.people(),
        windows: material.sequences(),
    })
}

/// The training of one network.
struct Member<'a> {
    material: &'a Material,
    recipe: &'a Recipe,
    /// The recipe's, with a seed of its own.
    config: TrainConfig,
    /// Sets it apart from the other members, and from those of other parts.
    part: String,
    run: &'a Run<'a>,
}

impl Member<'_> {
    /// The network, its loss over the last steps where any were left to do, and the checkpoint of its end: who resumes does
    /// not train it again.
    fn fit(self) -> Result<(Network, Option<f64>, Option<Checkpoint>)> {
        let (recipe, run, seed) = (self.recipe, self.run, self.config.seed);
        let data = self.material.data.clone();
        let checkpoint = Checkpoint::of(recipe, &data, &self.part);
        let mut trainer = match checkpoint.as_ref().filter(|_| run.resume).and_then(Checkpoint::read) {
            Some(bytes) => Trainer::resume(&bytes, data).context("cannot resume")?,
            None => Trainer::new(self.config, data)?,
        };
        let bar = progress::steps(format!("{} {}", run.label, self.part), recipe.config.steps);
        let mut losses = Vec::new();
        let mut saved = Instant::now();
        let coarse = &self.material.coarse;
        while !trainer.is_finished() {
            let step = trainer.steps_done();
            let clock = coarse.clock_of(seed, step);
            let mut change = |rng: &mut ChaCha8Rng, person: usize, sequence: usize, values: &mut Vec<f32>| {
                let own = &self.material.windows[person];
                let instead = clock.and_then(|clock| coarse.window(clock, person, sequence, own.len()));
                if let Some(window) = instead {
                    *values = FeatureWindow::of(window).values;
                }
                let persona = recipe.changes.persona(seed, step, person);
                let window = instead.unwrap_or(&own[sequence]);
                recipe.changes.apply(window, own, persona.as_ref(), rng, values);
                if recipe.seed_design {
                    seed_sees(values);
                }
            };
            let report = if recipe.changes.are_none() && clock.is_none() {
                trainer.step(run.threads)?
            } else {
                trainer.step_augmented(run.threads, &mut change)?
            };
            losses.push(report.loss);
            bar.set(report.step, format!("loss {:.4}", report.loss));
            if report.step % 100 == 0 {
                tracing::info!(part = self.part, step = report.step, loss = report.loss, "training");
            }
            if interrupt::requested() || saved.elapsed() > CHECKPOINT_EVERY {
                checkpoint
                    .as_ref()
                    .map_or(Ok(()), |checkpoint| checkpoint.write(&trainer.checkpoint()))?;
                saved = Instant::now();
                interrupt::check().context("training stopped; the same command with --resume goes on from here")?;
            }
        }
        if let Some(checkpoint) = checkpoint.as_ref().filter(|_| recipe.members > 1) {
            checkpoint.write(&trainer.checkpoint())?;
        }
        let last = &losses[losses.len().saturating_sub(LOSS_STEPS)..];
        let loss = (!last.is_empty()).then(|| last.iter().sum::<f64>() / last.len() as f64);
        let network = trainer.averaged_network().unwrap_or(trainer.network()).clone();
        Ok((network, loss, checkpoint))
    }
}

/// Steps that fit into a time, measured on the first few.
pub(super) fn steps_in(material: Material, recipe: &Recipe, minutes: f64, threads: NonZeroUsize) -> Result<u64> {
    const TRIED: u32 = 5;
    if !(minutes.is_finite() && minutes > 0.0) {
        bail!("--minutes is {minutes}, but must be above 0");
    }
    let mut trainer = Trainer::new(recipe.config.clone(), material.data)?;
    trainer.step(threads)?;
    let started = Instant::now();
    for _ in 0..TRIED {
        interrupt::check()?;
        trainer.step(threads)?;
    }
    let step = started.elapsed().as_secs_f64() / f64::from(TRIED);
    Ok(((minutes * 60.0 / step) as u64).clamp(1, 10_000_000))
}

/// A file in the cache folder that an interrupted training goes on from.
struct Checkpoint {
    file: PathBuf,
}

impl Checkpoint {
    /// Its name says recipe and data. `None` where there is no cache folder.
    fn of(recipe: &Recipe, data: &Dataset, part: &str) -> Option<Self> {
        let name = Sha256::digest(format!("{recipe:?} {:016x} {part}", data.fingerprint()));
        let folder = config::cache_dir()?.join("training");
        Some(Self {
            file: folder.join(format!("{}.checkpoint", ductus_dynamics::id::hex(&name[..8]))),
        })
    }

    fn read(&self) -> Option<Vec<u8>> {
        std::fs::read(&self.file).ok()
    }

    /// The same training may run twice at a time, each with an unfinished file of its own: both write the same.
    fn write(&self, bytes: &[u8]) -> Result<()> {
        let write = || {
            let folder = self.file.parent().unwrap_or(Path::new("."));
            std::fs::create_dir_all(folder)?;
            let mut unfinished = NamedTempFile::new_in(folder)?;
            unfinished.write_all(bytes)?;
            unfinished.persist(&self.file)?;
            io::Result::Ok(())
        };
        write().with_context(|| format!("cannot write the checkpoint {}", self.file.display()))
    }

    /// A checkpoint that stays behind does no harm.
    fn remove(&self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_training_twice_at_a_time_keeps_its_checkpoints() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("training").join("same.checkpoint");
        let write = || {
            let checkpoint = Checkpoint { file: file.clone() };
            (0..200).try_for_each(|_| checkpoint.write(&[7; 4096])).unwrap();
        };
        std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(write))));
        assert_eq!(std::fs::read(&file).unwrap(), [7; 4096]);
        assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }
}
