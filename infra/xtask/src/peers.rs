//! Other programs that do the same: stream processors that cut the same windows, and a web server that takes the same
//! batches. Fetching them and running them; what they do: `infra/bench/peers`.
//!
//! Invariants: a peer that cannot be had is named once with the reason and is `None`, never an error; its libraries are
//! pinned (hashes for Python, versions for Java) and lie in the cache; a Python stream processor that does not pass the test
//! of its windows is not run, because its number would mean nothing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::bench::EXIT_YARDSTICK_ABSENT;
use crate::command::{command, on_path, run_quiet};
use crate::{environment, files, java, python, report};

const SCRIPTS: &str = "infra/bench/peers";
/// Nothing is written beside the scripts, nothing is read from the user's own packages.
const PYTHON_OPTIONS: [&str; 4] = ["-B", "-s", "-W", "ignore"];
const POM: &str = include_str!("../../bench/peers/pom.xml");
const STREAMS_SOURCE: &str = include_str!("../../bench/peers/KafkaStreamsPeer.java");

/// A peer that is ready to run.
pub(crate) struct Peer {
    name: &'static str,
    program: PathBuf,
    /// What stands before the arguments that all peers have in common.
    first: Vec<OsString>,
    /// Folder of Python packages, if it is a Python peer.
    packages: Option<PathBuf>,
}

/// What a peer is to read and write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load<'a> {
    /// `host:port` of a broker.
    pub(crate) bootstrap: &'a str,
    /// Topic of the events.
    pub(crate) events: &'a str,
    /// Topic, already there, that takes one record a window.
    pub(crate) output: &'a str,
    /// Network that embeds the windows, if one is to.
    pub(crate) model: Option<&'a Path>,
}

/// How a peer is started by somebody else.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LivePeer {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<String>,
    python_path: Option<PathBuf>,
}

/// What a peer says of its run.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(crate) struct PeerResult {
    pub(crate) peer: String,
    pub(crate) version: String,
    pub(crate) records: u64,
    pub(crate) events: u64,
    pub(crate) windows: u64,
    /// CPU of the whole process, user and system.
    pub(crate) cpu_s: f64,
    /// That part of it which was spent before the first record.
    pub(crate) cpu_startup_s: f64,
    /// CPU at the record in the middle; 0 in a live run.
    pub(crate) cpu_half_s: f64,
    /// From the first record to the end.
    pub(crate) wall_s: f64,
    /// Resident memory at the first record.
    pub(crate) rss_bytes_startup: u64,
    /// The most resident memory.
    pub(crate) rss_bytes_max: u64,
}

impl PeerResult {
    /// CPU an event without start-up and, where that is less, of the second half alone: without what a just-in-time compiler
    /// costs at first, ns. Records of equal size only.
    pub(crate) fn cpu_ns_an_event(&self) -> f64 {
        let all = 1e9 * (self.cpu_s - self.cpu_startup_s) / self.events as f64;
        all.min(2e9 * (self.cpu_s - self.cpu_half_s) / self.events as f64)
    }
}

/// Bytewax, recovery off.
pub(crate) fn bytewax() -> Result<Option<Peer>> {
    python_peer("Bytewax", "bytewax", &[])
}

/// Quix Streams with `exactly-once`, or with its default, `at-least-once`.
pub(crate) fn quix(exactly_once: bool) -> Result<Option<Peer>> {
    let guarantee = if exactly_once { "exactly-once" } else { "at-least-once" };
    python_peer("Quix Streams", "quix", &["--guarantee", guarantee])
}

/// A handler of event batches in FastAPI; the gateway's benchmark starts it, and says where and with what.
pub(crate) fn fastapi() -> Result<Option<LivePeer>> {
    const NAME: &str = "FastAPI";
    let Some((python, packages)) = python_packages(NAME, "fastapi") else {
        return Ok(None);
    };
    let script = scripts().join("fastapi_peer.py");
    let mut arguments: Vec<String> = PYTHON_OPTIONS.map(str::to_owned).into();
    arguments.push(script.to_str().context("the checkout's path is no text")?.to_owned());
    Ok(Some(LivePeer {
        name: NAME,
        program: python,
        arguments,
        python_path: Some(packages),
    }))
}

