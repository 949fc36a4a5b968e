//! Servers on this machine: started, waited for, stopped.
//!
//! Invariants: a server that belongs to this process never outlives it (it is stopped on drop, and dies with us where the
//! kernel can arrange it); a server that is kept running is known by its process id *and* its start time, so `down`
//! never ends a stranger that got the same id.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::command::{last_lines, on_path, run_quiet};
use crate::{environment, files};

/// How often a starting or stopping server is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// How long a server may take to stop by itself before it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// How much of a failed server's log an error message repeats.
const LOG_LINES_MAX: usize = 25;

/// How long a server lives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// As long as this xtask.
    WithUs,
    /// Until `cargo xtask down`.
    Detached,
}

/// What to start, and where its log and its process id go.
pub(crate) struct Launch {
    pub(crate) name: &'static str,
    pub(crate) folder: PathBuf,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) variables: Vec<(&'static str, OsString)>,
    pub(crate) user: Option<User>,
    pub(crate) lifetime: Lifetime,
    pub(crate) start_timeout: Duration,
}

/// A server that answered.
pub(crate) struct Running {
    name: &'static str,
    child: Child,
    lifetime: Lifetime,
}

/// An account without rights, for servers that refuse to be root.
#[derive(Clone)]
pub(crate) struct User {
    name: String,
    group_id: String,
}

impl Launch {
    /// Starts the server and waits until `is_ready` says yes of its log.
    pub(crate) fn start(self, is_ready: impl Fn(&str) -> bool) -> Result<Running> {
        let log_path = self.folder.join("server.log");
        let log = File::create(&log_path).with_context(|| format!("cannot write {}", log_path.display()))?;
        let mut command = self.command();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .current_dir(&self.folder)
            .process_group(0);
        let child = command.spawn().with_context(|| format!("cannot start {}", self.name))?;
        let mut running = Running {
            name: self.name,
            child,
            lifetime: Lifetime::WithUs,
        };
        let started = Instant::now();
        loop {
            let said = || String::from_utf8_lossy(&fs::read(&log_path).unwrap_or_default()).into_owned();
            if let Some(status) = running.child.try_wait()? {
                let tail = last_lines(&said(), LOG_LINES_MAX);
                bail!(
                    "{} ended with {status} while starting; {} ends:\n{tail}",
                    self.name,
                    log_path.display()
                );
            }
            if is_ready(&said()) {
                break;
            }
            if started.elapsed() > self.start_timeout {
                let (tail, limit) = (last_lines(&said(), LOG_LINES_MAX), self.start_timeout.as_secs());
                bail!(
                    "{} was not ready within {limit} s; {} ends:\n{tail}",
                    self.name,
                    log_path.display()
                );
            }
            std::thread::sleep(POLL_INTERVAL);
        }
        // Until here a failure stops the server again, even one that is meant to stay.
        running.lifetime = self.lifetime;
        if self.lifetime == Lifetime::Detached {
            remember(&self.folder, running.child.id())?;
        }
        Ok(running)
    }

    fn command(&self) -> Command {
        let mut wrapper: Vec<OsString> = Vec::new();
        if let Some(user) = &self.user {
            wrapper.extend(user.setpriv_arguments().map(OsString::from));
        }
        if self.lifetime == Lifetime::WithUs && on_path("setpriv") {
            wrapper.push("--pdeathsig=TERM".into());
        }
        let mut command = if wrapper.is_empty() {
            Command::new(&self.program)
        } else {
            let mut command = Command::new("setpriv");
            command.args(wrapper).arg(&self.program);
            command
        };
        command
            .args(&self.arguments)
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.lifetime == Lifetime::Detached {
            return;
        }
        // The server leads its own process group, so whatever it started goes with it.
        let group = self.child.id();
        signal("TERM", group);
        let ended = wait_until(|| {
            let _ = self.child.try_wait();
            !group_lives(group)
        });
        if !ended {
            crate::report::progress(format!("    {} did not stop in time and is killed", self.name));
            signal("KILL", group);
        }
        let _ = self.child.wait();
    }
}

