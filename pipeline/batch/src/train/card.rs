//! `card.md`: what a model is, who it learned from, how good it is, how to make it again, and what it is not for.

use super::folder::Draft;
use super::recipe::{listed, terms};
use crate::import::CommercialUse;
use anyhow::Result;
use ductus_dynamics::event::{KeyDetail, Modality};
use ductus_learn::{Loss, TrainConfig};
use ductus_scorer::{Accuracy, Gate, GateBasis, Manifest};
use std::fmt::Write;

/// The card as Markdown. No time of day and no path: the same training gives the same bytes.
pub(super) fn card(draft: &Draft<'_>) -> Result<String> {
    let manifest = draft.manifest;
    let mut text = String::new();
    writeln!(text, "# {}\n", manifest.name())?;
    writeln!(text, "{}\n", what(draft))?;
    writeln!(text, "## Learned from\n")?;
    writeln!(text, "| data | people | terms |\n|---|---|---|")?;
    for source in &manifest.training.data {
        writeln!(text, "| {} | {} | {} |", source.name, source.subjects, source.terms)?;
    }
    let sources = manifest.training.data.iter();
    let commercial = match sources.map(|source| terms(&source.name).1).max() {
        Some(CommercialUse::Forbidden) => "**Not for commercial use**: the terms of its data forbid it.",
        Some(CommercialUse::NotStated) => {
            "The terms of its data speak of research and say nothing of commercial use: ask its authors first."
        }
        Some(CommercialUse::Allowed) | None => "The terms of its data allow commercial use.",
    };
    writeln!(
        text,
        "\n{commercial} {} sequences in all; {}.\n",
        draft.fitted.windows,
        recipe(draft)
    )?;
    accuracy(&mut text, draft)?;
    writeln!(text, "## Make it again\n\n```\n{}\n```\n", manifest.training.command)?;
    writeln!(
        text,
        "The same bytes on the same kind of processor (`model.onnx` {}…); on another one sums may round differently. \
         `$DUCTUS_DATA` is the folder of the unpacked recordings.\n",
        &manifest.sha256[..16]
    )?;
    limits(&mut text, manifest)?;
    Ok(text)
}

/// Heading of the section that `promote` adds.
const GATE: &str = "## Promotion\n";

/// The card with what the promotion gate found and its table; the section of an earlier promotion gives way, and without a
/// gate there is none.
pub(crate) fn with_gate(card: &str, gate: Option<(&Gate, &str)>) -> String {
    let mut text = match card.find(&format!("\n{GATE}")) {
        None => card.to_owned(),
        Some(start) => {
            let section = start + 1 + GATE.len();
            let end = card[section..]
                .find("\n## ")
                .map_or(card.len(), |end| section + end + 1);
            format!("{}{}", &card[..=start], &card[end..])
        }
    };
    let Some((gate, table)) = gate else { return text };
    let Gate {
        against,
        against_sha256,
        basis,
        people,
        seen_by_live,
        forced,
        ..
    } = gate;
    let how = match basis {
        GateBasis::History => {
            let seen = match seen_by_live {
                0 => "neither model learned from them".to_owned(),
                seen => format!("`{against}` had learned from {seen} of them, which favours it"),
            };
            format!(
                "judged on the same windows of {people} people of the deployment's history; {seen}. Ranges are of the difference, \
                 the same people drawn for both: 95 % for everybody, 95 % for all groups together."
            )
        }
        GateBasis::Manifests => format!("by the figures of both manifests, {people} people each."),
        GateBasis::Nothing => "not compared.".to_owned(),
    };
    let forced = forced
        .as_ref()
        .map_or(String::new(), |why| format!("\n**By force**: {why}.\n"));
    if !text.ends_with("\n\n") {
        text.push('\n');
    }
    text.push_str(&format!(
        "{GATE}\nAgainst `{against}` (`model.onnx` {}…), {how}\n{forced}\n{table}",
        &against_sha256[..16]
    ));
    text
}

fn what(draft: &Draft<'_>) -> String {
    let TrainConfig { network, .. } = &draft.recipe.config;
    let steps = draft.recipe.cutting.config.steps;
    let (window, told) = match draft.recipe.modality {
        Modality::Keystroke if draft.recipe.detail == KeyDetail::Hand => {
            ("key presses", " with class and hand of each key")
        }
        Modality::Keystroke => ("key presses", " with the class of each key"),
        Modality::Pointer => ("pointer events", ""),
    };
    format!(
        "Turns {steps} {window}{told} into {} numbers of unit length; the cosine of two of them says how alike they are. \
         {}{} {}LSTM layer{} of {} (mean over the steps, linear map), {} weights.",
        draft.fitted.network.dims(),
        match draft.recipe.members {
            1 => String::new(),
            members => format!("{members} networks whose embeddings stand side by side, each of "),
        },
        network.layers,
        if network.bidirectional { "bidirectional " } else { "" },
        if network.layers == 1 { "" } else { "s" },
        network.hidden,
        draft.recipe.members as usize * network.parameters(),
    )
}

