//! The topics: their names, how they are created, and whether they fit together.
//!
//! Invariants: the list here equals `infra/topics.txt`; decisions, references and session states stand on the partition number
//! of their events, so these topics have equally many partitions, or scoring does not start.

use crate::error::{StreamError, kafka};
use crate::kafka::{KafkaSettings, Quiet, create};
use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use std::collections::BTreeMap;
use std::time::Duration;

/// Physical names by logical name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// Event batches, keyed by subject or session.
    pub events: String,
    /// Decisions.
    pub decisions: String,
    /// Audit records.
    pub audit: String,
    /// References, compacted.
    pub references: String,
    /// Announcements of models, compacted, one partition.
    pub models: String,
    /// What analysts said of decisions, compacted.
    pub feedback: String,
    /// Checkpoints, compacted.
    pub session_state: String,
    /// Refused records.
    pub dead_letters: String,
    /// Partitions of each new topic but `models`.
    pub partitions: i32,
}

impl Default for Topics {
    fn default() -> Self {
        Self {
            events: "ductus.events.v1".to_owned(),
            decisions: "ductus.decisions.v1".to_owned(),
            audit: "ductus.audit.v1".to_owned(),
            references: "ductus.references.v1".to_owned(),
            models: "ductus.models.v1".to_owned(),
            feedback: "ductus.feedback.v1".to_owned(),
            session_state: "ductus.session-state.v1".to_owned(),
            dead_letters: "ductus.events.v1-dlq".to_owned(),
            partitions: 8,
        }
    }
}

/// How a topic is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// Physical name.
    pub name: String,
    /// Partitions.
    pub partitions: i32,
    /// Topic properties.
    pub properties: Vec<(&'static str, &'static str)>,
}

const DAYS_7: (&str, &str) = ("retention.ms", "604800000");
const DAYS_30: (&str, &str) = ("retention.ms", "2592000000");
const DAYS_365: (&str, &str) = ("retention.ms", "31536000000");
const DELETE: (&str, &str) = ("cleanup.policy", "delete");
const COMPACT: (&str, &str) = ("cleanup.policy", "compact");
/// What a checkpoint refers to is still there for the next owner (`docs/delivery.md`).
const COMPACTION_LAG: (&str, &str) = ("min.compaction.lag.ms", "600000");
/// Whoever writes may have a clock that is wrong (ADR 17); events alone keep the time that their producer gives them.
const BROKER_TIME: (&str, &str) = ("message.timestamp.type", "LogAppendTime");

impl Topics {
    /// The topics that scoring reads and writes.
    pub fn for_scoring(&self) -> [&str; 7] {
        [
            &self.events,
            &self.decisions,
            &self.audit,
            &self.references,
            &self.session_state,
            &self.models,
            &self.dead_letters,
        ]
    }

    /// Every topic with what it is created with.
    pub fn specs(&self) -> Vec<TopicSpec> {
        let spec = |name: &str, partitions, properties: &[(&'static str, &'static str)]| TopicSpec {
            name: name.to_owned(),
            partitions,
            properties: properties.to_vec(),
        };
        let many = self.partitions;
        vec![
            spec(&self.events, many, &[DELETE, DAYS_7, ("max.message.bytes", "1048588")]),
            spec(&self.decisions, many, &[DELETE, DAYS_30, BROKER_TIME]),
            spec(&self.audit, many, &[DELETE, DAYS_365, BROKER_TIME]),
            spec(&self.references, many, &[COMPACT, COMPACTION_LAG, BROKER_TIME]),
            spec(
                &self.session_state,
                many,
                // Every session is written again and again: what is loaded should be little more than the last of each.
                &[
                    COMPACT,
                    COMPACTION_LAG,
                    ("min.cleanable.dirty.ratio", "0.1"),
                    ("segment.bytes", "67108864"),
                    BROKER_TIME,
                ],
            ),
            spec(&self.feedback, many, &[COMPACT, BROKER_TIME]),
            spec(&self.models, 1, &[COMPACT, BROKER_TIME]),
            spec(&self.dead_letters, many, &[DELETE, DAYS_30, BROKER_TIME]),
        ]
    }
}

