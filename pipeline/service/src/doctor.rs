//! The role `doctor`: reaches every dependency, says what is wrong and how to mend it.
//!
//! Invariants: it changes nothing but one file that it writes and removes again in the tables' folder; every problem names
//! its mend; the exit status is 1 when there is one.

use crate::config::Config;
use crate::kafka::Logged;
use crate::output;
use anyhow::Context;
use ductus_dynamics::event::Modality;
use ductus_scorer::{Contract, Model, Runtime, live_dir};
use ductus_stream::{check_topics, unfit_settings};
use rdkafka::consumer::{BaseConsumer, Consumer};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Bound on each question.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Less than this is a problem.
const FREE_BYTES_MIN: u64 = 1 << 30;

/// What was found about one dependency.
#[derive(Debug, PartialEq)]
struct Finding {
    part: String,
    state: State,
}

#[derive(Debug, PartialEq)]
enum State {
    /// All is well: what was seen.
    Ok(String),
    /// It is not used: why.
    Unused(String),
    /// What is wrong, and the mend.
    Problem(String, String),
}

impl Finding {
    fn of(part: impl Into<String>, outcome: anyhow::Result<String>, mend: impl Into<String>) -> Self {
        let state = match outcome {
            Ok(seen) => State::Ok(seen),
            Err(error) => State::Problem(format!("{error:#}"), mend.into()),
        };
        Self {
            part: part.into(),
            state,
        }
    }
}

