//! Tests of parsing: every kind of bad input has its reason, and what serde writes is what is read.

use super::*;
use crate::wire::{Event, EventBatch};
use expect_test::{Expect, expect};
use proptest::prelude::*;

const HEAD: &str = r#""v":1,"tenant":"acme","subject":"s-1","session":"x","seq":0,"purpose":"session","consent":"granted","clock":{"origin_us":1763700000000000,"resolution_us":100},"device":{}"#;

fn check(value: &str, expect: Expect) {
    let mut events = Vec::new();
    let mut rejections = Rejections::default();
    let limits = ParseLimits {
        batch_bytes_max: 4_000,
        batch_events_max: 4,
        detail: KeyDetail::Class,
    };
    let seen = match parse(value.as_bytes(), &limits, &mut events, &mut rejections) {
        Ok(head) => format!(
            "{} of {} events{}",
            events.len(),
            head.events,
            rejections
                .iter()
                .map(|(reason, count)| format!(", {count} {}", reason.code()))
                .collect::<String>()
        ),
        Err(BatchRejection {
            reason,
            events,
            contentless,
        }) => {
            format!(
                "{}: {events} events, {}",
                reason.code(),
                if contentless { "may be kept" } else { "not kept" }
            )
        }
    };
    expect.assert_eq(&seen);
}

fn with_events(events: &str) -> String {
    format!("{{{HEAD},\"events\":[{events}]}}")
}

#[test]
fn good_batches() {
    check(&with_events(""), expect!["0 of 0 events"]);
    check(
        &with_events(
            r#"{"type":"down","t_us":0,"press":1,"class":"letter"},{"type":"up","t_us":90000,"press":1},{"type":"end","t_us":90001}"#,
        ),
        expect!["3 of 3 events"],
    );
    check(
        &with_events(
            r#"{"type":"move","t_us":0,"x":1,"y":-2},{"y":2,"x":1,"t_us":5,"button":"primary","type":"press"}"#,
        ),
        expect!["2 of 2 events"],
    );
}

#[test]
fn whole_batches_refused() {
    let one = r#"{"type":"down","t_us":0,"press":1,"class":"letter"}"#;
    let good = with_events(one);
    for (value, expected) in [
        ("not json".to_owned(), expect!["malformed: 0 events, not kept"]),
        ("".to_owned(), expect!["malformed: 0 events, not kept"]),
        ("[]".to_owned(), expect!["malformed: 0 events, not kept"]),
        (
            good[..good.len() - 3].to_owned(),
            expect!["malformed: 0 events, not kept"],
        ),
        (format!("{good} trailing"), expect!["malformed: 0 events, not kept"]),
        (good.replace("\"v\":1,", ""), expect!["malformed: 1 events, not kept"]),
        (
            good.replace("\"tenant\"", "\"tenant\":\"other\",\"tenant\""),
            expect!["malformed: 1 events, not kept"],
        ),
        (
            good.replace("\"v\":1", "\"v\":2"),
            expect!["unsupported_version: 1 events, not kept"],
        ),
        (
            good.replace("\"seq\":0", "\"seq\":0,\"colour\":3"),
            expect!["unknown_field: 1 events, not kept"],
        ),
        (
            good.replace("\"press\":1", "\"press\":1,\"key\":\"q\""),
            expect!["content_field: 1 events, not kept"],
        ),
        (
            good.replace("\"press\":1", "\"press\":1,\"code\":\"KeyQ\""),
            expect!["content_field: 1 events, not kept"],
        ),
        (
            good.replace("\"letter\"", "\"Q\""),
            expect!["unknown_value: 1 events, not kept"],
        ),
        (
            good.replace("\"letter\"", "\"letter_left\""),
            expect!["finer_than_allowed: 1 events, not kept"],
        ),
        (
            good.replace("\"acme\"", "\"my secret text\""),
            expect!["invalid_id: 1 events, not kept"],
        ),
        (
            good.replace("\"granted\"", "\"withheld\""),
            expect!["no_consent: 1 events, not kept"],
        ),
        (
            good.replace("1763700000000000", "17"),
            expect!["absurd_clock: 1 events, may be kept"],
        ),
        (
            with_events(&[one; 5].join(",")),
            expect!["too_many_events: 5 events, may be kept"],
        ),
        ("x".repeat(1_000_000), expect!["oversize_batch: 0 events, not kept"]),
    ] {
        check(&value, expected);
    }
}