/// What [`ensure_topics`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ensured {
    /// Created now.
    pub created: Vec<String>,
    /// Were there.
    pub existing: Vec<String>,
    /// Still missing, because this cluster has nobody who creates topics (librdkafka's mock cluster: make them with
    /// `MockCluster::create_topic`), or none that answers within the bound.
    pub not_created: Vec<String>,
}

/// Creates the topics that are missing.
///
/// # Errors
///
/// [`StreamError::Kafka`] when the broker cannot be reached, [`StreamError::Topics`] naming what it refused and why.
pub fn ensure_topics(
    settings: &KafkaSettings,
    specs: &[TopicSpec],
    replication: i32,
    timeout: Duration,
) -> Result<Ensured, StreamError> {
    let admin: AdminClient<Quiet> = create(&settings.admin(), Quiet, "making an admin client")?;
    let present = partition_counts(admin.inner(), timeout)?;
    let (existing, missing): (Vec<_>, Vec<_>) = specs.iter().partition(|spec| present.contains_key(&spec.name));
    let mut ensured = Ensured {
        existing: existing.iter().map(|spec| spec.name.clone()).collect(),
        ..Ensured::default()
    };
    if missing.is_empty() {
        return Ok(ensured);
    }
    let new: Vec<NewTopic<'_>> = missing
        .iter()
        .map(|spec| {
            let topic = NewTopic::new(&spec.name, spec.partitions, TopicReplication::Fixed(replication));
            spec.properties
                .iter()
                .fold(topic, |topic, (name, value)| topic.set(name, value))
        })
        .collect();
    let options = AdminOptions::new()
        .request_timeout(Some(timeout))
        .operation_timeout(Some(timeout));
    let results = match futures::executor::block_on(admin.create_topics(&new, &options)) {
        Ok(results) => results,
        // The mock cluster has no controller, so that waiting for one runs out; the brokers did answer a moment ago.
        Err(KafkaError::AdminOp(RDKafkaErrorCode::UnsupportedFeature | RDKafkaErrorCode::OperationTimedOut)) => {
            ensured.not_created = missing.iter().map(|spec| spec.name.clone()).collect();
            return Ok(ensured);
        }
        Err(error) => return Err(kafka("creating topics")(error)),
    };
    let mut refused = Vec::new();
    for result in results {
        match result {
            Ok(name) => ensured.created.push(name),
            // Somebody else was faster.
            Err((name, RDKafkaErrorCode::TopicAlreadyExists)) => ensured.existing.push(name),
            Err((name, RDKafkaErrorCode::UnsupportedFeature)) => ensured.not_created.push(name),
            Err((name, code)) => refused.push(format!("topic {name} cannot be created: {code}")),
        }
    }
    if refused.is_empty() {
        Ok(ensured)
    } else {
        Err(StreamError::Topics(refused.join("; ")))
    }
}

/// Checks that the topics named in `needed` exist and fit together. Gives the number of partitions of references, which is that
/// of events.
///
/// # Errors
///
/// [`StreamError::Kafka`] when the broker cannot be reached, [`StreamError::Topics`] with everything that is wrong.
pub fn check_topics(
    settings: &KafkaSettings,
    topics: &Topics,
    needed: &[&str],
    timeout: Duration,
) -> Result<usize, StreamError> {
    let client: BaseConsumer<Quiet> = create(&settings.admin(), Quiet, "making a client")?;
    let present = partition_counts(client.client(), timeout)?;
    let mut problems: Vec<_> = needed
        .iter()
        .filter(|name| !present.contains_key(**name))
        .map(|name| format!("topic {name} does not exist"))
        .collect();
    let count = |name: &str| present.get(name).copied();
    let events = count(&topics.events);
    for follower in [&topics.decisions, &topics.references, &topics.session_state] {
        let asked = needed.contains(&follower.as_str()) || *follower == topics.references;
        if let (Some(events), Some(count), true) = (events, count(follower), asked)
            && events != count
        {
            problems.push(format!(
                "topic {} has {events} partitions and {follower} has {count}, but they must have equally many",
                topics.events
            ));
        }
    }
    if problems.is_empty() {
        return Ok(count(&topics.references).unwrap_or_default());
    }
    problems.push("create the topics as infra/topics.txt says".to_owned());
    Err(StreamError::Topics(problems.join("; ")))
}

