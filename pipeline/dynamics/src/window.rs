//! From events to windows: keystrokes by count of presses with a hop, pointer steps by count; closed early by a pause, by
//! the end of the session, or by a clock step.
//!
//! Invariants: the windows depend on the order of the events and on event time only, never on how the events were split
//! into batches or on a clock; a step is in no window twice except by the hop; every event gets exactly one [`Fate`].

use crate::event::{Button, EventKind, InputEvent, KeyClass, Modality};
use crate::reject::RejectReason;
use crate::wire::Closed;
use std::collections::VecDeque;

mod state;

pub(crate) use state::WindowerState;

/// How windows of one modality are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowConfig {
    /// Steps in a full window.
    pub steps: usize,
    /// Steps from one full window to the next.
    pub hop: usize,
    /// Fewest steps that may be scored.
    pub min_steps: usize,
    /// A gap between two steps that closes the window early, µs.
    pub pause_us: i64,
}

impl WindowConfig {
    /// 50 keys, hop 10; at least 20 to score (TypeNet's length; `models.md`: more keys help, fewer hurt).
    pub const KEYSTROKE: Self = Self {
        steps: 50,
        hop: 10,
        min_steps: 20,
        pause_us: 30_000_000,
    };
    /// 128 pointer events, hop 64 (SapiMouse's block length).
    pub const POINTER: Self = Self {
        steps: 128,
        hop: 64,
        min_steps: 64,
        pause_us: 30_000_000,
    };
}

/// A press without a release is given up after this long, so that a lost release cannot hold a window back, µs.
pub const RELEASE_TIMEOUT_US: i64 = 5_000_000;

/// One key press in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keystroke {
    /// Press number on the wire.
    pub press: u32,
    /// Event time of the press, µs.
    pub press_us: i64,
    /// When it came up.
    pub release: Release,
    /// Class of the key.
    pub class: KeyClass,
}

/// When a key came up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// Still down, as far as is known.
    Pending,
    /// Event time, µs.
    At(i64),
    /// The release was lost: focus left, the session ended, or it took too long.
    Lost,
}

impl Release {
    /// Event time of the release, µs, where there is one.
    pub fn at_us(self) -> Option<i64> {
        match self {
            Self::At(t_us) => Some(t_us),
            Self::Pending | Self::Lost => None,
        }
    }
}

/// One pointer event in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PointerStep {
    /// Event time, µs.
    pub t_us: i64,
    /// Horizontal position, pixels.
    pub x: i32,
    /// Vertical position, pixels.
    pub y: i32,
    /// What happened.
    pub kind: PointerKind,
    /// Whether a button was down before this event.
    pub drag: bool,
}

/// What a pointer step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PointerKind {
    /// A move.
    Move,
    /// A button went down.
    Press(Button),
    /// A button came up.
    Release(Button),
    /// A scroll.
    Scroll,
}

/// The steps of a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Steps {
    /// Key presses, in press order.
    Keys(Vec<Keystroke>),
    /// Pointer events, in order.
    Pointer(Vec<PointerStep>),
}

impl Steps {
    /// How many steps.
    pub fn len(&self) -> usize {
        match self {
            Self::Keys(keys) => keys.len(),
            Self::Pointer(steps) => steps.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A closed window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// Keystroke or pointer.
    pub modality: Modality,
    /// Running number within session and modality.
    pub sequence: u64,
    /// Event time of the first step, µs.
    pub start_us: i64,
    /// Event time of the last thing in it, µs.
    pub end_us: i64,
    /// What closed it.
    pub closed: Closed,
    /// Steps that were in no earlier window.
    pub fresh: usize,
    /// The steps.
    pub steps: Steps,
}

/// What became of one event. Together with the events of refused and repeated batches these add up to the events read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is in a window, or told the windows something.
    Windowed,
    /// It came after what it belongs to was closed, or before an event of the same modality that is already there.
    Late,
    /// It contradicts what came before.
    Rejected(RejectReason),
}

/// Cuts one session's events into windows of both modalities.
#[derive(Clone, Debug, PartialEq)]
pub struct Windower {
    keys: Run<Keystroke>,
    pointer: Run<PointerStep>,
    /// How many presses wait for their release, so that only these are looked for.
    pending: usize,
    /// Highest press number seen.
    press_max: Option<u32>,
    /// Bits of the pointer buttons that are down.
    buttons_down: u8,
}

impl Windower {
    /// A windower that numbers its windows from `sequence` on.
    pub fn new(keystroke: WindowConfig, pointer: WindowConfig, sequence: u64) -> Self {
        Self {
            keys: Run::new(keystroke, sequence),
            pointer: Run::new(pointer, sequence),
            pending: 0,
            press_max: None,
            buttons_down: 0,
        }
    }

