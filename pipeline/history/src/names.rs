//! The words of closed lists as they stand in the tables: the same as on the wire.
//!
//! Invariants: one word a value, never written twice; a test holds them against serde's.

use ductus_dynamics::event::{Button, KeyClass, KeyDetail, Modality};
use ductus_dynamics::wire::{Action, Closed, FeedbackVerdict, Keyboard, Layout, Pointer, Purpose};

/// A closed list of values with a word for each.
pub(crate) trait Named: Copy + PartialEq + 'static {
    /// Every value with its word.
    const NAMES: &'static [(Self, &'static str)];

    /// The word of a value.
    fn word(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(value, _)| *value == self)
            .map_or("other", |(_, name)| *name)
    }

    /// The value of a word, where the list has it.
    fn from_word(word: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(_, name)| *name == word)
            .map(|(value, _)| *value)
    }
}

macro_rules! named {
    ($type:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl Named for $type {
            const NAMES: &'static [(Self, &'static str)] = &[$(($type::$variant, $word)),+];
        }
    };
}

named!(Purpose { Session = "session", Enrol = "enrol", Collect = "collect" });
named!(KeyDetail { Class = "class", Hand = "hand" });
named!(Keyboard { Physical = "physical", Virtual = "virtual", None = "none", Unknown = "unknown" });
named!(Pointer { Mouse = "mouse", Touchpad = "touchpad", Touch = "touch", Pen = "pen", None = "none", Unknown = "unknown" });
named!(Layout { Qwerty = "qwerty", Qwertz = "qwertz", Azerty = "azerty", Other = "other", Unknown = "unknown" });
named!(Button { Primary = "primary", Secondary = "secondary", Middle = "middle", Other = "other" });
named!(Modality { Keystroke = "keystroke", Pointer = "pointer" });
named!(Closed { Count = "count", Pause = "pause", End = "end", ClockStep = "clock_step" });
named!(Action { Allow = "allow", StepUp = "step_up", Terminate = "terminate", InsufficientData = "insufficient_data" });
named!(FeedbackVerdict { FalseAlarm = "false_alarm", Confirmed = "confirmed" });
named!(KeyClass {
    Letter = "letter",
    LetterLeft = "letter_left",
    LetterRight = "letter_right",
    Digit = "digit",
    Punctuation = "punctuation",
    Space = "space",
    Enter = "enter",
    Backspace = "backspace",
    Modifier = "modifier",
    Navigation = "navigation",
    Other = "other",
});

/// Words of the column `kind` of the events table: those of the wire's `type`.
pub(crate) mod kind {
    pub(crate) const DOWN: &str = "down";
    pub(crate) const UP: &str = "up";
    pub(crate) const MOVE: &str = "move";
    pub(crate) const PRESS: &str = "press";
    pub(crate) const RELEASE: &str = "release";
    pub(crate) const SCROLL: &str = "scroll";
    pub(crate) const BLUR: &str = "blur";
    pub(crate) const END: &str = "end";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Debug;

    fn check<T: Named + Debug + serde::Serialize>() {
        for (value, name) in T::NAMES {
            assert_eq!(serde_json::to_value(value).unwrap(), serde_json::json!(name));
            assert_eq!(T::from_word(name), Some(*value));
            assert_eq!(value.word(), *name);
        }
    }

    #[test]
    fn words_are_those_of_the_wire() {
        check::<Purpose>();
        check::<KeyDetail>();
        check::<Keyboard>();
        check::<Pointer>();
        check::<Layout>();
        check::<Button>();
        check::<Modality>();
        check::<Closed>();
        check::<Action>();
        check::<FeedbackVerdict>();
        check::<KeyClass>();
        assert_eq!(KeyClass::NAMES.len(), KeyClass::ALL.len());
    }
}
