//! How every Kafka client of this program is made: the operator's librdkafka properties over our defaults.
//!
//! Invariants: a property is handed to librdkafka verbatim and wins over a default; the few that the commit protocol rests
//! on cannot be changed, and who tries is told at the start; this is the only file that knows property names.

use crate::error::{StreamError, kafka};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;
use std::time::Duration;

/// Beneath the operator's settings of every client.
const COMMON: [(&str, &str); 1] = [("client.id", "ductus")];

/// Beneath the operator's consumer settings. Fetching waits little, because a record's latency is a decision's latency; the
/// prefetch is bounded, because each shard has its own.
const CONSUMER: [(&str, &str); 9] = [
    ("auto.offset.reset", "earliest"),
    ("fetch.queue.backoff.ms", "1"),
    ("fetch.wait.max.ms", "10"),
    ("isolation.level", "read_committed"),
    ("partition.assignment.strategy", "cooperative-sticky"),
    ("queued.max.messages.kbytes", "32768"),
    ("queued.min.messages", "100000"),
    ("session.timeout.ms", "15000"),
    ("statistics.interval.ms", "5000"),
];

/// Beneath the operator's producer settings. `linger.ms` is a decision's latency too. Decisions are so alike that the lowest
/// level of zstd makes them no larger than the usual one, for less work and memory (lz4 makes them twice as large).
const PRODUCER: [(&str, &str); 7] = [
    ("compression.level", "1"),
    ("compression.type", "zstd"),
    ("delivery.timeout.ms", "30000"),
    ("linger.ms", "1"),
    ("partitioner", "murmur2_random"),
    ("queue.buffering.max.kbytes", "65536"),
    ("queue.buffering.max.messages", "100000"),
];

/// A transaction that is not ended is aborted after this long, ms: sooner than the group gives its member's partitions away,
/// so that the next owner seldom waits for it.
const TRANSACTION_MS: &str = "10000";

/// Of these, what only the classic group protocol knows.
const CLASSIC_ONLY: [&str; 2] = ["partition.assignment.strategy", "session.timeout.ms"];

/// What the commit protocol rests on: (property, value, why).
const CONSUMER_FIXED: [(&str, &str, &str); 3] = [
    (
        "enable.auto.commit",
        "false",
        "offsets are committed once what follows from them is acknowledged",
    ),
    (
        "enable.auto.offset.store",
        "false",
        "offsets are committed once what follows from them is acknowledged",
    ),
    ("enable.partition.eof", "false", "the end of a partition is no record"),
];
const PRODUCER_FIXED: [(&str, &str, &str); 2] = [
    ("acks", "all", "what one broker alone has can be lost"),
    ("enable.idempotence", "true", "a retry must not write twice"),
];

/// librdkafka properties as the operator wrote them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaSettings {
    common: BTreeMap<String, String>,
    consumer: BTreeMap<String, String>,
    producer: BTreeMap<String, String>,
}

impl KafkaSettings {
    /// Takes flat, dotted properties: `consumer.x` goes to consumers, `producer.x` to producers, all others to both.
    pub fn from_properties<K, V>(properties: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<String>,
        V: Into<String>,
    {
        let mut settings = Self::default();
        for (name, value) in properties {
            let (name, value): (String, String) = (name.into(), value.into());
            if let Some(name) = name.strip_prefix("consumer.") {
                settings.consumer.insert(name.to_owned(), value);
            } else if let Some(name) = name.strip_prefix("producer.") {
                settings.producer.insert(name.to_owned(), value);
            } else {
                settings.common.insert(name, value);
            }
        }
        settings
    }

    /// Settings for one list of brokers and nothing else.
    pub fn for_brokers(bootstrap_servers: &str) -> Self {
        Self::from_properties([("bootstrap.servers", bootstrap_servers)])
    }

    /// Every mistake that shows without a broker, as sentences; empty when there is none.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !["bootstrap.servers", "metadata.broker.list", "test.mock.num.brokers"]
            .iter()
            .any(|name| self.common.contains_key(*name))
        {
            problems.push("kafka.bootstrap.servers is missing, say host:port of one or more brokers".to_owned());
        }
        let fixed = [
            ("consumer", &self.consumer, &CONSUMER_FIXED[..]),
            ("producer", &self.producer, &PRODUCER_FIXED[..]),
        ];
        for (role, own, fixed) in fixed {
            for (name, value, why) in fixed {
                let found = own.get(*name).or_else(|| self.common.get(*name));
                if let Some(found) = found.filter(|found| found != value) {
                    problems.push(format!("kafka.{role}.{name} is {found}, but must be {value}: {why}"));
                }
            }
        }
        if self.consumer.contains_key("group.id") || self.common.contains_key("group.id") {
            problems.push("kafka.group.id is set, but the group is named by score.group".to_owned());
        }
        let configs = [
            ("consumer", self.consumer("check", "check")),
            ("producer", self.producer("check")),
        ];
        for (role, config) in configs {
            if let Err(error) = config.create_native_config() {
                let text = match error {
                    KafkaError::ClientConfig(_, text, _, _) => text,
                    other => other.to_string(),
                };
                problems.push(format!("kafka.{role}: {text}"));
            }
        }
        problems
    }

