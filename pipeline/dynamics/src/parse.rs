//! From the bytes of a record to events, borrowing everything and allocating nothing per event.
//!
//! Invariants: parsing never fails, it returns what was understood and what was refused; a batch with a field outside the
//! contract is refused whole, because who sends content once is not trusted with the rest; no text of the input reaches a
//! return value except the ids, whose alphabet is closed.

mod plain;

use crate::event::{Button, EventKind, InputEvent, KeyClass, KeyDetail};
use crate::reject::{RejectReason, Rejections};
use crate::wire::{Clock, Consent, Device, Purpose, VERSION};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Bounds on one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseLimits {
    /// Largest record value, bytes.
    pub batch_bytes_max: usize,
    /// Most events in a batch.
    pub batch_events_max: usize,
    /// Finest key detail that this deployment accepts.
    pub detail: KeyDetail,
}

impl Default for ParseLimits {
    fn default() -> Self {
        Self {
            batch_bytes_max: 262_144,
            batch_events_max: 2_000,
            detail: KeyDetail::Class,
        }
    }
}

/// Earliest and latest clock origin that is believed: the years 2000 and 2100.
const ORIGIN_US: std::ops::Range<i64> = 946_684_800_000_000..4_102_444_800_000_000;
/// Longest time since the clock's origin that is believed: 30 days.
const T_US_MAX: i64 = 30 * 86_400 * 1_000_000;
/// Largest coordinate and scroll distance that is believed, pixels (Balabit marks invalid places by 60,000 and more).
const PIXELS_MAX: i32 = 50_000;

/// All of a batch but its events; borrows from the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHead<'a> {
    /// Tenant.
    pub tenant: &'a str,
    /// Subject, if one is claimed.
    pub subject: Option<&'a str>,
    /// Session.
    pub session: &'a str,
    /// Running batch number.
    pub seq: u32,
    /// What the events may be used for.
    pub purpose: Purpose,
    /// The client's clock.
    pub clock: Clock,
    /// Device class.
    pub device: Device,
    /// How finely the keys are told.
    pub detail: KeyDetail,
    /// Events that the batch held, the refused ones included.
    pub events: u64,
}

/// A batch that was refused whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchRejection {
    /// Why.
    pub reason: RejectReason,
    /// Events in it, as far as they can be counted.
    pub events: u64,
    /// Whether parsing proved that the value holds no content, so that a dead letter may keep it.
    pub contentless: bool,
}

/// Parses one record value. Events are appended to `events` in batch order, with absolute times; events refused one by one
/// are counted in `rejections`.
///
/// # Errors
/// The whole batch is refused; `events` is as it was, and nothing was counted.
pub fn parse<'a>(
    value: &'a [u8],
    limits: &ParseLimits,
    events: &mut Vec<InputEvent>,
    rejections: &mut Rejections,
) -> Result<BatchHead<'a>, BatchRejection> {
    let before = events.len();
    if value.len() > limits.batch_bytes_max {
        return Err(BatchRejection {
            reason: RejectReason::OversizeBatch,
            events: 0,
            contentless: false,
        });
    }
    let mut sink = EventSink {
        events,
        rejected: Rejections::default(),
        seen: 0,
        finest: KeyDetail::Class,
        limits,
    };
    let text = std::str::from_utf8(value).map_err(|_| plain::Unusual);
    let parsed = match text.and_then(|text| plain::read(text, BatchSeed { sink: &mut sink })) {
        Ok(draft) => Ok(draft),
        Err(plain::Unusual) => {
            sink.begin_anew(before);
            read_any(value, &mut sink)
        }
    };
    let (rejected, seen, finest) = (std::mem::take(&mut sink.rejected), sink.seen, sink.finest);
    let outcome = match parsed {
        Ok(draft) => draft.check(seen, finest, limits),
        Err(error) => Err(refuse(value, &error)),
    };
    match outcome {
        Ok(head) => {
            rejections.merge(&rejected);
            for event in &mut events[before..] {
                event.t_us += head.clock.origin_us;
            }
            Ok(head)
        }
        Err(rejection) => {
            events.truncate(before);
            Err(rejection)
        }
    }
}

/// Reads whatever JSON it is, with `serde_json`.
fn read_any<'a>(value: &'a [u8], sink: &mut EventSink<'_>) -> serde_json::Result<Draft<'a>> {
    let mut deserializer = serde_json::Deserializer::from_slice(value);
    let draft = BatchSeed { sink }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(draft)
}

