//! The people to learn from or to judge with, and the events of their sessions: from the history tables or straight from the
//! folder of a public data set.
//!
//! Invariants: both ways go through `dynamics::parse`, and give the same people with the same events in the same order, so
//! that a model does not depend on the way its data came; sessions of nobody are left out; what is learned from holds no
//! session of Balabit's test part, which its protocol judges.

use crate::import::{Dataset, Recording, Refused, Sessions, is_balabit_test, pass};
use crate::{interrupt, progress};
use anyhow::{Context, Result, bail};
use ductus_dynamics::event::{EventKind, InputEvent, KeyDetail, Modality};
use ductus_dynamics::wire::Purpose;
use ductus_history::{Disowned, SessionFilter, StoredSession, Tables};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A person and their sessions, oldest first.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// Tenant; for public data sets, their name.
    pub tenant: String,
    /// Pseudonym.
    pub subject: String,
    /// Sessions with at least one event of the modality asked for.
    pub sessions: Vec<Session>,
}

impl Person {
    /// `tenant/subject`, as lists of people name them.
    pub fn name(&self) -> String {
        format!("{}/{}", self.tenant, self.subject)
    }
}

/// The events of one session.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// The session.
    pub session: String,
    /// Its events, absolute times.
    pub events: Vec<InputEvent>,
    /// Before which events the client's clock got a new origin.
    pub clock_steps: Vec<usize>,
}

impl Session {
    fn start_us(&self) -> i64 {
        self.events.first().map_or(i64::MAX, |event| event.t_us)
    }
}

/// A data set and its folder, on the command line `DATASET=DIR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSource {
    /// The data set.
    pub dataset: Dataset,
    /// The folder.
    pub dir: PathBuf,
}

impl std::str::FromStr for DataSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Dataset::ALL.map(Dataset::name).join(", ");
        let (name, dir) = text
            .split_once('=')
            .ok_or_else(|| format!("{text:?} is not of the form DATASET=DIR"))?;
        let dataset = Dataset::of_name(name).ok_or_else(|| format!("unknown data set {name:?}, use one of {names}"))?;
        Ok(Self {
            dataset,
            dir: dir.into(),
        })
    }
}

/// Reads people from folders of public data sets, ordered by tenant and pseudonym.
pub fn from_folders(sources: &[DataSource], modality: Modality, detail: KeyDetail) -> Result<Vec<Person>> {
    let mut people = BTreeMap::new();
    for source in sources {
        for (recording, events) in read(source.dataset, &source.dir, detail)? {
            let Some(subject) = recording.subject else { continue };
            let session = Session {
                session: recording.session,
                events,
                clock_steps: Vec::new(),
            };
            add(&mut people, recording.tenant, subject, session, modality);
        }
    }
    Ok(finish(people))
}

/// Reads people from the history tables, ordered by tenant and pseudonym, without what was said to be somebody else's.
pub fn from_history(root: &str, modality: Modality, detail: KeyDetail) -> Result<Vec<Person>> {
    from_history_noting(root, modality, detail, |_| ())
}

/// As [`from_history`]; `note` sees every session with what the table says beside its events.
pub fn from_history_noting(
    root: &str,
    modality: Modality,
    detail: KeyDetail,
    mut note: impl FnMut(&StoredSession),
) -> Result<Vec<Person>> {
    let mut tables = Tables::open(root)?;
    let without = disowned(&mut tables)?;
    let filter = SessionFilter {
        claimed: true,
        without,
        modality: Some(modality),
        ..SessionFilter::default()
    };
    let mut people = BTreeMap::new();
    for stored in tables
        .read_sessions(&filter)
        .with_context(|| format!("cannot read the history {root}"))?
    {
        interrupt::check()?;
        note(&stored);
        let Some(subject) = stored.subject else { continue };
        let mut session = Session {
            session: stored.session,
            events: stored.events,
            clock_steps: stored.clock_steps,
        };
        coarsen(&mut session.events, detail);
        add(&mut people, &stored.tenant, subject, session, modality);
    }
    Ok(finish(people))
}