    /// Configuration of a member of a consumer group. `member` tells the clients of one process apart.
    pub fn consumer(&self, group: &str, member: &str) -> ClientConfig {
        let mut config = self.client(&CONSUMER, &self.consumer, member);
        for (name, value, _) in CONSUMER_FIXED {
            config.set(name, value);
        }
        // Kafka 4's protocol decides these on the broker, and the client refuses to be told.
        if config.get("group.protocol") == Some("consumer") {
            for (name, _) in CONSUMER {
                if CLASSIC_ONLY.contains(&name) && !self.sets_consumer(name) {
                    config.remove(name);
                }
            }
        }
        if let Some(instance) = config.get("group.instance.id").map(str::to_owned) {
            config.set("group.instance.id", format!("{instance}-{member}"));
        }
        config.set("group.id", group);
        config
    }

    /// Configuration of a consumer that reads partitions by itself: no membership, no commits, told of a partition's end.
    pub fn reader(&self, group: &str, member: &str) -> ClientConfig {
        let mut config = self.consumer(&format!("{group}.reader"), member);
        config.remove("group.instance.id");
        config.set("enable.partition.eof", "true");
        config.set("statistics.interval.ms", "0");
        config
    }

    /// The same for one that sees records of open and of aborted transactions, too.
    pub(crate) fn uncommitted_reader(&self, group: &str, member: &str) -> ClientConfig {
        let mut config = self.reader(group, member);
        config.set("isolation.level", "read_uncommitted");
        config
    }

    /// Configuration of a producer.
    pub fn producer(&self, member: &str) -> ClientConfig {
        let mut config = self.client(&PRODUCER, &self.producer, member);
        for (name, value, _) in PRODUCER_FIXED {
            config.set(name, value);
        }
        config
    }

    /// Configuration of a producer of decisions. One of them may not time out while a later one is written: whoever takes over
    /// would adopt the later and make the earlier again. What bounds the wait instead is that nothing more is read without
    /// checkpoints, and that a shard that is lost or stopped drops what was not sent.
    pub fn decisions(&self, member: &str) -> ClientConfig {
        let mut config = self.producer(member);
        config.set("delivery.timeout.ms", "0");
        config
    }

    /// Configuration of a producer of transactions. Its transactional id is of this process alone, so that a shard that starts
    /// again ends what it had left open; what another process had left open, the broker ends after `transaction.timeout.ms`.
    pub fn transactional(&self, group: &str, member: &str) -> ClientConfig {
        let mut config = self.producer(&format!("{member}-checkpoints"));
        config.set(
            "transactional.id",
            format!("{group}-{:016x}-{member}", process_number()),
        );
        if !self.sets_producer("transaction.timeout.ms") {
            config.set("transaction.timeout.ms", TRANSACTION_MS);
        }
        // A record may not wait for longer than its transaction.
        let timeout = config
            .get("transaction.timeout.ms")
            .unwrap_or(TRANSACTION_MS)
            .to_owned();
        config.set("delivery.timeout.ms", timeout);
        config
    }

    /// How long a member may be silent before the group gives its partitions away.
    pub(crate) fn session_timeout(&self) -> Duration {
        let config = self.consumer("session", "session");
        let ms = |name: &str, default: u64| config.get(name).and_then(|value| value.parse().ok()).unwrap_or(default);
        // The broker's default where the broker decides, and librdkafka's for the other bound.
        Duration::from_millis(ms("session.timeout.ms", 45_000).min(ms("max.poll.interval.ms", 300_000)))
    }

    /// Configuration of an admin client.
    pub fn admin(&self) -> ClientConfig {
        self.client(&[], &BTreeMap::new(), "admin")
    }

    fn sets_producer(&self, name: &str) -> bool {
        self.producer.contains_key(name) || self.common.contains_key(name)
    }

    fn sets_consumer(&self, name: &str) -> bool {
        self.consumer.contains_key(name) || self.common.contains_key(name)
    }

