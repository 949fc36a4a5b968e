//! What may be posted, and how.

use super::*;

fn lines(batches: &[String]) -> String {
    batches.join("\n") + "\n"
}

impl Stand {
    fn post_lines(&self, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let request = self.client.post(self.url("/v1/events"));
        let request = request.header("content-type", "application/x-ndjson; charset=utf-8");
        let (status, _, body) = self.answer(request.body(body));
        (status.as_u16(), serde_json::from_str(&body).expect("json"))
    }
}

#[test]
fn many_batches_are_taken_in_their_order() {
    let stand = Stand::new(&[]);
    let batches = [batch("s1", 0), batch("s1", 1), batch("s2", 0)];
    let (status, answer) = stand.post_lines(lines(&batches));
    let expected = json!({
        "accepted": 6, "rejected": 0,
        "batches": [{ "ok": true, "seq": 0 }, { "ok": true, "seq": 1 }, { "ok": true, "seq": 0 }],
    });
    assert_eq!((status, answer), (202, expected));
    let found: Vec<Vec<u8>> = stand.events(3).into_iter().map(|(_, value)| value).collect();
    assert_eq!(found, batches.map(String::into_bytes));
}

#[test]
fn a_bad_line_is_told_and_the_others_are_taken() {
    let stand = Stand::new(&["gateway.body_batches_max=3"]);
    let bad = batch("s1", 1).replace(r#""class":"letter""#, r#""class":"letter","key":"secret""#);
    let (status, answer) = stand.post_lines(lines(&[batch("s1", 0), String::new(), bad.clone(), batch("s1", 2)]));
    assert_eq!(status, 202);
    assert_eq!(
        answer["batches"][1],
        json!({ "ok": false, "seq": null, "reason": "content_field" })
    );
    assert_eq!(stand.events(2).len(), 2);
    let cases = [
        (lines(&[bad.clone(), bad]), 400, "content_field"),
        (String::new(), 400, "malformed"),
        (
            lines(&[batch("s1", 0), batch("s1", 1), batch("s1", 2), batch("s1", 3)]),
            413,
            "oversize_body",
        ),
    ];
    for (body, status, reason) in cases {
        let (found, answer) = stand.post_lines(body);
        assert_eq!((found, answer["reason"].as_str()), (status, Some(reason)));
        assert!(!answer.to_string().contains("secret"));
    }
}

#[test]
fn packed_bodies_are_unpacked_within_bounds() {
    let stand = Stand::new(&["limits.batch_bytes_max=2000"]);
    let send = |encoding: &str, body: Vec<u8>| {
        let request = stand.events_request().header("content-encoding", encoding);
        let (status, _, body) = stand.answer(request.body(body));
        let reason = serde_json::from_str::<Value>(&body).ok();
        (
            status.as_u16(),
            reason.and_then(|body| body["reason"].as_str().map(str::to_owned)),
        )
    };
    let plain = batch("s1", 0);
    assert_eq!(send("gzip", gzip(plain.as_bytes())), (202, None));
    assert_eq!(send("zstd", zstd(plain.as_bytes())), (202, None));
    assert_eq!(
        send("gzip", gzip(&[b' '; 1_000_000])),
        (413, Some("oversize_batch".to_owned()))
    );
    assert_eq!(
        send("gzip", plain.clone().into_bytes()),
        (400, Some("malformed".to_owned()))
    );
    assert_eq!(send("br", plain.into_bytes()).0, 415);
    assert_eq!(stand.events(2).len(), 2);
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut packer, plain).expect("memory");
    packer.finish().expect("memory")
}

fn zstd(plain: &[u8]) -> Vec<u8> {
    zstd::encode_all(plain, 3).expect("memory")
}

#[test]
fn other_content_types_are_refused() {
    let stand = Stand::new(&[]);
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json-seq",
        "",
    ] {
        let request = stand
            .client
            .post(stand.url("/v1/events"))
            .header("content-type", content_type);
        let (status, _, body) = stand.answer(request.body(batch("s1", 0)));
        assert_eq!(status.as_u16(), 415, "{content_type}: {body}");
    }
}

#[test]
fn a_subject_that_floods_waits_and_others_do_not() {
    let stand = Stand::new(&["gateway.subject_batches_per_s=1", "gateway.subject_batches_burst=3"]);
    let of = |subject: &str, seq| batch("s1", seq).replace("ann", subject);
    let batches: Vec<String> = (0..5).map(|seq| of("ann", seq)).collect();
    let (status, answer) = stand.post_lines(lines(&batches));
    assert_eq!((status, answer["reason"].as_str()), (429, Some("too_often")));
    let taken: Vec<bool> = answer["batches"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|batch| batch["ok"] == true)
        .collect();
    assert_eq!(taken, [true, true, true, false, false]);
    let (status, headers, _) = stand.post(of("ann", 5));
    assert_eq!(
        (status.as_u16(), headers["retry-after"].to_str().ok()),
        (429, Some("1"))
    );
    assert_eq!(stand.post(of("bea", 0)).0, StatusCode::ACCEPTED);
}

#[test]
fn a_slow_head_or_body_is_cut_off() {
    use std::io::{Read, Write};
    let stand = Stand::new(&["gateway.head_timeout_ms=300", "gateway.body_timeout_ms=300"]);
    let address = stand.running.as_ref().expect("it runs").address;
    let converse = |said: &str| {
        let mut socket = std::net::TcpStream::connect(address).expect("connected");
        socket.set_read_timeout(Some(WAIT)).expect("set");
        socket.write_all(said.as_bytes()).expect("sent");
        let mut answer = String::new();
        // Cut off without an answer is an answer as well.
        let _ = socket.read_to_string(&mut answer);
        answer.lines().next().unwrap_or_default().to_owned()
    };
    assert!(!converse("POST /v1/events HTTP/1.1\r\nhost: x\r\n").contains("202"));
    let body_never_comes = "POST /v1/events HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{";
    assert_eq!(converse(body_never_comes), "HTTP/1.1 408 Request Timeout");
}