/// Kafka Streams with `exactly_once_v2`. It has no network.
pub(crate) fn kafka_streams() -> Result<Option<Peer>> {
    const NAME: &str = "Kafka Streams";
    if !on_path("mvn") {
        return Ok(skip(NAME, "no Maven"));
    }
    let home = java::home()?;
    let compiler = home.join("bin/javac");
    if !compiler.exists() {
        return Ok(skip(NAME, "no Java compiler beside the Java runtime"));
    }
    let cache = environment::cache()?.join("peers");
    let jars = cache.join("kafka-streams-4.3.1");
    if let Err(error) = java::copy_dependencies("Kafka Streams 4.3.1 (95 MB, once)", POM, &jars, &home) {
        return Ok(skip(NAME, &last_line(&error)));
    }
    let classes = cache.join(format!("kafka-streams-classes-{}", files::short_hash(STREAMS_SOURCE)));
    files::fill_once(&classes, |partial| {
        let mut javac = command(compiler);
        javac.arg("-cp").arg(jars.join("*")).arg("-d").arg(partial);
        run_quiet(javac.arg(scripts().join("KafkaStreamsPeer.java"))).map(drop)
    })?;
    Ok(Some(Peer {
        name: NAME,
        program: home.join("bin/java"),
        first: vec![
            // The default of a quarter of all memory makes resident memory a matter of the machine.
            "-Xmx2g".into(),
            "-Dorg.slf4j.simpleLogger.defaultLogLevel=error".into(),
            "-cp".into(),
            format!("{}:{}/*", classes.display(), jars.display()).into(),
            "KafkaStreamsPeer".into(),
        ],
        packages: None,
    }))
}

impl Peer {
    /// What people call it.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Lets the peer process the `records` records that the topic holds, and ends. `None` where it lacks something.
    pub(crate) fn run(&self, load: &Load<'_>, records: u64) -> Result<Option<PeerResult>> {
        let mut run = self.command(load);
        run.args(["--records", &records.to_string()]);
        let output = run
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        match output.status.code() {
            Some(0) => self.read(&output.stdout).map(Some),
            Some(EXIT_YARDSTICK_ABSENT) => Ok(skip(self.name, "see above")),
            _ => bail!("{} ended with {}", self.name, output.status),
        }
    }

    /// How it is started on what comes from now on, for the benchmark that sends it; topics are still to be named. It has no
    /// network, which only spares it.
    pub(crate) fn live(&self, bootstrap: &str) -> LivePeer {
        let text = |argument: &OsString| argument.to_string_lossy().into_owned();
        let mut arguments: Vec<String> = self.first.iter().map(text).collect();
        arguments.extend(["--live".to_owned(), "--bootstrap".to_owned(), bootstrap.to_owned()]);
        LivePeer {
            name: self.name,
            program: self.program.clone(),
            arguments,
            python_path: self.packages.clone(),
        }
    }

    fn command(&self, load: &Load<'_>) -> Command {
        let mut run = command(&self.program);
        run.args(&self.first);
        run.args(["--bootstrap", load.bootstrap, "--events", load.events]);
        run.args(["--output", load.output]);
        if let Some(model) = load.model {
            run.arg("--model").arg(model);
        }
        if let Some(packages) = &self.packages {
            run.env("PYTHONPATH", packages);
        }
        run
    }

    /// The result is the last line; what stands before it is the library's.
    fn read(&self, output: &[u8]) -> Result<PeerResult> {
        let text = String::from_utf8_lossy(output);
        let line = text.lines().last().unwrap_or_default();
        serde_json::from_str(line).with_context(|| format!("{} told no result but {line:?}", self.name))
    }
}

