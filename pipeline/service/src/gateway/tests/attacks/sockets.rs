//! Whoever holds connections, or fills them: slow heads and bodies, floods of sockets and frames, packed bodies without end.
//!
//! No test here looks at a clock: what is never answered fails at the patience that all tests have.

use super::*;
use std::io::{Read, Write};
use std::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Between two bytes of somebody slow: far below each limit on one wait, so that only one on the whole ends it.
const DRIP: Duration = Duration::from_millis(20);

fn address(stand: &Stand) -> SocketAddr {
    stand.running.as_ref().expect("it runs").address
}

fn connect(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).expect("connected");
    socket.set_read_timeout(Some(WAIT)).expect("set");
    socket
}

/// Says this, then a byte now and then, until there is an answer: its first line, or nothing where it was cut off.
fn drip(address: SocketAddr, said: &str) -> String {
    let mut socket = connect(address);
    socket.write_all(said.as_bytes()).expect("sent");
    let mut slow = socket.try_clone().expect("cloned");
    let dripping = std::thread::spawn(move || {
        let started = Instant::now();
        while started.elapsed() < WAIT && slow.write_all(b" ").is_ok() {
            std::thread::sleep(DRIP);
        }
    });
    let line = first_line(&mut socket);
    let _ = socket.shutdown(std::net::Shutdown::Both);
    dripping.join().expect("no panic");
    line
}

