//! The stream's benchmark, and other stream processors on the same records beside it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{Measured, cargo_bench_with, with_kafka};
use crate::kafka::Ports;
use crate::peers::{self, Load, Peer};
use crate::report;
use crate::test::Folders;

/// Starts a Kafka of its own, and measures against it.
pub(super) fn stream() -> Result<Vec<Measured>> {
    with_kafka("ductus-stream", "stream", measure)
}

fn measure(ports: Ports, folders: &Folders) -> Result<Vec<Measured>> {
    let filled = folders.own.join("filled.ndjson");
    let bootstrap = format!("127.0.0.1:{}", ports.broker);
    // What is asked for: our share of the peer's CPU without a network.
    let peers = [
        (peers::bytewax()?, 1.0 / 35.0),
        (peers::quix(true)?, 1.0 / 45.0),
        (peers::kafka_streams()?, 1.0 / 10.0),
    ];
    let live: Vec<_> = peers
        .iter()
        .flat_map(|(peer, _)| peer)
        .map(|peer| peer.live(&bootstrap))
        .collect();
    let mut variables = ports.variables();
    variables.push(("DUCTUS_BENCH_KEEP", filled.display().to_string()));
    variables.push(("DUCTUS_BENCH_PEERS", serde_json::to_string(&live)?));
    let mut measured = cargo_bench_with("ductus-stream", "stream", &variables)?;
    beside_peers(&bootstrap, &peers, &filled, &mut measured)?;
    Ok(measured)
}

/// A topic that the stream's benchmark filled, and under which names its own costs stand.
#[derive(Deserialize)]
struct Filled {
    rows: Vec<String>,
    events: String,
    output: String,
    records: u64,
    sessions: u64,
    model: Option<PathBuf>,
    /// Whether memory is compared, and not CPU.
    memory: bool,
}

/// Other stream processors on the same records, beside what the stream cost.
fn beside_peers(
    bootstrap: &str,
    peers: &[(Option<Peer>, f64)],
    filled: &Path,
    measured: &mut Vec<Measured>,
) -> Result<()> {
    let filled = fs::read_to_string(filled).context("the stream's benchmark filled no topics")?;
    let filled: Vec<Filled> = filled.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    for (peer, share) in peers {
        let Some(peer) = peer else { continue };
        for topic in &filled {
            report::progress(format!("    {} on {} records", peer.name(), topic.records));
            let load = Load {
                bootstrap,
                events: &topic.events,
                output: &topic.output,
                model: topic.model.as_deref(),
            };
            let Some(theirs) = peer.run(&load, topic.records)? else {
                continue;
            };
            let (yardstick, target) = if topic.memory {
                let bytes = theirs.rss_bytes_max.saturating_sub(theirs.rss_bytes_startup);
                (bytes as f64 / topic.sessions as f64, 0.25)
            } else if topic.model.is_some() {
                (theirs.cpu_ns_an_event(), 1.0 / 15.0)
            } else {
                (theirs.cpu_ns_an_event(), *share)
            };
            let ours = measured.iter().filter(|ours| topic.rows.contains(&ours.name));
            let beside: Vec<Measured> = ours
                .map(|ours| Measured {
                    name: format!("{} beside {}", ours.name, peer.name()),
                    yardstick: Some(yardstick),
                    target: Some(target),
                    ..ours.clone()
                })
                .collect();
            measured.extend(beside);
        }
    }
    Ok(())
}