/// The sessions that somebody who looked into them said were another's: nobody learns a subject from those.
pub fn disowned(tables: &mut Tables) -> Result<Disowned> {
    let disowned = tables
        .disowned()
        .with_context(|| format!("cannot read the feedback in {}", tables.root()))?;
    if !disowned.is_empty() {
        tracing::info!(
            sessions = disowned.len(),
            "left out, because they were said to be somebody else's"
        );
    }
    Ok(disowned)
}

/// Reads the sessions of one folder in the data set's own order, parsed as the stream parses them.
pub fn read(dataset: Dataset, dir: &Path, detail: KeyDetail) -> Result<Vec<(Recording, Vec<InputEvent>)>> {
    let mut refused = Refused::default();
    let read = read_counting(dataset, dir, detail, &mut refused)?;
    if refused.total() > 0 {
        tracing::warn!(dataset = dataset.name(), refused = ?refused, "rows were refused");
    }
    Ok(read)
}

/// As [`read`]; what was refused is counted by reason.
pub fn read_counting(
    dataset: Dataset,
    dir: &Path,
    detail: KeyDetail,
    refused: &mut Refused,
) -> Result<Vec<(Recording, Vec<InputEvent>)>> {
    let mut sessions = Sessions::open(dataset, dir, detail)?;
    let progress = progress::files("read", sessions.files_left());
    let mut read = Vec::new();
    while let Some(mut recording) = sessions.next() {
        interrupt::check()?;
        progress.set_left(sessions.files_left());
        let mut events = Vec::with_capacity(recording.events.len());
        pass(&recording, Purpose::Collect, detail, refused, |_, _, batch| {
            events.extend_from_slice(batch);
            Ok(())
        })?;
        recording.events = Vec::new();
        read.push((recording, events));
    }
    refused.merge(sessions.refused());
    if read.is_empty() {
        bail!("{} holds no session of the data set {}", dir.display(), dataset.name());
    }
    Ok(read)
}

type People = BTreeMap<(String, String), Vec<Session>>;

fn add(people: &mut People, tenant: &str, subject: String, session: Session, modality: Modality) {
    if tenant == Dataset::Balabit.name() && is_balabit_test(&session.session) {
        return;
    }
    if session
        .events
        .iter()
        .any(|event| event.kind.modality() == Some(modality))
    {
        people.entry((tenant.to_owned(), subject)).or_default().push(session);
    }
}

fn finish(people: People) -> Vec<Person> {
    people
        .into_iter()
        .map(|((tenant, subject), mut sessions)| {
            sessions.sort_by(|a, b| (a.start_us(), &a.session).cmp(&(b.start_us(), &b.session)));
            Person {
                tenant,
                subject,
                sessions,
            }
        })
        .collect()
}

/// History may know keys more finely than a model is to be told.
fn coarsen(events: &mut [InputEvent], detail: KeyDetail) {
    if detail == KeyDetail::Hand {
        return;
    }
    for event in events {
        if let EventKind::KeyDown { class, .. } = &mut event.kind {
            *class = class.coarse();
        }
    }
}

/// Reads people from one folder, people and sessions in the data set's own order: what published protocols count in.
pub fn in_order(dataset: Dataset, dir: &Path, modality: Modality, detail: KeyDetail) -> Result<Vec<Person>> {
    in_order_counting(dataset, dir, modality, detail, &mut Refused::default())
}

/// As [`in_order`]; what was refused is counted by reason.
pub fn in_order_counting(
    dataset: Dataset,
    dir: &Path,
    modality: Modality,
    detail: KeyDetail,
    refused: &mut Refused,
) -> Result<Vec<Person>> {
    let mut people: Vec<Person> = Vec::new();
    for (recording, events) in read_counting(dataset, dir, detail, refused)? {
        let Some(subject) = recording.subject else { continue };
        if !events.iter().any(|event| event.kind.modality() == Some(modality)) {
            continue;
        }
        let session = Session {
            session: recording.session,
            events,
            clock_steps: Vec::new(),
        };
        match people.last_mut().filter(|person| person.subject == subject) {
            Some(person) => person.sessions.push(session),
            None => people.push(Person {
                tenant: recording.tenant.to_owned(),
                subject,
                sessions: vec![session],
            }),
        }
    }
    Ok(people)
}
