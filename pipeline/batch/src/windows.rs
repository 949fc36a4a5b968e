//! From sessions to windows and feature sequences, with the stream's own code (`dynamics::window`, `dynamics::feature`).

use ductus_dynamics::event::{InputEvent, Modality};
use ductus_dynamics::feature::FeatureWindow;
use ductus_dynamics::window::{Window, WindowConfig, Windower};
use ductus_dynamics::wire::Closed;

use crate::corpus::Session;

/// How sessions are cut for a purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cutting {
    /// Which windows.
    pub modality: Modality,
    /// Their length, hop, and so on.
    pub config: WindowConfig,
}

impl Cutting {
    /// As the stream cuts by default.
    pub fn of_stream(modality: Modality) -> Self {
        let config = match modality {
            Modality::Keystroke => WindowConfig::KEYSTROKE,
            Modality::Pointer => WindowConfig::POINTER,
        };
        Self { modality, config }
    }

    /// Windows that share no step.
    pub fn apart(mut self) -> Self {
        self.config.hop = self.config.steps;
        self
    }

    /// No window of fewer steps.
    pub fn at_least(mut self, min_steps: usize) -> Self {
        self.config.min_steps = min_steps;
        self
    }

    /// The windows of a session that have enough steps.
    pub fn windows(&self, session: &Session) -> Vec<Window> {
        self.windows_of(&session.events, &session.clock_steps)
    }

    /// The windows of a list of events; the client's clock got a new origin before those in `clock_steps`.
    pub fn windows_of(&self, events: &[InputEvent], clock_steps: &[usize]) -> Vec<Window> {
        let mut windower = Windower::new(self.config, self.config, 0);
        let mut windows = Vec::new();
        let mut steps = clock_steps.iter().copied().peekable();
        for (i, event) in events.iter().enumerate() {
            if steps.next_if_eq(&i).is_some() {
                windower.clock_step(&mut windows);
            }
            if event.kind.modality().is_none_or(|modality| modality == self.modality) {
                // Events that contradict each other were counted when they were imported.
                windower.push(event, &mut windows);
            }
        }
        windower.close(Closed::End, &mut windows);
        let least = self.config.min_steps;
        windows.retain(|window| window.modality == self.modality && window.steps.len() >= least);
        windows
    }

    /// The features of the windows of a session that have enough steps.
    pub fn features(&self, session: &Session) -> Vec<FeatureWindow> {
        self.windows(session).iter().map(FeatureWindow::of).collect()
    }
}
