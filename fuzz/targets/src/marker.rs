//! A checkpoint's marker.
//!
//! The marker is private to `ductus-stream`, whose build needs librdkafka: its file is taken in here as it is.
//!
//! What must hold: nothing panics; what is accepted is written the same again; a line goes on from it, and its counts add up.

#[expect(dead_code, reason = "the file is the stream's, and not all of it is needed here")]
#[path = "../../../pipeline/stream/src/marker.rs"]
mod file;

use crate::life::{KEY, Life};
use crate::{content, sealed};
use ductus_dynamics::state::StateError;
use file::Marker;

/// Takes up a partition from a marker with this content.
pub fn marker(bytes: &[u8]) -> bool {
    // As it is: what the envelope refuses.
    let _ = Marker::from_bytes(bytes);
    let Ok(marker) = Marker::from_bytes(&sealed(bytes)) else {
        return false;
    };
    let written = marker.to_bytes().expect("what was read can be written");
    assert_eq!(Marker::from_bytes(&written).as_ref(), Ok(&marker));
    let offsets = [marker.events_next, marker.decisions_from, marker.references_next];
    assert!(
        marker.number > 0 && offsets.iter().all(|offset| *offset >= 0),
        "{marker:?}"
    );
    let mut life = Life::begin();
    life.line.restore(&marker.line);
    assert_eq!(life.line.state(), marker.line, "a line says what it was told");
    life.go_on();
    assert!(life.line.accounting().balances());
    life.line.accounting().since(&marker.line.accounting);
    true
}

/// Contents of markers at every checkpoint of a life.
pub(crate) fn seeds() -> Result<Vec<Vec<u8>>, StateError> {
    let mut life = Life::begin();
    let mut seeds = Vec::new();
    for number in 1..=4 {
        let marker = Marker {
            number,
            events_next: life.records() as i64,
            decisions_from: 3 * life.records() as i64,
            references_next: 0,
            timestamp_us: (number > 1).then_some(1_763_700_000_000_000),
            models: [(number > 2).then(|| file::ModelState::from(&life.model)), None],
            line: life.line.state(),
        };
        seeds.push(content(&marker.to_bytes()?).to_vec());
        life.live(number as usize);
    }
    debug_assert!(KEY.contains('/'), "a session's key is no marker's");
    Ok(seeds)
}
