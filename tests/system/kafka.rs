//! One test's topics on the real broker: made, filled, read to the end.

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::time::Duration;

/// Logical names of the topics.
pub(crate) const TOPICS: [&str; 7] = [
    "events",
    "decisions",
    "audit",
    "dead_letters",
    "references",
    "session_state",
    "models",
];
/// Partitions of every topic of a test but `models`.
pub(crate) const PARTITIONS: i32 = 4;
const TIMEOUT: Duration = Duration::from_secs(30);

/// A record as tests look at it.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp_us: i64,
    pub(crate) key: Option<String>,
    pub(crate) value: Vec<u8>,
    /// The header `reason`.
    pub(crate) reason: Option<String>,
}

/// The broker, as one test sees it.
pub(crate) struct Kafka {
    pub(crate) bootstrap: String,
    prefix: String,
}

impl Kafka {
    pub(crate) fn new(bootstrap: &str, prefix: &str) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            prefix: prefix.to_owned(),
        }
    }

    /// Physical name of a topic.
    pub(crate) fn topic(&self, logical: &str) -> String {
        format!("{}.{}", self.prefix, logical.replace('_', "-"))
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    /// Makes the topics. Records of old recordings must stay, so nothing is deleted by age.
    pub(crate) async fn create_topics(&self) {
        let admin: AdminClient<DefaultClientContext> = self.config().create().unwrap();
        for logical in TOPICS {
            let name = self.topic(logical);
            let partitions = if logical == "models" { 1 } else { PARTITIONS };
            let compacted = matches!(logical, "references" | "session_state" | "models");
            let topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1))
                .set("cleanup.policy", if compacted { "compact" } else { "delete" })
                .set("retention.ms", "-1");
            let made = admin
                .create_topics([&topic], &AdminOptions::new().operation_timeout(Some(TIMEOUT)))
                .await
                .unwrap();
            assert!(made[0].is_ok(), "{made:?}");
            // Made is not yet known everywhere.
            let known = || {
                admin.inner().fetch_metadata(Some(&name), TIMEOUT).unwrap().topics()[0]
                    .partitions()
                    .len()
            };
            while known() < partitions as usize {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Sends values to the events topic under one key, in order.
    pub(crate) async fn send(&self, key: &str, timestamp_us: i64, values: &[Vec<u8>]) {
        let producer: FutureProducer = self
            .config()
            .set("partitioner", "murmur2_random")
            .set("message.max.bytes", "2000000")
            .create()
            .unwrap();
        for value in values {
            let topic = self.topic("events");
            let record = FutureRecord::to(&topic)
                .key(key)
                .payload(value)
                .timestamp(timestamp_us / 1_000);
            producer.send(record, TIMEOUT).await.unwrap();
        }
    }

    /// Everything that stands in a topic now, in order within each partition.
    pub(crate) fn read(&self, logical: &str) -> Vec<Record> {
        let consumer: BaseConsumer = self
            .config()
            .set("group.id", format!("{}-reader", self.prefix))
            .create()
            .unwrap();
        let topic = self.topic(logical);
        let partitions = if logical == "models" { 1 } else { PARTITIONS };
        let mut assignment = TopicPartitionList::new();
        let mut left = 0;
        for partition in 0..partitions {
            let (low, high) = consumer.fetch_watermarks(&topic, partition, TIMEOUT).unwrap();
            left += high - low;
            assignment
                .add_partition_offset(&topic, partition, Offset::Offset(low))
                .unwrap();
        }
        consumer.assign(&assignment).unwrap();
        let mut records = Vec::new();
        while left > 0 {
            let message = consumer
                .poll(TIMEOUT)
                .unwrap_or_else(|| panic!("{topic}: {left} records do not come"))
                .unwrap();
            left -= 1;
            records.push(Record {
                partition: message.partition(),
                offset: message.offset(),
                timestamp_us: message.timestamp().to_millis().unwrap_or(0) * 1_000,
                key: message.key().map(|key| String::from_utf8_lossy(key).into_owned()),
                value: message.payload().unwrap_or_default().to_vec(),
                reason: header(&message, "reason"),
            });
        }
        records
    }

    /// The JSON values of a topic.
    pub(crate) fn read_json(&self, logical: &str) -> Vec<serde_json::Value> {
        self.read(logical)
            .iter()
            .map(|record| serde_json::from_slice(&record.value).unwrap())
            .collect()
    }
}

fn header(message: &impl Message, name: &str) -> Option<String> {
    let headers = message.headers()?;
    let value = headers.iter().find(|header| header.key == name)?.value?;
    Some(String::from_utf8_lossy(value).into_owned())
}
