//! Everything that decides what is learned besides the data, and the command that says it again.

use super::augment::{Augmentation, Changes};
use super::split::HoldOut;
use crate::corpus::DataSource;
use crate::evaluate::{Protocol, seed_sees};
use crate::import::{CommercialUse, Dataset, Detail};
use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use ductus_dynamics::event::{KeyDetail, Modality};
use ductus_dynamics::feature::{self, FeatureWindow};
use ductus_learn::{Loss, MEMBERS_MAX, NetworkConfig, TrainConfig};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use crate::windows::Cutting;

/// Options of `train`.
#[derive(Args, Clone, Debug)]
pub struct TrainArgs {
    /// Learn from the tables under this folder or URL.
    #[arg(long, required_unless_present = "data", conflicts_with = "data")]
    pub history: Option<String>,
    /// Learn straight from folders of public data sets, each DATASET=DIR.
    #[arg(long)]
    pub data: Vec<DataSource>,
    /// Keystroke or pointer.
    #[arg(long)]
    pub modality: Modality,
    /// Folder of the new model; its last part becomes the version.
    #[arg(long)]
    pub out: PathBuf,
    /// Decides the first weights, every draw, and who is kept aside.
    #[arg(long)]
    pub seed: u64,
    /// Replace a model that is there already.
    #[arg(long)]
    pub force: bool,
    /// How much the model is told of a key.
    #[arg(long, value_enum, default_value = "class")]
    pub detail: Detail,
    /// Steps of training [default: 800 keystroke, 2400 of 500 people and more; 1200 pointer].
    #[arg(long)]
    pub steps: Option<u64>,
    /// As many steps as fit into this time; the command in the manifest says how many they were.
    #[arg(long, conflicts_with = "steps")]
    pub minutes: Option<f64>,
    /// LSTM layers [default: 1; 2 for keystrokes of 500 people and more].
    #[arg(long)]
    pub layers: Option<usize>,
    /// Values of state a layer and direction [default: 64; 32 for keystrokes of few people].
    #[arg(long)]
    pub hidden: Option<usize>,
    /// Whether layers read from both ends [default: false; true for keystrokes of 500 people and more].
    #[arg(long)]
    pub bidirectional: Option<bool>,
    /// What is minimised.
    #[arg(long, value_enum, default_value = "contrastive-supervised")]
    pub loss: LossName,
    /// Temperature of the supervised contrastive loss [default: 0.1; 0.07 for keystrokes of 500 people and more].
    #[arg(long)]
    pub temperature: Option<f32>,
    /// People in a batch [default: 32; 64 for keystrokes of 500 people and more].
    #[arg(long)]
    pub people: Option<usize>,
    /// Windows of each person in a batch [default: 8; 4 pointer, and keystrokes of 500 people and more].
    #[arg(long)]
    pub sequences: Option<usize>,
    /// Changes to windows on their way into a batch [default: half keystroke, none pointer].
    #[arg(long, value_enum)]
    pub augment: Option<Augmentation>,
    /// Share of typing windows that go on, from some key on, as another window of the same person [default: 0.5 keystroke].
    #[arg(long)]
    pub splice: Option<f64>,
    /// How far people are turned into others who were never recorded: in each batch a person's pace and dwell are scaled by up to
    /// e^±PERSONA, those of each key class by up to half of that besides, the same for all of their windows [default: 0.3
    /// keystroke, 0.1 of 500 people and more; 0 pointer].
    #[arg(long)]
    pub persona: Option<f64>,
    /// Networks that are trained, from other first weights each, and judge together [default: 4 keystroke, 1 pointer].
    #[arg(long)]
    pub members: Option<u64>,
    /// Clocks, Hz, one of which every other batch is brought to, 0 for none [default: 60,100,125 pointer, none keystroke].
    #[arg(long, value_delimiter = ',')]
    pub clocks: Option<Vec<u32>>,
    /// Steps from one training window to the next [default: 32 pointer; 25 for keystrokes of 500 people and more, else 10].
    #[arg(long)]
    pub hop: Option<usize>,
    /// Share of the running average of the weights that a step keeps; none unless given.
    #[arg(long)]
    pub average: Option<f32>,
    /// Whom to keep aside to judge: a number, or pseudonyms such as `sapimouse-user{73..96}` [default: a fifth].
    #[arg(long, conflicts_with = "folds")]
    pub hold_out: Option<HoldOut>,
    /// Judge in so many folds by person, then learn from everybody.
    #[arg(long)]
    pub folds: Option<usize>,
    /// How the people kept aside are judged.
    #[arg(long, value_enum, default_value = "held-out")]
    pub protocol: Protocol,
    /// How embeddings are compared.
    #[arg(long, value_enum, default_value = "plain")]
    pub back_end: BackEndName,
    /// Learn the design that Ductus began with, to compare with (`evaluate --seed-model`): of a key press only ln dwell, ln
    /// press-press and flight. Its id is `seed`; it is for no registry.
    #[arg(long)]
    pub seed_design: bool,
    /// The day to write into the manifest [default: today]; the same bytes need the same day.
    #[arg(long)]
    pub started: Option<String>,
    /// Threads; they change nothing but the time.
    #[arg(long)]
    pub threads: Option<NonZeroUsize>,
    /// Go on where the same training was interrupted.
    #[arg(long)]
    pub resume: bool,
    /// The ONNX Runtime library, before `ORT_DYLIB_PATH` and the cache folder.
    #[arg(long)]
    pub onnxruntime: Option<PathBuf>,
}

