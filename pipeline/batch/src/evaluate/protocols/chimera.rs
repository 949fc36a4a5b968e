//! People who never were: the typing of a person of one data set and the pointer of a person of another, joined by a fixed
//! seed. What such a pair shows is how much two modalities add where they are independent; in one person of flesh and blood
//! they need not be. Typing is laid out as `held-out` does (references from the first half of the sessions), the pointer as
//! `sapimouse` does; a decision looks at one window of each, and its score is the sum of both log-likelihood ratios. Five
//! decisions a person against everybody: N people give 5 N genuine and 5 N (N - 1) impostor trials.

use super::blocks::{by_owner, consecutive};
use super::{Settings, held_out, sapimouse};
use crate::embed;
use crate::evaluate::clocks::Clocks;
use crate::evaluate::comparators::Compared;
use crate::evaluate::compare::{BackEnd, Shipped};
use crate::evaluate::layout::{Enrolled, Layout, Probe, Trials, below};
use crate::evaluate::report::Judged;
use crate::evaluate::scores::Scores;
use crate::evaluate::{EvaluateArgs, people};
use crate::import::Dataset;
use anyhow::{Context, Result, bail};
use ductus_dynamics::event::Modality;
use ductus_scorer::{Contract, Model};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

const SEED: u64 = 20_261_121;
/// Decisions a person.
const PROBES: usize = 5;

/// Judges both models on people joined from both folders.
pub(in crate::evaluate) fn judge(args: &EvaluateArgs) -> Result<Judged> {
    let (Some(pointer_data), Some(pointer_model)) = (&args.pointer_data, &args.pointer_model) else {
        bail!("the protocol chimera needs --pointer-data and --pointer-model beside --data and --model");
    };
    let mut judged = Judged::default();
    let clocks = Clocks::of(args);
    let typing = Half::load(&args.model, Modality::Keystroke, |model| {
        let dataset = args.dataset.unwrap_or(Dataset::Aalto);
        let crowd = people::read(args, dataset, Modality::Keystroke, model.manifest().detail)?;
        judged.refused.merge(&crowd.refused);
        judged.people_read += crowd.read;
        Ok(held_out(&crowd.people, Modality::Keystroke, settings(model)))
    })?;
    let pointer = Half::load(pointer_model, Modality::Pointer, |model| {
        let dataset = args.pointer_dataset.unwrap_or(Dataset::Sapimouse);
        let detail = model.manifest().detail;
        let mut crowd = people::read_folder(dataset, pointer_data, Modality::Pointer, detail, &clocks)?;
        if args.continuous.only_held_out {
            crowd.keep_held_out_of(pointer_model, pointer_data)?;
        }
        judged.refused.merge(&crowd.refused);
        judged.people_read += crowd.read;
        Ok(sapimouse::layout(&sapimouse::judged(crowd.people), settings(model)))
    })?;
    let (typists, pointers) = (typing.people(), pointer.people());
    let count = typists.len().min(pointers.len());
    if count < 2 {
        bail!(
            "{} typists and {} pointer users have {PROBES} windows to judge, but two of each are needed",
            typists.len(),
            pointers.len()
        );
    }
    let (typing, pointer) = (
        typing.score(&typists[..count], args.threads)?,
        pointer.score(&pointers[..count], args.threads)?,
    );
    judged.subjects = count;
    judged.windows = typing.windows + pointer.windows;
    judged.scores = sum(&typing.one, &pointer.one);
    judged.after = vec![(PROBES, sum(&typing.all, &pointer.all))];
    judged.variants = vec![typing.alone("keystroke alone"), pointer.alone("pointer alone")];
    judged.notes.push(format!(
        "{count} people joined of {} typists and {} pointer users by seed {SEED}",
        typists.len(),
        pointers.len()
    ));
    Ok(judged)
}

fn settings(model: &Model) -> Settings {
    let mut settings = Settings::of(model.manifest().modality);
    settings.steps = settings.steps.min(model.manifest().steps_max);
    settings
}

/// One modality.
struct Half {
    model: Arc<Model>,
    layout: Layout,
}

/// Scores of one modality: a window a decision, and all five.
struct HalfScored {
    windows: usize,
    one: Scores,
    all: Scores,
}

impl HalfScored {
    fn alone(self, name: &'static str) -> Compared {
        Compared {
            name,
            scores: self.one,
            after: Some((PROBES, self.all)),
        }
    }
}

impl Half {
    fn load(folder: &Path, modality: Modality, lay_out: impl FnOnce(&Model) -> Result<Layout>) -> Result<Self> {
        let model = Model::load(folder, &Contract::of(modality))
            .with_context(|| format!("cannot load the {} model", modality.name()))?;
        let layout = lay_out(&model)?;
        Ok(Self {
            model: Arc::new(model),
            layout,
        })
    }

    /// People with enough probes, in an order that the seed decides.
    fn people(&self) -> Vec<u32> {
        let owners = by_owner(&self.layout.trials.probes);
        let mut people: Vec<u32> = owners
            .iter()
            .filter(|(_, probes)| probes.len() >= PROBES)
            .map(|(person, _)| *person)
            .collect();
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        rng.set_stream(self.model.manifest().modality.index() as u64);
        for i in (1..people.len()).rev() {
            people.swap(i, below(&mut rng, i + 1));
        }
        people
    }

    /// Everybody of `people` against everybody; their place in the list becomes their number.
    fn score(&self, people: &[u32], threads: NonZeroUsize) -> Result<HalfScored> {
        let embeddings = embed::with_model(&self.model, &self.layout.windows, threads)?;
        let owners = by_owner(&self.layout.trials.probes);
        let (mut enrolled, mut probes) = (Vec::new(), Vec::new());
        for (number, person) in (0..).zip(people) {
            let own = self.layout.enrolled.iter().find(|enrolled| enrolled.person == *person);
            let own = own.context("a person with probes is not enrolled")?;
            enrolled.push(Enrolled {
                person: number,
                references: own.references.clone(),
            });
            let windows = owners[person].iter().take(PROBES);
            probes.extend(windows.map(|&probe| Probe {
                windows: self.layout.trials.probes[probe].windows.clone(),
                owner: Some(number),
            }));
        }
        let together = Trials::everybody(&enrolled, consecutive(&probes, PROBES));
        let single = Trials::everybody(&enrolled, probes);
        let back_end = Shipped::of(&self.model);
        Ok(HalfScored {
            windows: self.layout.windows.len(),
            one: back_end.score(&enrolled, &single, &embeddings, threads),
            all: back_end.score(&enrolled, &together, &embeddings, threads),
        })
    }
}

/// Log-likelihood ratios of independent evidence add up.
fn sum(a: &Scores, b: &Scores) -> Scores {
    let pairs = a.all.iter().zip(&b.all);
    Scores {
        all: pairs
            .map(|(&(claimed, genuine, typing), &(_, _, pointer))| (claimed, genuine, typing + pointer))
            .collect(),
    }
}
