//! What must come out: the pure crates over the records that stand in the events topic, every window concluded at once,
//! embedded alone by the model that is live.
//!
//! Invariant: nothing is kept but the lines, so that it can follow an endless stream.

use crate::kafka::{PARTITIONS, Record};
use ductus_dynamics::event::Modality;
use ductus_dynamics::line::{self, Accounting, Embedded, Ingested, Line, LineConfig, Outcome, Ready};
use ductus_dynamics::wire::{AuditAction, AuditRecord, ModelRef};
use ductus_scorer::{Contract, Embedder, Model, Runtime, candidates, live_dir};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the line predicts.
pub struct Prediction {
    /// Decision ids of every window that the records close.
    pub decisions: BTreeSet<String>,
    /// What became of the events.
    pub accounting: Accounting,
}

/// Runs the line over the records of the events topic, without a model: ids and counts do not depend on one.
pub fn predict(topic: &str, records: &[Record]) -> Prediction {
    predict_with(LineConfig::default(), topic, records)
}

/// The same for another line than the default.
pub fn predict_with(config: LineConfig, topic: &str, records: &[Record]) -> Prediction {
    let mut oracle = Oracle::new(topic, config, None);
    let mut decisions = BTreeSet::new();
    for expected in oracle.take(records).decisions {
        let fresh = decisions.insert(expected.id);
        assert!(fresh, "the oracle itself gives an id twice");
    }
    Prediction {
        decisions,
        accounting: oracle.accounting(),
    }
}

/// A decision that must come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Its id.
    pub id: String,
    /// The value of its record, byte for byte.
    pub value: Vec<u8>,
    /// Whether the window was compared, so that state and references matter.
    pub compared: bool,
}

/// What some records lead to.
#[derive(Debug, Default)]
pub struct Consequences {
    /// Decisions, in the order of the records.
    pub decisions: Vec<Expected>,
    /// Ids of audit records, but for those that say which model is live.
    pub audits: Vec<String>,
    /// Dead letters, each as [`dead_letter_key`] names it.
    pub dead_letters: Vec<String>,
}

/// What makes a dead letter the one that it is: where its record stands, and why it was refused.
pub fn dead_letter_key(partition: i32, offset: i64, reason: &str) -> String {
    format!("{partition}/{offset}: {reason}")
}

/// The undisturbed run.
pub struct Oracle {
    lines: Vec<Line>,
    models: Option<Models>,
}

impl Oracle {
    /// At the beginning of the events topic; `registry` is the folder of the models, without one nothing is compared.
    pub fn new(topic: &str, config: LineConfig, registry: Option<&Path>) -> Self {
        let config = Arc::new(config);
        Self {
            lines: (0..PARTITIONS)
                .map(|partition| Line::new(config.clone(), topic, partition))
                .collect(),
            models: registry.map(Models::load),
        }
    }

    /// Takes note of the points from which on another model is used, as the audit topic says. They must be known before
    /// the records behind them are taken.
    pub fn note_swaps(&mut self, audits: &[AuditRecord]) {
        let models = self
            .models
            .as_mut()
            .expect("an oracle that is told of models has a registry");
        for audit in audits.iter().filter(|audit| audit.action == AuditAction::ModelLive) {
            models.note(audit);
        }
    }

    /// Takes the next records of every partition.
    pub fn take(&mut self, records: &[Record]) -> Consequences {
        let mut consequences = Consequences::default();
        let mut ingested = Ingested::default();
        for record in records {
            let line = &mut self.lines[record.partition as usize];
            if let Some(models) = &mut self.models {
                models.reach(record.partition, record.offset);
            }
            let input = line::Record {
                offset: record.offset,
                timestamp_us: record.timestamp_us,
                value: &record.value,
            };
            ingested.clear();
            line.ingest(&input, &mut ingested);
            consequences.dead_letters.extend(
                ingested
                    .refused
                    .iter()
                    .map(|refused| dead_letter_key(record.partition, record.offset, refused.reason.code())),
            );
            consequences
                .audits
                .extend(ingested.audits.drain(..).map(|audit| audit.id));
            for ready in ingested.ready.drain(..) {
                let outcome = match &mut self.models {
                    Some(models) => models.conclude(line, ready, record.partition),
                    None => line.conclude(ready, None),
                };
                consequences
                    .audits
                    .extend(outcome.audits.iter().map(|audit| audit.id.clone()));
                consequences.decisions.push(Expected {
                    value: serde_json::to_vec(&outcome.decision).unwrap(),
                    compared: outcome.decision.score.comparison.is_some(),
                    id: outcome.decision.id,
                });
            }
        }
        consequences
    }

