//! Reading sessions back, for the trainer and the evaluator.
//!
//! Invariants: sessions come in the order of tenant, subject, session, and their events in source order, whatever files they
//! lie in; the events are held once, in the compact form of the domain, while files are decoded row group by row group.

use crate::disowned::Disowned;
use crate::error::HistoryError;
use crate::names::kind;
use crate::read::Columns;
use crate::schema::Table;
use crate::tables::Tables;
use arrow::array::{Array, BooleanArray, Int32Array, Int64Array, StringArray};
use ductus_dynamics::event::{Button, EventKind, InputEvent, KeyClass, KeyDetail, Modality};
use ductus_dynamics::wire::{Device, Keyboard, Layout, Pointer, Purpose};
use std::collections::{BTreeMap, BTreeSet, btree_map};

/// Which sessions to read; the default reads all.
#[derive(Clone, Debug, Default)]
pub struct SessionFilter {
    /// Only this tenant's.
    pub tenant: Option<String>,
    /// Only these subjects'.
    pub subjects: Option<BTreeSet<String>>,
    /// Only these sessions.
    pub sessions: Option<BTreeSet<String>>,
    /// Only sessions of somebody who is claimed.
    pub claimed: bool,
    /// Not these.
    pub without: Disowned,
    /// Only events of this modality, and those that concern the whole session.
    pub modality: Option<Modality>,
}

/// A session as it was recorded.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredSession {
    /// Tenant.
    pub tenant: String,
    /// Pseudonym of the subject, if one was claimed.
    pub subject: Option<String>,
    /// Session.
    pub session: String,
    /// What its events may be used for, as its first batch says.
    pub purpose: Purpose,
    /// The finest key detail of its batches.
    pub detail: KeyDetail,
    /// Device class, as its first batch says.
    pub device: Device,
    /// Its events in source order, with absolute times.
    pub events: Vec<InputEvent>,
    /// Where the client's clock got a new origin: before the events of these indices. Windows end there.
    pub clock_steps: Vec<usize>,
}

/// The sessions that were read; each is given away whole, so that nothing is held twice.
#[derive(Debug)]
pub struct Sessions {
    drafts: btree_map::IntoIter<Key, Draft>,
}

impl Iterator for Sessions {
    type Item = StoredSession;

    fn next(&mut self) -> Option<StoredSession> {
        self.drafts.next().map(|(key, draft)| draft.into_session(key))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.drafts.size_hint()
    }
}

impl ExactSizeIterator for Sessions {}

impl Tables {
    /// Reads sessions from the events table.
    ///
    /// # Errors
    /// The store failed, or a file is not what the schema says.
    pub fn read_sessions(&mut self, filter: &SessionFilter) -> Result<Sessions, HistoryError> {
        let mut drafts: BTreeMap<Key, Draft> = BTreeMap::new();
        self.scan(Table::Events, &COLUMNS, |columns| {
            take_rows(columns, filter, &mut drafts)
        })?;
        Ok(Sessions {
            drafts: drafts.into_iter(),
        })
    }
}

const COLUMNS: [&str; 22] = [
    "tenant",
    "subject",
    "session",
    "purpose",
    "detail",
    "keyboard",
    "pointer",
    "layout",
    "touch",
    "clock_origin_us",
    "t_us",
    "kind",
    "press",
    "class",
    "x",
    "y",
    "dx",
    "dy",
    "button",
    "source_partition",
    "source_offset",
    "index",
];

/// Tenant, subject, session: the order in which sessions are given.
type Key = (String, Option<String>, String);

/// Where a row stands in its source.
type Place = (i32, i64, i32);

#[derive(Debug)]
struct Draft {
    first: Place,
    purpose: Purpose,
    detail: KeyDetail,
    device: Device,
    /// Place, clock origin and event.
    rows: Vec<(Place, i64, InputEvent)>,
}

impl Draft {
    fn into_session(mut self, (tenant, subject, session): Key) -> StoredSession {
        if !self.rows.is_sorted_by_key(|(place, _, _)| *place) {
            self.rows.sort_unstable_by_key(|(place, _, _)| *place);
        }
        let clock_steps = (1..self.rows.len())
            .filter(|i| self.rows[*i].1 != self.rows[i - 1].1)
            .collect();
        StoredSession {
            tenant,
            subject,
            session,
            purpose: self.purpose,
            detail: self.detail,
            device: self.device,
            events: self.rows.into_iter().map(|(_, _, event)| event).collect(),
            clock_steps,
        }
    }
}

fn take_rows(
    columns: &Columns<'_>,
    filter: &SessionFilter,
    drafts: &mut BTreeMap<Key, Draft>,
) -> Result<(), HistoryError> {
    let head = Heads::of(columns)?;
    let event = Events::of(columns)?;
    let (partition, offset, index) = (
        columns.int32("source_partition")?,
        columns.int64("source_offset")?,
        columns.int32("index")?,
    );
    // Rows of one session stand together: the draft is looked up once a run.
    let mut start = 0;
    while start < columns.len() {
        let end = (start + 1..columns.len())
            .find(|row| head.key(*row) != head.key(start))
            .unwrap_or(columns.len());
        if filter.takes(head.key(start)) {
            let (tenant, subject, session) = head.key(start);
            let key = (tenant.to_owned(), subject.map(str::to_owned), session.to_owned());
            let draft = drafts.entry(key).or_insert_with(Draft::empty);
            for row in start..end {
                let place = (partition.value(row), offset.value(row), index.value(row));
                let kind = event.kind(columns, row)?;
                draft.take_head(columns, &head, row, place)?;
                if filter.takes_kind(&kind) {
                    let t_us = event.t_us.value(row);
                    draft
                        .rows
                        .push((place, head.clock_origin_us.value(row), InputEvent { t_us, kind }));
                }
            }
        }
        start = end;
    }
    Ok(())
}

