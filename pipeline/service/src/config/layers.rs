//! Layers of settings: defaults, file, environment, flags, each flattened to `section.key` with where it was found.
//!
//! Invariants: a later layer wins, key by key; every key must exist in the defaults, but for those of `kafka.`, which are
//! librdkafka's; every mistake is kept with its origin and reading goes on, so that all are told at once; the value of a key
//! that may be secret stands in no message.

use std::collections::BTreeMap;
use std::fmt;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

/// Where a setting was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `default.toml` in the binary.
    Default,
    /// A line of the file given by `--config`.
    File {
        /// The file.
        path: String,
        /// Its line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// `--set`.
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File { path, line } => write!(out, "{path}:{line}"),
            Self::Environment(name) => write!(out, "environment variable {name}"),
            Self::Flag => out.write_str("--set"),
        }
    }
}

/// One mistake in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where.
    pub origin: Origin,
    /// Which key; empty where the mistake is before any.
    pub key: String,
    /// What is wrong and what would be right.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key.as_str() {
            "" => write!(out, "{}: {}", self.origin, self.what),
            key => write!(out, "{}: {key}: {}", self.origin, self.what),
        }
    }
}

/// A value and where it was found.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Setting {
    /// The value: a string, number or boolean.
    pub(crate) value: Value,
    /// Where it was found.
    pub(crate) origin: Origin,
}

/// Settings by `section.key`.
pub(crate) type Settings = BTreeMap<String, Setting>;

/// Keys under this are librdkafka's: any is taken, as a string.
pub(crate) const KAFKA: &str = "kafka.";

/// The layers read so far.
#[derive(Debug)]
pub(crate) struct Layers {
    /// What is in force.
    pub(crate) settings: Settings,
    /// What is wrong.
    pub(crate) mistakes: Vec<Mistake>,
}

impl Layers {
    /// The lowest layer.
    pub(crate) fn new(defaults: &str) -> Self {
        let mut layers = Self {
            settings: Settings::new(),
            mistakes: Vec::new(),
        };
        for (key, setting) in layers.read_toml(defaults, |_| Origin::Default) {
            layers.settings.insert(key, setting);
        }
        layers
    }

    /// A file's layer.
    pub(crate) fn add_file(&mut self, path: &str, text: &str) {
        let origin = |line| Origin::File {
            path: path.to_owned(),
            line,
        };
        for (key, setting) in self.read_toml(text, origin) {
            self.put(key, setting);
        }
    }

    /// One setting of the environment or of a flag; both are strings.
    pub(crate) fn add_text(&mut self, key: &str, value: &str, origin: Origin) {
        self.put(
            key.to_owned(),
            Setting {
                value: Value::String(value.to_owned()),
                origin,
            },
        );
    }

    /// Notes a mistake.
    pub(crate) fn refuse(&mut self, key: &str, origin: Origin, what: impl Into<String>) {
        self.mistakes.push(Mistake {
            origin,
            key: key.to_owned(),
            what: what.into(),
        });
    }

    /// Notes a mistake of a key in force, where it was set.
    pub(crate) fn refuse_in_force(&mut self, key: &str, what: impl Into<String>) {
        let origin = self.settings.get(key).map_or(Origin::Default, |s| s.origin.clone());
        self.refuse(key, origin, what);
    }

    /// The settings as nested tables, without those of librdkafka.
    pub(crate) fn table(&self) -> Table {
        table_of(
            self.settings
                .iter()
                .map(|(key, setting)| (key.as_str(), &setting.value)),
        )
    }

    /// Takes a setting over the one in force, if it exists and has the right kind.
    fn put(&mut self, key: String, setting: Setting) {
        let Setting { value, origin } = setting;
        if key.starts_with(KAFKA) {
            match plain(&value) {
                Some(text) => {
                    let value = Value::String(text);
                    self.settings.insert(key, Setting { value, origin });
                }
                None => self.refuse(&key, origin, "must be a string, a number, or true or false"),
            }
            return;
        }
        let Some(known) = self.settings.get(&key) else {
            let what = match nearest(&key, self.settings.keys()) {
                Some(near) => format!("unknown key; did you mean {near}?"),
                None => "unknown key; `ductus check-config` lists all keys".to_owned(),
            };
            return self.refuse(&key, origin, what);
        };
        match convert(&value, &known.value) {
            Some(value) => {
                self.settings.insert(key, Setting { value, origin });
            }
            None => {
                let kind = match known.value {
                    Value::Integer(_) => "must be a whole number",
                    Value::Float(_) => "must be a number",
                    Value::Boolean(_) => "must be true or false",
                    _ => "must be a string",
                };
                self.refuse(&key, origin, kind);
            }
        }
    }

