//! Child processes that run to their end: what they print is passed on or kept for the error message.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};

use crate::environment;

/// How much of a failed command's output an error message repeats.
const ERROR_LINES_MAX: usize = 30;

/// A command that starts in the repository root.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(environment::repository());
    command
}

/// A cargo of this checkout, free of what the outer `cargo run` put into the environment.
pub(crate) fn cargo() -> Command {
    let mut command = command("cargo");
    for name in environment::names_of_outer_cargo() {
        command.env_remove(name);
    }
    command
}

/// Runs a command whose output the user should see; all of it goes to standard error.
pub(crate) fn run_shown(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::from(std::io::stderr()))
        .status()
        .with_context(|| format!("cannot start {}", words(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", words(command));
    }
    Ok(())
}

/// Runs a command and hands every line of its standard output to `on_line` as it comes.
pub(crate) fn run_streamed(command: &mut Command, mut on_line: impl FnMut(&str)) -> Result<ExitStatus> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {}", words(command)))?;
    let output = child.stdout.take().context("a child process has no output")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line.with_context(|| format!("cannot read the output of {}", words(command)))?;
        on_line(&String::from_utf8_lossy(&line));
    }
    child
        .wait()
        .with_context(|| format!("cannot wait for {}", words(command)))
}

/// Runs a command in silence and returns its standard output; on failure the error repeats what it said last.
pub(crate) fn run_quiet(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", words(command)))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(text);
    }
    let said = format!("{text}{}", String::from_utf8_lossy(&output.stderr));
    bail!(
        "{} ended with {}:\n{}",
        words(command),
        output.status,
        last_lines(&said, ERROR_LINES_MAX)
    );
}

/// Whether a program can be started from the search path.
pub(crate) fn on_path(program: &str) -> bool {
    find_on_path(program).is_some()
}

/// Where on the search path a program lies.
pub(crate) fn find_on_path(program: &str) -> Option<PathBuf> {
    find_among(&environment::variable("PATH")?, program)
}

/// Where among the folders of a search path a program lies.
pub(crate) fn find_among(path: &OsStr, program: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .map(|folder| folder.join(program))
        .find(|file| is_executable(file))
}

/// The last lines of a text.
pub(crate) fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn words(command: &Command) -> String {
    let mut text = command.get_program().to_string_lossy().into_owned();
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text
}
