//! `cargo xtask up` and `down`: real Kafka and real Elasticsearch that stay, without Docker.
//!
//! Invariant: running either command twice changes nothing.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::elasticsearch::Elasticsearch;
use crate::kafka::{Kafka, Ports};
use crate::opensearch::OpenSearch;
use crate::postgresql::PostgreSql;
use crate::services::{self, Lifetime};
use crate::{environment, files, java, onnxruntime, postgresql, prerequisites, report};

/// Which services, and where they listen.
#[derive(Args)]
pub(crate) struct Options {
    /// Where Kafka listens on 127.0.0.1; its controller takes the next port, and the listener for fault tests the one after.
    #[arg(long, default_value_t = 9092)]
    kafka_port: u16,
    /// Where Elasticsearch listens on 127.0.0.1; its transport takes the port 100 above.
    #[arg(long, default_value_t = 9200)]
    elasticsearch_port: u16,
    /// Start OpenSearch as well.
    #[arg(long)]
    opensearch: bool,
    /// Where OpenSearch listens on 127.0.0.1 (below 9300).
    #[arg(long, default_value_t = 9251)]
    opensearch_port: u16,
    /// Start PostgreSQL as well.
    #[arg(long)]
    postgres: bool,
    /// Where PostgreSQL listens on 127.0.0.1.
    #[arg(long, default_value_t = 5432)]
    postgres_port: u16,
}

/// Starts what is not running yet.
pub(crate) fn up(options: &Options) -> Result<()> {
    prerequisites::require(prerequisites::UP)?;
    let java_home = java::home()?;
    let kafka = Kafka::fetch(&java_home)?;
    let elasticsearch = Elasticsearch::fetch(&java_home)?;
    let endpoint = format!("127.0.0.1:{}", options.kafka_port);
    start("Kafka", "kafka", options.kafka_port, |folder| {
        services::require_free("Kafka", options.kafka_port, "--kafka-port")?;
        let ports = Ports::from(options.kafka_port);
        services::require_free("Kafka's controller", ports.controller, "--kafka-port")?;
        services::require_free("Kafka's listener for fault tests", ports.proxied, "--kafka-port")?;
        kafka.start(folder, ports, Lifetime::Detached).map(drop)
    })?;
    report::stage("the pipeline's topics", || kafka.create_topics(&endpoint))?;
    start("Elasticsearch", "elasticsearch", options.elasticsearch_port, |folder| {
        services::require_free("Elasticsearch", options.elasticsearch_port, "--elasticsearch-port")?;
        let transport_port = options.elasticsearch_port + 100;
        elasticsearch
            .start(folder, options.elasticsearch_port, transport_port, Lifetime::Detached)
            .map(drop)
    })?;
    if options.opensearch {
        let opensearch = OpenSearch::fetch(&java_home)?;
        start("OpenSearch", "opensearch", options.opensearch_port, |folder| {
            services::require_free("OpenSearch", options.opensearch_port, "--opensearch-port")?;
            opensearch
                .start(folder, options.opensearch_port, Lifetime::Detached)
                .map(drop)
        })?;
    }
    if options.postgres {
        let postgresql = PostgreSql::fetch(&java_home)?;
        start("PostgreSQL", "postgresql", options.postgres_port, |folder| {
            services::require_free("PostgreSQL", options.postgres_port, "--postgres-port")?;
            postgresql
                .start(folder, options.postgres_port, Lifetime::Detached)
                .map(drop)
        })?;
    }
    say_what_next(options, &kafka, &endpoint)
}

/// Stops everything that `up` started; `wipe` removes its data too.
pub(crate) fn down(wipe: bool) -> Result<()> {
    let mut stopped = 0;
    for folder in known_folders()? {
        let name = folder
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        if services::is_running(&folder) {
            report::stage(format!("stop {name}"), || services::stop(&folder))?;
            stopped += 1;
        }
        if wipe {
            files::remove_folder(&folder)?;
        }
    }
    let kept = if wipe {
        "their data is gone"
    } else {
        "their data is kept (--wipe removes it)"
    };
    report::result(if stopped == 0 {
        "nothing was running".to_owned()
    } else {
        format!("{stopped} stopped; {kept}")
    });
    Ok(())
}

fn start(name: &str, short: &str, port: u16, start: impl FnOnce(&std::path::Path) -> Result<()>) -> Result<()> {
    let folder = folder_of(short, port)?;
    if services::is_running(&folder) {
        report::progress(format!("    {name} runs already on port {port}"));
        return Ok(());
    }
    files::make_folder(&folder)?;
    report::stage(format!("{name} on port {port}"), || start(&folder))
}

/// Where a service that stays keeps its data and its log. Those that refuse to be root need a folder open to others.
fn folder_of(short: &str, port: u16) -> Result<PathBuf> {
    let cache = if matches!(short, "elasticsearch" | "postgresql") {
        environment::shared_cache()?
    } else {
        environment::cache()?
    };
    Ok(cache.join("local").join(format!("{short}-{port}")))
}

fn known_folders() -> Result<Vec<PathBuf>> {
    let mut caches = vec![environment::cache()?, environment::shared_cache()?];
    caches.dedup();
    let folders = caches
        .iter()
        .filter_map(|cache| std::fs::read_dir(cache.join("local")).ok())
        .flatten();
    let mut folders: Vec<PathBuf> = folders.filter_map(|entry| Some(entry.ok()?.path())).collect();
    folders.sort();
    Ok(folders)
}

fn say_what_next(options: &Options, kafka: &Kafka, endpoint: &str) -> Result<()> {
    let search = format!("http://127.0.0.1:{}", options.elasticsearch_port);
    let library = onnxruntime::fetch()?;
    report::result(format!("Kafka          {endpoint}"));
    report::result(format!("Elasticsearch  {search}"));
    if options.opensearch {
        report::result(format!("OpenSearch     http://127.0.0.1:{}", options.opensearch_port));
    }
    if options.postgres {
        let folder = folder_of("postgresql", options.postgres_port)?;
        report::result(format!(
            "PostgreSQL     {}",
            postgresql::url(&folder, options.postgres_port)?
        ));
    }
    report::result(format!(
        "ONNX Runtime   {} (found there without a setting)",
        library.display()
    ));
    report::result(format!(
        "\nnext:\n  \
         cargo build --release --bin ductus\n  \
         alias ductus='{}/release/ductus --set kafka.bootstrap.servers={endpoint} --set elasticsearch.url={search}'\n  \
         ductus doctor; ductus index --setup; ductus score\n\
         what was decided, with Kafka's own tool:\n  \
         {} org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server {endpoint} \\\n    \
         --topic ductus.decisions.v1 --from-beginning\n\
         stop: cargo xtask down",
        environment::target().display(),
        kafka.tool_words(),
    ));
    Ok(())
}