fn first_line(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !answer.contains(&b'\n') {
        match socket.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => answer.extend(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("neither answered nor cut off: {error}"),
        }
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn a_body_that_drips_is_cut_off_on_every_route_that_takes_one() {
    let house = House::new(&["access.mode=open", "gateway.body_timeout_ms=200"]);
    let routes: Vec<Operation> = Operation::all()
        .into_iter()
        .filter(|route| route.body.is_some())
        .collect();
    assert!(routes.len() > 15);
    let address = address(&house.stand);
    let lines = std::thread::scope(|scope| {
        let slow = routes.iter().map(|route| {
            let path = route.path_with(|_| "x".to_owned());
            let head = format!(
                "{} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 900\r\n\r\n{{",
                route.method
            );
            scope.spawn(move || (route.name(), drip(address, &head)))
        });
        let slow: Vec<_> = slow.collect();
        slow.into_iter()
            .map(|slow| slow.join().expect("no panic"))
            .collect::<Vec<_>>()
    });
    for (name, line) in lines {
        // Where nothing is found, or nobody is signed in, the body is not waited for.
        let needs_more = [
            "/v1/me",
            "/v1/keys",
            "/v1/tokens",
            "/v1/webhooks",
            "/v1/settings",
            "/verify",
            "/v1/identify",
        ];
        let expected = if needs_more.iter().any(|path| name.contains(path)) {
            400..500
        } else {
            408..409
        };
        let status: u16 = line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or_default();
        assert!(expected.contains(&status), "{name}: {line}");
    }
}

#[test]
fn a_slow_body_of_somebody_with_a_key_is_cut_off_as_well() {
    let guarded = Guarded::new(&["gateway.body_timeout_ms=200"]);
    let (_, key) = guarded.key("t", "ingest verify monitor admin");
    for path in [
        "/v1/keys",
        "/v1/tokens",
        "/v1/webhooks",
        "/v1/events",
        "/v1/subjects/ann/enrolments",
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: 900\r\n\r\n{{"
        );
        assert_eq!(
            drip(address(&guarded.stand), &head),
            "HTTP/1.1 408 Request Timeout",
            "{path}"
        );
    }
}

/// The head of a request for `/v1/events` with a body of this many bytes.
fn events_head(content_type: &str, more: &str, bytes: usize) -> String {
    format!(
        "POST /v1/events HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\n{more}content-length: {bytes}\r\n\r\n"
    )
}

#[test]
fn who_is_refused_while_still_sending_hears_why() {
    let guarded = Guarded::new(&["limits.batch_bytes_max=2000", "gateway.body_bytes_max=16000000"]);
    let (_, key) = guarded.key("t", "ingest");
    // Far more than the system's buffers between two sockets hold.
    let body = vec![b' '; 15_000_000];
    let with_key = format!("authorization: Bearer {key}\r\n");
    for (content_type, more, expected) in [
        ("application/json", with_key.as_str(), "HTTP/1.1 413 Payload Too Large"),
        ("text/plain", &with_key, "HTTP/1.1 415 Unsupported Media Type"),
        ("application/json", "", "HTTP/1.1 401 Unauthorized"),
    ] {
        let mut socket = connect(address(&guarded.stand));
        let head = events_head(content_type, more, body.len());
        // It reads nothing before all is sent, as simple clients do.
        socket.write_all(head.as_bytes()).expect("sent");
        socket.write_all(&body).expect("all of it is taken");
        assert_eq!(first_line(&mut socket), expected);
    }
}

#[test]
fn a_refused_body_is_read_on_within_bounds() {
    let stand = Stand::new(&["gateway.body_bytes_max=100000", "gateway.body_timeout_ms=200"]);
    let address = address(&stand);
    let head = events_head("text/plain", "", 1 << 40);
    for (piece, pause) in [(vec![b' '; 50_000], Duration::ZERO), (vec![b' '], DRIP)] {
        let mut socket = connect(address);
        socket.write_all(head.as_bytes()).expect("sent");
        let started = Instant::now();
        while socket.write_all(&piece).is_ok() {
            assert!(
                started.elapsed() < WAIT,
                "pieces of {} bytes are read for ever",
                piece.len()
            );
            std::thread::sleep(pause);
        }
    }
    // Who waits to be asked for the body is answered and not asked.
    let mut socket = connect(address);
    let head = events_head("text/plain", "expect: 100-continue\r\n", 90_000);
    socket.write_all(head.as_bytes()).expect("sent");
    assert_eq!(first_line(&mut socket), "HTTP/1.1 415 Unsupported Media Type");
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).expect("closed");
}

#[test]
fn a_head_that_drips_and_a_connection_that_says_no_more_are_cut_off() {
    let stand = Stand::new(&["gateway.head_timeout_ms=200"]);
    let address = address(&stand);
    assert!(!drip(address, "GET /v1/stats HTTP/1.1\r\nhost: x\r\nx: ").contains("200"));
    let mut socket = connect(address);
    socket
        .write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n")
        .expect("sent");
    assert_eq!(first_line(&mut socket), "HTTP/1.1 200 OK");
    let mut rest = Vec::new();
    // It comes to an end although the client keeps it.
    socket.read_to_end(&mut rest).expect("closed");
}

#[test]
fn beyond_so_many_sockets_there_is_no_answer_until_one_ends() {
    let stand = Stand::new(&["gateway.sockets_max=2"]);
    let address = address(&stand);
    let begin = |socket: &mut TcpStream| {
        let sent = socket.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n");
        sent.map(|()| first_line(socket)).unwrap_or_default()
    };
    let mut open = [connect(address), connect(address)];
    for socket in &mut open {
        assert_eq!(begin(socket), "HTTP/1.1 200 OK");
    }
    assert_eq!(begin(&mut connect(address)), "", "a third is not answered");
    drop(open);
    let started = Instant::now();
    while begin(&mut connect(address)).is_empty() {
        assert!(started.elapsed() < WAIT, "there is room again");
        std::thread::sleep(DRIP);
    }
}

pub(super) type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

/// A socket of somebody, or the status of the refusal.
pub(super) async fn open(stand: &Stand, path: &str, credential: &str) -> Result<Socket, u16> {
    let mut request = stand
        .url(path)
        .replace("http", "ws")
        .into_client_request()
        .expect("a request");
    let protocols = format!("ductus.v1, bearer.{credential}");
    let protocols = protocols.parse().expect("a header");
    request.headers_mut().insert("sec-websocket-protocol", protocols);
    match tokio_tungstenite::connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => {
            assert!(answer.headers().contains_key("retry-after"), "{answer:?}");
            Err(answer.status().as_u16())
        }
        Err(error) => panic!("{error}"),
    }
}

/// The next that is no ping; none where the gateway has ended it.
async fn next(socket: &mut Socket) -> Option<Message> {
    loop {
        match tokio::time::timeout(WAIT, socket.next()).await.expect("in time") {
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(message)) => return Some(message),
        }
    }
}