/// A scoring back-end on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BackEndName {
    /// Plain cosines.
    Plain,
    /// Between-sample whitening, learned from the people who train the network; plain where too few of them were seen on
    /// several occasions.
    Learned,
}

/// A loss of `ductus_learn` on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LossName {
    /// Supervised contrastive.
    ContrastiveSupervised,
    /// Semi-hard triplets, margin 0.2.
    Triplet,
    /// Pairs, margin 1.
    Contrastive,
}

impl LossName {
    fn loss(self, temperature: f32) -> Loss {
        match self {
            Self::ContrastiveSupervised => Loss::SupervisedContrastive { temperature },
            Self::Triplet => Loss::Triplet { margin: 0.2 },
            Self::Contrastive => Loss::Contrastive { margin: 1.0 },
        }
    }
}

/// The options with their defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Keystroke or pointer.
    pub modality: Modality,
    /// How much the model is told of a key.
    pub detail: KeyDetail,
    /// Network, loss, batches, steps, seed.
    pub config: TrainConfig,
    /// Name of the loss.
    pub loss: LossName,
    /// How training windows are cut.
    pub cutting: Cutting,
    /// Clocks, one of which every other batch is brought to, Hz.
    pub clocks: Vec<NonZeroU32>,
    /// How they are changed on their way.
    pub changes: Changes,
    /// Whether three features of a key press are all that is seen.
    pub seed_design: bool,
    /// Networks that judge together.
    pub members: u64,
}

/// Clocks that pointers come on, Hz: a screen's, and those of slower mice. Which clock it is must not be all that a model sees.
const CLOCKS_HZ: [u32; 3] = [60, 100, 125];

/// How large a network the data bears, and how long it is trained.
struct Size {
    layers: usize,
    hidden: usize,
    bidirectional: bool,
    people: usize,
    sequences: usize,
    temperature: f32,
    steps: u64,
    hop: usize,
    splice: f64,
    persona: f64,
    members: u64,
}

impl Size {
    /// From this many people on a large network pays.
    const MANY: usize = 500;

    /// What was measured best: `models.md` for 1,700 people, `models/README.md` for some dozens and for the pointer.
    fn of(modality: Modality, people: usize) -> Self {
        let (hidden, temperature) = (64, 0.1);
        match modality {
            Modality::Keystroke if people >= Self::MANY => Self {
                layers: 2,
                hidden,
                bidirectional: true,
                // The same batch of 256: more people to tell apart say more than more windows of each.
                people: 64,
                sequences: 4,
                temperature: 0.07,
                steps: 2_400,
                hop: 25,
                splice: 0.5,
                persona: 0.1,
                members: 4,
            },
            Modality::Keystroke => Self {
                layers: 1,
                hidden: 32,
                bidirectional: false,
                people: 32,
                sequences: 8,
                temperature,
                steps: 800,
                hop: 10,
                splice: 0.5,
                persona: 0.3,
                members: 4,
            },
            Modality::Pointer => Self {
                layers: 1,
                hidden,
                bidirectional: false,
                people: 32,
                sequences: 4,
                temperature,
                steps: 1_200,
                hop: 32,
                splice: 0.0,
                persona: 0.0,
                members: 1,
            },
        }
    }
}

