//! What is not ours to build: tests written for Node.js and Python, run against the programs that a world has started.
//!
//! `cargo xtask test` says where Node.js, Chromium, Python and its packages are; without them these tests fail.

use crate::world::{repository, required};
use std::process::{Command, Stdio};

/// Runs tests of `web/` in one of the projects of `web/vitest.config.ts`; fails with all that they said unless they passed.
pub fn vitest(arguments: &[&str], environment: &[(&str, &str)]) {
    let web = repository().join("web");
    let mut command = Command::new(required("DUCTUS_TEST_NODE"));
    command
        .arg(web.join("node_modules/vitest/vitest.mjs"))
        .arg("run")
        .args(arguments)
        .current_dir(&web)
        .env("CHROMIUM", required("DUCTUS_TEST_CHROMIUM"))
        .env("NO_COLOR", "1")
        .env_remove("FORCE_COLOR");
    passes("vitest", command, environment);
}

/// Runs a file of the Python client's tests; fails with all that it said unless they passed.
pub fn unittest(file: &str, environment: &[(&str, &str)]) {
    let mut command = Command::new(required("DUCTUS_TEST_PYTHON"));
    command
        .args(["-B", "-s", "-m", "unittest", "discover", "--start-directory"])
        .arg(repository().join("clients/python/tests"))
        .args(["--pattern", file])
        .env("PYTHONPATH", required("DUCTUS_TEST_PYTHONPATH"));
    passes("unittest", command, environment);
}

fn passes(name: &str, mut command: Command, environment: &[(&str, &str)]) {
    let output = command
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, errors) = (said(&output.stdout), said(&output.stderr));
    assert!(
        output.status.success(),
        "{name} ended with {}:\n{out}\n{errors}",
        output.status
    );
    eprintln!("{out}{errors}");
}
