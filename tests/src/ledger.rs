//! The books of one world: what the oracle expects against the decisions, audit records and dead letters in the topics.
//!
//! Invariants: every decision that is read is booked once, as right, differing, repeated or unexpected; what is expected and
//! has not come is owed, and lost when nobody waits for it any longer; memory is bounded by what is owed and by the latest
//! `REMEMBERED_MAX` decisions, whose repeats are still known.

use crate::kafka::{Kafka, Positions, Record};
use crate::oracle::{Expected, Oracle, dead_letter_key};
use crate::process::{PATIENCE, Program};
use ductus_dynamics::line::LineConfig;
use ductus_dynamics::wire::{AuditAction, AuditRecord, DeadLetter};
use serde::Serialize;
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::{Duration, Instant};

/// Decisions whose repeats are still told from decisions that nobody expected.
const REMEMBERED_MAX: usize = 300_000;
/// Of these, the latest are kept whole, to say what is different.
const WHOLE_MAX: usize = 20_000;
/// Differences that are kept in words.
const EXAMPLES_MAX: usize = 5;
/// Between two looks at the topics.
const LOOK: Duration = Duration::from_millis(300);

/// The sums.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Events that reached the events topic and were counted by the line.
    pub events: u64,
    /// Decisions that were expected.
    pub decisions: u64,
    /// Of these, how many compared a window with references.
    pub compared: u64,
    /// Decisions that did not come.
    pub lost: u64,
    /// Decisions whose id stood in the topic already, with another content.
    pub duplicates: u64,
    /// Decisions whose bytes are not the oracle's.
    pub differing: u64,
    /// Decisions that the oracle does not make.
    pub unexpected: u64,
    /// Byte-identical repeats, which every reader that writes by id ignores.
    pub repeats: u64,
    /// Audit records that were expected.
    pub audits: u64,
    /// Audit records that did not come.
    pub audits_lost: u64,
    /// Audit records that came again, or that the oracle does not make.
    pub audits_extra: u64,
    /// Dead letters that were expected.
    pub dead_letters: u64,
    /// Dead letters that did not come.
    pub dead_letters_lost: u64,
    /// Dead letters that came again, or that the oracle does not make.
    pub dead_letters_extra: u64,
    /// Partitions of these two in which a transaction never ends, so that readers see nothing behind it.
    pub hanging: u64,
}

impl Tally {
    /// Whether the set of decisions is the one of an undisturbed run.
    pub fn decisions_hold(&self) -> bool {
        self.lost + self.duplicates + self.differing + self.unexpected == 0
    }

    /// The same of everything.
    pub fn holds(&self) -> bool {
        let audits = self.audits_lost + self.audits_extra;
        let dead_letters = self.dead_letters_lost + self.dead_letters_extra;
        self.decisions_hold() && audits + dead_letters + self.hanging == 0
    }
}

/// The books.
pub struct Ledger {
    // STATES
    oracle: Oracle,
    events: Positions,
    decisions: Positions,
    audit: Positions,
    letters: Positions,
    /// Expected, and not there yet.
    owed: HashMap<String, Expected>,
    /// Hash of the first content of the latest decisions, by id.
    seen: HashMap<String, u64>,
    order: VecDeque<String>,
    /// The first content of the latest decisions, by id.
    whole: HashMap<String, Vec<u8>>,
    audits: Account,
    dead_letters: Account,
    tally: Tally,
    examples: Vec<String>,
}

impl Ledger {
    /// Empty books on a world's topics.
    pub fn new(kafka: &Kafka, config: LineConfig, registry: &Path) -> Self {
        Self {
            oracle: Oracle::new(&kafka.topic("events"), config, Some(registry)),
            events: Positions::default(),
            decisions: Positions::default(),
            audit: Positions::default(),
            letters: Positions::default(),
            owed: HashMap::new(),
            seen: HashMap::new(),
            order: VecDeque::new(),
            whole: HashMap::new(),
            audits: Account::default(),
            dead_letters: Account::default(),
            tally: Tally::default(),
            examples: Vec::new(),
        }
    }

    /// Reads what is new in the topics and books it; returns how many decisions are owed.
    pub fn look(&mut self, kafka: &Kafka) -> usize {
        // In this order: whatever a decision is about then stands among the events read after it.
        let audits = kafka.read_on("audit", &mut self.audit);
        let letters = kafka.read_on("dead_letters", &mut self.letters);
        let decisions = kafka.read_on("decisions", &mut self.decisions);
        let consequences = self.oracle.take(&kafka.read_on("events", &mut self.events));
        self.tally.events = self.oracle.accounting().events;
        self.audits
            .settle(consequences.audits, audits.iter().filter_map(audit_id));
        self.dead_letters
            .settle(consequences.dead_letters, letters.iter().map(letter_key));
        for expected in consequences.decisions {
            self.expect(expected);
        }
        for record in decisions {
            self.book(record);
        }
        self.owed.len()
    }

    /// Looks until everything that was owed at the first look is there; false when nothing came for [`PATIENCE`]. Fails when
    /// one of the programs that are at it ends by itself.
    pub async fn settle(&mut self, kafka: &Kafka, at_it: &mut [Program]) -> bool {
        self.look(kafka);
        let mut waiting: Vec<String> = self.owed.keys().cloned().collect();
        let mut progress = Instant::now();
        while !waiting.is_empty() {
            if progress.elapsed() > PATIENCE {
                return false;
            }
            tokio::time::sleep(LOOK).await;
            at_it.iter_mut().for_each(Program::assert_running);
            self.look(kafka);
            let before = waiting.len();
            waiting.retain(|id| self.owed.contains_key(id));
            if waiting.len() < before {
                progress = Instant::now();
            }
        }
        true
    }

