//! `POST /v1/identify` among 100,000 reference sets, which the gateway reads from Kafka when it starts.
//!
//! One set is real; the others have its model and device, and embeddings that were drawn: the search compares every one of
//! them, whoever they are. Records are 23 kB, shorter than real ones, because their numbers have three digits only.

use crate::batches::{self, TENANT};
use crate::http::{Ask, Connection};
use crate::place::Place;
use crate::verify::enrol;
use crate::{Against, Size, cost, p50_p99, tell};
use anyhow::{Context, bail};
use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use ductus_dynamics::compare::ReferenceKey;
use ductus_dynamics::wire::{Reference, Sample};
use ductus_stream::Follower;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Embeddings of a set.
const EMBEDDINGS: usize = 15;
const ROUNDS: usize = 101;
/// What an identification may take, ms.
const MOST_MS: f64 = 20.0;
const TIMEOUT: Duration = Duration::from_secs(120);
const FULL: Duration = Duration::from_millis(5);

pub(crate) async fn bench(size: &Size) -> anyhow::Result<()> {
    let place = Place::new()?;
    {
        let gateway = place.gateway().await?;
        enrol(&place, &gateway).await?;
    }
    let began = Instant::now();
    fill(&place, &real_reference(&place)?, size.sets)?;
    tell(&format!(
        "{} reference sets written in {:.0} s",
        size.sets,
        began.elapsed().as_secs_f64()
    ));
    let began = Instant::now();
    let gateway = place.gateway().await?;
    let name = format!("{} reference sets", size.sets);
    cost(
        &format!("{name}, start until ready"),
        began.elapsed().as_secs_f64(),
        "s",
        Against::NOTHING,
    );
    cost(
        &format!("{name}, memory"),
        gateway.memory_bytes()? / 1e6,
        "MB",
        Against::NOTHING,
    );

    let mut connection = Connection::open(gateway.address).await?;
    let wish = Bytes::from(json!({ "identify": true, "reason": "a benchmark" }).to_string());
    connection
        .ask(&Ask::json(
            Method::PUT,
            "/v1/settings",
            &place.key,
            wish,
            StatusCode::OK,
        )?)
        .await?;
    let question = batches::question(0)?;
    let ask = Ask::json(Method::POST, "/v1/identify", &place.key, question, StatusCode::OK)?;
    let found: Value = serde_json::from_slice(&connection.ask(&ask).await?)?;
    if found["searched"].as_u64() < Some(size.sets as u64) || found["candidates"][0]["subject"] != batches::subject(0) {
        bail!("somebody else was found, or not everybody was compared: {found}");
    }
    let mut took = Vec::with_capacity(ROUNDS);
    let cpu_s = gateway.cpu_s()?;
    for _ in 0..ROUNDS {
        let asked = Instant::now();
        connection.ask(&ask).await?;
        took.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    let cpu_ms = 1e3 * (gateway.cpu_s()? - cpu_s) / ROUNDS as f64;
    let (p50, p99) = p50_p99(took);
    let name = format!("identification among {}", size.sets);
    cost(&format!("{name}, p50"), p50, "ms", Against::at_most(MOST_MS));
    cost(&format!("{name}, p99"), p99, "ms", Against::NOTHING);
    cost(&name, cpu_ms, "CPU ms/request", Against::NOTHING);
    Ok(())
}

/// One that scoring made.
fn real_reference(place: &Place) -> anyhow::Result<Reference> {
    let follower = Follower::open(&place.kafka, "bench", &place.topics.references, "bench", TIMEOUT)?;
    let mut found = None;
    for partition in 0..place.topics.partitions {
        follower.follow(partition, |kept| {
            found = kept.value.map(<[u8]>::to_vec).or(found.take());
        })?;
    }
    Ok(serde_json::from_slice(
        &found.context("the topic holds no references")?,
    )?)
}

/// Writes so many more like it.
fn fill(place: &Place, real: &Reference, sets: usize) -> anyhow::Result<()> {
    let dims = real
        .anchors
        .first()
        .context("a reference without embeddings")?
        .embedding
        .len();
    let anchors = real.anchors.len().min(EMBEDDINGS);
    let mut config = place.kafka.producer("fill");
    // Numbers that were drawn do not get smaller.
    config
        .set("linger.ms", "20")
        .set("batch.size", "1000000")
        .set("compression.type", "none");
    let producer: ThreadedProducer<DefaultProducerContext> = config.create()?;
    for number in 0..sets {
        let mut samples = (0..EMBEDDINGS).map(|at| Sample {
            embedding: embedding((EMBEDDINGS * number + at) as u32, dims),
            session: "enrol".to_owned(),
            sequence: at as u64,
            end_us: real.updated_us,
        });
        let reference = Reference {
            tenant: TENANT.to_owned(),
            subject: format!("other-{number}"),
            anchors: samples.by_ref().take(anchors).collect(),
            recent: samples.collect(),
            sketches: Vec::new(),
            ..real.clone()
        };
        let (key, value) = (
            ReferenceKey::of(&reference).record_key(),
            serde_json::to_vec(&reference)?,
        );
        let mut record = BaseRecord::to(&place.topics.references).key(&key).payload(&value);
        while let Err((error, again)) = producer.send(record) {
            if !matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) {
                return Err(error.into());
            }
            std::thread::sleep(FULL);
            record = again;
        }
    }
    Ok(producer.flush(TIMEOUT)?)
}

/// About unit length, in thousandths; the same for the same seed.
fn embedding(seed: u32, dims: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let largest = (3.0 / dims as f32).sqrt();
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let uniform = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
        (1_000.0 * largest * uniform).round() / 1_000.0
    };
    (0..dims).map(|_| draw()).collect()
}
