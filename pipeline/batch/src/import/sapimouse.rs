//! SapiMouse: `userN/session_[YYYY_MM_DD_]{1min,3min}.csv`, client times in milliseconds.

use super::presses::end;
use super::refused::{Reason, Refused};
use super::table::{Rows, place, whole_ms};
use super::{Dataset, Recording, Source, id_part, synthetic_origin_us};
use anyhow::Result;
use ductus_dynamics::event::Button;
use ductus_dynamics::wire::{Device, Event, Keyboard, Layout, Pointer};
use std::path::{Path, PathBuf};

/// The session files of every person's folder, by the number in the folder's name, then by file name.
pub(super) fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let folder = entry?.path();
        if !folder.is_dir() {
            continue;
        }
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "csv") {
                files.push((number_in(&folder), path));
            }
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

fn number_in(path: &Path) -> u64 {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(u64::MAX)
}

/// The session of a file.
pub(super) fn read(file: &Path, text: &str, source: &Source, refused: &mut Refused) -> Vec<Recording> {
    let Some(track) = Track::read(text, whole_ms, refused) else {
        return Vec::new();
    };
    let folder = file
        .parent()
        .and_then(Path::file_name)
        .and_then(|name| name.to_str())
        .unwrap_or("unknown");
    let stem = file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let subject = format!("sapimouse-{}", id_part(folder));
    let session = format!("{subject}-{}", id_part(stem.trim_start_matches("session_")));
    vec![track.into_recording(
        Dataset::Sapimouse,
        Some(subject),
        session,
        date_origin_us(stem),
        1_000,
        source,
    )]
}

/// The day in `session_2020_05_14_1min`, where the name has one. The order of the day's sessions is in their times.
fn date_origin_us(stem: &str) -> i64 {
    let numbers: Vec<i64> = stem.split('_').filter_map(|part| part.parse().ok()).collect();
    let &[year, month, day] = numbers.as_slice() else {
        return synthetic_origin_us(0);
    };
    if !((2000..2100).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day)) {
        return synthetic_origin_us(0);
    }
    days_since_epoch(year, month, day) * 86_400_000_000
}

/// Days from 1970-01-01 of a Gregorian date (Hinnant, "chrono-compatible low-level date algorithms").
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// Pointer rows on their way to events; SapiMouse and Balabit name buttons and states alike.
#[derive(Default)]
pub(super) struct Track<'t> {
    events: Vec<Event>,
    first_us: i64,
    last_us: i64,
    /// The rows of the last instant, to tell repeated ones.
    instant: Vec<[&'t str; 4]>,
    /// The last place; scroll rows have none of their own.
    last: (i32, i32),
}

impl<'t> Track<'t> {
    /// All rows of a file whose times `time_us` reads; nothing where it lacks a column.
    pub(super) fn read(text: &'t str, time_us: fn(&str) -> Option<i64>, refused: &mut Refused) -> Option<Self> {
        let columns = ["client timestamp", "button", "state", "x", "y"];
        let mut rows = Rows::new(text, ',', columns, refused)?;
        let mut track = Self::default();
        while let Some(([time, button, state, x, y], refused)) = rows.next_row() {
            let Some(t_us) = time_us(time) else {
                refused.add(Reason::NonIntegerTime);
                continue;
            };
            if let Err(reason) = track.push(t_us, button, state, x, y) {
                refused.add(reason);
            }
        }
        Some(track)
    }

    fn push(&mut self, t_us: i64, button: &'t str, state: &'t str, x: &'t str, y: &'t str) -> Result<(), Reason> {
        if self.events.is_empty() && self.instant.is_empty() {
            (self.first_us, self.last_us) = (t_us, t_us);
        }
        if t_us < self.last_us {
            return Err(Reason::TimeGoesBack);
        }
        let row = [button, state, x, y];
        if t_us == self.last_us && self.instant.contains(&row) {
            return Err(Reason::DuplicateRow);
        }
        let at = place(x, y)?;
        let t = t_us - self.first_us;
        let event = match (button, state) {
            ("Scroll", "Up" | "Down") => {
                let (x, y) = self.last;
                // A notch of the wheel, as browsers tell it; up is negative.
                Event::Scroll {
                    t_us: t,
                    x,
                    y,
                    dx: 0,
                    dy: if state == "Up" { -120 } else { 120 },
                }
            }
            (_, "Move" | "Drag") => Event::Move {
                t_us: t,
                x: at.0,
                y: at.1,
            },
            (_, "Pressed") => Event::Press {
                t_us: t,
                x: at.0,
                y: at.1,
                button: button_of(button),
            },
            (_, "Released") => Event::Release {
                t_us: t,
                x: at.0,
                y: at.1,
                button: button_of(button),
            },
            _ => return Err(Reason::UnknownValue),
        };
        if !matches!(event, Event::Scroll { .. }) {
            self.last = at;
        }
        if t_us > self.last_us {
            self.instant.clear();
        }
        self.instant.push(row);
        self.last_us = t_us;
        self.events.push(event);
        Ok(())
    }

    pub(super) fn into_recording(
        mut self,
        dataset: Dataset,
        subject: Option<String>,
        session: String,
        day_us: i64,
        resolution_us: u32,
        source: &Source,
    ) -> Recording {
        end(&mut self.events);
        let device = Device {
            keyboard: Keyboard::Unknown,
            pointer: Pointer::Mouse,
            layout: Layout::Unknown,
            touch: false,
        };
        Recording {
            tenant: dataset.name(),
            subject,
            session,
            origin_us: day_us + self.first_us.clamp(0, 86_400_000_000),
            resolution_us,
            device,
            detail: source.detail,
            events: self.events,
        }
    }
}

fn button_of(name: &str) -> Button {
    match name {
        "Left" => Button::Primary,
        "Right" => Button::Secondary,
        "Middle" => Button::Middle,
        _ => Button::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days() {
        for (date, days) in [
            ((1970, 1, 1), 0),
            ((2000, 2, 29), 11_016),
            ((2020, 5, 14), 18_396),
            ((2021, 3, 1), 18_687),
        ] {
            assert_eq!(days_since_epoch(date.0, date.1, date.2), days, "{date:?}");
        }
    }
}
