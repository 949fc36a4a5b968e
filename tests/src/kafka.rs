//! One test's topics on the real broker: made, filled, read to the end.

use crate::process::PATIENCE;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, FutureProducer, FutureRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Logical names of the topics.
pub const TOPICS: [&str; 8] = [
    "events",
    "decisions",
    "audit",
    "dead_letters",
    "references",
    "session_state",
    "models",
    "feedback",
];
/// Partitions of every topic of a test but `models`.
pub const PARTITIONS: i32 = 4;
const TIMEOUT: Duration = Duration::from_secs(30);

/// A record as tests look at it.
#[derive(Clone, Debug)]
pub struct Record {
    /// Partition.
    pub partition: i32,
    /// Offset within it.
    pub offset: i64,
    /// Timestamp, µs since the Unix epoch.
    pub timestamp_us: i64,
    /// Key, where there is one.
    pub key: Option<String>,
    /// Value; empty for a tombstone.
    pub value: Vec<u8>,
    /// The header `reason`.
    pub reason: Option<String>,
    /// The header `detail`.
    pub detail: Option<String>,
}

/// The next offset to read, by partition; from the beginning where there is none.
#[derive(Clone, Debug, Default)]
pub struct Positions(BTreeMap<i32, i64>);

/// The broker, as one test sees it.
pub struct Kafka {
    /// Where it is.
    pub bootstrap: String,
    prefix: String,
}

impl Kafka {
    /// A test's view; its topics begin with `prefix`.
    pub fn new(bootstrap: &str, prefix: &str) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            prefix: prefix.to_owned(),
        }
    }

    /// Physical name of a topic.
    pub fn topic(&self, logical: &str) -> String {
        format!("{}.{}", self.prefix, logical.replace('_', "-"))
    }

    /// What every client of the broker begins with.
    pub fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }

    /// Makes the topics. Records of old recordings must stay, so nothing is deleted by age.
    pub async fn create_topics(&self) {
        let admin: AdminClient<DefaultClientContext> = self.config().create().unwrap();
        for logical in TOPICS {
            let name = self.topic(logical);
            let partitions = if logical == "models" { 1 } else { PARTITIONS };
            let compacted = matches!(logical, "references" | "session_state" | "models" | "feedback");
            let topic = NewTopic::new(&name, partitions, TopicReplication::Fixed(1))
                .set("cleanup.policy", if compacted { "compact" } else { "delete" })
                .set("min.compaction.lag.ms", "3600000")
                .set("retention.ms", "-1")
                .set(
                    "message.timestamp.type",
                    if logical == "events" {
                        "CreateTime"
                    } else {
                        "LogAppendTime"
                    },
                );
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

    /// Gives a topic this setting, and no other.
    pub async fn set(&self, logical: &str, property: &str, value: &str) {
        let admin: AdminClient<DefaultClientContext> = self.config().create().unwrap();
        let name = self.topic(logical);
        let change = AlterConfig::new(ResourceSpecifier::Topic(&name)).set(property, value);
        let changed = admin.alter_configs([&change], &AdminOptions::new()).await.unwrap();
        assert!(changed[0].is_ok(), "{changed:?}");
    }

    /// Sends values to the events topic under one key, in order.
    pub async fn send(&self, key: &str, timestamp_us: i64, values: &[Vec<u8>]) {
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

    /// Puts one record into the first partition of a topic.
    pub async fn put(&self, logical: &str, key: &str, value: &[u8]) {
        let producer: FutureProducer = self.config().create().unwrap();
        let topic = self.topic(logical);
        let record = FutureRecord::to(&topic).partition(0).key(key).payload(value);
        producer.send(record, TIMEOUT).await.unwrap();
    }

    /// Begins a transaction, writes one record into each partition of a topic, and leaves it at that, like a process that died:
    /// the broker ends it after `timeout`, and until then nobody who reads committed records sees what comes behind.
    pub fn leave_open(&self, logical: &str, timeout: Duration) {
        let producer: BaseProducer = self
            .config()
            .set("transactional.id", format!("{}-left-open", self.prefix))
            .set("transaction.timeout.ms", timeout.as_millis().to_string())
            .create()
            .unwrap();
        producer.init_transactions(TIMEOUT).unwrap();
        producer.begin_transaction().unwrap();
        let topic = self.topic(logical);
        for partition in 0..PARTITIONS {
            let record = BaseRecord::to(&topic).partition(partition).key("left open").payload("");
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(TIMEOUT).unwrap();
    }

    /// Everything that stands in a topic now, in order within each partition.
    pub fn read(&self, logical: &str) -> Vec<Record> {
        self.read_on(logical, &mut Positions::default())
    }

    /// What came since `positions`, up to the end, in order within each partition; the positions move on. Committed records
    /// only: where a transaction is open, the end is before it.
    pub fn read_on(&self, logical: &str, positions: &mut Positions) -> Vec<Record> {
        let consumer: BaseConsumer = self
            .config()
            .set("group.id", format!("{}-reader", self.prefix))
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "10")
            .create()
            .unwrap();
        let topic = self.topic(logical);
        let partitions = if logical == "models" { 1 } else { PARTITIONS };
        let mut assignment = TopicPartitionList::new();
        for partition in 0..partitions {
            let offset = positions
                .0
                .get(&partition)
                .map_or(Offset::Beginning, |next| Offset::Offset(*next));
            assignment.add_partition_offset(&topic, partition, offset).unwrap();
        }
        consumer.assign(&assignment).unwrap();
        let mut records = Vec::new();
        let mut ended = BTreeSet::new();
        while ended.len() < partitions as usize {
            let message = match consumer.poll(TIMEOUT) {
                Some(Ok(message)) => message,
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    ended.insert(partition);
                    continue;
                }
                Some(Err(error)) => panic!("{topic}: {error}"),
                None => panic!("{topic}: its end does not come"),
            };
            positions.0.insert(message.partition(), message.offset() + 1);
            records.push(Record {
                partition: message.partition(),
                offset: message.offset(),
                timestamp_us: message.timestamp().to_millis().unwrap_or(0) * 1_000,
                key: message.key().map(|key| String::from_utf8_lossy(key).into_owned()),
                value: message.payload().unwrap_or_default().to_vec(),
                reason: header(&message, "reason"),
                detail: header(&message, "detail"),
            });
        }
        records
    }

    /// Waits until no transaction is open in a topic any more: whoever was killed in the middle of one leaves that to the broker.
    /// Returns the partitions in which one stays open for [`PATIENCE`].
    pub fn until_transactions_end(&self, logical: &str) -> Vec<i32> {
        let reader = |isolation: &str| -> BaseConsumer {
            let mut config = self.config();
            config.set("isolation.level", isolation).create().unwrap()
        };
        let (committed, all) = (reader("read_committed"), reader("read_uncommitted"));
        let topic = self.topic(logical);
        let end = |reader: &BaseConsumer, partition| reader.fetch_watermarks(&topic, partition, TIMEOUT).unwrap().1;
        let start = Instant::now();
        let mut open: Vec<i32> = (0..PARTITIONS).collect();
        loop {
            open.retain(|partition| end(&committed, *partition) < end(&all, *partition));
            if open.is_empty() || start.elapsed() > PATIENCE {
                return open;
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The JSON values of a topic.
    pub fn read_json(&self, logical: &str) -> Vec<serde_json::Value> {
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
