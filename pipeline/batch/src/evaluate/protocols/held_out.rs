//! Any people: the first half of a person's windows in time enrols, the second half are probes for everybody. The protocol
//! of `train` and `promote` where no published one fits.

use super::Settings;
use super::blocks::{Dated, Draft, in_turn, samples};
use crate::corpus::Person;
use crate::evaluate::layout::Layout;
use ductus_dynamics::event::Modality;

/// Lays out people with at least two windows; a session is not split where there are two or more.
pub fn held_out(people: &[Person], modality: Modality, settings: Settings) -> Layout {
    let cutting = settings.cutting(modality).apart();
    let mut draft = Draft::default();
    for person in people {
        let mut samples = samples(person, &cutting);
        samples.retain(|windows| !windows.is_empty());
        let (first, second) = halves(samples);
        let references = in_turn(&first, settings.references);
        let own: Vec<Dated> = second.into_iter().flatten().collect();
        if references.is_empty() || own.is_empty() {
            draft.leave_out();
        } else {
            draft.person(references, own);
        }
    }
    draft.everybody([5], "fewer than two windows")
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
