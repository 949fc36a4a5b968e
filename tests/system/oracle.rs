//! What must come out: the pure crates over the records that stand in the events topic.

use crate::kafka::{PARTITIONS, Record};
use ductus_dynamics::line::{self, Accounting, Ingested, Line, LineConfig};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What the line predicts.
pub(crate) struct Prediction {
    /// Decision ids of every window that the records close.
    pub(crate) decisions: BTreeSet<String>,
    /// What became of the events.
    pub(crate) accounting: Accounting,
}

/// Runs the line over the records of the events topic, without a model: ids and counts do not depend on one.
pub(crate) fn predict(topic: &str, records: &[Record]) -> Prediction {
    let config = Arc::new(LineConfig::default());
    let mut decisions = BTreeSet::new();
    let mut accounting = Accounting::default();
    for partition in 0..PARTITIONS {
        let mut line = Line::new(config.clone(), topic, partition);
        let mut ingested = Ingested::default();
        for record in records.iter().filter(|record| record.partition == partition) {
            let record = line::Record {
                offset: record.offset,
                timestamp_us: record.timestamp_us,
                value: &record.value,
            };
            line.ingest(&record, &mut ingested);
            for ready in ingested.ready.drain(..) {
                let fresh = decisions.insert(line.conclude(ready, None).decision.id);
                assert!(fresh, "the oracle itself gives an id twice");
            }
        }
        accounting.merge(line.accounting());
    }
    Prediction { decisions, accounting }
}
