//! A gateway of a world, and an application that uses it: with a key of its own, and no more patience than it has to have.
//!
//! Invariant: a request that got no answer, or was told to come again, is sent again as it was.

use crate::load::Batch;
use crate::process::{PATIENCE, Program, free_address};
use crate::world::World;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Every scope of a key.
const EVERYTHING: &str = "ingest,verify,monitor,admin";
/// Before a request is sent again.
const PAUSE: Duration = Duration::from_millis(50);

/// A gateway and somebody who may do everything there.
pub struct Door {
    /// Where it listens, also when it is started again.
    pub address: String,
    /// The application's key.
    pub key: String,
    client: Client,
}

impl Door {
    /// Makes a key and starts a gateway.
    pub async fn open(world: &World) -> (Self, Program) {
        let door = Self {
            address: free_address(),
            key: world.make_key(Batch::TENANT, EVERYTHING),
            client: Client::new(),
        };
        let gateway = world.start_gateway(&door.address).await;
        (door, gateway)
    }

    /// The same gateway for somebody who may do everything with another tenant's data.
    pub fn of_tenant(&self, world: &World, tenant: &str) -> Self {
        Self {
            address: self.address.clone(),
            key: world.make_key(tenant, EVERYTHING),
            client: self.client.clone(),
        }
    }

    /// A request with the key.
    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(self.url(path)).bearer_auth(&self.key)
    }

    /// The same.
    pub fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(self.url(path)).bearer_auth(&self.key)
    }

    /// The same.
    pub fn put(&self, path: &str) -> RequestBuilder {
        self.client.put(self.url(path)).bearer_auth(&self.key)
    }

    /// The same.
    pub fn delete(&self, path: &str) -> RequestBuilder {
        self.client.delete(self.url(path)).bearer_auth(&self.key)
    }

    /// Where a route is.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends batches until they are taken; how often they had to be sent.
    pub async fn send(&self, batches: &[Vec<u8>]) -> u32 {
        let body = batches.join(&b'\n');
        let start = Instant::now();
        for tries in 1.. {
            let request = self.post("/v1/events").header("content-type", "application/x-ndjson");
            match request
                .body(body.clone())
                .timeout(PATIENCE)
                .send()
                .await
                .map(|answer| answer.status())
            {
                Ok(StatusCode::ACCEPTED) => return tries,
                Ok(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) | Err(_) => {}
                Ok(status) => panic!("batches are answered with {status}"),
            }
            assert!(start.elapsed() < PATIENCE, "batches are not taken");
            tokio::time::sleep(PAUSE).await;
        }
        unreachable!("there is no last try")
    }

    /// The JSON of an answer that must be a success.
    pub async fn json(&self, request: RequestBuilder) -> Value {
        let answer: Response = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{status}: {text}");
        serde_json::from_str(&text).unwrap()
    }
}