async fn answer(socket: &mut Socket) -> Option<Value> {
    let message = next(socket).await?;
    Some(serde_json::from_str(message.to_text().expect("text")).expect("json"))
}

#[test]
fn a_page_that_opens_socket_after_socket_takes_no_room_of_others() {
    let guarded = Guarded::new(&["gateway.connections_max=4", "gateway.connections_each_max=2"]);
    let (key_id, key) = guarded.key("t", "ingest monitor");
    let flooding = guarded.token(&key, Some("eve"), "s1", &["ingest", "monitor"]);
    let [one, two] = ["s2", "s3"].map(|session| guarded.token(&key, Some("ann"), session, &["ingest", "monitor"]));
    let stand = &guarded.stand;
    stand.runtime.block_on(async {
        let mut held = vec![
            open(stand, "/v1/events", &flooding).await.expect("room"),
            open(stand, "/v1/sessions/s1/monitor", &flooding).await.expect("room"),
        ];
        for path in ["/v1/events", "/v1/sessions/s1/monitor"] {
            assert_eq!(open(stand, path, &flooding).await.err(), Some(429), "{path}");
        }
        for other in [&one, &two] {
            held.push(open(stand, "/v1/events", other).await.expect("room"));
        }
        assert_eq!(
            open(stand, "/v1/events", &key).await.err(),
            Some(503),
            "and none is without end"
        );
        // Who ends one may open one.
        held.remove(0).close(None).await.expect("closed");
        let started = Instant::now();
        while open(stand, "/v1/events", &flooding).await.is_err() {
            assert!(started.elapsed() < WAIT, "there is room again");
            tokio::time::sleep(DRIP).await;
        }
    });
    let records = stand.records(&stand.config.topics.audit, 4);
    let records = records
        .iter()
        .map(|(_, value)| serde_json::from_slice::<Value>(value).expect("json"));
    let limited: Vec<Value> = records.filter(|record| record["action"] == "rate_limited").collect();
    assert_eq!(
        (&limited[0]["access"]["reason"], &limited[0]["access"]["by"]),
        (&json!("connections"), &json!(key_id))
    );
}

#[test]
fn a_flood_of_frames_is_told_to_wait_and_does_not_hold_back_others() {
    // The key may send four, whoever sends them: what is refused of one subject is not counted for it.
    let guarded = Guarded::new(&[
        "gateway.subject_batches_per_s=1",
        "gateway.subject_batches_burst=2",
        "gateway.credential_batches_per_s=1",
        "gateway.credential_batches_burst=4",
    ]);
    let (_, key) = guarded.key("t", "ingest");
    let flooding = guarded.token(&key, Some("ann"), "s1", &["ingest"]);
    let stand = &guarded.stand;
    let answers = stand.runtime.block_on(async {
        let mut socket = open(stand, "/v1/events", &flooding).await.expect("room");
        // Frames that are nothing, and pings, cost their own sender only.
        for _ in 0..200 {
            socket.feed(Message::Ping("x".into())).await.expect("sent");
            socket.feed(Message::text("noise")).await.expect("sent");
        }
        let sent: Vec<String> = (0..10).map(|seq| batch("s1", seq)).collect();
        for batch in &sent {
            socket.feed(Message::text(batch.clone())).await.expect("sent");
        }
        socket.flush().await.expect("sent");
        let mut answers = Vec::new();
        for _ in 0..200 + sent.len() {
            answers.push(answer(&mut socket).await.expect("an answer"));
        }
        answers
    });
    assert!(answers[..200].iter().all(|answer| answer["reason"] == "malformed"));
    let taken = answers[200..].iter().filter(|answer| answer["ok"] == true).count();
    assert!((2..10).contains(&taken), "{taken}");
    let refused = answers[200..].iter().filter(|answer| answer["ok"] == false);
    for answer in refused {
        assert_eq!(answer["reason"], "too_often");
        assert!(answer["retry_after_s"].as_u64() >= Some(1), "{answer}");
    }
    let of_another = batch("s2", 0).replace("ann", "bea");
    assert_eq!(guarded.send(&key, &of_another).0, 202, "the others of the key go on");
}

