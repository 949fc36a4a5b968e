//! `POST /v1/subjects/{subject}/verify` at 200 questions a second, from people with references that scoring made of their
//! enrolments.

use crate::batches;
use crate::http::{Ask, Connection, paced};
use crate::place::Place;
use crate::process::Server;
use crate::{Against, Size, cost, p50_p99};
use anyhow::bail;
use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const PEOPLE: usize = 20;
const A_SECOND: usize = 200;
const CONNECTIONS: usize = 32;
/// What 99 of 100 may take, ms.
const MOST_MS: f64 = 15.0;
/// How long references may take to come.
const PATIENCE: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(200);

pub(crate) async fn bench(size: &Size) -> anyhow::Result<()> {
    let place = Place::new()?;
    let gateway = place.gateway().await?;
    enrol(&place, &gateway).await?;
    let questions = (0..PEOPLE).map(|number| {
        let path = format!("/v1/subjects/{}/verify", batches::subject(number));
        Ask::json(
            Method::POST,
            &path,
            &place.key,
            batches::question(number)?,
            StatusCode::OK,
        )
    });
    let questions: Arc<[Ask]> = questions.collect::<anyhow::Result<_>>()?;
    let mut connection = Connection::open(gateway.address).await?;
    for question in questions.iter() {
        let verdict: Value = serde_json::from_slice(&connection.ask(question).await?)?;
        // Whoever is not compared is answered sooner.
        if verdict["score"].is_null() {
            bail!("nothing was compared: {verdict}");
        }
    }
    let (through, took) = paced(&gateway, &questions, CONNECTIONS, A_SECOND, size).await?;
    let (p50, p99) = p50_p99(took);
    let name = format!("verification at {A_SECOND}/s");
    cost(&format!("{name}, p50"), p50, "ms", Against::NOTHING);
    cost(&format!("{name}, p99"), p99, "ms", Against::at_most(MOST_MS));
    cost(&name, through.cpu_us_each() / 1e3, "CPU ms/request", Against::NOTHING);
    Ok(())
}

/// Enrols [`PEOPLE`], and waits until each is known; scoring has ended when it returns.
pub(crate) async fn enrol(place: &Place, gateway: &Server) -> anyhow::Result<()> {
    let _score = place.score().await?;
    let mut connection = Connection::open(gateway.address).await?;
    for number in 0..PEOPLE {
        let path = format!("/v1/subjects/{}/enrolments", batches::subject(number));
        let body = batches::enrolment(number)?;
        let ask = Ask::json(Method::POST, &path, &place.key, body, StatusCode::ACCEPTED)?;
        connection.ask(&ask).await?;
    }
    let asked = Instant::now();
    for number in 0..PEOPLE {
        let path = format!("/v1/subjects/{}", batches::subject(number));
        let ask = Ask::json(Method::GET, &path, &place.key, Bytes::new(), StatusCode::OK)?;
        loop {
            let known: Value = serde_json::from_slice(&connection.ask(&ask).await?)?;
            if known["references"][0]["mature"] == true {
                break;
            }
            if asked.elapsed() > PATIENCE {
                bail!("references do not come: {known}");
            }
            tokio::time::sleep(POLL).await;
        }
    }
    Ok(())
}