    /// Closes the books once no more events come and everybody has stopped: what is owed still is lost.
    pub fn close(mut self, kafka: &Kafka) -> (Tally, Vec<String>) {
        for logical in ["audit", "dead_letters"] {
            for partition in kafka.until_transactions_end(logical) {
                self.tally.hanging += 1;
                let text = format!(
                    "{}, partition {partition}: a transaction stays open",
                    kafka.topic(logical)
                );
                self.examples.push(text);
            }
        }
        self.look(kafka);
        for expected in self.owed.values().take(EXAMPLES_MAX) {
            let text = format!("lost: {}", String::from_utf8_lossy(&expected.value));
            self.examples.push(text);
        }
        let wrong = [("audit record", &self.audits), ("dead letter", &self.dead_letters)];
        for (what, account) in wrong {
            let texts = account.open.iter().take(EXAMPLES_MAX);
            self.examples
                .extend(texts.map(|(key, count)| format!("{what} {key}: {count} times too few")));
        }
        let tally = Tally {
            lost: self.owed.len() as u64,
            audits_lost: self.audits.missing(),
            dead_letters_lost: self.dead_letters.missing(),
            ..self.tally()
        };
        (tally, self.examples)
    }

    /// The sums so far; what is owed is not lost yet.
    pub fn tally(&self) -> Tally {
        Tally {
            audits: self.audits.expected,
            audits_extra: self.audits.extra(),
            dead_letters: self.dead_letters.expected,
            dead_letters_extra: self.dead_letters.extra(),
            ..self.tally.clone()
        }
    }

    /// Some of the differences, in words.
    pub fn examples(&self) -> &[String] {
        &self.examples
    }

    /// Tells the oracle where other models took effect. To be called before the events behind these points are read.
    pub fn note_swaps(&mut self, kafka: &Kafka) {
        let audits: Vec<_> = kafka
            .read("audit")
            .iter()
            .map(|record| serde_json::from_slice(&record.value).unwrap())
            .collect();
        self.oracle.note_swaps(&audits);
    }

    fn expect(&mut self, expected: Expected) {
        self.tally.decisions += 1;
        self.tally.compared += u64::from(expected.compared);
        self.owed.insert(expected.id.clone(), expected);
    }

    fn book(&mut self, record: Record) {
        let decision: Value = serde_json::from_slice(&record.value).expect("a decision is JSON");
        let id = decision["id"].as_str().expect("a decision has an id").to_owned();
        let hash = hash(&record.value);
        if let Some(before) = self.seen.get(&id) {
            if *before == hash {
                self.tally.repeats += 1;
            } else {
                self.tally.duplicates += 1;
                let first = self.whole.get(&id).cloned();
                self.example("second content", &record.value, first.as_deref());
            }
            return;
        }
        match self.owed.remove(&id) {
            Some(expected) if expected.value == record.value => {}
            Some(expected) => {
                self.tally.differing += 1;
                self.example("differs", &record.value, Some(&expected.value));
            }
            None => {
                self.tally.unexpected += 1;
                self.example("unexpected", &record.value, None);
            }
        }
        self.seen.insert(id.clone(), hash);
        self.whole.insert(id.clone(), record.value);
        self.order.push_back(id);
        if let Some(old) = self.order.len().checked_sub(WHOLE_MAX + 1) {
            self.whole.remove(&self.order[old]);
        }
        if self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
    }

    fn example(&mut self, what: &str, found: &[u8], expected: Option<&[u8]>) {
        if self.examples.len() < EXAMPLES_MAX {
            let text = expected.map_or_else(
                || String::from_utf8_lossy(found).into_owned(),
                |expected| difference(found, expected),
            );
            self.examples.push(format!("{what}: {text}"));
        }
    }
}

/// Where two decisions differ, field by field.
fn difference(found: &[u8], expected: &[u8]) -> String {
    let parse = |bytes| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
    let (found, expected) = (parse(found), parse(expected));
    let mut text = format!(
        "{} window {} of {}:",
        found["id"], found["window"]["sequence"], found["session"]
    );
    for (field, value) in found.as_object().into_iter().flatten() {
        if *value != expected[field] {
            text += &format!("\n  {field} is   {value}\n  {field} was {}", expected[field]);
        }
    }
    text
}

/// Records that must come as often as they are expected.
#[derive(Default)]
struct Account {
    expected: u64,
    /// How often more a record is expected than it was read; nothing where that is even.
    open: HashMap<String, i64>,
}

impl Account {
    fn settle(&mut self, expected: Vec<String>, read: impl Iterator<Item = String>) {
        self.expected += expected.len() as u64;
        for key in read {
            *self.open.entry(key).or_default() -= 1;
        }
        for key in expected {
            *self.open.entry(key).or_default() += 1;
        }
        self.open.retain(|_, count| *count != 0);
    }

    fn missing(&self) -> u64 {
        self.open.values().map(|count| (*count).max(0).unsigned_abs()).sum()
    }

    fn extra(&self) -> u64 {
        self.open.values().map(|count| (*count).min(0).unsigned_abs()).sum()
    }
}

/// Its id, unless it says which model is live: where that was is not the oracle's to say.
fn audit_id(record: &Record) -> Option<String> {
    let audit: AuditRecord = serde_json::from_slice(&record.value).expect("it is an audit record");
    // What a gateway tells follows from who asked, not from the input.
    (audit.action != AuditAction::ModelLive && audit.access.is_none()).then_some(audit.id)
}

fn letter_key(record: &Record) -> String {
    let letter: DeadLetter = serde_json::from_slice(&record.value).expect("it is a dead letter");
    dead_letter_key(letter.source.partition, letter.source.offset, letter.reason.code())
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