fn python_peer(name: &'static str, script: &str, more: &[&str]) -> Result<Option<Peer>> {
    let Some((python, packages)) = python_packages(name, script) else {
        return Ok(None);
    };
    let mut check = command(&python);
    check.args(["-B", "-s", "-m", "unittest"]).current_dir(scripts());
    run_quiet(check.env("PYTHONPATH", &packages)).context("the windows of the Python peers are not ours")?;
    let mut first: Vec<OsString> = PYTHON_OPTIONS.map(OsString::from).into();
    first.push(scripts().join(format!("{script}_peer.py")).into());
    first.extend(more.iter().map(OsString::from));
    Ok(Some(Peer {
        name,
        program: python,
        first,
        packages: Some(packages),
    }))
}

/// A Python and the folder with what a peer needs there.
fn python_packages(name: &'static str, script: &str) -> Option<(PathBuf, PathBuf)> {
    let Some((python, tag)) = python::find() else {
        return skip(name, "no CPython 3.11 or 3.12 on the search path");
    };
    let requirements = scripts().join(format!("{script}.txt"));
    match python::packages(name, &requirements, &python, &tag) {
        Ok(packages) => Some((python, packages)),
        Err(error) => skip(name, &last_line(&error)),
    }
}

fn scripts() -> PathBuf {
    environment::repository().join(SCRIPTS)
}

fn last_line(error: &anyhow::Error) -> String {
    format!("{error:#}").lines().last().unwrap_or_default().to_owned()
}

fn skip<T>(name: &str, reason: &str) -> Option<T> {
    report::progress(format!("    skipped: {name} is no yardstick in this run: {reason}"));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULT: &str = r#"{"peer":"bytewax","version":"0.21.1","records":100,"events":2000,"windows":40,"cpu_s":1.5,
        "cpu_startup_s":0.5,"cpu_half_s":1.25,"wall_s":2.0,"rss_bytes_startup":1000,"rss_bytes_max":3000}"#;

    /// A peer that is a shell script; it writes its arguments into `$0.arguments`.
    fn shell(script: &str) -> Peer {
        Peer {
            name: "Shell",
            program: "/bin/sh".into(),
            first: vec!["-c".into(), script.into(), "shell".into()],
            packages: None,
        }
    }

    fn load() -> Load<'static> {
        Load {
            bootstrap: "127.0.0.1:9092",
            events: "in",
            output: "out",
            model: Some(Path::new("model.onnx")),
        }
    }

    #[test]
    fn a_peer_is_started_with_the_common_command_line_and_its_last_line_is_read() {
        let expected = "--bootstrap 127.0.0.1:9092 --events in --output out --model model.onnx --records 100";
        let result = RESULT.replace('\n', "");
        let peer = shell(&format!(
            "test \"$*\" = '{expected}' || exit 9; echo chatter; echo '{result}'"
        ));
        let found = peer.run(&load(), 100).expect("it runs").expect("it is there");
        assert_eq!((found.peer.as_str(), found.windows), ("bytewax", 40));
        assert_eq!(found.cpu_ns_an_event(), 250_000.0);
    }

    #[test]
    fn absent_is_none_and_broken_is_an_error() {
        for (script, expected) in [
            ("exit 3", Some(true)),
            ("exit 1", None),
            ("echo nothing", None),
            ("kill -9 $$", None),
        ] {
            let outcome = shell(script).run(&load(), 1);
            assert_eq!(outcome.ok().map(|result| result.is_none()), expected, "{script}");
        }
    }

    #[test]
    fn a_live_peer_lacks_only_its_topics() {
        let live = shell("exit 0").live("127.0.0.1:9092");
        assert!(
            live.arguments
                .ends_with(&["--live", "--bootstrap", "127.0.0.1:9092"].map(str::to_owned))
        );
    }

    #[test]
    fn everything_is_pinned() {
        for requirements in ["bytewax.txt", "fastapi.txt", "quix.txt"] {
            let requirements = std::fs::read_to_string(scripts().join(requirements)).unwrap();
            let joined = requirements.replace("\\\n", " ");
            let lines = joined.lines().filter(|line| !line.starts_with('#'));
            for line in lines {
                assert!(line.contains("==") && line.contains("--hash=sha256:"), "{line}");
            }
        }
        assert!(POM.contains("<artifactId>kafka-streams</artifactId>\n      <version>4.3.1</version>"));
    }
}
