//! Rows of a text file with a header.
//!
//! Invariant: no row, however wrong, is an error; it is counted and left out.

use super::refused::{Reason, Refused};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// The text of a file; Latin-1 where it is not UTF-8 (eighteen files of the Aalto subset are).
pub(super) fn read_text(file: &Path, refused: &mut Refused) -> Option<String> {
    let Ok(bytes) = std::fs::read(file) else {
        refused.add(Reason::UnreadableFile);
        return None;
    };
    decode(bytes, refused)
}

fn decode(bytes: Vec<u8>, refused: &mut Refused) -> Option<String> {
    if bytes.is_empty() {
        refused.add(Reason::EmptyFile);
        return None;
    }
    if bytes.contains(&0) {
        refused.add(Reason::NotText);
        return None;
    }
    Some(String::from_utf8(bytes).unwrap_or_else(|error| {
        // Latin-1 is the first 256 characters of Unicode.
        error.into_bytes().into_iter().map(char::from).collect()
    }))
}

/// The rows of a text whose header has all of `columns`, each row as the values of just these, in this order.
pub(super) struct Rows<'t, 'r, const N: usize> {
    lines: std::iter::Peekable<std::str::Split<'t, char>>,
    separator: char,
    width: usize,
    places: [usize; N],
    refused: &'r mut Refused,
}

impl<'t, 'r, const N: usize> Rows<'t, 'r, N> {
    /// `None` where the header lacks a column: the file is refused.
    pub(super) fn new(text: &'t str, separator: char, columns: [&str; N], refused: &'r mut Refused) -> Option<Self> {
        let mut lines = text.split('\n');
        let header = fields(
            lines.next().unwrap_or_default().trim_start_matches('\u{feff}'),
            separator,
        );
        let mut places = [0; N];
        for (place, column) in places.iter_mut().zip(columns) {
            let Some(found) = header.iter().position(|name| name.trim().eq_ignore_ascii_case(column)) else {
                refused.add(Reason::WrongHeader);
                return None;
            };
            *place = found;
        }
        Some(Self {
            lines: lines.peekable(),
            separator,
            width: header.len(),
            places,
            refused,
        })
    }

    /// The next row that has as many values as the header, and where to count what is wrong with it.
    pub(super) fn next_row(&mut self) -> Option<([&'t str; N], &mut Refused)> {
        loop {
            let line = self.lines.next()?.trim_end_matches('\r');
            // Behind the last line break there is nothing, where the file was written to its end.
            let is_last = self.lines.peek().is_none();
            if line.is_empty() {
                continue;
            }
            let values = fields(line, self.separator);
            if values.len() == self.width {
                return Some((self.places.map(|place| values[place]), self.refused));
            }
            let truncated = is_last && values.len() < self.width;
            self.refused.add(if truncated {
                Reason::TruncatedFile
            } else {
                Reason::WrongColumns
            });
        }
    }
}

/// The values of a line. Quotes are taken off values that need none; a separator inside quotes is no part of these formats.
pub(super) fn fields(line: &str, separator: char) -> Vec<&str> {
    let unquote =
        |value: &'_ str| -> usize { usize::from(value.len() >= 2 && value.starts_with('"') && value.ends_with('"')) };
    line.trim_end_matches('\r')
        .split(separator)
        .map(|value| {
            let quote = unquote(value);
            &value[quote..value.len() - quote]
        })
        .collect()
}

/// A whole number of milliseconds as µs. A number with a fraction is refused: these formats have none.
pub(super) fn whole_ms(value: &str) -> Option<i64> {
    value.trim().parse::<i64>().ok()?.checked_mul(1_000)
}

/// Decimal seconds as µs.
pub(super) fn seconds(value: &str) -> Option<i64> {
    let seconds: f64 = value.trim().parse().ok()?;
    // Beyond a century it is no time of a session.
    (seconds.is_finite() && seconds.abs() < 3.2e9).then(|| (seconds * 1e6).round() as i64)
}

/// A place on the screen, pixels.
pub(super) fn place(x: &str, y: &str) -> Result<(i32, i32), Reason> {
    /// As `dynamics::parse` believes them.
    const PIXELS_MAX: i32 = 50_000;
    let number = |value: &str| value.trim().parse::<i32>().map_err(|_| Reason::InvalidCoordinates);
    let (x, y) = (number(x)?, number(y)?);
    if x.abs() > PIXELS_MAX || y.abs() > PIXELS_MAX {
        return Err(Reason::InvalidCoordinates);
    }
    Ok((x, y))
}

/// The CSV files of a folder whose header is taken, by name. A file given in place of a folder is not looked for here.
pub(super) fn csv_files(dir: &Path, takes: impl Fn(&[&str]) -> bool) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if !path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
            || !path.is_file()
        {
            continue;
        }
        let mut header = String::new();
        let bytes_max = 65_536;
        // A file that cannot be read, or is no text, has no header that is taken.
        let read =
            std::fs::File::open(&path).and_then(|file| BufReader::new(file.take(bytes_max)).read_line(&mut header));
        if read.is_ok() && takes(&fields(header.trim_end().trim_start_matches('\u{feff}'), ',')) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
