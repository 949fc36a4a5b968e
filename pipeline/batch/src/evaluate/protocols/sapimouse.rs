//! SapiMouse (Antal, Fejer, Buza, SACI 2021): the longer session of a person's day enrols with all its blocks of 128 events,
//! every block of the shorter one is a probe for everybody.

use super::Settings;
use super::blocks::{finish_everybody, full, note_short};
use crate::corpus::Person;
use crate::evaluate::trials::Layout;
use ductus_dynamics::event::Modality;
use ductus_dynamics::feature::FeatureWindow;

/// Lays out people with two sessions.
pub(super) fn layout(people: &[Person], settings: Settings) -> Layout {
    let cutting = settings.cutting(Modality::Pointer).apart();
    let (mut layout, mut short) = (Layout::default(), 0);
    let (mut probes, mut owner) = (Vec::new(), Vec::new());
    for person in people {
        let mut blocks: Vec<Vec<FeatureWindow>> = person
            .sessions
            .iter()
            .map(|session| full(cutting.features(session), settings.steps))
            .collect();
        // A person with several pairs of sessions is judged by the first pair.
        blocks.truncate(2);
        blocks.sort_by_key(|blocks| std::cmp::Reverse(blocks.len()));
        let (Some(enrol), Some(own)) = (blocks.first(), blocks.get(1)) else {
            short += 1;
            continue;
        };
        if own.is_empty() {
            short += 1;
            continue;
        }
        let me = layout.enrolled.len();
        let references = layout.add(enrol.iter().cloned());
        layout.enrolled.push(references);
        for index in layout.add(own.iter().cloned()) {
            probes.push(vec![index]);
            owner.push(me);
        }
    }
    finish_everybody(&mut layout, probes, &owner);
    note_short(&mut layout, short, "no second session with a full block");
    layout
}