impl Recipe {
    /// Fills in the defaults for so many people.
    pub fn of(args: &TrainArgs, people: usize) -> Result<Self> {
        let modality = args.modality;
        let default = Size::of(modality, people);
        if args.protocol.modality().is_some_and(|needed| needed != modality) {
            bail!(
                "protocol {} does not judge {} models",
                args.protocol.name(),
                modality.name()
            );
        }
        if args.seed_design && modality != Modality::Keystroke {
            bail!(
                "--seed-design is about typing and does not learn {} models",
                modality.name()
            );
        }
        let network = NetworkConfig {
            layers: args.layers.unwrap_or(default.layers),
            hidden: args.hidden.unwrap_or(default.hidden),
            bidirectional: args.bidirectional.unwrap_or(default.bidirectional),
            ..NetworkConfig::new(feature::features(modality))
        };
        let config = TrainConfig {
            loss: args.loss.loss(args.temperature.unwrap_or(default.temperature)),
            people_per_batch: args.people.unwrap_or(default.people),
            sequences_per_person: args.sequences.unwrap_or(default.sequences),
            steps: args.steps.unwrap_or(default.steps),
            average_decay: args.average,
            seed: args.seed,
            ..TrainConfig::new(network)
        };
        config.validate()?;
        let mut cutting = Cutting::of_stream(modality);
        cutting.config.hop = args.hop.unwrap_or(default.hop).max(1);
        let changes = Changes {
            times: args.augment.unwrap_or(Augmentation::of(modality)),
            splice: args.splice.unwrap_or(default.splice),
            persona: args.persona.unwrap_or(default.persona),
        };
        if !(0.0..=1.0).contains(&changes.splice) {
            bail!("--splice is {}, but must be a share from 0 to 1", changes.splice);
        }
        if !(0.0..=1.0).contains(&changes.persona) {
            bail!("--persona is {}, but must be from 0 to 1", changes.persona);
        }
        let members = args.members.unwrap_or(default.members);
        if !(1..=MEMBERS_MAX as u64).contains(&members) {
            bail!("--members is {members}, but must be from 1 to {MEMBERS_MAX}");
        }
        let usual: &[u32] = match modality {
            Modality::Keystroke => &[],
            Modality::Pointer => &CLOCKS_HZ,
        };
        let clocks = args.clocks.as_deref().unwrap_or(usual).iter();
        let clocks = clocks.filter_map(|hz| NonZeroU32::new(*hz)).collect();
        Ok(Self {
            modality,
            detail: args.detail.into(),
            config,
            loss: args.loss,
            cutting,
            changes,
            clocks,
            seed_design: args.seed_design,
            members,
        })
    }

    /// A window as the network sees it.
    pub(super) fn seen(&self, mut window: FeatureWindow) -> FeatureWindow {
        if self.seed_design {
            seed_sees(&mut window.values);
        }
        window
    }

    /// The command that makes the same bytes again, all defaults written out and no path of this machine in it.
    pub(super) fn command(&self, args: &TrainArgs, version: &str, started: &str) -> String {
        let mut words = vec!["ductus-batch train".to_owned()];
        for DataSource { dataset, dir } in &args.data {
            let folder = dir.file_name().and_then(|name| name.to_str()).unwrap_or(dataset.name());
            words.push(format!("--data {}=$DUCTUS_DATA/{folder}", dataset.name()));
        }
        if args.history.is_some() {
            words.push("--history $TABLES".to_owned());
        }
        let TrainConfig {
            network,
            people_per_batch,
            sequences_per_person,
            steps,
            seed,
            ..
        } = &self.config;
        let modality = self.modality.name();
        words.push(format!(
            "--modality {modality} --out models/{modality}/{version} --seed {seed}"
        ));
        let detail = if self.detail == KeyDetail::Hand {
            "hand"
        } else {
            "class"
        };
        words.push(format!(
            "--detail {detail} --steps {steps} --layers {} --hidden {}",
            network.layers, network.hidden
        ));
        words.push(format!(
            "--bidirectional {} --loss {}",
            network.bidirectional,
            value_name(self.loss)
        ));
        if let Loss::SupervisedContrastive { temperature } = self.config.loss {
            words.push(format!("--temperature {temperature}"));
        }
        words.push(format!(
            "--people {people_per_batch} --sequences {sequences_per_person} --augment {}",
            self.changes.times.name()
        ));
        words.push(format!(
            "--splice {} --persona {} --members {} --hop {}",
            self.changes.splice, self.changes.persona, self.members, self.cutting.config.hop
        ));
        // Keystrokes have none unless asked, the pointer has.
        match self.clocks.as_slice() {
            [] if self.modality == Modality::Keystroke => {}
            [] => words.push("--clocks 0".to_owned()),
            clocks => words.push(format!("--clocks {}", listed(clocks))),
        }
        if let Some(average) = self.config.average_decay {
            words.push(format!("--average {average}"));
        }
        if let Some(hold_out) = &args.hold_out {
            words.push(format!("--hold-out '{hold_out}'"));
        }
        if let Some(folds) = args.folds {
            words.push(format!("--folds {folds}"));
        }
        if args.back_end != BackEndName::Plain {
            words.push(format!("--back-end {}", value_name(args.back_end)));
        }
        if self.seed_design {
            words.push("--seed-design".to_owned());
        }
        words.push(format!("--protocol {} --started {started}", args.protocol.name()));
        words.join(" ")
    }
}

/// `60,100,125`
pub(super) fn listed(clocks: &[NonZeroU32]) -> String {
    clocks.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn value_name(value: impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

/// Terms of a tenant's data, and what they say of commercial use.
pub(super) fn terms(tenant: &str) -> (&'static str, CommercialUse) {
    match Dataset::of_name(tenant) {
        Some(dataset) => (dataset.terms(), dataset.commercial_use()),
        None => (
            "collected by this deployment, with the consent that each batch carries",
            CommercialUse::Allowed,
        ),
    }
}