/// What the settings of topics say that the protocol (`docs/delivery.md`) does not bear, as sentences; none where all is well.
///
/// # Errors
///
/// [`StreamError::Kafka`] when the broker cannot be reached or does not say.
pub fn unfit_settings(
    settings: &KafkaSettings,
    topics: &Topics,
    timeout: Duration,
) -> Result<Vec<String>, StreamError> {
    let admin: AdminClient<Quiet> = create(&settings.admin(), Quiet, "making an admin client")?;
    let specs = topics.specs();
    let asked: Vec<_> = specs.iter().map(|spec| ResourceSpecifier::Topic(&spec.name)).collect();
    let options = AdminOptions::new().request_timeout(Some(timeout));
    let told = futures::executor::block_on(admin.describe_configs(&asked, &options))
        .map_err(kafka("asking for the settings of topics"))?;
    let mut unfit = Vec::new();
    for told in told {
        let told = told
            .map_err(KafkaError::AdminOp)
            .map_err(kafka("asking for the settings of a topic"))?;
        let OwnedResourceSpecifier::Topic(name) = &told.specifier else {
            continue;
        };
        let spec = specs.iter().find(|spec| spec.name == *name);
        for &(property, wanted) in spec.map_or(&[][..], |spec| &spec.properties) {
            let value = told.get(property).and_then(|entry| entry.value.as_deref());
            if value.is_some_and(|value| !fits(property, value, wanted)) {
                let value = value.unwrap_or_default();
                let more = if property == COMPACTION_LAG.0 { " or more" } else { "" };
                unfit.push(format!("topic {name} has {property}={value}, but needs {wanted}{more}"));
            }
        }
    }
    Ok(unfit)
}

/// Whether the protocol bears it; how long and how large records may be is the operator's choice.
fn fits(property: &str, value: &str, wanted: &str) -> bool {
    let number = |text: &str| text.parse().unwrap_or(i64::MIN);
    if property == COMPACTION_LAG.0 {
        number(value) >= number(wanted)
    } else {
        value == wanted || ![COMPACT.0, BROKER_TIME.0].contains(&property)
    }
}

fn partition_counts<C: rdkafka::ClientContext>(
    client: &rdkafka::client::Client<C>,
    timeout: Duration,
) -> Result<BTreeMap<String, usize>, StreamError> {
    let metadata = client
        .fetch_metadata(None, timeout)
        .map_err(kafka("asking which topics there are"))?;
    Ok(metadata
        .topics()
        .iter()
        .filter(|topic| topic.error().is_none())
        .map(|topic| (topic.name().to_owned(), topic.partitions().len()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_that_of_the_infrastructure() {
        let file = include_str!("../../../infra/topics.txt");
        let mut written: Vec<String> = file
            .lines()
            .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        let mut ours: Vec<String> = Topics::default()
            .specs()
            .into_iter()
            .map(|spec| {
                let properties = spec.properties.iter().map(|(name, value)| format!(" {name}={value}"));
                format!("{} {}{}", spec.name, spec.partitions, properties.collect::<String>())
            })
            .collect();
        written.sort();
        ours.sort();
        assert_eq!(ours, written);
    }
}
