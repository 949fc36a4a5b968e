//! Servers in processes of their own, and what the kernel says of them.
//!
//! Invariants: a server that is dropped has ended, with all that it started; its output goes to a file, whose end is in the
//! error where it does not start.

use anyhow::{Context, bail};
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to start: one with 100,000 reference sets reads gigabytes.
const START: Duration = Duration::from_secs(600);
const STOP: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(100);
/// What of a log is told of a server that did not start.
const LOG_BYTES: usize = 4_000;

/// A server that answers.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Server {
    /// Starts it, with its log in `folder`, and waits until `/readyz` at `address` says so.
    pub(crate) async fn start(
        mut command: Command,
        name: &str,
        folder: &Path,
        address: SocketAddr,
    ) -> anyhow::Result<Self> {
        let log: PathBuf = folder.join(format!("{name}-{}.log", address.port()));
        let file = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        let mut server = Self { address, child };
        let started = Instant::now();
        let url = format!("http://{address}/readyz");
        while !reqwest::get(&url)
            .await
            .is_ok_and(|answer| answer.status().is_success())
        {
            let ended = server.child.try_wait()?;
            if ended.is_some() || started.elapsed() > START {
                let said = fs::read(&log).unwrap_or_default();
                let end = &said[said.len().saturating_sub(LOG_BYTES)..];
                bail!(
                    "{name} is not ready ({ended:?}); it said last:\n{}",
                    String::from_utf8_lossy(end)
                );
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(server)
    }

    /// User and system time so far of it and of all that it started, in the kernel's ticks of 10 ms.
    pub(crate) fn cpu_s(&self) -> anyhow::Result<f64> {
        let group = self.child.id().to_string();
        let mut ticks = 0.0;
        for fields in processes()?.filter(|fields| fields.get(2) == Some(&group)) {
            // Of `man proc_pid_stat` the fields 14 and 15; the state is the third, and the first here.
            ticks += fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
        }
        Ok(ticks / 100.0)
    }

    /// Its resident memory.
    pub(crate) fn memory_bytes(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kb = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
        Ok(kb.context("no VmRSS in /proc")? * 1_024.0)
    }

    /// To it and all that it started; whoever has ended already needs none.
    fn signal(&self, name: &str) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill")
            .args(["-s", name, "--", &group])
            .stderr(Stdio::null())
            .status();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let asked = Instant::now();
        self.signal("TERM");
        while asked.elapsed() < STOP && !matches!(self.child.try_wait(), Ok(Some(_))) {
            std::thread::sleep(POLL);
        }
        self.signal("KILL");
        let _ = self.child.wait();
    }
}

/// What the kernel tells of each process, from its state on.
fn processes() -> anyhow::Result<impl Iterator<Item = Vec<String>>> {
    let stats = fs::read_dir("/proc")?.filter_map(|entry| fs::read_to_string(entry.ok()?.path().join("stat")).ok());
    Ok(stats.filter_map(|stat| {
        // The field before is the program's name in brackets, and may hold spaces and brackets itself.
        let (_, after_name) = stat.rsplit_once(") ")?;
        Some(after_name.split(' ').map(str::to_owned).collect())
    }))
}

/// A loopback address that nobody listens on.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// As many open files as this process may have, and those that it starts: a socket is one.
pub(crate) fn raise_descriptors() -> anyhow::Result<()> {
    let raised = Command::new("sh")
        .args(["-c", r#"prlimit --pid "$1" --nofile="$(ulimit -H -n)""#, "sh"])
        .arg(std::process::id().to_string())
        .status()?;
    if !raised.success() {
        bail!("the number of open files cannot be raised: is there a prlimit (util-linux)?");
    }
    Ok(())
}