#[test]
fn single_events_refused() {
    for (event, expected) in [
        (
            r#"{"type":"down","t_us":-1,"press":1,"class":"letter"}"#,
            expect!["0 of 1 events, 1 absurd_time"],
        ),
        (
            r#"{"type":"up","t_us":9000000000000000,"press":1}"#,
            expect!["0 of 1 events, 1 absurd_time"],
        ),
        (
            r#"{"type":"down","t_us":0,"press":1}"#,
            expect!["0 of 1 events, 1 invalid_event"],
        ),
        (
            r#"{"type":"up","t_us":0,"press":1,"class":"letter"}"#,
            expect!["0 of 1 events, 1 invalid_event"],
        ),
        (
            r#"{"type":"move","t_us":0,"x":60000,"y":0}"#,
            expect!["0 of 1 events, 1 invalid_event"],
        ),
    ] {
        check(&with_events(event), expected);
    }
}

/// Any event of the contract.
pub(crate) fn any_event() -> impl Strategy<Value = Event> {
    use Event::{Blur, Down, End, Move, Press, Release, Scroll, Up};
    let (t_us, press, xy) = (0i64..60_000_000, 0u32..200, -3_000i32..3_000);
    let class = proptest::sample::select(vec![
        KeyClass::Letter,
        KeyClass::Space,
        KeyClass::Modifier,
        KeyClass::Other,
    ]);
    let button = proptest::sample::select(vec![Button::Primary, Button::Secondary]);
    prop_oneof![
        4 => (t_us.clone(), press.clone(), class).prop_map(|(t_us, press, class)| Down { t_us, press, class }),
        4 => (t_us.clone(), press).prop_map(|(t_us, press)| Up { t_us, press }),
        6 => (t_us.clone(), xy.clone(), xy.clone()).prop_map(|(t_us, x, y)| Move { t_us, x, y }),
        1 => (t_us.clone(), xy.clone(), xy.clone(), button.clone()).prop_map(|(t_us, x, y, button)| Press { t_us, x, y, button }),
        1 => (t_us.clone(), xy.clone(), xy.clone(), button).prop_map(|(t_us, x, y, button)| Release { t_us, x, y, button }),
        1 => (t_us.clone(), xy.clone(), xy.clone(), xy.clone(), xy).prop_map(|(t_us, x, y, dx, dy)| Scroll { t_us, x, y, dx, dy }),
        1 => t_us.clone().prop_map(|t_us| Blur { t_us }),
        1 => t_us.prop_map(|t_us| End { t_us }),
    ]
}