#[test]
fn frames_are_bounded_however_they_are_cut() {
    let stand = Stand::new(&["limits.batch_bytes_max=2000"]);
    stand.runtime.block_on(async {
        let mut socket = open(&stand, "/v1/events", "x").await.expect("room");
        socket.send(Message::text("x".repeat(2_001))).await.expect("sent");
        assert_eq!(
            answer(&mut socket).await.expect("an answer")["reason"],
            "oversize_batch"
        );
        // Far more is not read to its end.
        let _ = socket.send(Message::text("x".repeat(200_000))).await;
        assert!(next(&mut socket).await.is_none());
        // Nor is a message whose pieces never end.
        let mut socket = open(&stand, "/v1/events", "x").await.expect("room");
        let piece = |code| Message::Frame(Frame::message(vec![b'x'; 1_000], OpCode::Data(code), false));
        let mut sent = socket.send(piece(Data::Text)).await;
        for _ in 0..1_000 {
            if sent.is_err() {
                break;
            }
            sent = socket.send(piece(Data::Continue)).await;
        }
        assert!(next(&mut socket).await.is_none());
    });
}

#[test]
fn whoever_takes_no_answers_is_cut_off() {
    let stand = Stand::new(&["gateway.body_timeout_ms=200"]);
    stand.runtime.block_on(async {
        // Small buffers, so that they are soon full of answers.
        let small = tokio::net::TcpSocket::new_v4().expect("a socket");
        small.set_recv_buffer_size(2_048).expect("set");
        small.set_send_buffer_size(2_048).expect("set");
        let stream = small.connect(address(&stand)).await.expect("connected");
        let url = stand.url("/v1/events").replace("http", "ws");
        let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.expect("room");
        let flood = async { while socket.send(Message::text("noise")).await.is_ok() {} };
        tokio::time::timeout(WAIT * 3, flood).await.expect("cut off");
    });
    let started = Instant::now();
    while !stand.get("/metrics").2.contains("ductus_gateway_connections 0") {
        assert!(started.elapsed() < WAIT, "its place is free again");
        std::thread::sleep(DRIP);
    }
}

#[test]
fn bodies_that_grow_when_unpacked_are_not_unpacked_to_their_end() {
    let stand = Stand::new(&["limits.batch_bytes_max=2000", "gateway.body_bytes_max=100000"]);
    let spaces = vec![b' '; 8 << 20];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&spaces).expect("memory");
    let gzip = gzip.finish().expect("memory");
    let zstd = zstd::encode_all(spaces.as_slice(), 1).expect("memory");
    for (packed, name) in [(&gzip, "gzip"), (&zstd, "zstd")] {
        for (content_type, reason) in [
            ("application/json", "oversize_batch"),
            ("application/x-ndjson", "oversize_body"),
        ] {
            let request = stand.client.post(stand.url("/v1/events"));
            let request = request
                .header("content-type", content_type)
                .header("content-encoding", name);
            let (status, _, answer) = stand.answer(request.body(packed.clone()));
            assert!(
                status.as_u16() == 413 && answer.contains(reason),
                "{name} {content_type}: {status} {answer}"
            );
        }
        // Packed twice, it is nothing that is taken.
        let request = stand
            .events_request()
            .header("content-encoding", format!("{name}, {name}"));
        assert_eq!(stand.answer(request.body(packed.clone())).0.as_u16(), 415, "{name}");
        // No other route unpacks anything.
        let request = stand.client.post(stand.url("/v1/subjects/ann/enrolments"));
        let request = request
            .header("content-type", "application/json")
            .header("content-encoding", name);
        let small = b"{}".to_vec();
        assert_eq!(stand.answer(request.body(small)).0.as_u16(), 400, "{name}");
    }
}
