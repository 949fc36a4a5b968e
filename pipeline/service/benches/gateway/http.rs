//! The generator of requests: the same for every server, on connections that are kept open.
//!
//! Invariants: an answer that is not the expected one ends the benchmark; at a rate, a request's time counts from when it was
//! due, so that whatever holds it up is counted (coordinated omission).

use crate::Size;
use crate::process::Server;
use anyhow::bail;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};

/// What connections have to open before the first request is due.
const CONNECTING: Duration = Duration::from_millis(500);

/// What is sent, and what must come back.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) expected: StatusCode,
}

impl Ask {
    /// A JSON body.
    pub(crate) fn json(
        method: Method,
        path: &str,
        credential: &str,
        body: Bytes,
        expected: StatusCode,
    ) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "application/json".parse()?);
        headers.insert(header::AUTHORIZATION, format!("Bearer {credential}").parse()?);
        Ok(Self {
            method,
            path: path.to_owned(),
            headers,
            body,
            expected,
        })
    }
}

/// One connection.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    /// Moves the bytes; it ends with the sender.
    _moves: JoinHandle<()>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let moves = async {
            // Whoever waits for an answer hears of it.
            let _ = connection.await;
        };
        Ok(Self {
            sender,
            host: address.to_string(),
            _moves: tokio::spawn(moves),
        })
    }

    /// The body of the answer.
    pub(crate) async fn ask(&mut self, ask: &Ask) -> anyhow::Result<Bytes> {
        let mut request = Request::new(Full::new(ask.body.clone()));
        *request.method_mut() = ask.method.clone();
        *request.uri_mut() = ask.path.parse()?;
        *request.headers_mut() = ask.headers.clone();
        request.headers_mut().insert(header::HOST, self.host.parse()?);
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if status != ask.expected {
            bail!(
                "{} is answered with {status}: {}",
                ask.path,
                String::from_utf8_lossy(&body)
            );
        }
        Ok(body)
    }
}

/// What came through, and what it cost the server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Through {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    pub(crate) cpu_s: f64,
}

impl Through {
    pub(crate) fn a_second(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    pub(crate) fn a_cpu_second(&self) -> f64 {
        self.requests as f64 / self.cpu_s
    }

    pub(crate) fn cpu_us_each(&self) -> f64 {
        1e6 / self.a_cpu_second()
    }
}

/// As many requests as come through on so many connections, each with one request open.
pub(crate) async fn closed(
    server: &Server,
    asks: &Arc<[Ask]>,
    connections: usize,
    size: &Size,
) -> anyhow::Result<Through> {
    let (answered, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut open = JoinSet::new();
    for first in 0..connections {
        let (asks, address) = (Arc::clone(asks), server.address);
        let (answered, over) = (Arc::clone(&answered), Arc::clone(&over));
        open.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut number = first;
            while !over.load(Relaxed) {
                connection.ask(&asks[number % asks.len()]).await?;
                answered.fetch_add(1, Relaxed);
                number += connections;
            }
            anyhow::Ok(())
        });
    }
    tokio::time::sleep(size.warm_up).await;
    let (before, cpu_s, began) = (answered.load(Relaxed), server.cpu_s()?, Instant::now());
    tokio::time::sleep(size.time).await;
    let through = Through {
        requests: answered.load(Relaxed) - before,
        seconds: began.elapsed().as_secs_f64(),
        cpu_s: server.cpu_s()? - cpu_s,
    };
    over.store(true, Relaxed);
    while let Some(ended) = open.join_next().await {
        ended??;
    }
    Ok(through)
}

/// Requests at a steady rate on so many connections, and how long each took from when it was due, ms; those of the warm-up are
/// sent and not counted. The timer wakes to the millisecond, which counts as well.
pub(crate) async fn paced(
    server: &Server,
    asks: &Arc<[Ask]>,
    connections: usize,
    a_second: usize,
    size: &Size,
) -> anyhow::Result<(Through, Vec<f64>)> {
    let next = Arc::new(AtomicUsize::new(0));
    let in_time = |time: Duration| (time.as_secs_f64() * a_second as f64) as usize;
    let warm_up = in_time(size.warm_up);
    let last = warm_up + in_time(size.time);
    let mut open = JoinSet::new();
    let begins = Instant::now() + CONNECTING;
    for _ in 0..connections {
        let (asks, next, address) = (Arc::clone(asks), Arc::clone(&next), server.address);
        open.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut took = Vec::new();
            loop {
                let number = next.fetch_add(1, Relaxed);
                if number >= last {
                    return anyhow::Ok(took);
                }
                let due = begins + Duration::from_secs_f64(number as f64 / a_second as f64);
                tokio::time::sleep_until(due.into()).await;
                connection.ask(&asks[number % asks.len()]).await?;
                if number >= warm_up {
                    took.push(due.elapsed().as_secs_f64() * 1e3);
                }
            }
        });
    }
    tokio::time::sleep_until((begins + size.warm_up).into()).await;
    let (cpu_s, began) = (server.cpu_s()?, Instant::now());
    let mut all = Vec::new();
    while let Some(took) = open.join_next().await {
        all.extend(took??);
    }
    let through = Through {
        requests: all.len() as u64,
        seconds: began.elapsed().as_secs_f64(),
        cpu_s: server.cpu_s()? - cpu_s,
    };
    Ok((through, all))
}