impl SessionFilter {
    fn takes(&self, (tenant, subject, session): (&str, Option<&str>, &str)) -> bool {
        self.tenant.as_ref().is_none_or(|wanted| wanted == tenant)
            && self
                .subjects
                .as_ref()
                .is_none_or(|wanted| subject.is_some_and(|subject| wanted.contains(subject)))
            && self.sessions.as_ref().is_none_or(|wanted| wanted.contains(session))
            && (!self.claimed || subject.is_some())
            && !self.without.contains(tenant, session)
    }

    fn takes_kind(&self, kind: &EventKind) -> bool {
        match (self.modality, kind.modality()) {
            (Some(wanted), Some(modality)) => wanted == modality,
            _ => true,
        }
    }
}

impl Draft {
    fn empty() -> Self {
        Self {
            first: (i32::MAX, i64::MAX, i32::MAX),
            purpose: Purpose::default(),
            detail: KeyDetail::Class,
            device: Device::default(),
            rows: Vec::new(),
        }
    }

    fn take_head(
        &mut self,
        columns: &Columns<'_>,
        head: &Heads<'_>,
        row: usize,
        place: Place,
    ) -> Result<(), HistoryError> {
        // All rows of a batch repeat its head: it is read at the first of them only.
        if place.2 != 0 && place > self.first {
            return Ok(());
        }
        self.detail = self.detail.max(columns.named(head.detail, row)?);
        if place < self.first {
            self.first = place;
            self.purpose = columns.named(head.purpose, row)?;
            self.device = Device {
                keyboard: columns.named::<Keyboard>(head.keyboard, row)?,
                pointer: columns.named::<Pointer>(head.pointer, row)?,
                layout: columns.named::<Layout>(head.layout, row)?,
                touch: head.touch.value(row),
            };
        }
        Ok(())
    }
}

/// The columns that repeat for every row of a batch.
struct Heads<'a> {
    tenant: &'a StringArray,
    subject: &'a StringArray,
    session: &'a StringArray,
    purpose: &'a StringArray,
    detail: &'a StringArray,
    keyboard: &'a StringArray,
    pointer: &'a StringArray,
    layout: &'a StringArray,
    touch: &'a BooleanArray,
    clock_origin_us: &'a Int64Array,
}

impl<'a> Heads<'a> {
    fn of(columns: &Columns<'a>) -> Result<Self, HistoryError> {
        Ok(Self {
            tenant: columns.string("tenant")?,
            subject: columns.string("subject")?,
            session: columns.string("session")?,
            purpose: columns.string("purpose")?,
            detail: columns.string("detail")?,
            keyboard: columns.string("keyboard")?,
            pointer: columns.string("pointer")?,
            layout: columns.string("layout")?,
            touch: columns.boolean("touch")?,
            clock_origin_us: columns.int64("clock_origin_us")?,
        })
    }

    fn key(&self, row: usize) -> (&str, Option<&str>, &str) {
        let subject = self.subject.is_valid(row).then(|| self.subject.value(row));
        (self.tenant.value(row), subject, self.session.value(row))
    }
}

/// The columns that make an event.
struct Events<'a> {
    t_us: &'a Int64Array,
    kind: &'a StringArray,
    press: &'a Int64Array,
    class: &'a StringArray,
    x: &'a Int32Array,
    y: &'a Int32Array,
    dx: &'a Int32Array,
    dy: &'a Int32Array,
    button: &'a StringArray,
}

impl<'a> Events<'a> {
    fn of(columns: &Columns<'a>) -> Result<Self, HistoryError> {
        Ok(Self {
            t_us: columns.int64("t_us")?,
            kind: columns.string("kind")?,
            press: columns.int64("press")?,
            class: columns.string("class")?,
            x: columns.int32("x")?,
            y: columns.int32("y")?,
            dx: columns.int32("dx")?,
            dy: columns.int32("dy")?,
            button: columns.string("button")?,
        })
    }

    fn kind(&self, columns: &Columns<'_>, row: usize) -> Result<EventKind, HistoryError> {
        let press = || {
            u32::try_from(self.press.value(row)).map_err(|_| columns.unreadable(format!("row {row}: no press number")))
        };
        let (x, y) = (self.x.value(row), self.y.value(row));
        Ok(match self.kind.value(row) {
            kind::DOWN => EventKind::KeyDown {
                press: press()?,
                class: columns.named::<KeyClass>(self.class, row)?,
            },
            kind::UP => EventKind::KeyUp { press: press()? },
            kind::MOVE => EventKind::Move { x, y },
            kind::PRESS => EventKind::ButtonDown {
                button: columns.named::<Button>(self.button, row)?,
                x,
                y,
            },
            kind::RELEASE => EventKind::ButtonUp {
                button: columns.named::<Button>(self.button, row)?,
                x,
                y,
            },
            kind::SCROLL => EventKind::Scroll {
                dx: self.dx.value(row),
                dy: self.dy.value(row),
                x,
                y,
            },
            kind::BLUR => EventKind::Blur,
            kind::END => EventKind::End,
            other => return Err(columns.unreadable(format!("row {row}: unknown kind of event {other:?}"))),
        })
    }
}