    /// Takes one event; windows that it closes are appended to `out`.
    pub fn push(&mut self, event: &InputEvent, out: &mut Vec<Window>) -> Fate {
        self.advance(event.t_us, out);
        match event.kind.modality() {
            Some(Modality::Keystroke) => self.push_key(event, out),
            Some(Modality::Pointer) => self.push_pointer(event, out),
            None => {
                self.release_all();
                match event.kind {
                    EventKind::End => self.close(Closed::End, out),
                    _ => self.keys.emit_full(Modality::Keystroke, out),
                }
                Fate::Windowed
            }
        }
    }

    /// The session's event time has reached `t_us`, by an event of either modality: what a pause must have closed by then is
    /// closed. Runs at every event and not at the end of batches, so that the split into batches cannot matter.
    fn advance(&mut self, t_us: i64, out: &mut Vec<Window>) {
        if self.keys.paused_at(t_us) {
            self.close_keys(Closed::Pause, out);
        }
        if self.pointer.paused_at(t_us) {
            self.pointer.close(Modality::Pointer, Closed::Pause, out);
        }
    }

    /// Closes everything that is open.
    pub fn close(&mut self, closed: Closed, out: &mut Vec<Window>) {
        self.close_keys(closed, out);
        self.pointer.close(Modality::Pointer, closed, out);
        self.buttons_down = 0;
    }

    /// Closes everything, and lets the next event stand at any time: the client's clock has a new origin.
    pub fn clock_step(&mut self, out: &mut Vec<Window>) {
        self.close(Closed::ClockStep, out);
        self.keys.last_us = i64::MIN;
        self.pointer.last_us = i64::MIN;
    }

    /// Whether no step waits for its window.
    pub fn is_empty(&self) -> bool {
        self.keys.fresh == 0 && self.pointer.fresh == 0
    }

    fn push_key(&mut self, event: &InputEvent, out: &mut Vec<Window>) -> Fate {
        if event.t_us < self.keys.last_us {
            return Fate::Late;
        }
        let fate = match event.kind {
            EventKind::KeyDown { press, class } => {
                if self.press_max.is_some_and(|max| press <= max) {
                    return Fate::Rejected(RejectReason::RepeatedPress);
                }
                self.press_max = Some(press);
                self.pending += 1;
                self.keys.push(
                    Keystroke {
                        press,
                        press_us: event.t_us,
                        release: Release::Pending,
                        class,
                    },
                    event.t_us,
                );
                Fate::Windowed
            }
            EventKind::KeyUp { press } => match self.keys.steps.iter_mut().rev().find(|key| key.press == press) {
                Some(key) if !matches!(key.release, Release::At(_)) => {
                    self.pending -= usize::from(key.release == Release::Pending);
                    key.release = Release::At(event.t_us);
                    Fate::Windowed
                }
                Some(_) => return Fate::Rejected(RejectReason::ReleaseWithoutPress),
                // Its press left with a window that gave it up.
                None if self.press_max.is_some_and(|max| press <= max) => return Fate::Late,
                None => return Fate::Rejected(RejectReason::ReleaseWithoutPress),
            },
            _ => return Fate::Rejected(RejectReason::InvalidEvent),
        };
        self.keys.last_us = event.t_us;
        self.give_up(|press_us| event.t_us.saturating_sub(press_us) > RELEASE_TIMEOUT_US);
        self.keys.emit_full(Modality::Keystroke, out);
        fate
    }

    fn push_pointer(&mut self, event: &InputEvent, out: &mut Vec<Window>) -> Fate {
        if event.t_us < self.pointer.last_us {
            return Fate::Late;
        }
        let drag = self.buttons_down != 0;
        let (kind, x, y) = match event.kind {
            EventKind::Move { x, y } => (PointerKind::Move, x, y),
            EventKind::ButtonDown { button, x, y } => {
                self.buttons_down |= 1 << button as u8;
                (PointerKind::Press(button), x, y)
            }
            EventKind::ButtonUp { button, x, y } => {
                self.buttons_down &= !(1 << button as u8);
                (PointerKind::Release(button), x, y)
            }
            EventKind::Scroll { x, y, .. } => (PointerKind::Scroll, x, y),
            _ => return Fate::Rejected(RejectReason::InvalidEvent),
        };
        self.pointer.last_us = event.t_us;
        self.pointer.push(
            PointerStep {
                t_us: event.t_us,
                x,
                y,
                kind,
                drag,
            },
            event.t_us,
        );
        self.pointer.emit_full(Modality::Pointer, out);
        Fate::Windowed
    }

