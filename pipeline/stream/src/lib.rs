//! The hot path: event batches from Kafka to decisions in Kafka.
//!
//! ```text
//!            ┌ shard thread ─ source ─ line a partition ─ batch ─ embed ─ producer ┐
//! events ────┤ shard thread …                                                      ├──► decisions, audit, references,
//!            └ …                                                                   ┘     dead letters
//!              models: one watcher thread ─ slots ─────► embed
//! ```
//!
//! [`Score::start`] starts it. Invariants: a bad record becomes a dead letter and never stops a shard; an offset is committed
//! only when all that follows from it is acknowledged (the protocol, and what it does not promise yet, stands at the head of
//! `shard.rs`); a shard that fails starts again from its last commit after a bounded pause; nothing here reads the
//! environment or the clock for a result.

mod compacted;
mod config;
mod embed;
mod error;
mod kafka;
mod metrics;
mod models;
mod producer;
mod shard;
mod source;
mod supervisor;
pub mod thresholds;
mod topics;

pub use compacted::{Follower, Kept};
pub use config::{DeadLetterConfig, ScoreConfig};
pub use embed::{Embed, EmbedFailure, Embedders, LiveModel};
pub use error::StreamError;
pub use kafka::KafkaSettings;
pub use metrics::StreamMetrics;
pub use models::Models;
pub use producer::{Outgoing, Producer};
pub use supervisor::{Score, ScoreHandle};
pub use topics::{Ensured, TopicSpec, Topics, check_topics, ensure_topics};

#[cfg(test)]
mod tests;
