//! What is judged: the sections of the page and the command of every row.
//!
//! Invariants: a plan follows from the released models and from whether CMU's file is there, and from nothing else; a row whose
//! model has seen people of the set is judged on those that it kept aside.

use super::about::{self, About};
use super::models::{Accuracy, Model, Models};

const AALTO: &str = "$DUCTUS_DATA/aalto-136m-subset";
const POHMM: &str = "$DUCTUS_DATA/pohmm-pace";
const SAPIMOUSE: &str = "$DUCTUS_DATA/sapimouse";
const BALABIT: &str = "$DUCTUS_DATA/balabit";
/// Stands for the folder of the model of the seed's design.
pub(crate) const SEED: &str = "$SEED";

/// One protocol.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    /// Its name on the command line.
    pub(crate) protocol: &'static str,
    pub(crate) about: &'static About,
    pub(crate) runs: Vec<Run>,
    /// Models that saw everybody of the set: what `train` measured in folds by person.
    pub(crate) folds: Vec<(String, Accuracy)>,
    /// Why there is no row.
    pub(crate) absent: Option<String>,
}

/// One call of `ductus-batch evaluate`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// What targets and pictures know it by.
    pub(crate) key: &'static str,
    /// What the row is called.
    pub(crate) label: String,
    /// `modality/version` and hash of the models that are judged.
    pub(crate) models: Vec<(String, String)>,
    /// What comes after `ductus-batch evaluate`, without `--report`, `--threads` and paths of this machine.
    pub(crate) arguments: Vec<String>,
    /// Hashes of all that the figures depend on beside the arguments and the data.
    pub(crate) identity: Vec<String>,
    /// Only the main rows are printed: the same as the run before under another condition.
    pub(crate) is_brief: bool,
}

impl Run {
    fn new(key: &'static str, label: impl Into<String>, protocol: &str, data: &str, model: &Model) -> Self {
        let words = ["--protocol", protocol, "--data", data, "--model", &model.folder];
        Self {
            key,
            label: label.into(),
            models: vec![(model.name(), model.manifest.sha256.clone())],
            arguments: words.map(str::to_owned).into(),
            identity: vec![model.identity.clone()],
            is_brief: false,
        }
    }

    fn with(mut self, words: &[&str]) -> Self {
        self.arguments.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// Another model that the figures depend on.
    fn and_model(mut self, option: &str, model: &Model) -> Self {
        self.arguments.extend([option.to_owned(), model.folder.clone()]);
        self.identity.push(model.identity.clone());
        self
    }

    /// The same under another condition.
    fn brief(self) -> Self {
        Self {
            is_brief: true,
            ..self.with(&["--without-comparators"])
        }
    }

    /// Whether it is compared with the model of the seed's design.
    pub(crate) fn needs_seed(&self) -> bool {
        self.arguments.iter().any(|word| word == SEED)
    }

    /// Ties the row to the model of the seed's design, or frees it where there is none.
    fn compare_with(&mut self, seed: Option<&Seed>) {
        match seed {
            Some(seed) if self.needs_seed() => self.identity.extend(seed.arguments.iter().cloned()),
            Some(_) => {}
            None => self.arguments.retain(|word| word != SEED && word != "--seed-model"),
        }
    }

    /// The command as a person would type it.
    pub(crate) fn command(&self) -> String {
        format!(
            "ductus-batch evaluate {} --report report.json",
            self.arguments.join(" ")
        )
    }
}

/// The model of the seed's design that keystroke models are compared with: trained here, on the people that the model beside
/// it learned from.
#[derive(Clone, Debug)]
pub(crate) struct Seed {
    /// What comes after `ductus-batch train`, without `--out`.
    pub(crate) arguments: Vec<String>,
    /// The same as a person would type it.
    pub(crate) command: String,
}

/// Everything.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) sections: Vec<Section>,
    pub(crate) seed: Option<Seed>,
}

impl Plan {
    /// `cmu` is the folder of CMU's file, if there is one.
    pub(crate) fn of(models: &Models, cmu: Option<&str>) -> Self {
        let mut plan = Self {
            seed: models.taught_by("keystroke", "aalto").first().map(|model| seed(model)),
            sections: vec![
                typenet(models),
                kvc(models),
                cross(models),
                pohmm(models),
                cmu_password(models, cmu),
                sapimouse(models),
                balabit(models),
                chimera(models),
                continuous(models),
                attacks(models),
            ],
        };
        for run in plan.sections.iter_mut().flat_map(|section| &mut section.runs) {
            run.compare_with(plan.seed.as_ref());
        }
        plan
    }
}

fn section(protocol: &'static str, about: &'static About, runs: Vec<Run>) -> Section {
    let absent = runs
        .is_empty()
        .then(|| "no released model can be judged by it".to_owned());
    Section {
        protocol,
        about,
        runs,
        folds: Vec::new(),
        absent,
    }
}

