//! The embedded broker.

use crate::config::Config;
use anyhow::Context;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

/// librdkafka's mock cluster; it ends with this value, and stays in its thread.
pub(super) struct Cluster {
    _broker: MockCluster<'static, DefaultProducerContext>,
}

impl Cluster {
    /// Starts it with every topic, and points `config` at it.
    pub(super) fn start(config: &mut Config) -> anyhow::Result<Self> {
        let broker = MockCluster::new(1).context("librdkafka's mock cluster cannot start")?;
        for topic in config.score_config().topics.specs() {
            // It cannot be asked to create topics the usual way.
            broker.create_topic(&topic.name, topic.partitions, 1)?;
        }
        config.kafka.set_bootstrap(&broker.bootstrap_servers());
        if config.score.shards == 0 {
            // Plenty for a few people, and a group of one has nobody to rebalance with when it ends.
            config.score.shards = 1;
        }
        Ok(Self { _broker: broker })
    }
}
