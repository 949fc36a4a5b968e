//! The folder of a version with a new back-end: the network and what belongs to it as they were, the rest anew; written
//! together or not at all.

use super::{BackEndArgs, Compared, Judged, version_of};
use crate::evaluate::{Measured, draw_det, draw_scores};
use crate::train::{CARD_FILE, HELD_OUT_FILE};
use anyhow::{Context, Result, bail};
use ductus_dynamics::backend::Learned;
use ductus_scorer::{
    BACK_END_FILE, BackEndSource, Contract, DataSource, MANIFEST_FILE, Manifest, Model, back_end_bytes, sha256_hex,
};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The protocol that the people kept aside are judged by.
const PROTOCOL: &str = "held-out";

/// One of the measures.
type Rate = fn(&Measured) -> Option<f64>;

/// Where the new version goes.
pub(super) struct Place<'a> {
    args: &'a BackEndArgs,
    version: String,
}

/// What is written.
pub(super) struct Version<'a> {
    pub(super) old: &'a Manifest,
    pub(super) learned: &'a Learned,
    /// Whose data went into the back-end, and whether its terms forbid commercial use.
    pub(super) lineage: (Vec<DataSource>, bool),
    pub(super) subjects: usize,
    pub(super) judged: &'a Compared,
    /// `tenant/subject` of the people judged, one a line.
    pub(super) kept_aside: String,
}

impl<'a> Place<'a> {
    /// Checks the place before any work.
    pub(super) fn of(args: &'a BackEndArgs) -> Result<Self> {
        if args.out.exists() && !args.force {
            bail!(
                "{} is there already; give another --out, or --force to replace it",
                args.out.display()
            );
        }
        let version = version_of(&args.out)?;
        Ok(Self { args, version })
    }

    /// The old version under the new name.
    pub(super) fn copy(&self, old: &Manifest) -> Result<Manifest> {
        let manifest = Manifest {
            version: self.version.clone(),
            gate: None,
            ..old.clone()
        };
        let old_file = self.args.model.join(BACK_END_FILE);
        let mut files = Vec::new();
        if old.backend.is_some() {
            let bytes = std::fs::read(&old_file).with_context(|| format!("cannot read {}", old_file.display()))?;
            files.push((BACK_END_FILE, bytes));
        }
        self.finish(&manifest, &files)?;
        Ok(manifest)
    }

    /// The old network with the learned back-end.
    pub(super) fn write(&self, new: &Version<'_>) -> Result<Manifest> {
        let bytes = new.learned.back_end.space.whitening().map(back_end_bytes);
        let manifest = self.manifest(new, bytes.as_deref().map(sha256_hex));
        let (scores, _) = &new.judged.after;
        let old_card = std::fs::read_to_string(self.args.model.join(CARD_FILE)).unwrap_or_default();
        let mut files = vec![
            (HELD_OUT_FILE, new.kept_aside.clone().into_bytes()),
            (CARD_FILE, card(&manifest, new, &old_card)?.into_bytes()),
            ("det.svg", draw_det(&manifest.name(), scores)?.into_bytes()),
            ("scores.svg", draw_scores(&manifest.name(), scores)?.into_bytes()),
        ];
        files.extend(bytes.map(|bytes| (BACK_END_FILE, bytes)));
        self.finish(&manifest, &files)?;
        Ok(manifest)
    }

    fn manifest(&self, new: &Version<'_>, sha256: Option<String>) -> Manifest {
        let (data, non_commercial) = new.lineage.clone();
        let Judged {
            measured,
            cllr,
            min_cllr,
        } = new.judged.after.1;
        let mut training = new.old.training.clone();
        training.non_commercial |= non_commercial;
        Manifest {
            version: self.version.clone(),
            calibration: new.learned.back_end.calibration,
            backend: sha256.map(|sha256| BackEndSource {
                sha256,
                people: new.learned.people,
                occasions: new.learned.occasions,
                data,
            }),
            training,
            accuracy: measured.accuracy(PROTOCOL, new.subjects, cllr, min_cllr),
            gate: None,
            ..new.old.clone()
        }
    }

