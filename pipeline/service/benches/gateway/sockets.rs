//! `WS /v1/events`: how long an acknowledgement takes among many sockets that send, and what a socket costs that does not.
//!
//! Invariants: every socket is a page's, with a token and a session of its own; at the rate, a batch's time counts from when
//! it was due (coordinated omission). Bytes are resident memory of the gateway; the kernel's buffers are not in it.

use crate::batches;
use crate::ingest::make_tokens;
use crate::place::Place;
use crate::process::Server;
use crate::{Against, Size, cost, p50_p99, tell};
use anyhow::{Context, bail};
use axum::body::Bytes;
use axum::http::header;
use futures::{SinkExt, StreamExt, TryStreamExt};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// Between two batches of a socket: four times as much as a person at work sends.
const PERIOD: Duration = Duration::from_secs(1);
/// Sockets of one source address: fewer than it has ports.
const SOCKETS_AN_ADDRESS: usize = 2_000;
/// Handshakes at once.
const HANDSHAKES: usize = 64;
/// Until memory has settled.
const SETTLE: Duration = Duration::from_secs(5);
/// The generator's own buffers: batches and answers are smaller.
const BUFFER: usize = 4_096;

type Socket = WebSocketStream<TcpStream>;

pub(crate) async fn bench(size: &Size) -> anyhow::Result<()> {
    let place = Place::new()?;
    let batches = batches::one_each(size.busy.max(size.idle))?;
    busy(&place, &batches[..size.busy], size).await?;
    idle(&place, &batches[..size.idle]).await
}

/// Everybody sends a batch each period, evenly spread.
async fn busy(place: &Place, batches: &[Bytes], size: &Size) -> anyhow::Result<()> {
    let gateway = place.gateway().await?;
    let sockets = open(&gateway, &place.key, batches.len()).await?;
    let mut senders = JoinSet::new();
    let begins = Instant::now() + PERIOD;
    let counted = begins + size.warm_up;
    let end = counted + size.time;
    let count = sockets.len();
    for ((number, mut socket), batch) in sockets.into_iter().enumerate().zip(batches.to_vec()) {
        senders.spawn(async move {
            let mut took = Vec::new();
            let mut due = begins + PERIOD.mul_f64(number as f64 / count as f64);
            while due < end {
                tokio::time::sleep_until(due.into()).await;
                send(&mut socket, &batch).await?;
                if due >= counted {
                    took.push(due.elapsed().as_secs_f64() * 1e3);
                }
                due += PERIOD;
            }
            anyhow::Ok(took)
        });
    }
    tokio::time::sleep_until(counted.into()).await;
    let (cpu_s, began) = (gateway.cpu_s()?, Instant::now());
    let mut all = Vec::new();
    while let Some(took) = senders.join_next().await {
        all.extend(took??);
    }
    let sent = all.len();
    let cpu_us = 1e6 * (gateway.cpu_s()? - cpu_s) / sent as f64;
    tell(&format!(
        "{count} WebSockets: {sent} batches in {:.1} s",
        began.elapsed().as_secs_f64()
    ));
    let rate = count as f64 / PERIOD.as_secs_f64();
    let (p50, p99) = p50_p99(all);
    let name = format!("{count} WebSockets, {rate:.0} batches/s: acknowledged");
    cost(&format!("{name}, p50"), p50, "ms", Against::NOTHING);
    cost(&format!("{name}, p99"), p99, "ms", Against::NOTHING);
    cost(
        &format!("{count} WebSockets, {rate:.0} batches/s"),
        cpu_us,
        "CPU µs/batch",
        Against::NOTHING,
    );
    Ok(())
}

/// Memory of sockets that are open and silent: before they ever sent anything, and after a batch each.
async fn idle(place: &Place, batches: &[Bytes]) -> anyhow::Result<()> {
    let gateway = place.gateway().await?;
    // What the first requests make a gateway allocate is no socket's.
    let mut first = open(&gateway, &place.key, 1).await?;
    send(&mut first[0], &batches[0]).await?;
    let tokens = make_tokens(&gateway, &place.key, batches.len()).await?;
    tokio::time::sleep(SETTLE).await;
    let before = gateway.memory_bytes()?;
    let mut sockets = open_with(&gateway, &tokens).await?;
    tokio::time::sleep(SETTLE).await;
    let each = |bytes: f64| (bytes - before) / batches.len() as f64;
    let name = format!("{} idle WebSockets", batches.len());
    cost(
        &format!("{name}, never used"),
        each(gateway.memory_bytes()?),
        "bytes each",
        Against::NOTHING,
    );
    for (socket, batch) in sockets.iter_mut().zip(batches) {
        send(socket, batch).await?;
    }
    tokio::time::sleep(SETTLE).await;
    cost(
        &format!("{name}, after a batch"),
        each(gateway.memory_bytes()?),
        "bytes each",
        Against::NOTHING,
    );
    Ok(())
}

async fn open(gateway: &Server, key: &str, count: usize) -> anyhow::Result<Vec<Socket>> {
    let tokens = make_tokens(gateway, key, count).await?;
    open_with(gateway, &tokens).await
}

/// A socket for each token, in their order.
async fn open_with(gateway: &Server, tokens: &[String]) -> anyhow::Result<Vec<Socket>> {
    let opening = tokens
        .iter()
        .enumerate()
        .map(|(number, token)| open_one(gateway.address, number, token));
    futures::stream::iter(opening).buffered(HANDSHAKES).try_collect().await
}

async fn open_one(gateway: SocketAddr, number: usize, token: &str) -> anyhow::Result<Socket> {
    // Of the loopback network every address is ours.
    let source = Ipv4Addr::new(127, 0, 1, (1 + number / SOCKETS_AN_ADDRESS) as u8);
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((source, 0)))?;
    let stream = socket.connect(gateway).await?;
    stream.set_nodelay(true)?;
    let mut request = format!("ws://{gateway}/v1/events").into_client_request()?;
    request
        .headers_mut()
        .insert(header::AUTHORIZATION, format!("Bearer {token}").parse()?);
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER);
    let (socket, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?;
    Ok(socket)
}

/// Sends a batch and waits until it is acknowledged.
async fn send(socket: &mut Socket, batch: &Bytes) -> anyhow::Result<()> {
    socket.send(Message::Text(batch.clone().try_into()?)).await?;
    let answer = loop {
        let frame = socket.next().await.context("the socket was closed")??;
        // Silent ones are asked whether they are still there.
        if !frame.is_ping() {
            break frame;
        }
    };
    if !answer.to_text()?.contains(r#""ok":true"#) {
        bail!("a batch is answered with {answer}");
    }
    Ok(())
}
