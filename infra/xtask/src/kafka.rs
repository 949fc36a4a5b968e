//! A real Kafka node (KRaft, broker and controller in one) and its console tools, from Maven Central.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::command::{command, run_quiet};
use crate::services::{Launch, Lifetime, Running, free_port};
use crate::{environment, files, java};

const VERSION: &str = "4.3.1";
const START_TIMEOUT: Duration = Duration::from_secs(90);
/// Any 16 bytes in base64: `ductus-local-001`. A fixed one makes a data folder recognisable.
const CLUSTER_ID: &str = "ZHVjdHVzLWxvY2FsLTAwMQ";
const TOPICS: &str = include_str!("../../topics.txt");

/// Jars and the Java runtime that runs them.
pub(crate) struct Kafka {
    java_home: PathBuf,
    jars: PathBuf,
    tools_log: PathBuf,
}

/// Where a node listens on 127.0.0.1.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) broker: u16,
    pub(crate) controller: u16,
    /// For clients behind a proxy.
    pub(crate) proxied: u16,
    /// Where those clients are told that the node is: the proxy's own port. Nobody listens there until a test does.
    pub(crate) proxy: u16,
}

impl Ports {
    /// Four ports in a row.
    pub(crate) fn from(broker: u16) -> Self {
        Self {
            broker,
            controller: broker + 1,
            proxied: broker + 2,
            proxy: broker + 3,
        }
    }

    /// Four ports that nobody uses at the moment.
    pub(crate) fn free() -> Result<Self> {
        Ok(Self {
            broker: free_port()?,
            controller: free_port()?,
            proxied: free_port()?,
            proxy: free_port()?,
        })
    }

    /// What tells tests where the node is.
    pub(crate) fn variables(self) -> Vec<(&'static str, String)> {
        vec![
            ("DUCTUS_TEST_KAFKA", format!("127.0.0.1:{}", self.broker)),
            ("DUCTUS_TEST_KAFKA_PROXIED", format!("127.0.0.1:{}", self.proxied)),
            ("DUCTUS_TEST_KAFKA_PROXY", format!("127.0.0.1:{}", self.proxy)),
        ]
    }
}

/// One line of `infra/topics.txt`.
#[derive(Debug, PartialEq, Eq)]
struct Topic<'a> {
    name: &'a str,
    partitions: &'a str,
    settings: Vec<&'a str>,
}

impl Kafka {
    /// Fetches what is not in the cache yet.
    pub(crate) fn fetch(java_home: &Path) -> Result<Self> {
        let folder = environment::cache()?.join("kafka").join(VERSION);
        let pom = include_str!("../../local/kafka/pom.xml");
        java::copy_dependencies("Kafka 4.3.1 from Maven Central (50 MB, once)", pom, &folder, java_home)?;
        let tools_log = folder.join("tools-log4j2.properties");
        files::write(&tools_log, include_str!("../../local/kafka/tools-log4j2.properties"))?;
        Ok(Self {
            java_home: java_home.to_path_buf(),
            jars: folder,
            tools_log,
        })
    }

    /// Starts a node with its data, log and settings in `folder`.
    pub(crate) fn start(&self, folder: &Path, ports: Ports, lifetime: Lifetime) -> Result<Running> {
        let launch = self.prepare(folder, ports, lifetime)?;
        launch.start(|log| log.contains("Kafka Server started"))
    }

    /// Makes a node in `folder` that is not started: a test starts it by the script whose path comes back, and may kill it.
    pub(crate) fn spare(&self, folder: &Path, ports: Ports) -> Result<PathBuf> {
        let launch = self.prepare(folder, ports, Lifetime::WithUs)?;
        let script = folder.join("start.sh");
        let words = std::iter::once(launch.program.as_os_str()).chain(launch.arguments.iter().map(AsRef::as_ref));
        let words: Vec<String> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
        // Beside the script: what a broker says of its own crash is not to be had otherwise.
        let log = r#">> "$(dirname "$0")/broker.log" 2>&1"#;
        files::write(&script, &format!("#!/bin/sh\nexec {} {log}\n", words.join(" ")))?;
        files::make_executable(&script)?;
        Ok(script)
    }

    fn prepare(&self, folder: &Path, ports: Ports, lifetime: Lifetime) -> Result<Launch> {
        let data = folder.join("data");
        files::make_folder(&data)?;
        let settings = folder.join("server.properties");
        let text = files::fill_template(
            include_str!("../../local/kafka/server.properties"),
            &[
                ("broker_port", &ports.broker.to_string()),
                ("controller_port", &ports.controller.to_string()),
                ("proxied_port", &ports.proxied.to_string()),
                ("proxy_port", &ports.proxy.to_string()),
                ("data", &data.display().to_string()),
            ],
        );
        files::write(&settings, &text)?;
        let log = folder.join("log4j2.properties");
        files::write(&log, include_str!("../../local/kafka/log4j2.properties"))?;
        if !data.join("meta.properties").exists() {
            let mut format = self.tool("kafka.tools.StorageTool");
            format
                .args(["format", "--cluster-id", CLUSTER_ID, "--standalone", "--config"])
                .arg(&settings);
            run_quiet(&mut format).context("cannot format Kafka's data folder")?;
        }
        Ok(Launch {
            name: "Kafka",
            folder: folder.to_path_buf(),
            program: self.java(),
            arguments: vec![
                "-Xms256m".into(),
                "-Xmx512m".into(),
                format!("-Dlog4j2.configurationFile={}", log.display()).into(),
                "-cp".into(),
                self.class_path().into(),
                "kafka.Kafka".into(),
                settings.into(),
            ],
            variables: Vec::new(),
            user: None,
            lifetime,
            start_timeout: START_TIMEOUT,
        })
    }

