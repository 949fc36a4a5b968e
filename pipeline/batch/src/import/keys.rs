//! From what a data set says of a key to its class: after these functions nothing knows the key any more.

use ductus_dynamics::event::{KeyClass, KeyDetail};

/// Letters under the left hand on QWERTY; the data sets here were typed on it.
const LEFT_HAND: &str = "qwertasdfgzxcvb";

/// The class of a character.
pub(super) fn of_char(c: char, detail: KeyDetail) -> KeyClass {
    match c {
        c if c.is_alphabetic() => letter(c, detail),
        c if c.is_numeric() => KeyClass::Digit,
        '\r' | '\n' => KeyClass::Enter,
        '\u{8}' => KeyClass::Backspace,
        '\t' => KeyClass::Navigation,
        c if c.is_whitespace() => KeyClass::Space,
        c if c.is_control() => KeyClass::Other,
        _ => KeyClass::Punctuation,
    }
}

fn letter(c: char, detail: KeyDetail) -> KeyClass {
    let lower = c.to_ascii_lowercase();
    match detail {
        KeyDetail::Hand if LEFT_HAND.contains(lower) => KeyClass::LetterLeft,
        KeyDetail::Hand if lower.is_ascii_lowercase() => KeyClass::LetterRight,
        _ => KeyClass::Letter,
    }
}

/// The class of a JavaScript key code (`KeyboardEvent.keyCode`), with the character that came out of it, if one did: only
/// that tells a digit from the symbol above it.
pub(super) fn of_js_code(code: u32, out: Option<char>, detail: KeyDetail) -> KeyClass {
    let symbol = out.is_some_and(|c| c.is_ascii_punctuation());
    match code {
        // Some browsers wrote the code of the character instead of the key's: 37 is `%` then, and not an arrow.
        33..=47 if symbol && out == char::from_u32(code) => KeyClass::Punctuation,
        65..=90 => letter(char::from_u32(code).unwrap_or('?'), detail),
        48..=57 if symbol => KeyClass::Punctuation,
        48..=57 | 96..=105 => KeyClass::Digit,
        32 => KeyClass::Space,
        13 => KeyClass::Enter,
        8 => KeyClass::Backspace,
        16..=18 | 20 | 91..=93 | 144 | 145 | 224 | 225 => KeyClass::Modifier,
        9 | 33..=40 | 45 | 46 => KeyClass::Navigation,
        59 | 61 | 106 | 107 | 109..=111 | 160 | 161 | 163 | 171 | 173 | 186..=193 | 219..=223 | 226 => {
            KeyClass::Punctuation
        }
        _ => KeyClass::Other,
    }
}

/// The class of a key that is named in words, as recorders in Python and Java name keys.
pub(super) fn of_name(name: &str, detail: KeyDetail) -> KeyClass {
    let name = name.trim();
    let mut chars = name.chars();
    if let (Some(c), None) = (chars.next(), chars.next()) {
        return of_char(c, detail);
    }
    let plain: String = name
        .to_ascii_lowercase()
        .trim_start_matches("key.")
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    if let Some(rest) = plain.strip_prefix("numpad") {
        if rest.parse::<u8>().is_ok() {
            return KeyClass::Digit;
        }
        return if rest == "enter" {
            KeyClass::Enter
        } else {
            KeyClass::Punctuation
        };
    }
    match plain.as_str() {
        // A letter or digit that was written with Shift (`Shift.r` of the CMU password).
        word if word.strip_prefix("shift").is_some_and(|rest| rest.len() == 1) => {
            of_name(&word[word.len() - 1..], detail)
        }
        "zero" | "one" | "two" | "three" | "four" | "five" | "six" | "seven" | "eight" | "nine" => KeyClass::Digit,
        "space" | "spacebar" => KeyClass::Space,
        "enter" | "return" => KeyClass::Enter,
        "backspace" | "bksp" | "bkspc" => KeyClass::Backspace,
        "shift" | "shiftl" | "shiftr" | "lshift" | "rshift" | "leftshift" | "rightshift" | "ctrl" | "ctrll"
        | "ctrlr" | "control" | "leftctrl" | "rightctrl" | "alt" | "altl" | "altr" | "altgr" | "leftalt"
        | "rightalt" | "meta" | "cmd" | "command" | "windows" | "win" | "super" | "capslock" | "caps" | "numlock"
        | "scrolllock" | "fn" => KeyClass::Modifier,
        "left" | "right" | "up" | "down" | "home" | "end" | "pageup" | "pagedown" | "insert" | "delete" | "tab"
        | "arrowleft" | "arrowright" | "arrowup" | "arrowdown" | "leftarrow" | "rightarrow" | "uparrow"
        | "downarrow" => KeyClass::Navigation,
        "period" | "comma" | "quote" | "slash" | "dash" | "minus" | "semicolon" | "equals" | "equal" | "plus"
        | "backslash" | "openbracket" | "closebracket" | "backquote" | "colon" | "underscore" | "apostrophe"
        | "dot" | "exclamation" | "question" | "hash" | "at" | "asterisk" => KeyClass::Punctuation,
        _ => KeyClass::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use KeyClass as K;

    #[test]
    fn classes_of_codes() {
        for (code, out, expected) in [
            (65, Some('a'), K::Letter),
            (49, Some('1'), K::Digit),
            (49, Some('!'), K::Punctuation),
            (37, None, K::Navigation),
            (37, Some('%'), K::Punctuation),
            (101, Some('5'), K::Digit),
            (8, Some('='), K::Backspace),
            (20, None, K::Modifier),
            (122, None, K::Other),
        ] {
            assert_eq!(of_js_code(code, out, KeyDetail::Class), expected, "{code} {out:?}");
        }
    }

    #[test]
    fn classes_of_names() {
        for (name, expected) in [
            ("t", K::Letter),
            ("Shift.r", K::Letter),
            ("five", K::Digit),
            ("numpad_9", K::Digit),
            ("period", K::Punctuation),
            ("Key.space", K::Space),
            ("caps_lock", K::Modifier),
            ("shift", K::Modifier),
            ("page_down", K::Navigation),
            ("Return", K::Enter),
            ("f5", K::Other),
            ("é", K::Letter),
        ] {
            assert_eq!(of_name(name, KeyDetail::Class), expected, "{name}");
        }
        assert_eq!(of_name("t", KeyDetail::Hand), K::LetterLeft);
        assert_eq!(of_name("Shift.r", KeyDetail::Hand), K::LetterLeft);
        assert_eq!(of_name("o", KeyDetail::Hand), K::LetterRight);
        assert_eq!(of_name("é", KeyDetail::Hand), K::Letter);
    }
}