fn seed(model: &Model) -> Seed {
    let held_out = model.held_out.iter().filter_map(|name| name.strip_prefix("aalto/"));
    let names: Vec<&str> = held_out.collect();
    let data = format!("aalto={AALTO}");
    let words = |hold_out: &str| -> Vec<String> {
        let words = [
            "--data",
            &data,
            "--modality",
            "keystroke",
            "--seed-design",
            "--loss",
            "contrastive",
        ];
        let rest = [
            "--augment",
            "none",
            // One network, and batches as `models.md` has them: not what our own models gained since.
            "--members",
            "1",
            "--splice",
            "0",
            "--persona",
            "0",
            "--people",
            "32",
            "--sequences",
            "8",
            "--steps",
            "1200",
            "--hop",
            "50",
            "--protocol",
            "typenet",
            "--seed",
            "1",
            "--hold-out",
            hold_out,
        ];
        words.iter().chain(&rest).map(|word| (*word).to_owned()).collect()
    };
    let list = format!("\"$(sed s:.*/:: {}/held-out.txt | paste -sd,)\"", model.folder);
    Seed {
        arguments: words(&names.join(",")),
        command: format!("ductus-batch train {} --out {SEED}", words(&list).join(" ")),
    }
}

fn detail(model: &Model) -> String {
    format!("detail `{}`", model.manifest.detail)
}

fn typenet(models: &Models) -> Section {
    let run = |key, label: String, model| Run::new(key, label, "typenet", AALTO, model);
    let taught = models.taught_by("keystroke", "aalto");
    let mut runs = Vec::new();
    for (i, model) in taught.iter().enumerate() {
        let (first, key) = (
            i == 0,
            if model.manifest.detail == "hand" {
                "typenet/hand"
            } else {
                "typenet"
            },
        );
        let own = run(key, detail(model), model).with(&["--only-held-out"]);
        runs.push(if first {
            own.with(&["--seed-model", SEED])
        } else {
            own.brief()
        });
        for (grid_us, name) in [("1000", "1 ms"), ("8000", "8 ms"), ("16000", "16 ms")] {
            let label = format!("{}, all times on a grid of {name}", detail(model));
            let coarse = run("", label, model).with(&["--only-held-out", "--requantise-us", grid_us]);
            runs.push(coarse.brief());
        }
    }
    if let Some(model) = taught.first() {
        for stranger in models.strangers_to("keystroke", "aalto") {
            let label = format!("`{}`, which has never seen the collection", stranger.name());
            runs.push(run("", label, stranger).and_model("--held-out-of", model).brief());
        }
        let label = "check: everybody's references given to somebody else".to_owned();
        let shuffled = run("typenet/shuffled", label, model).with(&["--only-held-out", "--shuffle-labels"]);
        runs.push(shuffled.brief());
    }
    section("typenet", &about::TYPENET, runs)
}

fn kvc(models: &Models) -> Section {
    let taught = models.taught_by("keystroke", "aalto");
    let runs = taught.iter().enumerate().map(|(i, model)| {
        let run = Run::new("", detail(model), "kvc", AALTO, model).with(&["--only-held-out"]);
        if i == 0 {
            run.with(&["--seed-model", SEED])
        } else {
            run.brief()
        }
    });
    section("kvc", &about::KVC, runs.collect())
}

fn cross(models: &Models) -> Section {
    let strangers = models.strangers_to("keystroke", "pohmm");
    let mut runs = Vec::new();
    for (steps, references, key) in [("100", "10", "cross/100"), ("50", "5", "cross/50")] {
        for (i, model) in strangers.iter().enumerate() {
            let label = format!("Pace, {steps} keys, {references} references, {}", detail(model));
            let key = if i == 0 { key } else { "" };
            let run = Run::new(key, label, "cross", POHMM, model);
            let run = run.with(&["--steps", steps, "--references", references]);
            runs.push(if i == 0 {
                run.with(&["--seed-model", SEED])
            } else {
                run.brief()
            });
        }
    }
    if let Some(taught) = models.taught_by("keystroke", "aalto").first() {
        for model in models.strangers_to("keystroke", "aalto") {
            let label = format!("Aalto, `{}`, 50 keys, 5 references", model.name());
            let run = Run::new("cross/aalto", label, "cross", AALTO, model);
            runs.push(run.with(&["--dataset", "aalto"]).and_model("--held-out-of", taught));
        }
    }
    section("cross", &about::CROSS, runs)
}

fn pohmm(models: &Models) -> Section {
    let strangers = models.strangers_to("keystroke", "pohmm").into_iter();
    let runs = strangers.enumerate().map(|(i, model)| {
        let run = Run::new(
            "pohmm",
            format!("`{}`, which has never seen the collection", model.name()),
            "pohmm",
            POHMM,
            model,
        );
        if i == 0 {
            run.with(&["--seed-model", SEED])
        } else {
            run.brief()
        }
    });
    let mut section = section("pohmm", &about::POHMM, runs.collect());
    let folds = models.judged_in_folds("pohmm", "pohmm").into_iter();
    section.folds = folds
        .filter_map(|model| Some((model.name(), model.manifest.accuracy.clone()?)))
        .collect();
    section
}

