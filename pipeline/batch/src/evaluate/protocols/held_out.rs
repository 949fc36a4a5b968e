//! Any people: the first half of a person's windows in time enrols, the second half are probes for everybody. The protocol
//! of `train` and `promote` where no published one fits.

use super::Settings;
use super::blocks::{Dated, Draft, in_turn, samples};
use crate::corpus::Person;
use crate::evaluate::layout::Layout;
use ductus_dynamics::event::Modality;

/// Lays out people with at least two windows; a session is not split where there are two or more.
pub fn held_out(people: &[Person], modality: Modality, settings: Settings) -> Layout {
    lay_out(people, modality, settings, usize::MAX)
        .0
        .everybody([5], WHY_SHORT)
}

/// As [`held_out`], with at most `probes_max` probes a person, taken evenly from theirs, and one window a decision alone. Also
/// gives the indices of the people who are in it: person `n` of the layout is the `n`th of them.
pub fn held_out_some(
    people: &[Person],
    modality: Modality,
    settings: Settings,
    probes_max: usize,
) -> (Layout, Vec<usize>) {
    let (draft, chosen) = lay_out(people, modality, settings, probes_max);
    (draft.everybody([], WHY_SHORT), chosen)
}

const WHY_SHORT: &str = "fewer than two windows";

fn lay_out(people: &[Person], modality: Modality, settings: Settings, probes_max: usize) -> (Draft, Vec<usize>) {
    let cutting = settings.cutting(modality).apart();
    let (mut draft, mut chosen) = (Draft::default(), Vec::new());
    for (index, person) in people.iter().enumerate() {
        let mut samples = samples(person, &cutting);
        samples.retain(|windows| !windows.is_empty());
        let (first, second) = halves(samples);
        let references = in_turn(&first, settings.references);
        let own: Vec<Dated> = second.into_iter().flatten().collect();
        if references.is_empty() || own.is_empty() {
            draft.leave_out();
            continue;
        }
        let every = own.len().div_ceil(probes_max);
        draft.person(references, own.into_iter().step_by(every));
        chosen.push(index);
    }
    (draft, chosen)
}

/// Sessions split in half; a single one by its windows.
fn halves(mut samples: Vec<Vec<Dated>>) -> (Vec<Vec<Dated>>, Vec<Vec<Dated>>) {
    if let [only] = samples.as_mut_slice() {
        let second = only.split_off(only.len().div_ceil(2));
        return (samples, vec![second]);
    }
    let second = samples.split_off(samples.len().div_ceil(2));
    (samples, second)
}
