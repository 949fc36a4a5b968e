//! The command `import`: sessions through `dynamics::parse` to a file of batches or to the history tables.

use super::{Dataset, Recording, Refused, Sessions};
use crate::interrupt;
use crate::progress;
use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use ductus_dynamics::event::{InputEvent, KeyDetail};
use ductus_dynamics::parse::{BatchHead, ParseLimits, parse};
use ductus_dynamics::reject::Rejections;
use ductus_dynamics::wire::Purpose;
use ductus_history::{Appended, EventRows, RowSource, Table, Tables, Txn};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Rows that are kept before they are committed to the events table: about 200 MB.
const FLUSH_ROWS_MAX: usize = 1_000_000;

/// Options of `import`.
#[derive(Args, Clone, Debug)]
pub struct ImportArgs {
    /// The data set.
    #[arg(value_enum)]
    pub dataset: Dataset,
    /// A folder in the data set's own format.
    pub dir: PathBuf,
    /// Write the batches to this file, one JSON document a line.
    #[arg(long, required_unless_present = "history", conflicts_with = "history")]
    pub out: Option<PathBuf>,
    /// Append the events to the tables under this folder or URL.
    #[arg(long)]
    pub history: Option<String>,
    /// How much the events say of a key.
    #[arg(long, value_enum, default_value = "class")]
    pub detail: Detail,
    /// What the events may be used for.
    #[arg(long, value_enum, default_value = "session")]
    pub purpose: ImportPurpose,
    /// Read no more than so many subjects.
    #[arg(long)]
    pub subjects_max: Option<usize>,
}

/// [`KeyDetail`] on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Detail {
    /// Nine classes.
    #[default]
    Class,
    /// Letters split into left and right hand.
    Hand,
}

impl From<Detail> for KeyDetail {
    fn from(detail: Detail) -> Self {
        match detail {
            Detail::Class => Self::Class,
            Detail::Hand => Self::Hand,
        }
    }
}

/// [`Purpose`] on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ImportPurpose {
    /// As if the people worked.
    #[default]
    Session,
    /// As if they enrolled.
    Enrol,
    /// Only for history and training.
    Collect,
}

impl From<ImportPurpose> for Purpose {
    fn from(purpose: ImportPurpose) -> Self {
        match purpose {
            ImportPurpose::Session => Self::Session,
            ImportPurpose::Enrol => Self::Enrol,
            ImportPurpose::Collect => Self::Collect,
        }
    }
}

/// The result of `import`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Data set.
    pub dataset: &'static str,
    /// People whose sessions were taken.
    pub subjects: usize,
    /// Sessions taken.
    pub sessions: u64,
    /// Batches written.
    pub batches: u64,
    /// Events in them.
    pub events: u64,
    /// Rows and files that were refused, by reason.
    pub refused: Refused,
    /// Events that the history had already from an earlier import of the same folder; absent without history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_events: Option<u64>,
}

/// Imports a data set.
pub fn import(args: &ImportArgs) -> Result<Summary> {
    let detail = args.detail.into();
    let mut sessions = Sessions::open(args.dataset, &args.dir, detail)?;
    let mut sink = Sink::open(args)?;
    let progress = progress::files("import", sessions.files_left());
    let mut summary = Summary {
        dataset: args.dataset.name(),
        ..Summary::default()
    };
    let mut subjects = BTreeSet::new();
    let mut refused = Refused::default();
    while let Some(recording) = sessions.next() {
        interrupt::check()?;
        progress.set_left(sessions.files_left());
        if let Some(subject) = &recording.subject {
            if !subjects.contains(subject) && args.subjects_max.is_some_and(|max| subjects.len() >= max) {
                break;
            }
            subjects.insert(subject.clone());
        }
        let taken = pass(
            &recording,
            args.purpose.into(),
            detail,
            &mut refused,
            |line, head, events| {
                summary.batches += 1;
                summary.events += events.len() as u64;
                sink.take(line, head, events)
            },
        )?;
        summary.sessions += u64::from(taken);
    }
    summary.known_events = sink.finish()?;
    summary.subjects = subjects.len();
    refused.merge(sessions.refused());
    summary.refused = refused;
    if summary.events == 0 {
        bail!(
            "{} holds no event of the data set {}: refused {:?}",
            args.dir.display(),
            summary.dataset,
            summary.refused
        );
    }
    Ok(summary)
}

