//! The real search server: which documents it holds.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Elasticsearch or OpenSearch.
pub struct Search {
    /// Where it is.
    pub url: String,
}

impl Search {
    /// The Elasticsearch that `cargo xtask test` started.
    pub fn elasticsearch() -> Self {
        Self {
            url: crate::world::required("DUCTUS_TEST_ELASTICSEARCH"),
        }
    }

    /// None: nobody listens there.
    pub fn nowhere() -> Self {
        Self {
            url: "http://127.0.0.1:9".to_owned(),
        }
    }

    /// The OpenSearch that `cargo xtask test` started.
    pub fn opensearch() -> Self {
        Self {
            url: crate::world::required("DUCTUS_TEST_OPENSEARCH"),
        }
    }

    async fn post(&self, path: &str, body: &Value) -> Value {
        let response = reqwest::Client::new()
            .post(format!("{}{path}", self.url))
            .json(body)
            .send()
            .await
            .unwrap();
        response.json().await.unwrap()
    }

    /// How many documents a data stream holds.
    pub async fn count(&self, stream: &str) -> u64 {
        let _ = self
            .post(&format!("/{stream}/_refresh?ignore_unavailable=true"), &json!({}))
            .await;
        self.post(
            &format!("/{stream}/_count?ignore_unavailable=true"),
            &json!({"query": {"match_all": {}}}),
        )
        .await["count"]
            .as_u64()
            .unwrap_or(0)
    }

    /// Waits until a data stream holds `count` documents.
    pub async fn until_count(&self, stream: &str, count: u64) {
        let start = Instant::now();
        loop {
            let seen = self.count(stream).await;
            if seen >= count {
                return;
            }
            assert!(
                start.elapsed() < crate::process::PATIENCE,
                "{stream}: {seen} of {count} documents"
            );
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Every document of a data stream: how often each id is there, and one source for it.
    pub async fn documents(&self, stream: &str) -> BTreeMap<String, (u64, Value)> {
        let query = json!({"size": 2_000, "query": {"match_all": {}}});
        let mut page = self.post(&format!("/{stream}/_search?scroll=1m"), &query).await;
        let mut documents = BTreeMap::new();
        loop {
            let hits = page["hits"]["hits"].as_array().cloned().unwrap_or_default();
            if hits.is_empty() {
                return documents;
            }
            for hit in hits {
                let id = hit["_id"].as_str().unwrap().to_owned();
                documents.entry(id).or_insert((0, hit["_source"].clone())).0 += 1;
            }
            page = self
                .post(
                    "/_search/scroll",
                    &json!({"scroll": "1m", "scroll_id": page["_scroll_id"]}),
                )
                .await;
        }
    }
}