fn recipe(draft: &Draft<'_>) -> String {
    let TrainConfig {
        people_per_batch,
        sequences_per_person,
        steps,
        learning_rate,
        loss,
        ..
    } = &draft.recipe.config;
    format!(
        "{}, {steps} steps of {people_per_batch} people × {sequences_per_person} windows, Adam {learning_rate} with warm-up and \
         cosine; times changed: {}, windows that go on as another one of the same person: {:.0} %, people turned into others \
         by up to e^±{}",
        in_words(*loss),
        draft.recipe.changes.times.name(),
        100.0 * draft.recipe.changes.splice,
        draft.recipe.changes.persona
    ) + &match draft.recipe.clocks.as_slice() {
        [] => String::new(),
        clocks => format!(
            ", every other batch on a clock of {} Hz",
            listed(clocks).replace(',', ", ")
        ),
    }
}

fn in_words(loss: Loss) -> String {
    match loss {
        Loss::SupervisedContrastive { temperature } => {
            format!("supervised contrastive loss at temperature {temperature}")
        }
        Loss::Triplet { margin } => format!("semi-hard triplets with margin {margin}"),
        Loss::Contrastive { margin } => format!("contrastive loss on pairs with margin {margin}"),
    }
}

fn accuracy(text: &mut String, draft: &Draft<'_>) -> Result<()> {
    let Accuracy {
        protocol,
        subjects,
        genuine,
        impostor,
        eer_subject,
        eer_global,
        auc,
        fnmr_at_fmr_1pct,
        fnmr_at_fmr_0_1pct,
        cllr,
        min_cllr,
    } = &draft.manifest.accuracy;
    let percent = |rate: &Option<f64>| rate.map_or("–".to_owned(), |rate| format!("{:.2} %", rate * 100.0));
    writeln!(text, "## Measured error\n\n{}\n", draft.judged)?;
    writeln!(text, "| protocol `{protocol}`, one window a decision | |\n|---|---|")?;
    writeln!(text, "| people | {subjects} |")?;
    writeln!(
        text,
        "| genuine / impostor comparisons | {} / {} |",
        genuine.unwrap_or(0),
        impostor.unwrap_or(0)
    )?;
    writeln!(
        text,
        "| EER, each person's own threshold, mean | {} |",
        percent(eer_subject)
    )?;
    writeln!(text, "| EER, one threshold | {} |", percent(eer_global))?;
    writeln!(
        text,
        "| AUC | {} |",
        auc.map_or("–".to_owned(), |auc| format!("{auc:.4}"))
    )?;
    writeln!(text, "| FNMR at FMR 1 % | {} |", percent(fnmr_at_fmr_1pct))?;
    writeln!(text, "| FNMR at FMR 0.1 % | {} |", percent(fnmr_at_fmr_0_1pct))?;
    let bits = |cost: &Option<f64>| cost.map_or("–".to_owned(), |cost| format!("{cost:.3}"));
    writeln!(
        text,
        "| Cllr / least Cllr, bits | {} / {} |",
        bits(cllr),
        bits(min_cllr)
    )?;
    if let Some(back_end) = &draft.manifest.backend {
        writeln!(
            text,
            "\nCompared after between-sample whitening, learned from {} of the people above on {} occasions.",
            back_end.people, back_end.occasions
        )?;
    }
    let calibration = draft.manifest.calibration;
    writeln!(
        text,
        "\n![Detection error trade-off](det.svg)\n![Scores](scores.svg)\n\nCalibration, fitted on the same people: \
         log-likelihood ratio = {} · cosine {:+}. Its cost (Cllr) is measured with each half of the people calibrated by the \
         other.\n",
        calibration.slope, calibration.intercept
    )?;
    Ok(())
}

fn limits(text: &mut String, manifest: &Manifest) -> Result<()> {
    writeln!(text, "## Limits\n")?;
    let own = match manifest.modality {
        Modality::Keystroke => {
            "Physical keyboards and Latin text; other scripts, touch keyboards and assistive input were not seen. The same \
             person on another day, keyboard or in another mood is harder than the figures of one sitting say."
        }
        Modality::Pointer => {
            "Mice and touchpads on one kind of task in one sitting; part of the score is the sampling rate of the device. What \
             holds across days and devices is not known."
        }
    };
    writeln!(
        text,
        "{own} One window never decides alone: evidence accumulates over a session. Measured on {} people, so a few points \
         either way are chance.",
        manifest.accuracy.subjects
    )?;
    Ok(())
}