    /// What became of the events so far.
    pub fn accounting(&self) -> Accounting {
        let mut sum = Accounting::default();
        for line in &self.lines {
            sum.merge(line.accounting());
        }
        assert!(sum.balances(), "{sum:?}");
        sum
    }
}

/// The models of a registry, and which of them is live where.
struct Models {
    registry: PathBuf,
    /// By hash.
    loaded: HashMap<String, Loaded>,
    /// Hash of the live one, by partition and modality.
    live: Vec<[Option<String>; Modality::ALL.len()]>,
    /// What becomes live later, by partition: (offset, model).
    swaps: Vec<VecDeque<(i64, Modality, ModelRef)>>,
    /// One window's embedding; used again for each.
    embedding: Vec<f32>,
}

struct Loaded {
    model: ModelRef,
    embedder: Embedder,
}

impl Models {
    /// The registry's defaults are live everywhere.
    fn load(registry: &Path) -> Self {
        let library = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let cache = library("DUCTUS_CACHE")
            .or_else(|| library("XDG_CACHE_HOME").map(|folder| folder.join("ductus")))
            .or_else(|| library("HOME").map(|folder| folder.join(".cache/ductus")));
        Runtime::start_from(&candidates(
            None,
            library("ORT_DYLIB_PATH").as_deref(),
            cache.as_deref(),
        ))
        .unwrap();
        let mut models = Self {
            registry: registry.to_owned(),
            loaded: HashMap::new(),
            live: vec![[None, None]; PARTITIONS as usize],
            swaps: vec![VecDeque::new(); PARTITIONS as usize],
            embedding: Vec::new(),
        };
        for modality in Modality::ALL {
            let model = models.open(modality, &live_dir(registry, modality).unwrap());
            for live in &mut models.live {
                live[modality.index()] = Some(model.sha256.clone());
            }
        }
        models
    }

    fn open(&mut self, modality: Modality, folder: &Path) -> ModelRef {
        let model = Arc::new(Model::load(folder, &Contract::of(modality)).unwrap());
        let reference = model.manifest().model_ref();
        let loaded = Loaded {
            model: reference.clone(),
            embedder: model.embedder().unwrap(),
        };
        self.loaded.insert(reference.sha256.clone(), loaded);
        reference
    }

    fn note(&mut self, audit: &AuditRecord) {
        let (Some(source), Some(model)) = (&audit.source, &audit.model) else {
            panic!("an audit record of a model says neither which nor where: {audit:?}");
        };
        let modality: Modality = model
            .id
            .parse()
            .unwrap_or_else(|_| panic!("{model:?} names no modality"));
        if !self.loaded.contains_key(&model.sha256) {
            let folder = self.registry.join(modality.name()).join(&model.version);
            let found = self.open(modality, &folder);
            assert_eq!(&found, model, "the registry holds another model under that name");
        }
        let swaps = &mut self.swaps[source.partition as usize];
        swaps.push_back((source.offset, modality, model.clone()));
        swaps.make_contiguous().sort_by_key(|(offset, ..)| *offset);
    }

    /// Makes live what is live from this record on.
    fn reach(&mut self, partition: i32, offset: i64) {
        let swaps = &mut self.swaps[partition as usize];
        while let Some((_, modality, model)) = swaps.pop_front_if(|(from, ..)| *from <= offset) {
            self.live[partition as usize][modality.index()] = Some(model.sha256);
        }
    }

    fn conclude(&mut self, line: &mut Line, ready: Ready, partition: i32) -> Outcome {
        let live = self.live[partition as usize][ready.window.modality.index()].as_ref();
        let loaded = live.and_then(|sha256| self.loaded.get_mut(sha256));
        let Some(loaded) = loaded.filter(|_| line.wants_embedding(&ready)) else {
            return line.conclude(ready, None);
        };
        loaded
            .embedder
            .embed(&[&ready.features().values], &mut self.embedding)
            .unwrap();
        let embedded = Embedded {
            model: &loaded.model,
            back_end: loaded.embedder.model().back_end(),
            embedding: &self.embedding,
        };
        line.conclude(ready, Some(embedded))
    }
}