proptest! {
    #![proptest_config(crate::proptest_config(256))]

    #[test]
    fn what_serde_writes_is_read(events in proptest::collection::vec(any_event(), 0..30), seq in any::<u32>(), subject in "[a-z0-9-]{1,20}") {
        let mut batch: EventBatch = serde_json::from_str(&with_events("")).unwrap();
        (batch.events, batch.seq, batch.subject) = (events, seq, Some(subject));
        let value = serde_json::to_vec(&batch).unwrap();
        let (mut read, mut rejections) = (Vec::new(), Rejections::default());
        let head = parse(&value, &ParseLimits::default(), &mut read, &mut rejections).unwrap();
        prop_assert_eq!((head.seq, head.subject, head.events), (batch.seq, batch.subject.as_deref(), batch.events.len() as u64));
        prop_assert_eq!(read.len(), batch.events.len());
        prop_assert_eq!(rejections.total(), 0);
        prop_assert_eq!(&serde_json::from_slice::<EventBatch>(&value).unwrap(), &batch);
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes, &ParseLimits::default(), &mut Vec::new(), &mut Rejections::default());
    }

    #[test]
    fn no_damage_panics(at in 0usize..400, byte in any::<u8>()) {
        let mut value = with_events(r#"{"type":"down","t_us":0,"press":1,"class":"letter"}"#).into_bytes();
        let at = at % value.len();
        value[at] = byte;
        let (mut events, mut rejections) = (Vec::new(), Rejections::default());
        if let Ok(head) = parse(&value, &ParseLimits::default(), &mut events, &mut rejections) {
            prop_assert_eq!(head.events, events.len() as u64 + rejections.total());
        }
    }

    #[test]
    fn both_readers_agree(events in proptest::collection::vec(any_event(), 0..4), at in any::<proptest::sample::Index>(), damage in damages()) {
        let mut batch: EventBatch = serde_json::from_str(&with_events("")).unwrap();
        batch.events = events;
        let whole = serde_json::to_string(&batch).unwrap();
        prop_assert!(by_both(&whole).0.is_some(), "what clients write is read by the fast one");
        let spaced = serde_json::to_string_pretty(&batch).unwrap();
        prop_assert!(by_both(&spaced).0.is_some(), "with spaces too");
        let (from, to) = damage;
        let places: Vec<usize> = whole.match_indices(from).map(|(place, _)| place).collect();
        if !places.is_empty() {
            let place = places[at.index(places.len())];
            let damaged = format!("{}{to}{}", &whole[..place], &whole[place + from.len()..]);
            let (fast, general) = by_both(&damaged);
            prop_assert!(fast.is_none() || fast == general, "{damaged}");
        }
    }
}

/// What a batch was read as: its head and events, and how many are refused.
type Seen = (String, Vec<InputEvent>, u64);

/// What the fast reader and the general one make of a document; none where they do not read it.
fn by_both(value: &str) -> (Option<Seen>, Option<Seen>) {
    let limits = ParseLimits::default();
    let seen = |read: &dyn Fn(&mut EventSink<'_>) -> Option<String>| {
        let mut events = Vec::new();
        let mut sink = EventSink {
            events: &mut events,
            rejected: Rejections::default(),
            seen: 0,
            finest: KeyDetail::Class,
            limits: &limits,
        };
        let head = read(&mut sink)?;
        let rejected = sink.rejected.total();
        Some((head, events, rejected))
    };
    let words = |draft: Draft<'_>| format!("{draft:?}");
    (
        seen(&|sink| plain::read(value, BatchSeed { sink }).ok().map(words)),
        seen(&|sink| read_any(value.as_bytes(), sink).ok().map(words)),
    )
}

/// What may stand in a document instead of what clients write.
fn damages() -> impl Strategy<Value = (&'static str, &'static str)> {
    proptest::sample::select(vec![
        (":1", ":01"),
        (":1", ":-0"),
        (":1", ":-1"),
        (":1", ":1.0"),
        (":1", ":1e0"),
        (":1", ":+1"),
        (":1", ":184467440737095516161"),
        (":1", ":9223372036854775808"),
        (":1", ":4294967296"),
        (":1", ":"),
        (":1", ": 1 "),
        (":1", ":null"),
        (":1", ":\"1\""),
        (":1", ":[1]"),
        ("\"acme\"", "\"ac\\u006de\""),
        ("\"acme\"", "\"ac\nme\""),
        ("\"acme\"", "\"acm\u{e9}\""),
        ("\"acme\"", "\"acme"),
        ("\"acme\"", "null"),
        ("\"s-1\"", "null"),
        ("\"tenant\"", "\"session\""),
        ("\"tenant\"", "\"t\\u0065nant\""),
        ("\"granted\"", "{\"granted\":null}"),
        ("\"letter\"", "null"),
        ("false", "fals"),
        ("false", "true"),
        (",", ",,"),
        (",", ""),
        ("}", ",}"),
        ("]", ",]"),
        ("}", "}}"),
        ("}", ""),
        ("{", "["),
        ("{", "{,"),
        ("[", "[,"),
        ("[", ""),
        ("]", ""),
        (":", " : "),
        (":", "::"),
        ("\"", "'"),
    ])
}