/// Names under which other producers send what was typed: they get their own reason, because somebody must be told.
const CONTENT_FIELDS: [&str; 14] = [
    "key",
    "code",
    "keyCode",
    "keycode",
    "which",
    "char",
    "charCode",
    "text",
    "value",
    "data",
    "content",
    "input",
    "letter",
    "clipboard",
];

/// Why a document did not parse. Reads only the kind of serde's message; the name of a field decides between two reasons
/// and is not kept. Off the hot path, so it may parse a second time to count the events.
fn refuse(value: &[u8], error: &serde_json::Error) -> BatchRejection {
    #[derive(Deserialize)]
    struct Loose {
        v: Option<u64>,
        events: Option<Vec<IgnoredAny>>,
    }
    let loose: Option<Loose> = serde_json::from_slice(value).ok();
    let events = loose
        .as_ref()
        .and_then(|loose| loose.events.as_ref())
        .map_or(0, |events| events.len() as u64);
    let message = error.to_string();
    let reason = match loose.and_then(|loose| loose.v) {
        Some(v) if v != u64::from(VERSION) => RejectReason::UnsupportedVersion,
        _ => match message
            .strip_prefix("unknown field `")
            .and_then(|rest| rest.split('`').next())
        {
            Some(field) if CONTENT_FIELDS.contains(&field) => RejectReason::ContentField,
            Some(_) => RejectReason::UnknownField,
            None if message.starts_with("unknown variant") => RejectReason::UnknownValue,
            None => RejectReason::Malformed,
        },
    };
    BatchRejection {
        reason,
        events,
        contentless: false,
    }
}

/// The fields of a batch as they came, before they are judged.
#[derive(Debug, Default)]
struct Draft<'a> {
    v: Option<u64>,
    tenant: Option<&'a str>,
    subject: Option<&'a str>,
    session: Option<&'a str>,
    seq: Option<u32>,
    purpose: Option<Purpose>,
    consent: Option<Consent>,
    clock: Option<Clock>,
    device: Option<Device>,
    detail: KeyDetail,
}

impl<'a> Draft<'a> {
    fn check(self, seen: u64, finest: KeyDetail, limits: &ParseLimits) -> Result<BatchHead<'a>, BatchRejection> {
        let refuse = |reason, contentless| {
            Err(BatchRejection {
                reason,
                events: seen,
                contentless,
            })
        };
        if self.v.is_some_and(|v| v != u64::from(VERSION)) {
            return refuse(RejectReason::UnsupportedVersion, false);
        }
        let (Some(_), Some(tenant), Some(session), Some(seq), Some(purpose), Some(consent), Some(clock), Some(device)) = (
            self.v,
            self.tenant,
            self.session,
            self.seq,
            self.purpose,
            self.consent,
            self.clock,
            self.device,
        ) else {
            return refuse(RejectReason::Malformed, false);
        };
        if !(is_id(tenant) && is_id(session) && self.subject.is_none_or(is_id)) {
            return refuse(RejectReason::InvalidId, false);
        }
        // Without consent nothing is kept, not even in a dead letter.
        if consent == Consent::Withheld {
            return refuse(RejectReason::NoConsent, false);
        }
        if !ORIGIN_US.contains(&clock.origin_us) {
            return refuse(RejectReason::AbsurdClock, true);
        }
        if finest > self.detail || self.detail > limits.detail {
            return refuse(RejectReason::FinerThanAllowed, false);
        }
        if seen > limits.batch_events_max as u64 {
            return refuse(RejectReason::TooManyEvents, true);
        }
        let subject = self.subject;
        Ok(BatchHead {
            tenant,
            subject,
            session,
            seq,
            purpose,
            clock,
            device,
            detail: self.detail,
            events: seen,
        })
    }
}

/// Whether a tenant, subject or session id has the form of the contract.
pub fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'-'))
}

struct BatchSeed<'s, 'v> {
    sink: &'s mut EventSink<'v>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    V,
    Tenant,
    Subject,
    Session,
    Seq,
    Purpose,
    Consent,
    Clock,
    Device,
    Detail,
    Events,
}

