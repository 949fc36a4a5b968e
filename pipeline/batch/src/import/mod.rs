//! Public data sets in their own formats, turned into what applications publish: [`EventBatch`]es.
//!
//! Invariants: the key becomes its class in the first line that sees it and is kept nowhere else; one bad row costs that row
//! and is counted under its reason, never the file; no participant, name or count of any data set stands in the code, so a
//! folder with other people in it is read the same way; the same folder gives the same batches in the same order.

mod aalto;
mod balabit;
mod cmu;
mod keyrecs;
mod keys;
mod pohmm;
mod presses;
mod refused;
mod run;
mod sapimouse;
mod table;

#[cfg(test)]
mod tests;

pub use balabit::{is_test as is_balabit_test, labels as balabit_labels};
pub(crate) use pohmm::FREE_TEXT as POHMM_FREE_TEXT;
pub use refused::{Reason, Refused};
pub use run::{Detail, ImportArgs, ImportPurpose, Summary, import, pass};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use ductus_dynamics::event::KeyDetail;
use ductus_dynamics::wire::{Clock, Consent, Device, Event, EventBatch, Purpose, VERSION};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// Most events in a batch: what a page sends within some seconds.
pub const BATCH_EVENTS_MAX: usize = 200;

/// A public data set that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum)]
pub enum Dataset {
    /// Observations on Typing from 136 Million Keystrokes (Dhakal et al., CHI 2018), desktop.
    Aalto,
    /// Balabit Mouse Dynamics Challenge (Fülöp et al., 2016).
    Balabit,
    /// SapiMouse (Antal, Fejér, Buza, SACI 2021).
    Sapimouse,
    /// Free text, fixed text and keypad of Monaco & Tappert, Pattern Recognition 2018.
    Pohmm,
    /// DSL-StrongPasswordData (Killourhy & Maxion, DSN 2009).
    Cmu,
    /// KeyRecs (Dias et al., Data in Brief 2023).
    Keyrecs,
}

impl Dataset {
    /// Every data set.
    pub const ALL: [Self; 6] = [
        Self::Aalto,
        Self::Balabit,
        Self::Sapimouse,
        Self::Pohmm,
        Self::Cmu,
        Self::Keyrecs,
    ];

    /// The name on the command line, the tenant of its sessions, and the prefix of its subjects.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aalto => "aalto",
            Self::Balabit => "balabit",
            Self::Sapimouse => "sapimouse",
            Self::Pohmm => "pohmm",
            Self::Cmu => "cmu",
            Self::Keyrecs => "keyrecs",
        }
    }

    /// The data set of a tenant that [`Dataset::name`] gave.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dataset| dataset.name() == name)
    }

    /// The terms it is published under, as its own documents state them.
    pub fn terms(self) -> &'static str {
        match self {
            Self::Aalto => "non-commercial use with attribution to the authors",
            Self::Balabit => "research use, cite the authors; no licence file",
            Self::Sapimouse => "research use, cite the authors; no licence stated",
            Self::Pohmm => "BSD-2-Clause",
            Self::Cmu => "research use, cite the authors",
            Self::Keyrecs => "CC-BY-4.0",
        }
    }

    /// What its terms say of commercial use.
    pub fn commercial_use(self) -> CommercialUse {
        match self {
            Self::Aalto => CommercialUse::Forbidden,
            Self::Pohmm | Self::Keyrecs => CommercialUse::Allowed,
            Self::Balabit | Self::Sapimouse | Self::Cmu => CommercialUse::NotStated,
        }
    }

    fn files(self, dir: &Path) -> Result<Vec<PathBuf>> {
        match self {
            Self::Aalto => aalto::files(dir),
            Self::Balabit => balabit::files(dir),
            Self::Sapimouse => sapimouse::files(dir),
            Self::Pohmm => pohmm::files(dir),
            Self::Cmu => cmu::files(dir),
            Self::Keyrecs => keyrecs::files(dir),
        }
    }
}

/// What the terms of data say of commercial use of what is learned from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CommercialUse {
    /// They allow it.
    Allowed,
    /// They speak of research only.
    NotStated,
    /// They forbid it.
    Forbidden,
}

