//! Kafka for `promote`: reading and writing the two compacted topics that the online side follows.

use anyhow::{Context, Result, bail};
use clap::Args;
use ductus_dynamics::compare::ReferenceKey;
use ductus_dynamics::event::Modality;
use ductus_dynamics::wire::{ModelAnnouncement, Reference};
use ductus_stream::{Follower, KafkaSettings, Outgoing, Producer, Topics, check_topics};
use std::collections::BTreeMap;
use std::time::Duration;

/// Bound on each question to the broker and on reading a compacted topic.
const TIMEOUT: Duration = Duration::from_secs(30);
const MEMBER: &str = "promote";
/// The models topic has one partition.
const MODELS_PARTITION: i32 = 0;

/// Where Kafka is.
#[derive(Args, Clone, Debug, Default)]
pub struct KafkaArgs {
    /// Brokers, HOST:PORT; without it only the registry changes.
    #[arg(long)]
    pub kafka: Option<String>,
    /// `kafka.NAME=VALUE` for librdkafka, `topics.NAME=VALUE` for names of topics, as in the service's configuration.
    #[arg(long)]
    pub set: Vec<String>,
}

impl KafkaArgs {
    /// Whether Kafka was named.
    pub fn is_set(&self) -> bool {
        self.kafka.is_some() || self.set.iter().any(|set| set.starts_with("kafka."))
    }

    fn parse(&self) -> Result<(KafkaSettings, Topics)> {
        let mut properties = BTreeMap::new();
        let mut topics = Topics::default();
        if let Some(brokers) = &self.kafka {
            properties.insert("bootstrap.servers".to_owned(), brokers.clone());
        }
        for set in &self.set {
            let (name, value) = set
                .split_once('=')
                .with_context(|| format!("--set {set} is not NAME=VALUE"))?;
            match name.split_once('.') {
                Some(("kafka", name)) => {
                    properties.insert(name.to_owned(), value.to_owned());
                }
                Some(("topics", "events")) => topics.events = value.to_owned(),
                Some(("topics", "decisions")) => topics.decisions = value.to_owned(),
                Some(("topics", "audit")) => topics.audit = value.to_owned(),
                Some(("topics", "references")) => topics.references = value.to_owned(),
                Some(("topics", "models")) => topics.models = value.to_owned(),
                Some(("topics", "feedback")) => topics.feedback = value.to_owned(),
                Some(("topics", "session_state")) => topics.session_state = value.to_owned(),
                Some(("topics", "dead_letters")) => topics.dead_letters = value.to_owned(),
                _ => bail!("--set {name} is unknown here, use kafka.* or topics.*"),
            }
        }
        let settings = KafkaSettings::from_properties(properties);
        let problems = settings.problems();
        if !problems.is_empty() {
            bail!("{}", problems.join("; "));
        }
        Ok((settings, topics))
    }
}

/// A reference set and the partition that it stands on.
pub(super) struct Stored {
    pub(super) partition: i32,
    pub(super) reference: Reference,
}

/// A connection to the topics.
pub(super) struct Cluster {
    settings: KafkaSettings,
    topics: Topics,
    partitions: usize,
    producer: Producer,
}

impl Cluster {
    /// Connects and checks the two topics; `None` where no Kafka was named.
    pub(super) fn connect(args: &KafkaArgs) -> Result<Option<Self>> {
        if !args.is_set() {
            return Ok(None);
        }
        let (settings, topics) = args.parse()?;
        let partitions = check_topics(&settings, &topics, &[&topics.models, &topics.references], TIMEOUT)?;
        let producer = Producer::open(&settings, MEMBER, TIMEOUT)?;
        Ok(Some(Self {
            settings,
            topics,
            partitions,
            producer,
        }))
    }

    /// The last announcement of a modality.
    pub(super) fn announced(&self, modality: Modality) -> Result<Option<ModelAnnouncement>> {
        let mut last: Option<Vec<u8>> = None;
        self.follower(&self.topics.models)?.follow(MODELS_PARTITION, |kept| {
            if kept.key == modality.name().as_bytes() {
                last = kept.value.map(<[u8]>::to_vec);
            }
        })?;
        let parsed = last.map(|value| serde_json::from_slice(&value)).transpose();
        parsed.context("the last announcement in the models topic is none; promote with another --set topics.models")
    }

    /// The reference sets of a modality that belong to the model with this hash.
    pub(super) fn references(&self, modality: Modality, sha256: &str) -> Result<Vec<Stored>> {
        let mut sets: BTreeMap<(i32, Vec<u8>), Option<Reference>> = BTreeMap::new();
        let mut unreadable = 0_u64;
        let follower = self.follower(&self.topics.references)?;
        for partition in 0..self.partitions as i32 {
            follower.follow(partition, |kept| {
                let parsed = kept.value.map(serde_json::from_slice::<Reference>).transpose();
                unreadable += u64::from(parsed.is_err());
                sets.insert((kept.partition, kept.key.to_vec()), parsed.unwrap_or(None));
            })?;
        }
        if unreadable > 0 {
            tracing::warn!(
                unreadable,
                "records of the references topic are no reference sets and are left as they are"
            );
        }
        let stored = sets.into_iter().filter_map(|((partition, _), reference)| {
            let reference = reference?;
            let wanted = reference.modality == modality && reference.model.sha256 == sha256;
            wanted.then_some(Stored { partition, reference })
        });
        Ok(stored.collect())
    }

    /// Writes a reference set to the partition of its subject.
    pub(super) fn put(&mut self, stored: &Stored) -> Result<()> {
        let key = ReferenceKey::of(&stored.reference).record_key();
        let value = serde_json::to_vec(&stored.reference).context("cannot write a reference set as JSON")?;
        self.producer.send(Outgoing {
            topic: &self.topics.references,
            partition: Some(stored.partition),
            key: Some(key.as_bytes()),
            payload: Some(&value),
            ..Outgoing::default()
        })?;
        Ok(())
    }

    /// Waits until all reference sets are acknowledged.
    pub(super) fn flush(&self) -> Result<()> {
        Ok(self.producer.flush(TIMEOUT)?)
    }

    /// Announces a model and waits for the acknowledgement.
    pub(super) fn announce(&mut self, announcement: &ModelAnnouncement) -> Result<()> {
        let value = serde_json::to_vec(announcement).context("cannot write an announcement as JSON")?;
        self.producer.send(Outgoing {
            topic: &self.topics.models,
            partition: Some(MODELS_PARTITION),
            key: Some(announcement.modality.name().as_bytes()),
            payload: Some(&value),
            ..Outgoing::default()
        })?;
        self.flush()
    }

    fn follower(&self, topic: &str) -> Result<Follower> {
        Ok(Follower::open(&self.settings, "ductus-batch", topic, MEMBER, TIMEOUT)?)
    }
}
