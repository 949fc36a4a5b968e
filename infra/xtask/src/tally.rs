//! Counts what passed, failed and was skipped, and reads that out of the lines of cargo test and Vitest.
//!
//! Invariant: what did not run is never counted as passed.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::command::run_streamed;
use crate::report;

/// The sum over all checks and tests.
#[derive(Default, Debug, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    skipped: u64,
    failures: Vec<String>,
    skips: Vec<String>,
    left_out: Vec<String>,
}

impl Tally {
    /// Runs one check that counts as one; its failure is told, and the next check goes on.
    pub(crate) fn check(&mut self, name: &str, work: impl FnOnce() -> Result<()>) {
        report::heading(name);
        let started = Instant::now();
        match work() {
            Ok(()) => {
                self.passed += 1;
                report::progress(format!("    {name}: passed in {}", report::seconds(started.elapsed())));
            }
            Err(error) => {
                report::progress(format!("    {name}: FAILED: {error:#}"));
                self.fail(name);
            }
        }
    }

    /// Runs a test runner, passes its output on, and takes in what it counted. That no test ran is a failure.
    pub(crate) fn run(&mut self, name: &str, command: &mut Command) {
        report::heading(name);
        if let Err(error) = self.try_run(command) {
            report::progress(format!("    {name}: FAILED: {error:#}"));
            self.fail(name);
        }
    }

    fn try_run(&mut self, command: &mut Command) -> Result<()> {
        let (failed, total) = (self.failed, self.passed + self.failed);
        let status = run_streamed(command, |line| {
            report::result(line);
            self.read(line);
        })?;
        if !status.success() && self.failed == failed {
            bail!("ended with {status} although no test reported a failure: see above");
        }
        if self.passed + self.failed == total {
            bail!("no test ran");
        }
        Ok(())
    }

    fn fail(&mut self, name: &str) {
        self.failed += 1;
        self.failures.push(name.to_owned());
    }

    /// Takes in a line of a test runner's output.
    fn read(&mut self, line: &str) {
        if let Some(counts) = Counts::of_cargo(line).or_else(|| Counts::of_vitest(line)) {
            self.passed += counts.passed;
            self.failed += counts.failed;
            self.skipped += counts.ignored;
        } else if let Some(test) = line.strip_prefix("test ") {
            if let Some((name, _)) = test.split_once(" ... ignored") {
                self.skips.push(name.to_owned());
            } else if let Some(name) = test.strip_suffix(" ... FAILED") {
                self.failures.push(name.to_owned());
            }
        }
    }

    /// Moves a test that reported itself as skipped out of the passed ones.
    pub(crate) fn skip(&mut self, name_and_reason: &str) {
        self.passed = self.passed.saturating_sub(1);
        self.skipped += 1;
        self.skips.push(name_and_reason.to_owned());
    }

    /// Notes what could not be checked from here, and is no test of ours that somebody forgot.
    pub(crate) fn leave_out(&mut self, name_and_reason: &str) {
        report::progress(format!("    not checked: {name_and_reason}"));
        self.left_out.push(name_and_reason.to_owned());
    }

    /// In continuous integration, what was skipped has failed.
    pub(crate) fn refuse_skips(&mut self) {
        self.failed += self.skipped;
        self.skipped = 0;
    }

    /// How many failed so far.
    pub(crate) fn failed(&self) -> u64 {
        self.failed
    }

    /// Names what failed and what was skipped, then the closing line; true if all is well.
    pub(crate) fn close(&self) -> bool {
        let lists = [
            ("not checked", &self.left_out),
            ("skipped", &self.skips),
            ("failed", &self.failures),
        ];
        for (title, names) in lists {
            if !names.is_empty() {
                report::result(format!("\n{title}:\n  {}", names.join("\n  ")));
            }
        }
        let skipped = if self.skipped > 0 {
            format!(", {} skipped", self.skipped)
        } else {
            String::new()
        };
        report::result(format!("\n{} passed, {} failed{skipped}", self.passed, self.failed));
        self.failed == 0 && self.passed > 0
    }
}

/// What one line of a test runner says.
struct Counts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Counts {
    /// `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s`
    fn of_cargo(line: &str) -> Option<Self> {
        let (_, numbers) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let number = |word| number_before(numbers, "; ", word);
        Some(Self {
            passed: number("passed")?,
            failed: number("failed")?,
            ignored: number("ignored")?,
        })
    }

    /// `      Tests  1 failed | 77 passed | 2 skipped (80)`
    fn of_vitest(line: &str) -> Option<Self> {
        let (numbers, _) = line.trim_start().strip_prefix("Tests  ")?.rsplit_once(" (")?;
        let number = |word| number_before(numbers, " | ", word).unwrap_or(0);
        Some(Self {
            passed: number("passed"),
            failed: number("failed"),
            ignored: number("skipped") + number("todo"),
        })
    }
}

/// The number that stands before a word, in one of the parts of a text.
fn number_before(text: &str, separator: &str, word: &str) -> Option<u64> {
    text.split(separator)
        .filter_map(|part| part.trim().strip_suffix(word))
        .find_map(|part| part.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(output: &str) -> Tally {
        let mut tally = Tally::default();
        output.lines().for_each(|line| tally.read(line));
        tally
    }

    #[test]
    fn cargo_test_is_counted() {
        let output = "\
test line::tests::a ... ok
test line::tests::b ... FAILED
test slow ... ignored, needs a week
test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s
test result: ok. 40 passed; 0 failed; 0 ignored; 0 measured; 2 filtered out; finished in 1.10s";
        let expected = Tally {
            passed: 41,
            failed: 1,
            skipped: 1,
            failures: vec!["line::tests::b".to_owned()],
            skips: vec!["slow".to_owned()],
            left_out: Vec::new(),
        };
        assert_eq!(tally(output), expected);
    }

    #[test]
    fn vitest_is_counted() {
        let tally = tally(" Test Files  1 failed | 6 passed (7)\n      Tests  1 failed | 75 passed | 2 skipped (78)\n");
        assert_eq!((tally.passed, tally.failed, tally.skipped), (75, 1, 2));
    }

    #[test]
    fn skips_are_failures_in_continuous_integration() {
        let mut tally =
            tally("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0s");
        tally.skip("replay_aalto: no recordings");
        tally.refuse_skips();
        assert_eq!((tally.passed, tally.failed, tally.skipped), (2, 2, 0));
    }
}
