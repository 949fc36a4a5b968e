//! SapiMouse (Antal, Fejér, Buza, "SapiMouse: Mouse Dynamics-based User Authentication Using Deep Feature Learning", SACI 2021):
//! users 73-120 (those before taught the published network), blocks of 128 events; the three-minute session of a person's day
//! enrols with all its blocks, every block of the one-minute session is a probe for everybody, alone and 2 to
//! 5 consecutive ones together. The published figures pass a normalisation per user that sees the test scores; these do not.

use super::Settings;
use super::blocks::{Draft, full_samples, number_of};
use crate::corpus::Person;
use crate::evaluate::layout::Layout;
use ductus_dynamics::event::Modality;

/// The first user who is judged.
const FIRST_JUDGED: u64 = 73;

/// The users that the authors judge, where the folder has any of them; else everybody.
pub(super) fn judged(mut people: Vec<Person>) -> Vec<Person> {
    let is_judged = |person: &Person| number_of(&person.subject).is_some_and(|number| number >= FIRST_JUDGED);
    if people.iter().any(is_judged) {
        people.retain(is_judged);
    }
    people
}

/// Lays out people with two sessions.
pub(super) fn layout(people: &[Person], settings: Settings) -> Layout {
    let cutting = settings.cutting(Modality::Pointer).apart();
    let mut draft = Draft::default();
    for person in people {
        let mut blocks = full_samples(person, &cutting);
        // A person with several pairs of sessions is judged by the first pair.
        blocks.truncate(2);
        blocks.sort_by_key(|blocks| std::cmp::Reverse(blocks.len()));
        match <[_; 2]>::try_from(blocks) {
            Ok([enrol, own]) if !own.is_empty() => draft.person(enrol, own),
            _ => draft.leave_out(),
        }
    }
    draft.everybody(2..=5, "no second session with a full block")
}
