//! A session's monitor: readers that come, break off and come back.

use super::*;
use crate::gateway::place::Place;

/// The ids of the events, and of the decisions in them, until there are `count`.
async fn risks(response: reqwest::Response, count: usize) -> Vec<(String, String)> {
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut chunks = response.bytes_stream();
    let mut text = String::new();
    while text.matches("event: risk\n").count() < count || !text.ends_with("\n\n") {
        let chunk = tokio::time::timeout(WAIT, chunks.next()).await;
        let chunk = chunk.unwrap_or_else(|_| panic!("{count} events in time, found:\n{text}"));
        text.push_str(&String::from_utf8_lossy(&chunk.expect("a chunk").expect("bytes")));
    }
    let events = text.split("\n\n").filter(|event| event.contains("event: risk"));
    events.map(event).collect()
}

fn event(text: &str) -> (String, String) {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("{name} in {text}")).to_owned()
    };
    let risk: Value = serde_json::from_str(&field("data: ")).expect("json");
    assert_eq!(risk["event_id"], field("id: "), "both ways of resuming agree");
    (field("id: "), risk["decision"].as_str().expect("an id").to_owned())
}

impl Stand {
    fn monitor(&self, session: &str, last_event_id: Option<&str>, count: usize) -> Vec<(String, String)> {
        let mut request = self.client.get(self.url(&format!("/v1/sessions/{session}/monitor")));
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        self.runtime
            .block_on(async { risks(request.send().await.expect("an answer"), count).await })
    }

    /// The first offset of either partition becomes somebody else's, so that a reader may have come as far as that.
    fn publish_others(&self) {
        for session in ["x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7"] {
            self.publish_decision(session, 0);
        }
    }

    /// Waits until the board has this many decisions.
    pub(super) fn await_decisions(&self, count: u64) {
        let started = Instant::now();
        while self.running.as_ref().expect("it runs").gateway.board().taken() < count {
            assert!(started.elapsed() < WAIT, "{count} decisions in time");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn decisions_of(events: &[(String, String)]) -> Vec<&str> {
    events.iter().map(|(_, decision)| decision.as_str()).collect()
}

#[test]
fn a_reader_that_comes_back_misses_nothing() {
    let stand = Stand::new(&[]);
    stand.publish_others();
    for sequence in 0..4 {
        stand.publish_decision("s1", sequence);
        stand.publish_decision("other", sequence);
    }
    stand.await_decisions(16);
    let first = stand.monitor("s1", None, 1);
    assert_eq!(decisions_of(&first), ["s1-3"], "how things stand");
    let all = stand.monitor("s1", Some(&earlier(&first[0].0, 100)), 4);
    assert_eq!(decisions_of(&all), ["s1-0", "s1-1", "s1-2", "s1-3"]);
    let rest = stand.monitor("s1", Some(&all[1].0), 2);
    assert_eq!(decisions_of(&rest), ["s1-2", "s1-3"]);
}

/// The id of a place that is `by` before, but not before the first.
fn earlier(id: &str, by: i64) -> String {
    let place: Place = id.parse().expect("a place");
    Place {
        offset: (place.offset - by).max(0),
        ..place
    }
    .to_string()
}

#[test]
fn what_the_board_no_longer_has_is_read_from_kafka() {
    let stand = Stand::new(&["gateway.board_decisions_max=2"]);
    stand.publish_others();
    for sequence in 0..6 {
        stand.publish_decision("s1", sequence);
    }
    stand.await_decisions(14);
    let latest = stand.monitor("s1", None, 1);
    let begin = earlier(&latest[0].0, 6);
    let all = stand.monitor("s1", Some(&begin), 6);
    assert_eq!(decisions_of(&all), ["s1-0", "s1-1", "s1-2", "s1-3", "s1-4", "s1-5"]);
}

#[test]
fn a_reader_is_told_live_and_by_socket_as_well() {
    let stand = Stand::new(&[]);
    stand.publish_decision("s1", 0);
    stand.await_decisions(1);
    let frames = stand.runtime.block_on(async {
        let url = stand.url("/v1/sessions/s1/monitor").replace("http", "ws");
        let mut request = tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(url.as_str())
            .expect("a request");
        let protocol = header::HeaderValue::from_static("ductus.v1");
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let (mut socket, answer) = tokio_tungstenite::connect_async(request).await.expect("connected");
        assert_eq!(answer.headers()["sec-websocket-protocol"], "ductus.v1");
        let mut decisions = Vec::new();
        while decisions.len() < 3 {
            let frame = tokio::time::timeout(WAIT, socket.next()).await.expect("in time");
            if let Message::Text(text) = frame.expect("a frame").expect("read") {
                let risk: Value = serde_json::from_str(&text).expect("json");
                decisions.push(risk["decision"].as_str().expect("an id").to_owned());
                let next = decisions.len() as u64;
                tokio::task::block_in_place(|| stand.publish_decision("s1", next));
            }
        }
        decisions
    });
    assert_eq!(frames, ["s1-0", "s1-1", "s1-2"]);
    let risk: Value = serde_json::from_str(&stand.get("/v1/sessions/s1/risk").2).expect("json");
    assert_eq!((&risk["risk"], &risk["action"]), (&json!(91.0), &json!("step_up")));
}

#[test]
fn what_is_no_place_is_refused() {
    let stand = Stand::new(&[]);
    let (status, _, body) = stand.get("/v1/sessions/s1/monitor?last_event_id=s1-0");
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body.contains("bad_event_id") && !body.contains("s1"), "{body}");
    assert_eq!(stand.get("/v1/sessions/nobody/risk").0, StatusCode::NOT_FOUND);
}