/// One session of a data set.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// Tenant: the data set's name.
    pub tenant: &'static str,
    /// Pseudonym of the person, where the data set says who it was.
    pub subject: Option<String>,
    /// The session.
    pub session: String,
    /// What the times of the events count from, µs since the Unix epoch.
    pub origin_us: i64,
    /// Resolution of the times as recorded, µs.
    pub resolution_us: u32,
    /// What the person typed and pointed with.
    pub device: Device,
    /// How much the events say of a key.
    pub detail: KeyDetail,
    /// The events, oldest first.
    pub events: Vec<Event>,
}

impl Recording {
    /// The session as consecutive batches of at most [`BATCH_EVENTS_MAX`] events.
    pub fn batches(&self, purpose: Purpose) -> impl Iterator<Item = EventBatch> + '_ {
        (0..)
            .zip(self.events.chunks(BATCH_EVENTS_MAX))
            .map(move |(seq, events)| EventBatch {
                v: VERSION,
                tenant: self.tenant.to_owned(),
                subject: self.subject.clone(),
                session: self.session.clone(),
                seq,
                purpose,
                consent: Consent::Granted,
                clock: Clock {
                    origin_us: self.origin_us,
                    resolution_us: self.resolution_us,
                },
                device: self.device,
                detail: self.detail,
                events: events.to_vec(),
            })
    }
}

/// The sessions of a folder, one after the other. Files are read as they are needed; rows that are refused are counted.
#[derive(Debug)]
pub struct Sessions {
    source: Source,
    files: std::vec::IntoIter<PathBuf>,
    ready: VecDeque<Recording>,
    refused: Refused,
}

/// What a reader needs to know besides the file.
#[derive(Clone, Debug)]
struct Source {
    dataset: Dataset,
    dir: PathBuf,
    detail: KeyDetail,
}

impl Sessions {
    /// Opens a folder in the data set's own format.
    pub fn open(dataset: Dataset, dir: &Path, detail: KeyDetail) -> Result<Self> {
        if !dir.is_dir() {
            bail!(
                "{} is not a folder; give the folder that holds the data set's files",
                dir.display()
            );
        }
        let files = dataset
            .files(dir)
            .with_context(|| format!("cannot read {}", dir.display()))?;
        if files.is_empty() {
            bail!("{} holds no file of the data set {}", dir.display(), dataset.name());
        }
        let source = Source {
            dataset,
            dir: dir.to_owned(),
            detail,
        };
        Ok(Self {
            source,
            files: files.into_iter(),
            ready: VecDeque::new(),
            refused: Refused::default(),
        })
    }

    /// Files that were not read yet.
    pub fn files_left(&self) -> usize {
        self.files.len()
    }

    /// What was refused so far.
    pub fn refused(&self) -> &Refused {
        &self.refused
    }
}

impl Iterator for Sessions {
    type Item = Recording;

    fn next(&mut self) -> Option<Recording> {
        loop {
            if let Some(recording) = self.ready.pop_front() {
                return Some(recording);
            }
            let file = self.files.next()?;
            let Some(text) = table::read_text(&file, &mut self.refused) else {
                continue;
            };
            let (source, refused) = (&self.source, &mut self.refused);
            let recordings = match source.dataset {
                Dataset::Aalto => aalto::read(&text, source, refused),
                Dataset::Balabit => balabit::read(&file, &text, source, refused),
                Dataset::Sapimouse => sapimouse::read(&file, &text, source, refused),
                Dataset::Pohmm => pohmm::read(&file, &text, source, refused),
                Dataset::Cmu => cmu::read(&text, source, refused),
                Dataset::Keyrecs => keyrecs::read(&file, &text, source, refused),
            };
            self.ready
                .extend(recordings.into_iter().filter(|recording| !recording.events.is_empty()));
        }
    }
}

/// A name of the data set as part of an id: characters outside the ids' alphabet become `_`, and it is cut at 24.
fn id_part(name: &str) -> String {
    let allowed = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') {
            c
        } else {
            '_'
        }
    };
    name.trim().chars().take(24).map(allowed).collect()
}

/// Times that a data set counts from the start of a session are placed on a day of its own for each session, from the
/// start of the year 2020 on: what matters is that sessions keep their order and do not overlap.
fn synthetic_origin_us(session: u64) -> i64 {
    const START_OF_2020_US: i64 = 1_577_836_800_000_000;
    const DAY_US: i64 = 86_400_000_000;
    // Some decades fit before the last origin that is believed.
    START_OF_2020_US + (session % 20_000) as i64 * DAY_US
}
