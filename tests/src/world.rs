//! One test's world: its own topics, consumer groups, data streams and folders, so that tests do not meet.

use crate::kafka::Kafka;
use crate::oracle::Prediction;
use crate::process::{PATIENCE, Program, last_json};
use crate::search::Search;
use ductus_dynamics::line::LineConfig;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An environment variable that `cargo xtask test` sets; without it the test fails.
pub fn required(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test`, which starts the services"))
}

/// The repository, in which this runs. (What the compiler would say is wrong where clones share a build folder.)
pub fn repository() -> PathBuf {
    let here = std::env::current_dir().unwrap();
    here.ancestors()
        .find(|folder| folder.join("Cargo.lock").is_file())
        .expect("tests are run in the repository")
        .to_owned()
}

/// One test's world.
pub struct World {
    /// Prefix of all its names.
    pub name: String,
    /// Its folder, which goes with it.
    pub folder: tempfile::TempDir,
    /// Its topics.
    pub kafka: Kafka,
    config: PathBuf,
    /// Settings of every program over those of the file, `section.key=value`.
    sets: Vec<String>,
}

impl World {
    /// A world whose names start with `name`; `extra` is added to the configuration.
    pub async fn new(name: &str, search: &Search, extra: &str) -> Self {
        Self::on(&required("DUCTUS_TEST_KAFKA"), name, search, extra).await
    }

    /// The same on another broker than that of all tests.
    pub async fn on(bootstrap: &str, name: &str, search: &Search, extra: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("{name}{}", std::process::id());
        let kafka = Kafka::new(bootstrap, &name);
        kafka.create_topics().await;
        let config = folder.path().join("ductus.toml");
        std::fs::write(&config, Self::config_text(&name, folder.path(), &kafka, search) + extra).unwrap();
        Self {
            name,
            folder,
            kafka,
            config,
            sets: Vec::new(),
        }
    }

    /// Without a search server, and with the released models.
    pub async fn without_search(name: &str) -> Self {
        Self::new(name, &Search::nowhere(), "").await.with_released_models()
    }

    /// Settings of every program that is started from now on, over those of the file.
    pub fn with_sets<S: Into<String>>(mut self, sets: impl IntoIterator<Item = S>) -> Self {
        self.sets.extend(sets.into_iter().map(Into::into));
        self
    }

    /// Programs that are told what this line is: those of its values that tests change.
    pub fn with_line(self, line: &LineConfig) -> Self {
        self.with_sets([
            format!("references.anchors={}", line.references.anchors),
            format!("session.idle_ms={}", line.idle_us / 1_000),
        ])
    }

    /// The folder of the models.
    pub fn models(&self) -> PathBuf {
        self.folder.path().join("models")
    }

    fn config_text(name: &str, folder: &Path, kafka: &Kafka, search: &Search) -> String {
        let mut text = format!("[kafka]\n\"bootstrap.servers\" = \"{}\"\n[topics]\n", kafka.bootstrap);
        for logical in crate::kafka::TOPICS {
            writeln!(text, "{logical} = \"{}\"", kafka.topic(logical)).unwrap();
        }
        writeln!(
            text,
            "[score]\ngroup = \"{name}-score\"\nshards = 2\ncheckpoint_interval_ms = 300\ncheckpoint_turn_sessions = 1"
        )
        .unwrap();
        writeln!(
            text,
            "[elasticsearch]\nurl = \"{}\"\nnamespace = \"{name}\"\ngroup = \"{name}-index\"\nflush_interval_ms = 200",
            search.url
        )
        .unwrap();
        writeln!(
            text,
            "[demo]\nembedded_broker = false\n[archive]\ntables = \"{}\"\ngroup = \"{name}-archive\"\nflush_interval_ms = 500",
            folder.join("tables").display()
        )
        .unwrap();
        writeln!(text, "[models]\ndir = \"{}\"", folder.join("models").display()).unwrap();
        text
    }

    /// The folder of the Delta tables.
    pub fn tables(&self) -> PathBuf {
        self.folder.path().join("tables")
    }

    /// Copies the released models into this world's registry.
    pub fn with_released_models(self) -> Self {
        copy(&repository().join("models"), &self.models());
        self
    }

    /// `ductus ROLE` with this world's configuration, running until it is dropped.
    pub async fn start(&self, role: &[&str]) -> Program {
        self.start_as(role, |folder, arguments| Program::start("ductus", folder, arguments))
            .await
    }

    /// The same by another way to start it.
    async fn start_as(&self, role: &[&str], start: impl FnOnce(&Path, &[String]) -> Program) -> Program {
        let listen = crate::process::free_address();
        let mut program = start(self.folder.path(), &self.arguments(role, &listen));
        program.until_ready(&listen).await;
        program
    }

    /// `ductus gateway` at this address.
    pub async fn start_gateway(&self, listen: &str) -> Program {
        self.start_serving("gateway", listen).await
    }

    /// `ductus demo` at this address, on this world's topics instead of a broker of its own.
    pub async fn start_demo(&self, listen: &str) -> Program {
        self.start_serving("demo", listen).await
    }

    async fn start_serving(&self, role: &str, listen: &str) -> Program {
        let mut arguments = self.arguments(&[role], "off");
        let at = ["--set".to_owned(), format!("gateway.listen={listen}")];
        arguments.splice(0..0, at);
        let mut program = Program::start("ductus", self.folder.path(), &arguments);
        program.until_ready(listen).await;
        program
    }

    /// The same without waiting until it is ready: it cannot be yet.
    pub fn start_unready(&self, role: &[&str]) -> Program {
        Program::start(
            "ductus",
            self.folder.path(),
            &self.arguments(role, &crate::process::free_address()),
        )
    }

    /// As [`World::start`], on a machine whose clock is so many seconds off.
    pub async fn start_with_clock_off(&self, role: &[&str], off_s: i64) -> Program {
        self.start_as(role, |folder, arguments| {
            Program::start_with_clock_off("ductus", folder, arguments, off_s)
        })
        .await
    }

    /// As [`World::start`], for [`Program::fill_disk`].
    pub async fn start_on_a_small_disk(&self, role: &[&str]) -> Program {
        self.start_as(role, |folder, arguments| {
            Program::start_on_a_small_disk("ductus", folder, arguments)
        })
        .await
    }

    /// An application key of a tenant, with these scopes.
    pub fn make_key(&self, tenant: &str, scopes: &str) -> String {
        let made = last_json(&self.run(&["keys", "create", "--tenant", tenant, "--scopes", scopes]));
        made["key"].as_str().unwrap().to_owned()
    }

    /// `ductus ROLE` with this world's configuration, until it ends; its standard output.
    pub fn run(&self, role: &[&str]) -> String {
        crate::process::run("ductus", self.folder.path(), &self.arguments(role, "off"))
    }

    /// The same, however it ends.
    pub fn says(&self, role: &[&str]) -> String {
        crate::process::says("ductus", self.folder.path(), &self.arguments(role, "off"))
    }

    /// `ductus-batch …` in this world's folder, until it ends; its standard output.
    pub fn batch(&self, arguments: &[&str]) -> String {
        crate::process::run("ductus-batch", self.folder.path(), arguments)
    }

    /// The rows of a query over the history tables.
    pub fn query(&self, sql: &str) -> Vec<Value> {
        let tables = self.tables().display().to_string();
        let output = self.batch(&["query", sql, "--history", &tables, "--format", "json"]);
        output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until every decision that must come has come; all that came.
    pub async fn until_decided(&self, prediction: &Prediction) -> Vec<Value> {
        let start = Instant::now();
        loop {
            let decisions = self.kafka.read_json("decisions");
            let ids: BTreeSet<&str> = decisions
                .iter()
                .filter_map(|decision| decision["id"].as_str())
                .collect();
            let missing = prediction
                .decisions
                .iter()
                .filter(|id| !ids.contains(id.as_str()))
                .count();
            if missing == 0 {
                return decisions;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{missing} of {} decisions do not come",
                prediction.decisions.len()
            );
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// Waits until the history tables hold as many rows as they must, and no more.
    pub async fn until_history_holds(&self, prediction: &Prediction, decisions: u64) {
        let accounting = &prediction.accounting;
        let wanted = [
            // What came twice is archived once.
            (
                "events",
                accounting.events - accounting.rejected.total() - accounting.duplicate,
            ),
            ("windows", prediction.decisions.len() as u64),
            ("decisions", decisions),
        ];
        let start = Instant::now();
        loop {
            let count = |table: &str| {
                let rows = self.query(&format!("SELECT count(*) AS n FROM {table}"));
                rows[0]["n"].as_u64().unwrap()
            };
            let have = wanted.map(|(table, _)| (table, count(table)));
            if have.iter().zip(&wanted).all(|(have, wanted)| have.1 >= wanted.1) {
                assert_eq!(have, wanted);
                return;
            }
            assert!(start.elapsed() < PATIENCE, "the tables hold {have:?} of {wanted:?}");
        }
    }

    /// What every program has said so far, in the order of their starts; without what librdkafka says again and again while
    /// there is no broker.
    pub fn logs(&self) -> Vec<(String, String)> {
        let files = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|file| file.unwrap().path());
        let logs = files.filter(|file| file.extension().is_some_and(|extension| extension == "log"));
        let mut logs: Vec<(String, String)> = logs
            .map(|file| {
                let text = std::fs::read_to_string(&file).unwrap_or_default();
                let lines = text
                    .lines()
                    .filter(|line| !line.contains("brokers are down") && !line.contains("Connect to"));
                (file.display().to_string(), lines.collect::<Vec<_>>().join("\n"))
            })
            .collect();
        logs.sort_by(|(_, one), (_, other)| one.cmp(other));
        logs
    }

    fn arguments<'a>(&'a self, role: &[&'a str], listen: &'a str) -> Vec<String> {
        let mut arguments = vec!["--config".to_owned(), self.config.display().to_string()];
        let listen = format!("telemetry.listen={listen}");
        for set in self.sets.iter().chain([&listen]) {
            arguments.extend(["--set".to_owned(), set.clone()]);
        }
        arguments.extend(role.iter().map(|word| (*word).to_owned()));
        arguments
    }
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