fn cmu_password(models: &Models, folder: Option<&str>) -> Section {
    let Some(folder) = folder else {
        let mut section = section("cmu", &about::CMU, Vec::new());
        section.absent = Some("`DSL-StrongPasswordData.csv` is not among the recordings here".to_owned());
        return section;
    };
    let strangers = models.strangers_to("keystroke", "cmu").into_iter();
    let runs = strangers.enumerate().map(|(i, model)| {
        let run = Run::new(
            if i == 0 { "cmu" } else { "" },
            format!("`{}`", model.name()),
            "cmu",
            folder,
            model,
        );
        if i == 0 { run } else { run.brief() }
    });
    section("cmu", &about::CMU, runs.collect())
}

fn sapimouse(models: &Models) -> Section {
    let mut runs = Vec::new();
    for model in models.taught_by("pointer", "sapimouse") {
        let run = |key, label: String| Run::new(key, label, "sapimouse", SAPIMOUSE, model).with(&["--only-held-out"]);
        runs.push(run("sapimouse", format!("`{}`, clocks as recorded", model.name())));
        let at_60_hz = run(
            "sapimouse/60hz",
            format!("`{}`, all clocks brought to 60 Hz", model.name()),
        );
        runs.push(at_60_hz.with(&["--clock-hz", "60"]));
    }
    section("sapimouse", &about::SAPIMOUSE, runs)
}

fn balabit(models: &Models) -> Section {
    let all = models.all().filter(|model| model.manifest.modality == "pointer");
    let runs = all.enumerate().map(|(i, model)| {
        let seen = if model.knows("balabit") {
            "has learned from the training sessions that enrol"
        } else {
            "has never seen the collection"
        };
        let run = Run::new(
            if i == 0 { "balabit" } else { "" },
            format!("`{}`, which {seen}", model.name()),
            "balabit",
            BALABIT,
            model,
        );
        if i == 0 { run } else { run.brief() }
    });
    section("balabit", &about::BALABIT, runs.collect())
}

fn chimera(models: &Models) -> Section {
    let (keys, mice) = (
        models.taught_by("keystroke", "aalto"),
        models.taught_by("pointer", "sapimouse"),
    );
    let runs = keys.first().zip(mice.first()).map(|(keys, mouse)| {
        let mut run = Run::new("chimera", "both together", "chimera", AALTO, keys)
            .with(&["--only-held-out", "--pointer-data", SAPIMOUSE])
            .and_model("--pointer-model", mouse);
        run.models.push((mouse.name(), mouse.manifest.sha256.clone()));
        run
    });
    section("chimera", &about::CHIMERA, runs.into_iter().collect())
}

fn continuous(models: &Models) -> Section {
    let mut runs = Vec::new();
    let run = |key, label: &str, dataset: &str, data: &str, model| {
        let label = format!("{label}, `{}`", Model::name(model));
        Run::new(key, label, "continuous", data, model).with(&["--dataset", dataset])
    };
    if let Some(model) = models.taught_by("keystroke", "aalto").first() {
        let own = run("continuous/aalto", "Aalto", "aalto", AALTO, model);
        runs.push(own.with(&["--only-held-out", "--adaptation"]));
    }
    if let Some(model) = models.strangers_to("keystroke", "pohmm").first() {
        runs.push(run("continuous/pohmm", "Pace free text", "pohmm", POHMM, model));
    }
    if let Some(model) = models.taught_by("pointer", "sapimouse").first() {
        runs.push(run("continuous/sapimouse", "SapiMouse", "sapimouse", SAPIMOUSE, model).with(&["--only-held-out"]));
    }
    if let Some(model) = models.strangers_to("pointer", "balabit").first() {
        runs.push(run("continuous/balabit", "Balabit", "balabit", BALABIT, model));
    }
    section("continuous", &about::CONTINUOUS, runs)
}

fn attacks(models: &Models) -> Section {
    let mut runs = Vec::new();
    let run = |key, label: &str, data: &str, model| {
        Run::new(
            key,
            format!("{label}, `{}`", Model::name(model)),
            "attacks",
            data,
            model,
        )
        .with(&["--only-held-out"])
    };
    if let Some(model) = models.taught_by("keystroke", "aalto").first() {
        runs.push(run("attacks/keystroke", "typing", AALTO, model));
    }
    if let Some(model) = models.taught_by("pointer", "sapimouse").first() {
        runs.push(run("attacks/pointer", "pointer", SAPIMOUSE, model));
    }
    section("attacks", &about::ATTACKS, runs)
}
