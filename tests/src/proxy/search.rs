//! A proxy before the search server that answers some bulk requests as a troubled server would.
//!
//! Invariants: what it says was taken was taken by the real server; other requests than `_bulk` pass unchanged, unless the
//! server is away.

use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is wrong with the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SearchFault {
    /// Nothing.
    None,
    /// Connections are reset at once.
    Away,
    /// Half of the items of each bulk request are answered with 429 and not taken.
    HalfBusy,
    /// Bulk requests are answered with this status and not taken.
    Status(u16),
    /// Every second bulk request is taken, but the connection is reset instead of an answer.
    Reset,
    /// Every second bulk request is taken, but only half of the answer comes.
    HalfAnswer,
    /// Bulk requests with more bytes are answered with 413 and not taken.
    TooLarge(usize),
    /// One document in so many has a word where its mapping has a number.
    Conflict(u64),
}

/// A proxy, until it is dropped.
pub struct SearchProxy {
    /// Where it is: `http://host:port`.
    pub url: String,
    state: Arc<State>,
    task: JoinHandle<()>,
}

struct State {
    server: String,
    client: reqwest::Client,
    now: Mutex<Now>,
}

#[derive(Clone)]
struct Now {
    fault: SearchFault,
    /// Bulk requests so far.
    bulks: u64,
    /// Of these, how many met a fault.
    struck: u64,
    /// Ids of documents that were spoilt.
    spoilt: BTreeSet<String>,
}

/// What goes back to the client.
enum Answer {
    Whole(u16, Vec<u8>),
    Half(u16, Vec<u8>),
    Reset,
}

impl SearchProxy {
    /// Before the server at this URL; nothing is wrong yet.
    pub async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(State {
            server: server.to_owned(),
            client: reqwest::Client::new(),
            now: Mutex::new(Now {
                fault: SearchFault::None,
                bulks: 0,
                struck: 0,
                spoilt: BTreeSet::new(),
            }),
        });
        let served = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let state = Arc::clone(&served);
                tokio::spawn(async move {
                    // A client that went away is none of our business.
                    let _ = state.connection(client).await;
                });
            }
        });
        Self { url, state, task }
    }

    /// From now on this is wrong; how many bulk requests met a fault is counted anew.
    pub fn set(&self, fault: SearchFault) {
        let mut now = self.state.now();
        (now.fault, now.struck) = (fault, 0);
    }

    /// How many bulk requests met the fault.
    pub fn struck(&self) -> u64 {
        self.state.now().struck
    }

    /// Ids of the documents that were spoilt.
    pub fn spoilt(&self) -> BTreeSet<String> {
        self.state.now().spoilt.clone()
    }
}

impl Drop for SearchProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn connection(&self, stream: TcpStream) -> Result<()> {
        stream.set_nodelay(true)?;
        let mut stream = BufReader::new(stream);
        while let Some((method, path, content_type, body)) = request(&mut stream).await? {
            let bulk = path.split('?').next().is_some_and(|path| path.ends_with("/_bulk"));
            let answer = if bulk {
                self.bulk(&path, &body).await
            } else if self.now().fault == SearchFault::Away {
                Answer::Reset
            } else {
                self.pass_on(&method, &path, &content_type, body).await
            };
            let (status, body, sent) = match answer {
                Answer::Whole(status, body) => (status, body, usize::MAX),
                Answer::Half(status, body) => {
                    let half = body.len() / 2;
                    (status, body, half)
                }
                Answer::Reset => return stream.get_ref().set_zero_linger(),
            };
            let head = format!(
                "HTTP/1.1 {status} -\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let mut answer = head.into_bytes();
            answer.extend_from_slice(&body[..body.len().min(sent)]);
            stream.write_all(&answer).await?;
            if sent < body.len() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn bulk(&self, path: &str, body: &[u8]) -> Answer {
        let (fault, number) = {
            let mut now = self.now();
            now.bulks += 1;
            (now.fault, now.bulks)
        };
        let struck = || self.now().struck += 1;
        let second = number % 2 == 0;
        match fault {
            SearchFault::Away => {
                struck();
                Answer::Reset
            }
            SearchFault::Status(status) => {
                struck();
                Answer::Whole(status, error("es_rejected_execution_exception", "a proxy says so"))
            }
            SearchFault::TooLarge(most) if body.len() > most => {
                struck();
                Answer::Whole(413, error("content_too_long", "a proxy says so"))
            }
            SearchFault::HalfBusy => {
                struck();
                self.half_busy(path, body, number).await
            }
            SearchFault::Conflict(one_in) => {
                let spoilt = self.spoil(body, one_in);
                self.real(path, spoilt).await
            }
            SearchFault::Reset if second => {
                struck();
                self.real(path, body.to_vec()).await;
                Answer::Reset
            }
            SearchFault::HalfAnswer if second => {
                struck();
                match self.real(path, body.to_vec()).await {
                    Answer::Whole(status, body) => Answer::Half(status, body),
                    other => other,
                }
            }
            _ => self.real(path, body.to_vec()).await,
        }
    }

    async fn real(&self, path: &str, body: Vec<u8>) -> Answer {
        self.pass_on("POST", path, "application/x-ndjson", body).await
    }

    async fn pass_on(&self, method: &str, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self
            .client
            .request(method, format!("{}{path}", self.server))
            .header("content-type", content_type)
            .body(body);
        match request.send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                Answer::Whole(status, response.bytes().await.map(Into::into).unwrap_or_default())
            }
            Err(_) => Answer::Reset,
        }
    }

