//! What the answer to a bulk request means for each of its items.
//!
//! Invariants: an item is done only when the answer says so for itself; nothing is dropped that another try or an operator
//! could still save; pure.

use serde::Deserialize;
use std::borrow::Cow;

/// What a bulk request came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It was taken: one fate for each item, in order.
    Items(Vec<Fate>),
    /// It is too large (413): split it.
    TooLarge(String),
    /// It was refused as a whole (400): split it until the culprit stands alone.
    Refused(String),
    /// We are not allowed to (401, 403): stop and alarm.
    Forbidden(String),
    /// Try again later.
    Retry(String),
}

/// What became of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The document is there, by this request.
    Created,
    /// The document was there already (409).
    Existed,
    /// Try again later.
    Retry(String),
    /// We are not allowed to, or the index is blocked: stop and alarm.
    Forbidden(String),
    /// It will never be taken.
    Refused(String),
}

/// Most of an error's text that is kept: it goes into logs and headers.
const REASON_BYTES_MAX: usize = 300;

/// Judges an answer to a bulk request of `items` items.
pub(super) fn judge(status: u16, body: &[u8], items: usize) -> Answer {
    match status {
        200..=299 => {}
        401 | 403 => return Answer::Forbidden(said(status, body)),
        413 => return Answer::TooLarge(said(status, body)),
        400 => return Answer::Refused(said(status, body)),
        // 404: something else answers at this address, or not yet; 429 and 5xx: busy or failing.
        _ => return Answer::Retry(said(status, body)),
    }
    let parsed: BulkResponse<'_> = match serde_json::from_slice(body) {
        Ok(parsed) => parsed,
        Err(error) => return Answer::Retry(format!("the answer to a bulk request is not one: {error}")),
    };
    if parsed.items.len() != items {
        let found = parsed.items.len();
        return Answer::Retry(format!("the answer has {found} items for {items}"));
    }
    Answer::Items(parsed.items.into_iter().map(|item| fate(&item.create)).collect())
}

fn fate(item: &ItemResult<'_>) -> Fate {
    let reason = || {
        let error = item.error.as_ref();
        let (kind, text) = error.map_or(("", ""), |error| (&error.r#type, error.reason.as_deref().unwrap_or("")));
        bounded(&format!("{} {kind}: {text}", item.status))
    };
    match item.status {
        200..=299 => Fate::Created,
        409 => Fate::Existed,
        401 | 403 => Fate::Forbidden(reason()),
        429 | 500.. => Fate::Retry(reason()),
        // The stream is not there and may not be made: an operator's business (`ductus index --setup`), not the document's.
        404 => Fate::Retry(reason()),
        _ => Fate::Refused(reason()),
    }
}

/// Status and the error's own words, as far as they can be found.
pub(super) fn said(status: u16, body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Whole<'a> {
        #[serde(borrow)]
        error: Option<ItemError<'a>>,
    }
    let text = match serde_json::from_slice::<Whole<'_>>(body) {
        Ok(Whole { error: Some(error) }) => format!("{}: {}", error.r#type, error.reason.as_deref().unwrap_or("")),
        _ => String::from_utf8_lossy(body).into_owned(),
    };
    bounded(&format!("{status} {text}"))
}

fn bounded(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(REASON_BYTES_MAX)
        .collect()
}

#[derive(Deserialize)]
struct BulkResponse<'a> {
    #[serde(borrow)]
    items: Vec<Item<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    create: ItemResult<'a>,
}

#[derive(Deserialize)]
struct ItemResult<'a> {
    status: u16,
    #[serde(borrow)]
    error: Option<ItemError<'a>>,
}

#[derive(Deserialize)]
struct ItemError<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(status: u16, body: &str, items: usize, expect: Expect) {
        expect.assert_eq(&format!("{:?}", judge(status, body.as_bytes(), items)));
    }

    #[test]
    fn items_are_judged_one_by_one() {
        let item =
            |status: u16, error: &str| format!(r#"{{"create":{{"_index":"x","_id":"1","status":{status}{error}}}}}"#);
        let error = |kind: &str| format!(r#","error":{{"type":"{kind}","reason":"why\n\"so\"","index":"x"}}"#);
        let body = format!(
            r#"{{"took":3,"errors":true,"items":[{},{},{},{},{},{},{}]}}"#,
            item(201, r#","result":"created""#),
            item(409, &error("version_conflict_engine_exception")),
            item(429, &error("es_rejected_execution_exception")),
            item(503, &error("unavailable_shards_exception")),
            item(400, &error("document_parsing_exception")),
            item(403, &error("security_exception")),
            item(404, &error("index_not_found_exception")),
        );
        check(
            200,
            &body,
            7,
            expect![[
                r#"Items([Created, Existed, Retry("429 es_rejected_execution_exception: why \"so\""), Retry("503 unavailable_shards_exception: why \"so\""), Refused("400 document_parsing_exception: why \"so\""), Forbidden("403 security_exception: why \"so\""), Retry("404 index_not_found_exception: why \"so\"")])"#
            ]],
        );
    }

    #[test]
    fn whole_requests() {
        let error =
            r#"{"error":{"root_cause":[],"type":"security_exception","reason":"missing authentication"},"status":401}"#;
        check(
            401,
            error,
            1,
            expect![[r#"Forbidden("401 security_exception: missing authentication")"#]],
        );
        check(
            403,
            "<html>no</html>",
            1,
            expect![[r#"Forbidden("403 <html>no</html>")"#]],
        );
        check(413, "", 1, expect![[r#"TooLarge("413 ")"#]]);
        check(
            429,
            r#"{"error":"busy","status":429}"#,
            1,
            expect![[r#"Retry("429 {\"error\":\"busy\",\"status\":429}")"#]],
        );
        check(502, "bad gateway\r\n", 1, expect![[r#"Retry("502 bad gateway  ")"#]]);
        check(
            400,
            r#"{"error":{"type":"illegal_argument_exception","reason":"malformed"}}"#,
            1,
            expect![[r#"Refused("400 illegal_argument_exception: malformed")"#]],
        );
    }

    #[test]
    fn an_answer_that_is_none_is_tried_again() {
        check(
            200,
            "{",
            1,
            expect![[
                r#"Retry("the answer to a bulk request is not one: EOF while parsing an object at line 1 column 1")"#
            ]],
        );
        check(
            200,
            r#"{"items":[]}"#,
            2,
            expect![[r#"Retry("the answer has 0 items for 2")"#]],
        );
    }
}
