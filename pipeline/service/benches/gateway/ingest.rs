//! `POST /v1/events`: a batch of 20 events a request, beside a bare axum handler and one in FastAPI.
//!
//! Three views: CPU a request with as much as comes through on 64 connections, the same at a steady rate that all three
//! manage, and requests a second. Of the last the generator and the broker take their part of the same machine, the more the
//! faster the server is, so that requests a CPU second of the server stand beside it.

use crate::bare::{RECORD_KEY, Task};
use crate::batches::{self, EVENTS};
use crate::http::{Ask, Connection, Through, closed, paced};
use crate::place::Place;
use crate::process::{Server, free_address};
use crate::{Against, Size, cost, speed, tell};
use anyhow::Context;
use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

const CONNECTIONS: usize = 64;
/// People who take turns: so many that nobody sends too often.
const PEOPLE: usize = 4_000;
const A_SECOND: usize = 1_000;
/// How much CPU a request may take, beside the bare handler's.
const BARE_MOST: f64 = 1.5;
/// How many requests a second there must be, beside FastAPI's.
const FASTAPI_LEAST: f64 = 20.0;

/// What was measured of a server; of several rounds the one that was disturbed least.
#[derive(Clone, Copy)]
struct Best {
    all_out: Through,
    at_rate: Through,
    requests_a_second: f64,
}

pub(crate) async fn bench(size: &Size) -> anyhow::Result<()> {
    let place = Place::new()?;
    let bodies = batches::one_each(PEOPLE)?;
    let with_key: Arc<[Ask]> = asks(&bodies, |_| Ok(place.key.clone()))?;
    let tokens = {
        let gateway = place.gateway().await?;
        make_tokens(&gateway, &place.key, PEOPLE).await?
    };
    let with_tokens = asks(&bodies, |number| Ok(tokens[number].clone()))?;
    let fastapi = FastApi::told()?;
    let (mut ours, mut of_pages, mut bare, mut theirs) = (None, None, None, None);
    // In turn, so that whatever else the machine does meets all of them.
    for _ in 0..size.rounds {
        let gateway = place.gateway().await?;
        measure(&mut ours, &gateway, &with_key, size).await?;
        measure(&mut of_pages, &gateway, &with_tokens, size).await?;
        drop(gateway);
        let server = bare_server(&place).await?;
        measure(&mut bare, &server, &with_key, size).await?;
        drop(server);
        if let Some(fastapi) = &fastapi {
            let server = fastapi.start(&place).await?;
            measure(&mut theirs, &server, &with_key, size).await?;
        }
    }
    let ours = ours.context("there is at least one round")?;
    let of_pages = of_pages.context("there is at least one round")?;
    let bare = bare.context("there is at least one round")?;
    for (name, best) in [
        ("gateway, key", Some(ours)),
        ("gateway, tokens", Some(of_pages)),
        ("bare axum", Some(bare)),
        ("FastAPI", theirs),
    ] {
        if let Some(best) = best {
            tell(&format!(
                "{name}: {:.1} µs CPU a request all out, {:.1} µs at {A_SECOND}/s; {:.0} requests/s",
                best.all_out.cpu_us_each(),
                best.at_rate.cpu_us_each(),
                best.requests_a_second
            ));
        }
    }
    let beside_bare = |yardstick: Through| Against::times(BARE_MOST, Some(yardstick.cpu_us_each()));
    let unit = "CPU µs/request";
    let all_out = format!("ingest of {EVENTS} events, {CONNECTIONS} connections, beside bare axum");
    cost(&all_out, ours.all_out.cpu_us_each(), unit, beside_bare(bare.all_out));
    let name = format!("{all_out}, session tokens");
    cost(&name, of_pages.all_out.cpu_us_each(), unit, beside_bare(bare.all_out));
    let at_rate = format!("ingest at {A_SECOND} requests/s beside bare axum");
    cost(&at_rate, ours.at_rate.cpu_us_each(), unit, beside_bare(bare.at_rate));
    let name = format!("{at_rate}, session tokens");
    cost(&name, of_pages.at_rate.cpu_us_each(), unit, beside_bare(bare.at_rate));
    speed(
        "ingest beside bare axum",
        ours.requests_a_second,
        "requests/s",
        Against::beside(Some(bare.requests_a_second)),
    );
    let yardstick = theirs.map(|theirs| theirs.requests_a_second);
    let against = Against::times(FASTAPI_LEAST, yardstick);
    speed("ingest beside FastAPI", ours.requests_a_second, "requests/s", against);
    let yardstick = theirs.map(|theirs| theirs.all_out.a_cpu_second());
    let name = "ingest beside FastAPI, by the server's CPU";
    speed(
        name,
        ours.all_out.a_cpu_second(),
        "requests/CPU-s",
        Against::beside(yardstick),
    );
    Ok(())
}