    fn close_keys(&mut self, closed: Closed, out: &mut Vec<Window>) {
        self.release_all();
        self.keys.emit_full(Modality::Keystroke, out);
        self.keys.close(Modality::Keystroke, closed, out);
    }

    fn release_all(&mut self) {
        self.give_up(|_| true);
    }

    /// Gives up presses that wait and are overdue by their time, µs.
    fn give_up(&mut self, is_overdue: impl Fn(i64) -> bool) {
        let mut left = self.pending;
        // The latest are the most likely to wait.
        for key in self.keys.steps.iter_mut().rev() {
            if left == 0 {
                break;
            }
            if key.release == Release::Pending {
                left -= 1;
                if is_overdue(key.press_us) {
                    key.release = Release::Lost;
                    self.pending -= 1;
                }
            }
        }
    }
}

/// What a run needs to know of its steps.
trait Step: Copy {
    fn start_us(&self) -> i64;
    fn end_us(&self) -> i64;
    fn complete(&self) -> bool;
    fn pack(steps: Vec<Self>) -> Steps;
}

impl Step for Keystroke {
    fn start_us(&self) -> i64 {
        self.press_us
    }
    fn end_us(&self) -> i64 {
        self.release.at_us().unwrap_or(self.press_us)
    }
    fn complete(&self) -> bool {
        self.release != Release::Pending
    }
    fn pack(steps: Vec<Self>) -> Steps {
        Steps::Keys(steps)
    }
}

impl Step for PointerStep {
    fn start_us(&self) -> i64 {
        self.t_us
    }
    fn end_us(&self) -> i64 {
        self.t_us
    }
    fn complete(&self) -> bool {
        true
    }
    fn pack(steps: Vec<Self>) -> Steps {
        Steps::Pointer(steps)
    }
}

/// Steps of one modality between two pauses.
#[derive(Clone, Debug, PartialEq)]
struct Run<S> {
    // PROPERTIES
    config: WindowConfig,
    // STATES
    /// The steps of the next window; after a full window its last `steps − hop` remain.
    steps: VecDeque<S>,
    /// How many of them (at the end) were in no window yet.
    fresh: usize,
    /// Event time of the last event of this modality.
    last_us: i64,
    /// Event time of the last step.
    last_step_us: i64,
    sequence: u64,
}

impl<S: Step> Run<S> {
    fn new(config: WindowConfig, sequence: u64) -> Self {
        Self {
            config,
            steps: VecDeque::new(),
            fresh: 0,
            last_us: i64::MIN,
            last_step_us: i64::MIN,
            sequence,
        }
    }

    fn push(&mut self, step: S, t_us: i64) {
        self.steps.push_back(step);
        self.fresh += 1;
        self.last_step_us = t_us;
    }

    fn paused_at(&self, t_us: i64) -> bool {
        !self.steps.is_empty() && t_us.saturating_sub(self.last_step_us) > self.config.pause_us
    }

    /// Emits every full window whose steps are complete.
    fn emit_full(&mut self, modality: Modality, out: &mut Vec<Window>) {
        let WindowConfig { steps, hop, .. } = self.config;
        while self.steps.len() >= steps && self.steps.iter().take(steps).all(Step::complete) {
            let beyond = self.steps.len() - steps;
            self.emit(steps, self.fresh - beyond, modality, Closed::Count, out);
            self.fresh = beyond;
            self.steps.drain(..hop.min(steps));
        }
    }

    /// Emits what is left, if any of it is new, and starts afresh.
    fn close(&mut self, modality: Modality, closed: Closed, out: &mut Vec<Window>) {
        if self.fresh > 0 {
            self.emit(self.steps.len(), self.fresh, modality, closed, out);
        }
        self.steps.clear();
        self.fresh = 0;
    }

    fn emit(&mut self, len: usize, fresh: usize, modality: Modality, closed: Closed, out: &mut Vec<Window>) {
        let steps: Vec<S> = self.steps.iter().take(len).copied().collect();
        let start_us = steps.first().map_or(0, Step::start_us);
        let end_us = steps.iter().map(Step::end_us).max().unwrap_or(start_us);
        let sequence = self.sequence;
        self.sequence += 1;
        out.push(Window {
            modality,
            sequence,
            start_us,
            end_us,
            closed,
            fresh,
            steps: S::pack(steps),
        });
    }
}

#[cfg(test)]
mod tests;