    /// Writes beside the place, loads it as the stream will, and only then moves it there.
    fn finish(&self, manifest: &Manifest, files: &[(&str, Vec<u8>)]) -> Result<()> {
        let out = &self.args.out;
        let unfinished = out.with_file_name(format!(".{}.unfinished", self.version));
        remove(&unfinished)?;
        std::fs::create_dir_all(&unfinished).with_context(|| format!("cannot create {}", unfinished.display()))?;
        copy_others(&self.args.model, &unfinished)?;
        for (name, bytes) in files {
            let path = unfinished.join(name);
            std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
        }
        manifest.save(&unfinished)?;
        Model::load(&unfinished, &Contract::of(manifest.modality)).context("the new version cannot be loaded")?;
        if out.exists() {
            remove(out)?;
        }
        std::fs::rename(&unfinished, out).with_context(|| format!("cannot move the version to {}", out.display()))
    }
}

/// Everything of the old version but its manifest and back-end.
fn copy_others(from: &Path, to: &Path) -> Result<()> {
    let read = || format!("cannot read {}", from.display());
    for entry in std::fs::read_dir(from).with_context(read)? {
        let entry = entry.with_context(read)?;
        let path: PathBuf = entry.path();
        let anew = [MANIFEST_FILE, BACK_END_FILE]
            .iter()
            .any(|name| entry.file_name() == *name);
        if !anew && path.is_file() {
            std::fs::copy(&path, to.join(entry.file_name()))
                .with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// The card: what is new, and below it the card of the version that the network comes from.
fn card(manifest: &Manifest, new: &Version<'_>, old_card: &str) -> Result<String> {
    let mut text = format!("# {}\n\n", manifest.name());
    writeln!(
        text,
        "The network of `{}` (`model.onnx` {}…) with a scoring back-end learned from {} people on {} occasions: {}. References \
         of the old version stay valid.\n",
        new.old.name(),
        &manifest.sha256[..16],
        new.learned.people,
        new.learned.occasions,
        match new.learned.shrinkage {
            Some(shrinkage) => format!("between-sample whitening, shrunken by {shrinkage}, and calibration"),
            None => "calibration of plain cosines, which no whitening surpassed on people it had not seen".to_owned(),
        }
    )?;
    writeln!(
        text,
        "On {} people who were kept aside, one window a decision; neither back-end was fitted to them.\n",
        new.subjects
    )?;
    let (before, after) = (&new.judged.before, &new.judged.after.1);
    writeln!(text, "| protocol `{PROTOCOL}` | with | before |\n|---|---|---|")?;
    let percent = |rate: Option<f64>| rate.map_or("–".to_owned(), |rate| format!("{:.2} %", rate * 100.0));
    let rates: [(&str, Rate); 4] = [
        ("EER, each person's own threshold, mean", |it| it.eer_subject),
        ("EER, one threshold", |it| it.eer_global),
        ("FNMR at FMR 1 %", |it| it.fnmr_at_fmr_1pct),
        ("FNMR at FMR 0.1 %", |it| it.fnmr_at_fmr_0_1pct),
    ];
    for (name, rate) in rates {
        let (with, without) = (rate(&after.measured), rate(&before.measured));
        writeln!(text, "| {name} | {} | {} |", percent(with), percent(without))?;
    }
    let bits = |judged: &Judged| match (judged.cllr, judged.min_cllr) {
        (Some(cost), Some(least)) => format!("{cost:.3} / {least:.3}"),
        _ => "–".to_owned(),
    };
    writeln!(text, "| Cllr / least Cllr, bits | {} | {} |", bits(after), bits(before))?;
    writeln!(
        text,
        "\n![Detection error trade-off](det.svg)\n![Scores](scores.svg)\n\nLog-likelihood ratio = {} · cosine {:+}.\n",
        manifest.calibration.slope, manifest.calibration.intercept
    )?;
    if !old_card.is_empty() {
        writeln!(
            text,
            "---\n\nThe card of the version that the network comes from; its figures are those of the old back-end.\n"
        )?;
        text.push_str(&old_card.replace("\n![Detection error trade-off](det.svg)\n![Scores](scores.svg)\n", ""));
    }
    Ok(text)
}
