//! JSON written straight into one buffer.
//!
//! Invariants: nothing is allocated for a document but the buffer's own growth; every text is escaped by serde_json; a number
//! that is not finite becomes null.

/// Writes the members of one object; commas are its business.
pub(super) struct Members<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

/// Appends an object whose members `fill` writes.
pub(super) fn object(out: &mut Vec<u8>, fill: impl FnOnce(&mut Members<'_>)) {
    out.push(b'{');
    fill(&mut Members { out, first: true });
    out.push(b'}');
}

impl Members<'_> {
    /// A nested object.
    pub(super) fn object(&mut self, name: &str, fill: impl FnOnce(&mut Members<'_>)) {
        self.name(name);
        object(self.out, fill);
    }

    /// A list of objects.
    pub(super) fn objects<T>(&mut self, name: &str, items: &[T], mut fill: impl FnMut(&mut Members<'_>, &T)) {
        self.name(name);
        self.out.push(b'[');
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.out.push(b',');
            }
            object(self.out, |members| fill(members, item));
        }
        self.out.push(b']');
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        json_text(self.out, value);
    }

    /// A text put together from parts.
    pub(super) fn joined<'t>(&mut self, name: &str, parts: impl Iterator<Item = &'t str>, between: &str) {
        self.name(name);
        self.out.push(b'"');
        for (i, part) in parts.enumerate() {
            if i > 0 {
                escaped(self.out, between);
            }
            escaped(self.out, part);
        }
        self.out.push(b'"');
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, name: &str, values: &[&str]) {
        self.name(name);
        self.out.push(b'[');
        for (i, value) in values.iter().enumerate() {
            if i > 0 {
                self.out.push(b',');
            }
            json_text(self.out, value);
        }
        self.out.push(b']');
    }

    /// A whole number.
    pub(super) fn integer(&mut self, name: &str, value: i64) {
        self.name(name);
        // Writing to a vector cannot fail.
        let _ = serde_json::to_writer(&mut *self.out, &value);
    }

    /// A number.
    pub(super) fn number(&mut self, name: &str, value: f32) {
        self.name(name);
        let _ = serde_json::to_writer(&mut *self.out, &value);
    }

    /// A number, left out where there is none.
    pub(super) fn optional_number(&mut self, name: &str, value: Option<f32>) {
        if let Some(value) = value {
            self.number(name, value);
        }
    }

    /// A time: RFC 3339 in UTC with microseconds.
    pub(super) fn time(&mut self, name: &str, t_us: i64) {
        self.name(name);
        self.out.push(b'"');
        write_time(self.out, t_us);
        self.out.push(b'"');
    }

    fn name(&mut self, name: &str) {
        if !self.first {
            self.out.push(b',');
        }
        self.first = false;
        // Names are literals of this crate and need no escape.
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }
}

fn json_text(out: &mut Vec<u8>, value: &str) {
    let _ = serde_json::to_writer(out, value);
}

/// The escaped text without its quotation marks.
fn escaped(out: &mut Vec<u8>, value: &str) {
    let start = out.len();
    json_text(out, value);
    out.remove(start);
    out.pop();
}

/// `2026-11-21T09:30:00.000000Z`. Days to date after Hinnant, "chrono-compatible low-level date algorithms".
fn write_time(out: &mut Vec<u8>, t_us: i64) {
    const DAY_US: i64 = 86_400_000_000;
    let (days, of_day_us) = (t_us.div_euclid(DAY_US), t_us.rem_euclid(DAY_US));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let seconds = of_day_us / 1_000_000;
    let parts = [
        (year, 4, b'-'),
        (month, 2, b'-'),
        (day, 2, b'T'),
        (seconds / 3_600, 2, b':'),
        (seconds / 60 % 60, 2, b':'),
        (seconds % 60, 2, b'.'),
        (of_day_us % 1_000_000, 6, b'Z'),
    ];
    for (value, digits, after) in parts {
        write_digits(out, value, digits);
        out.push(after);
    }
}

fn write_digits(out: &mut Vec<u8>, value: i64, digits: usize) {
    let start = out.len();
    let mut rest = value.unsigned_abs();
    while out.len() - start < digits || rest > 0 {
        out.push(b'0' + (rest % 10) as u8);
        rest /= 10;
    }
    if value < 0 {
        out.push(b'-');
    }
    out[start..].reverse();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        for (t_us, expected) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (-1, "1969-12-31T23:59:59.999999Z"),
            (951_827_696_789_012, "2000-02-29T12:34:56.789012Z"),
            (1_763_714_171_091_000, "2025-11-21T08:36:11.091000Z"),
            (4_102_444_800_000_000, "2100-01-01T00:00:00.000000Z"),
        ] {
            let mut out = Vec::new();
            write_time(&mut out, t_us);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn texts_are_escaped() {
        let mut out = Vec::new();
        object(&mut out, |members| {
            members.text("a", "\"\\\n→");
            members.joined("b", ["x\"", "y"].into_iter(), "; ");
            members.number("c", f32::NAN);
        });
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value, serde_json::json!({"a": "\"\\\n→", "b": "x\"; y", "c": null}));
    }
}