    /// Creates those of the pipeline's topics that are not there yet; returns how many it created.
    pub(crate) fn create_topics(&self, endpoint: &str) -> Result<usize> {
        let listed = run_quiet(self.topic_tool(endpoint).arg("--list")).context("cannot list Kafka's topics")?;
        let there: Vec<&str> = listed.lines().collect();
        let missing: Vec<Topic<'_>> = topics(TOPICS)?
            .into_iter()
            .filter(|topic| !there.contains(&topic.name))
            .collect();
        // Most of a tool's second is Java starting, so they start side by side.
        let created: Vec<Result<()>> = std::thread::scope(|scope| {
            let workers: Vec<_> = missing
                .iter()
                .map(|topic| scope.spawn(|| self.create_topic(endpoint, topic)))
                .collect();
            workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|_| bail!("creating a topic panicked")))
                .collect()
        });
        created.into_iter().collect::<Result<Vec<()>>>()?;
        Ok(missing.len())
    }

    /// The command line of one of Kafka's own tools, for people: put its class and arguments behind it.
    pub(crate) fn tool_words(&self) -> String {
        format!("{} -cp '{}'", self.java().display(), self.class_path())
    }

    fn create_topic(&self, endpoint: &str, topic: &Topic<'_>) -> Result<()> {
        let mut tool = self.topic_tool(endpoint);
        tool.args([
            "--create",
            "--if-not-exists",
            "--topic",
            topic.name,
            "--partitions",
            topic.partitions,
        ]);
        tool.args(["--replication-factor", "1"]);
        for setting in &topic.settings {
            tool.args(["--config", setting]);
        }
        run_quiet(&mut tool)
            .with_context(|| format!("cannot create the topic {}", topic.name))
            .map(drop)
    }

    fn topic_tool(&self, endpoint: &str) -> Command {
        let mut tool = self.tool("org.apache.kafka.tools.TopicCommand");
        tool.args(["--bootstrap-server", endpoint]);
        tool
    }

    fn tool(&self, class: &str) -> Command {
        let mut tool = command(self.java());
        tool.args(["-Xmx256m", "-XX:TieredStopAtLevel=1"])
            .arg(format!("-Dlog4j2.configurationFile={}", self.tools_log.display()))
            .args(["-cp", &self.class_path(), class]);
        tool
    }

    fn java(&self) -> PathBuf {
        self.java_home.join("bin/java")
    }

    fn class_path(&self) -> String {
        format!("{}/*", self.jars.display())
    }
}

fn topics(text: &str) -> Result<Vec<Topic<'_>>> {
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut words = line.split_whitespace();
            let (Some(name), Some(partitions)) = (words.next(), words.next()) else {
                bail!("infra/topics.txt: expected a name and a number of partitions in {line:?}");
            };
            Ok(Topic {
                name,
                partitions,
                settings: words.collect(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_stand_on_the_partitions_of_their_events() {
        let topics = topics(TOPICS).expect("the list is well formed");
        let partitions = |name: &str| {
            topics
                .iter()
                .find(|topic| topic.name == name)
                .map(|topic| topic.partitions)
        };
        assert!(partitions("ductus.events.v1").is_some());
        for follower in ["ductus.decisions.v1", "ductus.references.v1", "ductus.session-state.v1"] {
            assert_eq!(partitions(follower), partitions("ductus.events.v1"), "{follower}");
        }
    }

    /// The settings that `schemas/topics/` asks for: the contract, and what is created from the list, are one.
    #[test]
    fn the_topics_are_those_of_the_contract() {
        let folder = environment::repository().join("schemas/topics");
        let mut described: Vec<String> = Vec::new();
        for file in std::fs::read_dir(folder).expect("the repository has schemas/topics") {
            let text = std::fs::read_to_string(file.expect("the folder can be listed").path()).expect("it is text");
            let value = |key: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
                line.unwrap_or_else(|| panic!("no {key} in {text}"))
                    .trim_matches('"')
                    .to_owned()
            };
            let days = value("retention")
                .strip_suffix(" days")
                .and_then(|days| days.parse::<u64>().ok());
            let retention = days.map_or(String::new(), |days| format!(" retention.ms={}", days * 86_400_000));
            let (name, partitions, policy) = (value("topic"), value("partitions"), value("cleanup_policy"));
            described.push(format!("{name} {partitions} cleanup.policy={policy}{retention}"));
        }
        described.sort();
        let mut listed: Vec<String> = topics(TOPICS)
            .expect("the list is well formed")
            .iter()
            .map(|topic| {
                // Limits of size, the pace of compaction and whose clock stamps a record belong to the running of Kafka, not to
                // the contract.
                let running = [
                    "max.message.bytes",
                    "min.compaction.lag.ms",
                    "min.cleanable.dirty.ratio",
                    "segment.bytes",
                    "message.timestamp.type",
                ];
                let settings = topic
                    .settings
                    .iter()
                    .filter(|setting| !running.iter().any(|running| setting.starts_with(running)));
                let settings: Vec<&str> = settings.copied().collect();
                format!("{} {} {}", topic.name, topic.partitions, settings.join(" "))
            })
            .collect();
        listed.sort();
        assert_eq!(listed, described);
    }

    #[test]
    fn a_line_without_partitions_is_refused() {
        let error = topics("ductus.events.v1").expect_err("no number of partitions");
        assert!(error.to_string().contains("ductus.events.v1"), "{error}");
    }
}
