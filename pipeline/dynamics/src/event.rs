//! What happened at the keyboard or pointer, on one time line.
//!
//! Invariants: times are event time in µs since the Unix epoch, taken from the client's monotonic clock; a key is known by
//! its class and by a running press number, never by what it writes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One input event of a session. `Copy` and small, so that a batch is one flat buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputEvent {
    /// Event time, µs since the Unix epoch.
    pub t_us: i64,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A key went down; its release repeats the press number.
    KeyDown {
        /// Running press number within the session.
        press: u32,
        /// Class of the key.
        class: KeyClass,
    },
    /// The key of this press number came up.
    KeyUp {
        /// Press number of the matching [`EventKind::KeyDown`].
        press: u32,
    },
    /// The pointer moved to a place, in CSS pixels.
    Move {
        /// Horizontal position.
        x: i32,
        /// Vertical position.
        y: i32,
    },
    /// A pointer button went down.
    ButtonDown {
        /// Which button.
        button: Button,
        /// Horizontal position.
        x: i32,
        /// Vertical position.
        y: i32,
    },
    /// A pointer button came up.
    ButtonUp {
        /// Which button.
        button: Button,
        /// Horizontal position.
        x: i32,
        /// Vertical position.
        y: i32,
    },
    /// The wheel or a two-finger gesture scrolled.
    Scroll {
        /// Horizontal scroll distance, pixels.
        dx: i32,
        /// Vertical scroll distance, pixels.
        dy: i32,
        /// Horizontal position of the pointer.
        x: i32,
        /// Vertical position of the pointer.
        y: i32,
    },
    /// The page lost the focus: releases of keys that are down will not be seen.
    Blur,
    /// The client says that it will send no more for now.
    End,
}

impl EventKind {
    /// Which modality the event belongs to; `None` for events that concern the whole session.
    pub fn modality(&self) -> Option<Modality> {
        match self {
            Self::KeyDown { .. } | Self::KeyUp { .. } => Some(Modality::Keystroke),
            Self::Move { .. } | Self::ButtonDown { .. } | Self::ButtonUp { .. } | Self::Scroll { .. } => {
                Some(Modality::Pointer)
            }
            Self::Blur | Self::End => None,
        }
    }
}

/// What a window, a model or a reference is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Modality {
    /// Typing rhythm.
    Keystroke,
    /// Mouse, touchpad or pen movement.
    Pointer,
}

impl Modality {
    /// Both modalities, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Keystroke, Self::Pointer];

    /// The name used in topics, folders and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Keystroke => "keystroke",
            Self::Pointer => "pointer",
        }
    }

    /// 0 or 1, for tables with one slot a modality.
    pub fn index(self) -> usize {
        self as usize
    }
}

impl std::str::FromStr for Modality {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|modality| modality.name() == name)
            .ok_or_else(|| format!("unknown modality {name:?}, use keystroke or pointer"))
    }
}

/// All that an event may say of a key. `LetterLeft` and `LetterRight` exist only at key detail `hand`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyClass {
    /// Any letter.
    Letter,
    /// A letter typed by the left hand on the layout in use.
    LetterLeft,
    /// A letter typed by the right hand on the layout in use.
    LetterRight,
    /// A digit.
    Digit,
    /// Punctuation and symbols.
    Punctuation,
    /// The space bar.
    Space,
    /// Enter or return.
    Enter,
    /// Backspace or delete to the left.
    Backspace,
    /// Shift, control, alt, meta, caps lock.
    Modifier,
    /// Arrows, home, end, page keys, insert, delete.
    Navigation,
    /// Everything else.
    Other,
}

impl KeyClass {
    /// Every class, in the order of the one-hot features.
    pub const ALL: [Self; 11] = [
        Self::Letter,
        Self::LetterLeft,
        Self::LetterRight,
        Self::Digit,
        Self::Punctuation,
        Self::Space,
        Self::Enter,
        Self::Backspace,
        Self::Modifier,
        Self::Navigation,
        Self::Other,
    ];

    /// The class as key detail `class` knows it.
    pub fn coarse(self) -> Self {
        match self {
            Self::LetterLeft | Self::LetterRight => Self::Letter,
            other => other,
        }
    }

    /// The name on the wire and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Letter => "letter",
            Self::LetterLeft => "letter_left",
            Self::LetterRight => "letter_right",
            Self::Digit => "digit",
            Self::Punctuation => "punctuation",
            Self::Space => "space",
            Self::Enter => "enter",
            Self::Backspace => "backspace",
            Self::Modifier => "modifier",
            Self::Navigation => "navigation",
            Self::Other => "other",
        }
    }
}

/// A pointer button.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Button {
    /// Usually the left one.
    Primary,
    /// Usually the right one.
    Secondary,
    /// The wheel.
    Middle,
    /// Any other.
    Other,
}

/// How much an event may say of a key: a property of the deployment (design §2 gives the measured cost of finer ones).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyDetail {
    /// Nine classes.
    #[default]
    Class,
    /// Letters are split into left and right hand.
    Hand,
}
