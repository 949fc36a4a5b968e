//! Which sessions were somebody else's: what people who looked into decisions said of them.
//!
//! Invariant: whoever changes their mind is heard once. Of each decision the latest word of each person counts, and among those the
//! latest of all; a session is disowned while that word says of any of its decisions that it was somebody else.

use crate::error::HistoryError;
use crate::read::Columns;
use crate::schema::Table;
use crate::tables::Tables;
use ductus_dynamics::wire::FeedbackVerdict;
use std::collections::{BTreeMap, BTreeSet};

/// Tenant and name of sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disowned(BTreeSet<(String, String)>);

impl Disowned {
    /// Whether this session is among them.
    pub fn contains(&self, tenant: &str, session: &str) -> bool {
        // Names are looked up a few times a session, not a row.
        self.0.contains(&(tenant.to_owned(), session.to_owned()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tenant and session of each, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(tenant, session)| (tenant.as_str(), session.as_str()))
    }
}

/// Tenant and id: which decision.
type Decision = (String, String);

/// The latest word on each decision: when, and its session where it says that it was somebody else.
type Words = BTreeMap<Decision, (i64, Option<String>)>;

impl Tables {
    /// The sessions that were somebody else's, as far as was said.
    ///
    /// # Errors
    /// The store failed, or a file is not what the schema says.
    pub fn disowned(&mut self) -> Result<Disowned, HistoryError> {
        let mut words = Words::new();
        self.scan(Table::Feedback, &COLUMNS, |columns| take_words(columns, &mut words))?;
        let sessions = words
            .into_iter()
            .filter_map(|((tenant, _), (_, session))| Some((tenant, session?)));
        Ok(Disowned(sessions.collect()))
    }
}

const COLUMNS: [&str; 5] = ["tenant", "session", "decision", "verdict", "time_us"];

fn take_words(columns: &Columns<'_>, words: &mut Words) -> Result<(), HistoryError> {
    let (tenant, session, decision) = (
        columns.string("tenant")?,
        columns.string("session")?,
        columns.string("decision")?,
    );
    let (verdict, time_us) = (columns.string("verdict")?, columns.int64("time_us")?);
    for row in 0..columns.len() {
        let theirs = match columns.named::<FeedbackVerdict>(verdict, row)? {
            FeedbackVerdict::Confirmed => Some(session.value(row).to_owned()),
            FeedbackVerdict::FalseAlarm => None,
        };
        let said = (time_us.value(row), theirs);
        let latest = words
            .entry((tenant.value(row).to_owned(), decision.value(row).to_owned()))
            .or_insert_with(|| said.clone());
        // Two words of one moment: the graver one, whatever file it lies in.
        if said > *latest {
            *latest = said;
        }
    }
    Ok(())
}