impl<'de> DeserializeSeed<'de> for BatchSeed<'_, '_> {
    type Value = Draft<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Draft<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for BatchSeed<'_, '_> {
    type Value = Draft<'de>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("an event batch")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Draft<'de>, A::Error> {
        let mut draft = Draft::default();
        let mut seen = 0u16;
        while let Some(field) = map.next_key::<Field>()? {
            let bit = 1 << field as u16;
            if seen & bit != 0 {
                // Readers differ in which of the two they believe.
                return Err(A::Error::custom("a field twice"));
            }
            seen |= bit;
            match field {
                Field::V => draft.v = Some(map.next_value()?),
                Field::Tenant => draft.tenant = Some(map.next_value()?),
                Field::Subject => draft.subject = map.next_value()?,
                Field::Session => draft.session = Some(map.next_value()?),
                Field::Seq => draft.seq = Some(map.next_value()?),
                Field::Purpose => draft.purpose = Some(map.next_value()?),
                Field::Consent => draft.consent = Some(map.next_value()?),
                Field::Clock => draft.clock = Some(map.next_value()?),
                Field::Device => draft.device = Some(map.next_value()?),
                Field::Detail => draft.detail = map.next_value()?,
                Field::Events => map.next_value_seed(&mut *self.sink)?,
            }
        }
        if seen & (1 << Field::Events as u16) != 0 {
            Ok(draft)
        } else {
            Err(A::Error::custom("no events"))
        }
    }
}

/// Takes the events of a batch one by one, so that no list of them is built first.
struct EventSink<'v> {
    events: &'v mut Vec<InputEvent>,
    rejected: Rejections,
    seen: u64,
    finest: KeyDetail,
    limits: &'v ParseLimits,
}

impl EventSink<'_> {
    /// Forgets all but the first `before` events.
    fn begin_anew(&mut self, before: usize) {
        self.events.truncate(before);
        self.rejected = Rejections::default();
        (self.seen, self.finest) = (0, KeyDetail::Class);
    }
}

impl<'de> DeserializeSeed<'de> for &mut EventSink<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for &mut EventSink<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(raw) = seq.next_element::<RawEvent>()? {
            self.seen += 1;
            if self.seen > self.limits.batch_events_max as u64 {
                continue;
            }
            if matches!(raw.class, Some(KeyClass::LetterLeft | KeyClass::LetterRight)) {
                self.finest = KeyDetail::Hand;
            }
            match raw.check() {
                Ok(event) => self.events.push(event),
                Err(reason) => self.rejected.add(reason, 1),
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawKind {
    Down,
    Up,
    Move,
    Press,
    Release,
    Scroll,
    Blur,
    End,
}

/// An event with every field that some kind of event has: one flat shape needs no look-ahead and no buffer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEvent {
    r#type: RawKind,
    t_us: i64,
    press: Option<u32>,
    class: Option<KeyClass>,
    x: Option<i32>,
    y: Option<i32>,
    dx: Option<i32>,
    dy: Option<i32>,
    button: Option<Button>,
}

impl RawEvent {
    /// The event with its time still relative to the clock's origin, or why it is refused.
    fn check(&self) -> Result<InputEvent, RejectReason> {
        if !(0..=T_US_MAX).contains(&self.t_us) {
            return Err(RejectReason::AbsurdTime);
        }
        let distances = [self.x, self.y, self.dx, self.dy];
        if distances
            .iter()
            .flatten()
            .any(|d| d.unsigned_abs() > PIXELS_MAX.unsigned_abs())
        {
            return Err(RejectReason::InvalidEvent);
        }
        let RawEvent {
            press,
            class,
            x,
            y,
            dx,
            dy,
            button,
            ..
        } = *self;
        let kind = match (&self.r#type, press, class, (x, y), (dx, dy), button) {
            (RawKind::Down, Some(press), Some(class), (None, None), (None, None), None) => {
                EventKind::KeyDown { press, class }
            }
            (RawKind::Up, Some(press), None, (None, None), (None, None), None) => EventKind::KeyUp { press },
            (RawKind::Move, None, None, (Some(x), Some(y)), (None, None), None) => EventKind::Move { x, y },
            (RawKind::Press, None, None, (Some(x), Some(y)), (None, None), Some(button)) => {
                EventKind::ButtonDown { button, x, y }
            }
            (RawKind::Release, None, None, (Some(x), Some(y)), (None, None), Some(button)) => {
                EventKind::ButtonUp { button, x, y }
            }
            (RawKind::Scroll, None, None, (Some(x), Some(y)), (Some(dx), Some(dy)), None) => {
                EventKind::Scroll { dx, dy, x, y }
            }
            (RawKind::Blur, None, None, (None, None), (None, None), None) => EventKind::Blur,
            (RawKind::End, None, None, (None, None), (None, None), None) => EventKind::End,
            _ => return Err(RejectReason::InvalidEvent),
        };
        Ok(InputEvent { t_us: self.t_us, kind })
    }
}

#[cfg(test)]
pub(crate) mod tests;
