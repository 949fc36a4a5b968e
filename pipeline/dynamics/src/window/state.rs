//! What a windower remembers, small enough to be written at every checkpoint.
//!
//! Invariants: a windower that was taken up again goes on as the one that was written; times are written as differences, so
//! that a keystroke takes a few bytes; a state that no events can have led to is refused.

use super::{Keystroke, PointerKind, PointerStep, Release, Run, Step, WindowConfig, Windower};
use crate::event::{Button, KeyClass};
use crate::state::StateError;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Times in µs since the Unix epoch that events can have, and room to reckon with them.
const TIMES_US: std::ops::Range<i64> = -(1 << 55)..1 << 55;

/// Places that pointers can have, pixels, and room to reckon with them.
const PLACES: std::ops::Range<i32> = -(1 << 24)..1 << 24;

/// No session numbers so many windows, and there is room to go on.
const SEQUENCE_MAX: u64 = 1 << 62;

/// A windower, as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WindowerState {
    keys: RunState<KeyState>,
    pointer: RunState<PointerState>,
    press_max: Option<u32>,
    buttons_down: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct RunState<S> {
    steps: Vec<S>,
    fresh: u32,
    last_us: Option<i64>,
    last_step_us: Option<i64>,
    sequence: u64,
}

/// A keystroke after the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct KeyState {
    press: i64,
    press_us: i64,
    release: ReleaseState,
    class: KeyClass,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum ReleaseState {
    Pending,
    /// After the press.
    After(i64),
    Lost,
}

/// A pointer event after the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct PointerState {
    t_us: i64,
    x: i32,
    y: i32,
    kind: KindState,
    drag: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum KindState {
    Move,
    Press(Button),
    Release(Button),
    Scroll,
}

impl Windower {
    /// What is to be written of it.
    pub(crate) fn state(&self) -> WindowerState {
        WindowerState {
            keys: self.keys.state(key_state),
            pointer: self.pointer.state(pointer_state),
            press_max: self.press_max,
            buttons_down: self.buttons_down,
        }
    }

    /// The windower of a state, cutting as it is told from now on.
    ///
    /// # Errors
    ///
    /// [`StateError::Contradiction`]
    pub(crate) fn from_state(
        state: &WindowerState,
        keystroke: WindowConfig,
        pointer: WindowConfig,
    ) -> Result<Self, StateError> {
        let keys = Run::from_state(&state.keys, keystroke, key)?;
        let is_pending = |key: &&Keystroke| key.release == Release::Pending;
        Ok(Self {
            pending: keys.steps.iter().filter(is_pending).count(),
            keys,
            pointer: Run::from_state(&state.pointer, pointer, pointer_step)?,
            press_max: state.press_max,
            buttons_down: state.buttons_down,
        })
    }
}

impl<S: Step> Run<S> {
    fn state<T>(&self, mut after: impl FnMut(Option<&S>, &S) -> T) -> RunState<T> {
        let time = |time_us: i64| (time_us != i64::MIN).then_some(time_us);
        let mut before = None;
        RunState {
            steps: self
                .steps
                .iter()
                .map(|step| after(before.replace(step), step))
                .collect(),
            fresh: self.fresh as u32,
            last_us: time(self.last_us),
            last_step_us: time(self.last_step_us),
            sequence: self.sequence,
        }
    }

    fn from_state<T>(
        state: &RunState<T>,
        config: WindowConfig,
        mut after: impl FnMut(Option<&S>, &T) -> Result<S, StateError>,
    ) -> Result<Self, StateError> {
        let mut steps: VecDeque<S> = VecDeque::with_capacity(state.steps.len());
        for step in &state.steps {
            let step = after(steps.back(), step)?;
            steps.push_back(step);
        }
        let fresh = state.fresh as usize;
        if fresh > steps.len() {
            return Err(StateError::Contradiction("more fresh steps than steps"));
        }
        if state.sequence >= SEQUENCE_MAX {
            return Err(StateError::Contradiction("a window number that no session comes to"));
        }
        let time = |time_us: Option<i64>| time_us.map_or(Ok(i64::MIN), believed);
        let (last_us, last_step_us) = (time(state.last_us)?, time(state.last_step_us)?);
        let latest_us = steps.back().map(S::start_us);
        if latest_us.is_some_and(|latest_us| latest_us != last_step_us || latest_us > last_us) {
            return Err(StateError::Contradiction("steps after the latest event"));
        }
        // Of steps that were in a window, only those stay that the next one has too: with shorter windows than they were
        // written with, these are fewer.
        let known = steps.len() - fresh;
        steps.drain(..known.saturating_sub(config.steps.saturating_sub(config.hop)));
        Ok(Self {
            config,
            steps,
            fresh,
            last_us,
            last_step_us,
            sequence: state.sequence,
        })
    }
}