    /// Passes on every second item, another half each time, and says 429 of the others.
    async fn half_busy(&self, path: &str, body: &[u8], number: u64) -> Answer {
        let items: Vec<(&str, &str)> = items(body).collect();
        let taken = |index: usize| (index as u64 + number).is_multiple_of(2);
        let passed: String = items
            .iter()
            .enumerate()
            .filter(|(index, _)| taken(*index))
            .map(|(_, (action, document))| format!("{action}\n{document}\n"))
            .collect();
        let mut answers = Vec::new();
        if !passed.is_empty() {
            let Answer::Whole(200, answer) = self.real(path, passed.into_bytes()).await else {
                return Answer::Reset;
            };
            let answer: Value = serde_json::from_slice(&answer).unwrap();
            answers.clone_from(answer["items"].as_array().unwrap());
        }
        let mut answers = answers.into_iter();
        let busy = json!({"create": {"status": 429, "error": {"type": "es_rejected_execution_exception", "reason": "a proxy says so"}}});
        let merged: Vec<Value> = (0..items.len())
            .map(|index| {
                if taken(index) {
                    answers.next().unwrap()
                } else {
                    busy.clone()
                }
            })
            .collect();
        let answer = json!({"took": 1, "errors": true, "items": merged});
        Answer::Whole(200, answer.to_string().into_bytes())
    }

    fn spoil(&self, body: &[u8], one_in: u64) -> Vec<u8> {
        let mut spoilt = String::new();
        for (action, document) in items(body) {
            let id = id_of(action);
            let number = u64::from_str_radix(&id[..8], 16).unwrap_or(1);
            let mut document = document.to_owned();
            if number.is_multiple_of(one_in) {
                let mut value: Value = serde_json::from_str(&document).unwrap();
                value["event"]["duration"] = json!("as long as it takes");
                document = value.to_string();
                let mut now = self.now();
                now.struck += 1;
                now.spoilt.insert(id);
            }
            spoilt += &format!("{action}\n{document}\n");
        }
        spoilt.into_bytes()
    }
}

fn error(kind: &str, reason: &str) -> Vec<u8> {
    json!({"error": {"type": kind, "reason": reason}})
        .to_string()
        .into_bytes()
}

/// (action, document) of a bulk request.
fn items(body: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let mut lines = std::str::from_utf8(body).unwrap().lines();
    std::iter::from_fn(move || Some((lines.next()?, lines.next()?)))
}

fn id_of(action: &str) -> String {
    let action: Value = serde_json::from_str(action).unwrap();
    action["create"]["_id"].as_str().unwrap().to_owned()
}

/// The next request: method, path, content type, body; none when the client has closed.
async fn request(stream: &mut BufReader<TcpStream>) -> Result<Option<(String, String, String, Vec<u8>)>> {
    let mut first = String::new();
    if stream.read_line(&mut first).await? == 0 {
        return Ok(None);
    }
    let mut words = first.split_whitespace();
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Err(Error::new(ErrorKind::InvalidData, "no request line"));
    };
    let (mut length, mut content_type) = (0, String::new());
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().map_err(Error::other)?,
            "content-type" => value.clone_into(&mut content_type),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some((method.to_owned(), path.to_owned(), content_type, body)))
}
