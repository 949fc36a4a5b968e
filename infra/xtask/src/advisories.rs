//! Known weaknesses of what we depend on: `cargo deny check advisories` and `npm audit`.
//!
//! Invariant: where a database cannot be reached nothing was checked, which is told, and is neither a pass nor a failure.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::command::last_lines;
use crate::deny;
use crate::tally::Tally;
use crate::web::Web;

/// Lines of a finding that an error repeats.
const LINES_MAX: usize = 60;
/// What the programs say where they reach nobody.
const NOBODY_REACHED: [&str; 4] = [
    "failed to fetch advisory database",
    "audit endpoint returned an error",
    "ENOTFOUND",
    "ECONNREFUSED",
];

/// Asks both databases.
pub(crate) fn check(web: Option<&Web>, tally: &mut Tally) {
    judge(tally, "advisories of crates", || {
        let mut deny = deny::command_in_repository()?;
        deny.args(["--log-level=warn", "check", "--hide-inclusion-graph", "advisories"])
            .env("GIT_TERMINAL_PROMPT", "0");
        Ok(deny)
    });
    if let Some(web) = web {
        judge(tally, "advisories of npm packages", || {
            let mut npm = web.npm();
            npm.args(["audit", "--fetch-retries=0", "--fetch-timeout=20000"]);
            Ok(npm)
        });
    }
}

fn judge(tally: &mut Tally, name: &str, command: impl FnOnce() -> Result<Command>) {
    match command().and_then(|mut command| ask(&mut command)) {
        Ok(Said::NobodyReached) => tally.leave_out(&format!("{name}: the database cannot be reached from here")),
        Ok(Said::Clean) => tally.check(name, || Ok(())),
        Ok(Said::Found(what)) => tally.check(name, || bail!("{what}")),
        Err(error) => tally.check(name, || Err(error)),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Said {
    Clean,
    Found(String),
    NobodyReached,
}

fn ask(command: &mut Command) -> Result<Said> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .context("cannot start what asks for advisories")?;
    let said = [output.stdout, output.stderr].concat();
    Ok(read(output.status.success(), &String::from_utf8_lossy(&said)))
}

fn read(success: bool, said: &str) -> Said {
    if success {
        Said::Clean
    } else if NOBODY_REACHED.iter().any(|words| said.contains(words)) {
        Said::NobodyReached
    } else {
        Said::Found(last_lines(said, LINES_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_out_of_reach_is_told_from_a_finding() {
        let unreached = [
            "[ERROR] failed to fetch advisory database https://example.org/db with cli: failed to clone",
            "npm warn audit 405 Method Not Allowed\nnpm error audit endpoint returned an error",
        ];
        for said in unreached {
            assert_eq!(read(false, said), Said::NobodyReached);
        }
        let found = "error[vulnerability]: use after free\n  ID: RUSTSEC-2026-0001";
        assert_eq!(read(false, found), Said::Found(found.to_owned()));
        assert_eq!(read(true, "advisories ok"), Said::Clean);
    }
}