fn believed(time_us: i64) -> Result<i64, StateError> {
    if TIMES_US.contains(&time_us) {
        Ok(time_us)
    } else {
        Err(StateError::Contradiction("a time that no event can have"))
    }
}

fn plus(time_us: i64, later_us: i64) -> Result<i64, StateError> {
    believed(time_us.saturating_add(later_us))
}

/// A time that is told by how much later it is than another.
fn after(time_us: i64, later_us: i64) -> Result<i64, StateError> {
    if later_us < 0 {
        return Err(StateError::Contradiction("a time before the one that it follows"));
    }
    plus(time_us, later_us)
}

/// The time of a step after the one before it, if there is one.
fn following(before_us: Option<i64>, by_us: i64) -> Result<i64, StateError> {
    before_us.map_or_else(|| plus(0, by_us), |before_us| after(before_us, by_us))
}

fn key_state(before: Option<&Keystroke>, key: &Keystroke) -> KeyState {
    let (press, press_us) = before.map_or((0, 0), |before| (i64::from(before.press), before.press_us));
    KeyState {
        press: i64::from(key.press) - press,
        press_us: key.press_us - press_us,
        release: match key.release {
            Release::Pending => ReleaseState::Pending,
            Release::At(t_us) => ReleaseState::After(t_us - key.press_us),
            Release::Lost => ReleaseState::Lost,
        },
        class: key.class,
    }
}

fn key(before: Option<&Keystroke>, state: &KeyState) -> Result<Keystroke, StateError> {
    let last = before.map(|before| before.press);
    let press = u32::try_from(last.map_or(0, i64::from).saturating_add(state.press))
        .ok()
        .filter(|press| last.is_none_or(|last| last < *press))
        .ok_or(StateError::Contradiction("a press number that is none"))?;
    let press_us = following(before.map(|before| before.press_us), state.press_us)?;
    Ok(Keystroke {
        press,
        press_us,
        release: match state.release {
            ReleaseState::Pending => Release::Pending,
            ReleaseState::After(later_us) => Release::At(after(press_us, later_us)?),
            ReleaseState::Lost => Release::Lost,
        },
        class: state.class,
    })
}

fn pointer_state(before: Option<&PointerStep>, step: &PointerStep) -> PointerState {
    let (t_us, x, y) = before.map_or((0, 0, 0), |before| (before.t_us, before.x, before.y));
    PointerState {
        t_us: step.t_us - t_us,
        x: step.x - x,
        y: step.y - y,
        kind: match step.kind {
            PointerKind::Move => KindState::Move,
            PointerKind::Press(button) => KindState::Press(button),
            PointerKind::Release(button) => KindState::Release(button),
            PointerKind::Scroll => KindState::Scroll,
        },
        drag: step.drag,
    }
}

fn pointer_step(before: Option<&PointerStep>, state: &PointerState) -> Result<PointerStep, StateError> {
    let (x, y) = before.map_or((0, 0), |before| (before.x, before.y));
    let place = |from: i32, by: i32| {
        from.checked_add(by)
            .filter(|place| PLACES.contains(place))
            .ok_or(StateError::Contradiction("a place off every screen"))
    };
    Ok(PointerStep {
        t_us: following(before.map(|before| before.t_us), state.t_us)?,
        x: place(x, state.x)?,
        y: place(y, state.y)?,
        kind: match state.kind {
            KindState::Move => PointerKind::Move,
            KindState::Press(button) => PointerKind::Press(button),
            KindState::Release(button) => PointerKind::Release(button),
            KindState::Scroll => PointerKind::Scroll,
        },
        drag: state.drag,
    })
}