fn asks(bodies: &[Bytes], credential: impl Fn(usize) -> anyhow::Result<String>) -> anyhow::Result<Arc<[Ask]>> {
    let asks = bodies.iter().enumerate().map(|(number, body)| {
        let accepted = StatusCode::ACCEPTED;
        let mut ask = Ask::json(Method::POST, "/v1/events", &credential(number)?, body.clone(), accepted)?;
        ask.headers.insert(RECORD_KEY, batches::subject(number).parse()?);
        Ok(ask)
    });
    asks.collect()
}

/// A session token for each of so many people.
pub(crate) async fn make_tokens(gateway: &Server, key: &str, people: usize) -> anyhow::Result<Vec<String>> {
    let mut connection = Connection::open(gateway.address).await?;
    let mut tokens = Vec::with_capacity(people);
    for number in 0..people {
        let wish = json!({
            "subject": batches::subject(number), "session": batches::session(number), "scopes": ["ingest"], "ttl_s": 3600,
        });
        let body = Bytes::from(wish.to_string());
        let ask = Ask::json(Method::POST, "/v1/tokens", key, body, StatusCode::CREATED)?;
        let made: Value = serde_json::from_slice(&connection.ask(&ask).await?)?;
        tokens.push(made["token"].as_str().context("no token was told")?.to_owned());
    }
    Ok(tokens)
}

async fn measure(best: &mut Option<Best>, server: &Server, asks: &Arc<[Ask]>, size: &Size) -> anyhow::Result<()> {
    let all_out = closed(server, asks, CONNECTIONS, size).await?;
    let (at_rate, _) = paced(server, asks, CONNECTIONS, A_SECOND, size).await?;
    let least = |one: Through, other: Through| {
        if other.cpu_us_each() < one.cpu_us_each() {
            other
        } else {
            one
        }
    };
    let requests_a_second = all_out.a_second();
    *best = Some(match *best {
        None => Best {
            all_out,
            at_rate,
            requests_a_second,
        },
        Some(best) => Best {
            all_out: least(best.all_out, all_out),
            at_rate: least(best.at_rate, at_rate),
            requests_a_second: best.requests_a_second.max(requests_a_second),
        },
    });
    Ok(())
}

/// What the yardsticks produce with: the settings of the gateway's own client.
fn producer(place: &Place) -> std::collections::HashMap<String, String> {
    let config = place.kafka.producer("yardstick");
    let properties = config.config_map().into_iter();
    properties
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

async fn bare_server(place: &Place) -> anyhow::Result<Server> {
    let task = Task {
        address: free_address()?,
        topic: place.topics.events.clone(),
        producer: producer(place),
    };
    Server::start(task.command()?, "bare", place.folder.path(), task.address).await
}

/// How FastAPI is started, as `cargo xtask bench` says.
#[derive(Deserialize)]
struct FastApi {
    program: PathBuf,
    arguments: Vec<String>,
    python_path: Option<PathBuf>,
}

impl FastApi {
    fn told() -> anyhow::Result<Option<Self>> {
        match std::env::var("DUCTUS_BENCH_FASTAPI") {
            Ok(text) => Ok(serde_json::from_str(&text)?),
            Err(_) => Ok(None),
        }
    }

    async fn start(&self, place: &Place) -> anyhow::Result<Server> {
        let address = free_address()?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command.args(["--port", &address.port().to_string(), "--topic", &place.topics.events]);
        command.arg("--producer").arg(serde_json::to_string(&producer(place))?);
        if let Some(path) = &self.python_path {
            command.env("PYTHONPATH", path);
        }
        Server::start(command, "fastapi", place.folder.path(), address).await
    }
}
