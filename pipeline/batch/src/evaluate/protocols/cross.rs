//! People, machines and occasions that the model has not seen, as `models.md` lays out the free text of Monaco & Tappert
//! (Pattern Recognition 2018): windows of 100 or 50 keys; five references from samples 0-2, or ten from samples 0-3; probes
//! are five windows of samples 4-5; impostors are everybody else's probes. P people give 5 P genuine and 5 P (P - 1) impostor
//! trials of one window, and P and P (P - 1) of five windows together.
//!
//! Which windows the study took is only known by sample: the first five references are two of sample 0, two of 1 and one of 2, the
//! next five one of sample 2 and four of 3. Here they are the first of each sample, and the probes those of samples 4 and 5 in
//! turn. Windows are cut by count alone.

use super::Settings;
use super::blocks::{Dated, Draft, full_samples};
use crate::corpus::Person;
use crate::evaluate::layout::Layout;
use crate::import::Dataset;
use ductus_dynamics::event::Modality;

/// Sample and number of the window within it, of each reference.
const REFERENCES: [(usize, usize); 10] = [
    (0, 0),
    (1, 0),
    (2, 0),
    (0, 1),
    (1, 1),
    (2, 1),
    (3, 0),
    (3, 1),
    (3, 2),
    (3, 3),
];
const PROBES: [(usize, usize); 5] = [(4, 0), (5, 0), (4, 1), (5, 1), (4, 2)];

/// The people of the free-text set; the protocol is about nothing else.
pub fn free_text(mut people: Vec<Person>) -> Vec<Person> {
    let prefix = format!("{}-{}-", Dataset::Pohmm.name(), crate::import::POHMM_FREE_TEXT);
    people.retain(|person| person.subject.starts_with(&prefix));
    people
}

/// Lays out people with these windows.
pub(super) fn layout(people: &[Person], settings: Settings) -> Layout {
    let cutting = settings.cutting_by_count(Modality::Keystroke);
    let mut draft = Draft::default();
    for person in people {
        let samples = full_samples(person, &cutting);
        let pick = |places: &[(usize, usize)]| -> Option<Vec<Dated>> {
            let window = |&(sample, number): &(usize, usize)| samples.get(sample)?.get(number).cloned();
            places.iter().map(window).collect()
        };
        let references = pick(&REFERENCES[..settings.references.min(REFERENCES.len())]);
        match references.zip(pick(&PROBES)) {
            Some((references, probes)) => draft.person(references, probes),
            None => draft.leave_out(),
        }
    }
    draft.everybody(
        [2, 3, 5],
        "fewer than six samples with the windows that the layout needs",
    )
}