/// Runs the role.
///
/// # Errors
/// Only when the system gives no runtime; what is wrong with a dependency is a finding.
pub fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let mut findings = kafka(config);
    findings.extend(onnxruntime_and_models(config));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    findings.extend(runtime.block_on(elasticsearch(config)));
    findings.extend(tables(config));
    output::text(&table(&findings));
    let ill = findings
        .iter()
        .any(|finding| matches!(finding.state, State::Problem(..)));
    Ok(if ill { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn table(findings: &[Finding]) -> String {
    let width = findings.iter().map(|finding| finding.part.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for Finding { part, state } in findings {
        match state {
            State::Ok(seen) => lines.push(format!("{part:width$}  OK       {seen}")),
            State::Unused(why) => lines.push(format!("{part:width$}  unused   {why}")),
            State::Problem(wrong, mend) => {
                lines.push(format!("{part:width$}  PROBLEM  {wrong}"));
                lines.push(format!("{:width$}           mend: {mend}", ""));
            }
        }
    }
    let problems = findings
        .iter()
        .filter(|finding| matches!(finding.state, State::Problem(..)));
    lines.push(match problems.count() {
        0 => "all is well".to_owned(),
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    });
    lines.join("\n")
}

fn kafka(config: &Config) -> Vec<Finding> {
    let settings = config.kafka.settings();
    let servers = config.kafka.bootstrap();
    let brokers = || -> anyhow::Result<String> {
        let client: BaseConsumer<Logged> = settings.admin().create_with_context(Logged)?;
        let metadata = client.fetch_metadata(None, TIMEOUT)?;
        let (brokers, topics) = (metadata.brokers().len(), metadata.topics().len());
        Ok(format!("{servers}: {brokers} brokers, {topics} topics"))
    };
    let reached = Finding::of(
        "kafka",
        brokers().with_context(|| format!("{servers} does not answer")),
        "start the brokers (on this machine: `cargo xtask up`), or set kafka.bootstrap.servers and its security settings",
    );
    if matches!(reached.state, State::Problem(..)) {
        return vec![reached];
    }
    let topics = config.score_config().topics;
    let checked = check_topics(&settings, &topics, &topics.for_scoring(), TIMEOUT)
        .map(|partitions| format!("all there; {} has {partitions} partitions", topics.events))
        .map_err(anyhow::Error::from);
    let mend = "create them as infra/topics.txt says (on this machine: `cargo xtask up`)";
    let unfit = unfit_settings(&settings, &topics, TIMEOUT).map_err(anyhow::Error::from);
    let fit = unfit.and_then(|unfit| match unfit.as_slice() {
        [] => Ok("nothing is compacted or refused too soon".to_owned()),
        unfit => Err(anyhow::anyhow!(unfit.join("; "))),
    });
    let alter = "alter them with Kafka's kafka-configs.sh; whoever asks needs the right to describe their settings";
    vec![
        reached,
        Finding::of("topics", checked, mend),
        Finding::of("topic settings", fit, alter),
    ]
}

fn onnxruntime_and_models(config: &Config) -> Vec<Finding> {
    let started = Runtime::start_from(&config.onnxruntime_candidates());
    let running = started.is_ok();
    let library = started
        .map(|runtime| {
            // Its version stands in the name of the file behind the link.
            let file = std::fs::canonicalize(runtime.library()).unwrap_or_else(|_| runtime.library().to_owned());
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            format!("{} ({name})", runtime.library().display())
        })
        .map_err(anyhow::Error::from);
    let mend =
        "run `cargo xtask demo` once, or set onnxruntime.library or ORT_DYLIB_PATH to libonnxruntime.so 1.24 or newer";
    let mut findings = vec![Finding::of("onnx runtime", library, mend)];
    for modality in Modality::ALL {
        let part = format!("{} model", modality.name());
        if !running {
            findings.push(Finding {
                part,
                state: State::Unused("cannot be checked without onnx runtime".to_owned()),
            });
            continue;
        }
        let loaded = live_dir(&config.models.dir, modality)
            .and_then(|folder| Model::load(&folder, &Contract::of(modality)))
            .map(|model| {
                let manifest = model.manifest();
                let sha256 = manifest.sha256.get(..12).unwrap_or_default();
                format!(
                    "{}, sha256 {sha256}…, {} dimensions",
                    manifest.name(),
                    manifest.embedding_dims
                )
            })
            .map_err(anyhow::Error::from);
        let mend = format!(
            "set models.dir to the registry (now {}), or train one: `ductus-batch train --modality {}`",
            config.models.dir.display(),
            modality.name()
        );
        findings.push(Finding::of(part, loaded, mend));
    }
    findings
}

async fn elasticsearch(config: &Config) -> Vec<Finding> {
    let settings = &config.elasticsearch;
    let part = "elasticsearch";
    if settings.url.is_empty() {
        let state = State::Unused("elasticsearch.url is empty".to_owned());
        return vec![Finding {
            part: part.to_owned(),
            state,
        }];
    }
    let health = get(config, "_cluster/health").await.and_then(|health| {
        let text = |field: &str| health[field].as_str().unwrap_or("?").to_owned();
        let status = text("status");
        anyhow::ensure!(status != "red", "its status is red");
        Ok(format!("{}: {}, status {status}", settings.url, text("cluster_name")))
    });
    let mend = "start it (on this machine: `cargo xtask up`), or set elasticsearch.url, username, password or api_key";
    let reached = Finding::of(part, health, mend);
    if matches!(reached.state, State::Problem(..)) {
        return vec![reached];
    }
    let templates = get(config, "_index_template/*ductus*").await.and_then(|found| {
        let names: Vec<&str> = found["index_templates"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|template| template["name"].as_str())
            .collect();
        anyhow::ensure!(!names.is_empty(), "no index template of ductus is there");
        Ok(names.join(", "))
    });
    vec![
        reached,
        Finding::of("templates", templates, "run `ductus index --setup`"),
    ]
}

async fn get(config: &Config, path: &str) -> anyhow::Result<Value> {
    let settings = &config.elasticsearch;
    let mut client = reqwest::Client::builder().timeout(TIMEOUT);
    if let Some(file) = &settings.ca_certificate {
        let pem = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        client = client.add_root_certificate(reqwest::Certificate::from_pem(&pem)?);
    }
    let url = format!("{}/{path}", settings.url.trim_end_matches('/'));
    let mut request = client.build()?.get(&url);
    if !settings.api_key.is_empty() {
        request = request.header("authorization", format!("ApiKey {}", settings.api_key.reveal()));
    } else if !settings.username.is_empty() {
        request = request.basic_auth(&settings.username, Some(settings.password.reveal()));
    }
    let response = request.send().await?;
    let status = response.status();
    anyhow::ensure!(status.is_success(), "{url} answers {status}");
    Ok(response.json().await?)
}

fn tables(config: &Config) -> Vec<Finding> {
    let tables = config.archive.tables.as_str();
    if tables.contains("://") {
        let state = State::Unused(format!(
            "{tables} is an object store, `archive` looks at it when it starts"
        ));
        return vec![Finding {
            part: "tables".to_owned(),
            state,
        }];
    }
    let folder = existing(Path::new(tables));
    let written = tempfile_in(&folder).map(|()| format!("{tables} can be written"));
    let mend = "give this user the right to write there, or set archive.tables to another folder";
    let space = rustix::fs::statvfs(&folder)
        .map_err(anyhow::Error::from)
        .and_then(|stat| {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let shown = format!("{:.1} GB free for {tables}", free as f64 / 1e9);
            anyhow::ensure!(free >= FREE_BYTES_MIN, "only {shown}");
            Ok(shown)
        });
    vec![
        Finding::of("tables", written, mend),
        Finding::of("disk", space, "make room, or set archive.tables to a larger disk"),
    ]
}

/// The folder itself, or the nearest above it that exists: `archive` makes the rest.
fn existing(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let found = absolute.ancestors().find(|folder| folder.is_dir()).map(Path::to_owned);
    found.unwrap_or(absolute)
}

fn tempfile_in(folder: &Path) -> anyhow::Result<()> {
    let probe = folder.join(format!(".ductus-doctor-{}", std::process::id()));
    std::fs::write(&probe, b"").with_context(|| format!("{} cannot be written", folder.display()))?;
    std::fs::remove_file(&probe)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn every_problem_names_its_mend() {
        let findings = [
            Finding::of("kafka", Ok("127.0.0.1:9092: 1 brokers, 7 topics".to_owned()), ""),
            Finding::of("topics", Err(anyhow::anyhow!("topic a does not exist")), "create it"),
            Finding {
                part: "elasticsearch".to_owned(),
                state: State::Unused("elasticsearch.url is empty".to_owned()),
            },
        ];
        expect![[r#"
            kafka          OK       127.0.0.1:9092: 1 brokers, 7 topics
            topics         PROBLEM  topic a does not exist
                                    mend: create it
            elasticsearch  unused   elasticsearch.url is empty
            1 problem"#]]
        .assert_eq(&table(&findings));
    }

    #[test]
    fn a_folder_that_is_not_there_yet_is_judged_by_the_one_above() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(existing(&folder.path().join("a/b")), folder.path());
        assert!(tempfile_in(folder.path()).is_ok());
        assert!(tempfile_in(Path::new("/proc")).is_err());
    }
}