    fn read_toml(&mut self, text: &str, origin: impl Fn(usize) -> Origin) -> Vec<(String, Setting)> {
        let line = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            self.refuse("", origin(line(at)), error.message().replace('\n', ", "));
        }
        let mut leaves = Vec::new();
        if errors.is_empty() {
            flatten("", table.get_ref(), &mut |key, value| {
                let value_origin = origin(line(value.span().start));
                leaves.push((key, value, value_origin));
            });
        }
        let mut settings = Vec::new();
        for (key, value, origin) in leaves {
            match scalar(value.get_ref()) {
                Some(value) => settings.push((key, Setting { value, origin })),
                None => self.refuse(&key, origin, "must be a string, a number, or true or false"),
            }
        }
        settings
    }
}

/// Nested tables of dotted keys, without those of librdkafka.
pub(crate) fn table_of<'a>(settings: impl Iterator<Item = (&'a str, &'a Value)>) -> Table {
    let mut root = Table::new();
    for (key, value) in settings.filter(|(key, _)| !key.starts_with(KAFKA)) {
        let mut table = &mut root;
        let mut parts = key.split('.').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                table.insert(part.to_owned(), value.clone());
                break;
            }
            let next = table.entry(part).or_insert_with(|| Value::Table(Table::new()));
            match next {
                Value::Table(next) => table = next,
                // The defaults name every key, and none is both a key and a section.
                _ => break,
            }
        }
    }
    root
}

fn flatten<'v, 'i>(prefix: &str, table: &'v DeTable<'i>, take: &mut impl FnMut(String, &'v Spanned<DeValue<'i>>)) {
    for (key, value) in table {
        let key = match prefix {
            "" => key.get_ref().to_string(),
            _ => format!("{prefix}.{}", key.get_ref()),
        };
        match value.get_ref() {
            DeValue::Table(inner) => flatten(&key, inner, take),
            _ => take(key, value),
        }
    }
}

fn scalar(value: &DeValue<'_>) -> Option<Value> {
    match value {
        DeValue::String(text) => Some(Value::String(text.to_string())),
        DeValue::Integer(number) => {
            let digits = number.as_str().replace('_', "");
            i64::from_str_radix(&digits, number.radix()).ok().map(Value::Integer)
        }
        DeValue::Float(number) => number.as_str().replace('_', "").parse().ok().map(Value::Float),
        DeValue::Boolean(truth) => Some(Value::Boolean(*truth)),
        _ => None,
    }
}

/// A scalar as librdkafka wants it: text.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// `value` as the kind of `like`: text of flags and variables is parsed, a whole number may stand for any number.
fn convert(value: &Value, like: &Value) -> Option<Value> {
    match (like, value) {
        (Value::Integer(_), Value::String(text)) => text.trim().replace('_', "").parse().ok().map(Value::Integer),
        (Value::Float(_), Value::String(text)) => text
            .trim()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite())
            .map(Value::Float),
        (Value::Float(_), Value::Integer(number)) => Some(Value::Float(*number as f64)),
        (Value::Float(_), Value::Float(number)) => number.is_finite().then_some(Value::Float(*number)),
        (Value::Boolean(_), Value::String(text)) => text.trim().parse().ok().map(Value::Boolean),
        (Value::Integer(_), Value::Integer(_))
        | (Value::Boolean(_), Value::Boolean(_))
        | (Value::String(_), Value::String(_)) => Some(value.clone()),
        _ => None,
    }
}

/// The known key that was probably meant: the nearest by edit distance, if it is near.
fn nearest<'a>(key: &str, known: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    known
        .filter(|known| !known.starts_with(KAFKA))
        .map(|known| (distance(key, known), known))
        .min()
        .filter(|(distance, _)| *distance <= 1 + key.len() / 4)
        .map(|(_, known)| known)
}

/// Levenshtein's edit distance.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