/// Sends a session's batches through `dynamics::parse`, as the stream would read them, and hands on what was understood.
/// Returns whether any of its batches was taken.
pub fn pass(
    recording: &Recording,
    purpose: Purpose,
    detail: KeyDetail,
    refused: &mut Refused,
    mut take: impl FnMut(&[u8], &BatchHead<'_>, &[InputEvent]) -> Result<()>,
) -> Result<bool> {
    let limits = ParseLimits {
        detail,
        ..ParseLimits::default()
    };
    let (mut line, mut events, mut any) = (Vec::new(), Vec::new(), false);
    for batch in recording.batches(purpose) {
        line.clear();
        events.clear();
        serde_json::to_writer(&mut line, &batch).context("cannot write an event batch as JSON")?;
        let mut rejections = Rejections::default();
        match parse(&line, &limits, &mut events, &mut rejections) {
            Ok(head) => {
                any = true;
                take(&line, &head, &events)?;
            }
            Err(rejection) => rejections.add(rejection.reason, rejection.events.max(1)),
        }
        for (reason, count) in rejections.iter() {
            refused.add_code(reason.code(), count);
        }
    }
    Ok(any)
}

/// Where the batches go.
enum Sink {
    Lines(BufWriter<File>, PathBuf),
    History(Box<History>),
}

struct History {
    tables: Tables,
    rows: EventRows,
    /// Names this import: the same folder, read the same way, is appended once.
    app_id: String,
    batches: i64,
    known_events: u64,
}

impl Sink {
    fn open(args: &ImportArgs) -> Result<Self> {
        if let Some(root) = &args.history {
            let tables = Tables::open(root)?;
            let app_id = format!("import/{}/{}", args.dataset.name(), fingerprint(args)?);
            let history = History {
                tables,
                rows: EventRows::new(),
                app_id,
                batches: 0,
                known_events: 0,
            };
            return Ok(Self::History(Box::new(history)));
        }
        let Some(path) = &args.out else {
            bail!("say where to: --out FILE or --history TABLES")
        };
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self::Lines(BufWriter::with_capacity(1 << 20, file), path.clone()))
    }

    fn take(&mut self, line: &[u8], head: &BatchHead<'_>, events: &[InputEvent]) -> Result<()> {
        match self {
            Self::Lines(file, path) => file
                .write_all(line)
                .and_then(|()| file.write_all(b"\n"))
                .with_context(|| format!("cannot write {}", path.display())),
            Self::History(history) => {
                let source = RowSource {
                    partition: 0,
                    offset: history.batches,
                    ingested_us: None,
                };
                history.rows.push(head, events, &source);
                history.batches += 1;
                if history.rows.len() >= FLUSH_ROWS_MAX {
                    history.flush()
                } else {
                    Ok(())
                }
            }
        }
    }

    fn finish(self) -> Result<Option<u64>> {
        match self {
            Self::Lines(mut file, path) => {
                file.flush()
                    .with_context(|| format!("cannot write {}", path.display()))?;
                Ok(None)
            }
            Self::History(mut history) => {
                history.flush()?;
                Ok(Some(history.known_events))
            }
        }
    }
}

impl History {
    fn flush(&mut self) -> Result<()> {
        let rows = self.rows.len();
        if rows == 0 {
            return Ok(());
        }
        let batch = self.rows.finish()?;
        let txn = Txn {
            app_id: self.app_id.clone(),
            version: self.batches - 1,
        };
        if let Appended::Skipped { .. } = self.tables.append(Table::Events, &[batch], Some(&txn))? {
            self.known_events += rows as u64;
        }
        Ok(())
    }
}

/// Tells this folder, read with these options, from others: over names and sizes of its files.
fn fingerprint(args: &ImportArgs) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(format!(
        "{:?} {:?} {:?}\n",
        args.detail, args.purpose, args.subjects_max
    ));
    for file in args.dataset.files(&args.dir)? {
        let size = file.metadata().map_or(0, |metadata| metadata.len());
        let name = file.strip_prefix(&args.dir).unwrap_or(Path::new(""));
        hash.update(format!("{} {size}\n", name.display()));
    }
    Ok(ductus_dynamics::id::hex(&hash.finalize()[..8]))
}
