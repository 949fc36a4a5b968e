//! Any people: the first half of a person's windows in time enrols, the second half are probes for everybody. The protocol
//! of `train` and `promote` where no published one fits.

use super::Settings;
use super::blocks::{finish_everybody, in_turn, note_short};
use crate::corpus::Person;
use crate::evaluate::trials::Layout;
use ductus_dynamics::event::Modality;
use ductus_dynamics::feature::FeatureWindow;

/// Lays out people with at least two windows; a session is not split where there are two or more.
pub fn held_out(people: &[Person], modality: Modality, settings: Settings) -> Layout {
    let cutting = settings.cutting(modality).apart();
    let (mut layout, mut short) = (Layout::default(), 0);
    let (mut probes, mut owner) = (Vec::new(), Vec::new());
    for person in people {
        let samples: Vec<Vec<FeatureWindow>> = person
            .sessions
            .iter()
            .map(|session| cutting.features(session))
            .filter(|windows| !windows.is_empty())
            .collect();
        let (first, second) = halves(samples);
        let references = in_turn(&first, settings.references);
        let own: Vec<FeatureWindow> = second.into_iter().flatten().collect();
        if references.is_empty() || own.is_empty() {
            short += 1;
            continue;
        }
        let me = layout.enrolled.len();
        let references = layout.add(references);
        layout.enrolled.push(references);
        for index in layout.add(own) {
            probes.push(vec![index]);
            owner.push(me);
        }
    }
    finish_everybody(&mut layout, probes, &owner);
    note_short(&mut layout, short, "fewer than two windows");
    layout
}

/// Sessions split in half; a single one by its windows.
fn halves(mut samples: Vec<Vec<FeatureWindow>>) -> (Vec<Vec<FeatureWindow>>, Vec<Vec<FeatureWindow>>) {
    if let [only] = samples.as_mut_slice() {
        let second = only.split_off(only.len().div_ceil(2));
        return (samples, vec![second]);
    }
    let second = samples.split_off(samples.len().div_ceil(2));
    (samples, second)
}
