//! A session's state out of a checkpoint.
//!
//! What must hold: nothing panics; a state that is accepted is written the same again; the session goes on from it, and what is
//! decided then is in order: features, risk and evidence are numbers, ids have the form of the contract, the document can be
//! read, and no two windows have the same id.

use crate::life::{KEY, Life};
use crate::{content, sealed};
use ductus_dynamics::line::Line;
use ductus_dynamics::state::StateError;

/// Takes up a session from a state with this content.
pub fn session_state(bytes: &[u8]) -> bool {
    let mut life = Life::begin();
    // As it is: what the envelope refuses.
    let _ = life.line.restore_session(KEY, Some(bytes));
    let mut life = Life::begin();
    if life.line.restore_session(KEY, Some(&sealed(bytes))).is_err() {
        return false;
    }
    let written = state_of(&mut life.line).expect("what was read can be written");
    let mut again = Life::begin();
    again
        .line
        .restore_session(KEY, Some(&written))
        .expect("what was written can be read");
    assert_eq!(state_of(&mut again.line), Ok(written), "written again, it is another");
    life.go_on();
    assert!(life.line.accounting().balances());
    true
}

/// The sealed state of the session.
fn state_of(line: &mut Line) -> Result<Vec<u8>, StateError> {
    let mut state = Vec::new();
    line.rewrite_session(KEY);
    line.begin_checkpoint();
    line.save_sessions(usize::MAX, |key, bytes| {
        if key == KEY {
            state.extend_from_slice(bytes.expect("the session is there"));
        }
        Ok::<_, StateError>(())
    })?;
    Ok(state)
}

/// Contents of a session's states throughout a life, and of what is left of it when it is gone.
pub(crate) fn seeds() -> Result<Vec<Vec<u8>>, StateError> {
    let mut life = Life::begin();
    let mut seeds = Vec::new();
    for batches in 1..=8 {
        life.live(batches);
        seeds.push(content(&state_of(&mut life.line)?).to_vec());
    }
    life.die();
    seeds.push(content(&state_of(&mut life.line)?).to_vec());
    Ok(seeds)
}
