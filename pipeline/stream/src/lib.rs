//! The hot path: event batches from Kafka to decisions in Kafka.
//!
//! ```text
//!            ┌ shard thread ─ source ─ line a partition ─ batch ─ embed ─ producer ┐
//! events ────┤ shard thread …                                                      ├──► decisions
//!            └ …                             └─ checkpointer (a thread a shard) ───┘     everything else, in transactions
//!              models: one watcher thread ─ slots ─────► embed
//! ```
//!
//! [`Score::start`] starts it. Invariants: a bad record becomes a dead letter and never stops a shard; an offset is committed
//! together with everything that follows from it (`docs/delivery.md`); a shard that fails begins anew from its last checkpoint
//! after a bounded pause; nothing here reads the environment or the clock for a result.

mod batch_queue;
mod checkpointer;
mod compacted;
mod config;
mod embed;
mod error;
mod kafka;
mod log;
mod marker;
mod metrics;
mod models;
mod producer;
mod shard;
mod sink;
mod source;
mod supervisor;
pub mod thresholds;
mod topics;

pub use compacted::Follower;
pub use config::{DeadLetterConfig, ScoreConfig};
pub use embed::{Embed, EmbedFailure, Embedders, LiveModel};
pub use error::StreamError;
pub use kafka::KafkaSettings;
pub use log::Kept;
pub use metrics::StreamMetrics;
pub use models::Models;
pub use producer::{Outgoing, Producer};
pub use supervisor::{Score, ScoreHandle, read_events};
pub use topics::{Ensured, TopicSpec, Topics, check_topics, ensure_topics, unfit_settings};

#[cfg(test)]
mod tests;