impl User {
    /// `nobody`, where we are root; none where we are not.
    pub(crate) fn instead_of_root() -> Result<Option<Self>> {
        if !environment::is_root() {
            return Ok(None);
        }
        let accounts = fs::read_to_string("/etc/passwd").context("cannot read /etc/passwd")?;
        let fields = accounts
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields.first() == Some(&"nobody"))
            .context("no account called nobody: run this as an ordinary user instead of root")?;
        let group_id = fields.get(3).context("the account nobody has no group")?;
        Ok(Some(Self {
            name: "nobody".to_owned(),
            group_id: (*group_id).to_owned(),
        }))
    }

    /// A command that runs as this account.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = crate::command::command("setpriv");
        command.args(self.setpriv_arguments()).arg(program);
        command
    }

    fn setpriv_arguments(&self) -> [String; 3] {
        [
            format!("--reuid={}", self.name),
            format!("--regid={}", self.group_id),
            "--clear-groups".to_owned(),
        ]
    }

    /// Gives a folder and all in it to this account.
    pub(crate) fn own(&self, folder: &Path) -> Result<()> {
        let owner = format!("{}:{}", self.name, self.group_id);
        run_quiet(crate::command::command("chown").arg("-R").arg(owner).arg(folder)).map(drop)
    }
}

/// Whether the server that was kept running from this folder still does.
pub(crate) fn is_running(folder: &Path) -> bool {
    remembered(folder).is_some()
}

/// Stops the server that was kept running from this folder; false if there is none.
pub(crate) fn stop(folder: &Path) -> Result<bool> {
    let Some(process_id) = remembered(folder) else {
        let _ = fs::remove_file(folder.join("pid"));
        return Ok(false);
    };
    signal("TERM", process_id);
    if !wait_until(|| !group_lives(process_id)) {
        signal("KILL", process_id);
    }
    fs::remove_file(folder.join("pid")).context("cannot remove the file with the process id")?;
    Ok(true)
}

/// A port of the loopback interface that nobody uses at the moment.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on the loopback interface")?;
    Ok(listener.local_addr()?.port())
}

/// Whether nobody listens on a port.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// An error unless a port can be listened on; says which option chooses another.
pub(crate) fn require_free(name: &str, port: u16, option: &str) -> Result<()> {
    if !is_free(port) {
        bail!("cannot start {name}: port {port} is taken by another process; choose another with {option}");
    }
    Ok(())
}

fn remember(folder: &Path, process_id: u32) -> Result<()> {
    let started = start_time(process_id).context("the server ended at once")?;
    files::write(&folder.join("pid"), &format!("{process_id} {started}\n"))
}

fn remembered(folder: &Path) -> Option<u32> {
    let text = fs::read_to_string(folder.join("pid")).ok()?;
    let (process_id, started) = text.trim().split_once(' ')?;
    let process_id = process_id.parse().ok()?;
    (start_time(process_id)? == started).then_some(process_id)
}

/// When a process started, in the kernel's ticks; none once it is gone or a zombie.
fn start_time(process_id: u32) -> Option<String> {
    let fields = stat(Path::new(&format!("/proc/{process_id}")))?;
    (fields.first()? != "Z").then(|| fields.get(19).cloned())?
}

/// Whether any process of a group is left; zombies are not.
fn group_lives(group: u32) -> bool {
    let group = group.to_string();
    let Ok(processes) = fs::read_dir("/proc") else {
        return false;
    };
    processes
        .filter_map(|entry| stat(&entry.ok()?.path()))
        .any(|fields| fields.first().is_some_and(|state| state != "Z") && fields.get(2) == Some(&group))
}

/// What the kernel tells about a process, from its state on (field 3 of `man proc_pid_stat`).
fn stat(process: &Path) -> Option<Vec<String>> {
    let text = fs::read_to_string(process.join("stat")).ok()?;
    // The field before is the program's name in brackets, and may hold spaces and brackets itself.
    let after_name = text.rsplit_once(") ")?.1;
    Some(after_name.split(' ').map(str::to_owned).collect())
}

/// Waits for something that a stopping server does; false if it takes too long.
fn wait_until(mut done: impl FnMut() -> bool) -> bool {
    let asked = Instant::now();
    while asked.elapsed() < STOP_TIMEOUT {
        if done() {
            return true;
        }
        std::thread::sleep(POLL_INTERVAL);
    }
    false
}

/// Sends Ctrl-C's signal to one process.
pub(crate) fn interrupt(process_id: u32) {
    let _ = Command::new("kill")
        .args(["-s", "INT", &process_id.to_string()])
        .status();
}

fn signal(name: &str, group: u32) {
    let _ = Command::new("kill")
        .args(["-s", name, "--", &format!("-{group}")])
        .stderr(Stdio::null())
        .status();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_start_time_is_found_and_stays() {
        let process_id = std::process::id();
        let first = start_time(process_id).expect("we are running");
        assert_eq!(start_time(process_id), Some(first));
        assert_eq!(start_time(u32::MAX), None);
    }

    #[test]
    fn a_free_port_is_free() {
        let port = free_port().expect("the loopback interface has ports");
        assert!(port > 0);
    }
}
