//! Free text of Monaco & Tappert (Pattern Recognition 2018), laid out by occasion: references from a person's first samples,
//! in turn one window of each; probes from the last third of the samples; impostors are everybody else's probes.

use super::Settings;
use super::blocks::{finish_everybody, full, in_turn, note_short};
use crate::corpus::Person;
use crate::evaluate::trials::Layout;
use crate::import::Dataset;
use ductus_dynamics::event::Modality;
use ductus_dynamics::feature::FeatureWindow;

/// The people of the free-text set; the protocol is about nothing else.
pub fn free_text(mut people: Vec<Person>) -> Vec<Person> {
    let prefix = format!("{}-{}-", Dataset::Pohmm.name(), crate::import::POHMM_FREE_TEXT);
    people.retain(|person| person.subject.starts_with(&prefix));
    people
}

/// Lays out people with enough windows in their first and last samples.
pub(super) fn layout(people: &[Person], settings: Settings) -> Layout {
    let cutting = settings.cutting(Modality::Keystroke).apart();
    let (mut layout, mut short) = (Layout::default(), 0);
    let (mut probes, mut owner) = (Vec::new(), Vec::new());
    for person in people {
        let samples: Vec<Vec<FeatureWindow>> = person
            .sessions
            .iter()
            .map(|session| full(cutting.features(session), settings.steps))
            .collect();
        let (gallery, last) = (samples.len() / 2, samples.len() - samples.len() / 3);
        let references = in_turn(&samples[..gallery], settings.references);
        let own: Vec<FeatureWindow> = samples[last..].iter().flatten().cloned().collect();
        if references.len() < settings.references || own.is_empty() {
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
    note_short(&mut layout, short, "too few windows in their first or last samples");
    layout
}
