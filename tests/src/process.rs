//! The programs under test: started from the build's folder, stopped by SIGTERM, their logs shown when something fails.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take before a test gives up; far beyond what it needs.
pub const PATIENCE: Duration = Duration::from_secs(180);

fn program(name: &str) -> PathBuf {
    PathBuf::from(crate::world::required("DUCTUS_BIN_DIR")).join(name)
}

/// A loopback address that nobody listens on.
pub fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string()
}

/// Runs a program to its end; its standard output. Fails with its log unless it ends with 0.
pub fn run<S: AsRef<std::ffi::OsStr>>(name: &str, folder: &Path, arguments: &[S]) -> String {
    let output = output(name, folder, arguments);
    assert!(
        output.status.success(),
        "{name} {:?} ended with {}:\n{}",
        arguments.iter().map(AsRef::as_ref).collect::<Vec<_>>(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a program to whatever end; its standard output.
pub fn says(name: &str, folder: &Path, arguments: &[String]) -> String {
    String::from_utf8(output(name, folder, arguments).stdout).unwrap()
}

fn output<S: AsRef<std::ffi::OsStr>>(name: &str, folder: &Path, arguments: &[S]) -> Output {
    let mut command = Command::new(program(name));
    command.args(arguments).current_dir(folder).output().unwrap()
}

/// The JSON object that a command prints as its last line.
pub fn last_json(output: &str) -> serde_json::Value {
    serde_json::from_str(output.lines().last().unwrap_or_default())
        .unwrap_or_else(|_| panic!("no JSON at the end of {output}"))
}

/// A running program.
pub struct Program {
    /// Where it serves its metrics and probes, once it is ready.
    listen: String,
    child: Child,
    log: PathBuf,
}

impl Program {
    /// Starts a program; its last argument is the role, by which its log is named.
    pub fn start(name: &str, folder: &Path, arguments: &[String]) -> Self {
        let mut command = Command::new(program(name));
        command.args(arguments);
        Self::start_logged(command, name, folder, arguments)
    }

    fn start_logged(mut command: Command, name: &str, folder: &Path, arguments: &[String]) -> Self {
        let log = log_file(name, folder, arguments);
        let file = std::fs::File::create(&log).unwrap();
        command.stdout(file.try_clone().unwrap()).stderr(file);
        Self::spawn(command, folder, log)
    }

    /// The same for a program on a machine whose clock is so many seconds off.
    pub fn start_with_clock_off(name: &str, folder: &Path, arguments: &[String], off_s: i64) -> Self {
        let mut command = Command::new(program(name));
        command.args(arguments);
        command
            .env("LD_PRELOAD", crate::clock::library())
            .env("CLOCK_OFF_S", off_s.to_string());
        Self::start_logged(command, name, folder, arguments)
    }

    /// The same for a program that finds the disk full when [`Program::fill_disk`] says so.
    pub fn start_on_a_small_disk(name: &str, folder: &Path, arguments: &[String]) -> Self {
        // A write beyond the limit is to fail as on a full disk, not to end the program. Its log is no file of its own.
        let mut command = Command::new("sh");
        command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]);
        command
            .arg(program(name))
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let log = log_file(name, folder, arguments);
        let mut started = Self::spawn(command, folder, log.clone());
        let mut output = started.child.stderr.take().unwrap();
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::fs::File::create(log).unwrap()));
        started
    }

    fn spawn(mut command: Command, folder: &Path, log: PathBuf) -> Self {
        let child = command.current_dir(folder).stdin(Stdio::null()).spawn().unwrap();
        Self {
            listen: String::new(),
            child,
            log,
        }
    }

    /// From now on it can write no byte to any file, or again as many as it likes.
    pub fn fill_disk(&self, full: bool) {
        let limit = if full {
            "--fsize=0:unlimited"
        } else {
            "--fsize=unlimited:unlimited"
        };
        let set = Command::new("prlimit")
            .args(["--pid", &self.id().to_string(), limit])
            .status()
            .unwrap();
        assert!(set.success(), "cannot limit the size of files");
    }

    /// Waits until `/readyz` at `listen` says so.
    pub async fn until_ready(&mut self, listen: &str) {
        self.listen = listen.to_owned();
        let url = format!("http://{listen}/readyz");
        let start = Instant::now();
        loop {
            if reqwest::get(&url)
                .await
                .is_ok_and(|response| response.status().is_success())
            {
                return;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("ended with {status} before it was ready:\n{}", self.log());
            }
            assert!(start.elapsed() < PATIENCE, "not ready:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// The sum of a counter over its labels that hold `label`.
    pub async fn counter(&self, name: &str, label: &str) -> u64 {
        let text = reqwest::get(format!("http://{}/metrics", self.listen))
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        text.lines()
            .filter(|line| line.starts_with(name) && line.contains(label))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum::<f64>() as u64
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks it to stop and waits; fails with its log unless it ends with 0.
    pub fn stop(self) {
        self.end(|status, _| status.success());
    }

    /// The same while others come and go: its last checkpoint may meet a rebalance, and then it says that what it read is read
    /// again.
    pub fn leave(self) {
        self.end(|status, log| status.success() || log.contains("finished, it is read again"));
    }

    fn end(mut self, well: impl Fn(ExitStatus, &str) -> bool) {
        self.signal("-TERM");
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let log = self.log();
                assert!(well(status, &log), "ended with {status}:\n{log}");
                return;
            }
            assert!(start.elapsed() < PATIENCE, "does not stop:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// `SIGSTOP`: it does nothing any more, and does not know it.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// `SIGCONT`.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    /// For a while its shards get next to no processor, as if the model were far too slow; its other threads, those that send
    /// heartbeats among them, run on.
    pub async fn starve_shards(&self, time: Duration) {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.id())).unwrap();
        let shards: Vec<String> = tasks
            .map(|task| task.unwrap().path())
            .filter(|task| std::fs::read_to_string(task.join("comm")).is_ok_and(|name| name.starts_with("shard")))
            .map(|task| task.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        assert!(!shards.is_empty(), "no thread is called shard…");
        let quietly = |program: &str, arguments: &[&str]| {
            let mut command = Command::new(program);
            command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().unwrap()
        };
        // All on one processor, behind somebody who never lets go of it.
        let mut glutton = Command::new("taskset")
            .args(["-c", "0", "sh", "-c", "while :; do :; done"])
            .spawn()
            .unwrap();
        for shard in &shards {
            assert!(
                quietly("taskset", &["-c", "-p", "0", shard]).success(),
                "cannot move {shard}"
            );
            assert!(
                quietly("chrt", &["--idle", "-p", "0", shard]).success(),
                "cannot slow down {shard}"
            );
        }
        tokio::time::sleep(time).await;
        glutton.kill().unwrap();
        glutton.wait().unwrap();
        for shard in &shards {
            quietly("taskset", &["-p", "ffffffff", shard]);
            // Who is not root may not go back, and goes on as a thread that waits for its turn.
            quietly("chrt", &["--other", "-p", "0", shard]);
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The most memory that it has held so far, bytes.
    pub fn memory_bytes_max(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1_024
    }

    /// Fails with its log if it has ended by itself.
    pub fn assert_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("ended with {status}:\n{}", self.log());
        }
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .arg(signal)
            .arg(self.child.id().to_string())
            .status()
            .unwrap();
        assert!(sent.success(), "cannot send {signal}: it has ended\n{}", self.log());
    }
}

fn log_file(name: &str, folder: &Path, arguments: &[String]) -> PathBuf {
    let role = arguments.last().map_or("", String::as_str);
    folder.join(format!("{name}-{role}-{}.log", free_address().replace([':', '.'], "-")))
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.log.display(), self.log());
        }
    }
}