    fn client(&self, defaults: &[(&str, &str)], own: &BTreeMap<String, String>, member: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (name, value) in COMMON.iter().chain(defaults) {
            config.set(*name, *value);
        }
        for (name, value) in self.common.iter().chain(own) {
            config.set(name, value);
        }
        let client_id = config.get("client.id").unwrap_or("ductus").to_owned();
        config.set("client.id", format!("{client_id}-{member}"));
        // Through our context into `tracing`, not onto the terminal.
        config.set_log_level(RDKafkaLogLevel::Warning);
        config
    }
}

/// A number that no other process has: the standard library seeds its hash maps with one.
fn process_number() -> u64 {
    static NUMBER: OnceLock<u64> = OnceLock::new();
    *NUMBER.get_or_init(|| RandomState::new().build_hasher().finish())
}

/// Makes a client, or says which step failed.
pub(crate) fn create<C, T>(config: &ClientConfig, context: C, what: &'static str) -> Result<T, StreamError>
where
    C: ClientContext,
    T: FromClientConfigAndContext<C>,
{
    config.create_with_context(context).map_err(kafka(what))
}

/// Forwards what librdkafka says to `tracing`. Its texts name brokers and topics, never a record's content.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical | RDKafkaLogLevel::Error => {
            tracing::warn!(facility, text, "kafka client reports an error");
        }
        RDKafkaLogLevel::Warning => tracing::warn!(facility, text, "kafka client warns"),
        _ => tracing::debug!(facility, text, "kafka client"),
    }
}

/// A global error of a client. It retries by itself, so this is a warning; the end of a partition is none.
pub(crate) fn report(error: &KafkaError, reason: &str) {
    if error.rdkafka_error_code() != Some(RDKafkaErrorCode::PartitionEOF) {
        tracing::warn!(%error, reason, "kafka client reports an error");
    }
}

/// For clients that need no callbacks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(level, facility, text);
    }
    fn stats(&self, _: rdkafka::Statistics) {}
    fn error(&self, error: KafkaError, reason: &str) {
        report(&error, reason);
    }
}

impl rdkafka::consumer::ConsumerContext for Quiet {}

/// For transactions: a record that is refused shows when its transaction is committed.
impl rdkafka::producer::ProducerContext for Quiet {
    type DeliveryOpaque = ();
    fn delivery(&self, _: &rdkafka::message::DeliveryResult<'_>, (): ()) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    #[track_caller]
    fn check(properties: &[(&str, &str)], expected: Expect) {
        let settings = KafkaSettings::from_properties(properties.iter().copied());
        expected.assert_eq(&settings.problems().join("\n"));
    }

    #[test]
    fn mistakes_are_listed_all_at_once() {
        check(
            &[
                ("consumer.enable.auto.commit", "true"),
                ("acks", "1"),
                ("group.id", "x"),
            ],
            expect![[r#"
                kafka.bootstrap.servers is missing, say host:port of one or more brokers
                kafka.consumer.enable.auto.commit is true, but must be false: offsets are committed once what follows from them is acknowledged
                kafka.producer.acks is 1, but must be all: what one broker alone has can be lost
                kafka.group.id is set, but the group is named by score.group"#]],
        );
    }

    #[test]
    fn an_unknown_property_is_named() {
        check(
            &[
                ("bootstrap.servers", "127.0.0.1:1"),
                ("consumer.fetch.wiat.max.ms", "5"),
            ],
            expect![[r#"kafka.consumer: No such configuration property: "fetch.wiat.max.ms""#]],
        );
    }

    #[test]
    fn the_operator_wins_over_defaults_and_not_over_the_protocol() {
        let settings = KafkaSettings::from_properties([
            ("bootstrap.servers", "127.0.0.1:1"),
            ("client.id", "mine"),
            ("consumer.fetch.wait.max.ms", "50"),
            ("consumer.group.instance.id", "pod-3"),
            ("producer.linger.ms", "20"),
        ]);
        assert_eq!(settings.problems(), Vec::<String>::new());
        let consumer = settings.consumer("score", "1");
        let values = [
            "fetch.wait.max.ms",
            "fetch.queue.backoff.ms",
            "group.instance.id",
            "client.id",
            "enable.auto.commit",
        ]
        .map(|name| consumer.get(name).unwrap_or("-"));
        assert_eq!(values, ["50", "1", "pod-3-1", "mine-1", "false"]);
        let producer = settings.producer("1");
        let values =
            ["linger.ms", "acks", "partitioner", "fetch.wait.max.ms"].map(|name| producer.get(name).unwrap_or("-"));
        assert_eq!(values, ["20", "all", "murmur2_random", "-"]);
    }
}
