//! Python as it is here, packages for it, and the tests of the Python client.
//!
//! Invariants: packages are wheels whose hashes stand in the repository; they lie in a folder of their own, so that nothing
//! of the user's Python is read or changed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::command::{command, find_on_path, run_quiet, run_shown};
use crate::{environment, files, report};

/// The Pythons that the requirements have wheels for.
const TAGS: [&str; 2] = ["cpython-311", "cpython-312"];

/// The Python client, with what it needs.
pub(crate) struct Client {
    python: PathBuf,
    /// Where its modules and packages are.
    path: OsString,
}

impl Client {
    /// Finds a Python, and fetches the packages.
    pub(crate) fn fetch() -> Result<Self> {
        let (python, tag) = find().context("the Python client needs CPython 3.11 or 3.12 on the search path")?;
        let requirements = folder().join("tests").join("requirements.txt");
        let packages = packages("the Python client's packages", &requirements, &python, &tag)?;
        let mut paths = vec![folder().join("src"), packages];
        paths.extend(environment::variable("PYTHONPATH").map(PathBuf::from));
        let path = std::env::join_paths(paths)?;
        Ok(Self { python, path })
    }

    /// Runs the client's tests.
    pub(crate) fn test(&self) -> Result<()> {
        let mut tests = command(&self.python);
        tests
            .args(["-B", "-s", "-m", "unittest", "discover", "-s"])
            .arg(folder().join("tests"))
            .env("PYTHONPATH", &self.path);
        run_shown(&mut tests)
    }

    /// What tests that start the client themselves are told.
    pub(crate) fn variables(&self) -> [(&'static str, OsString); 2] {
        [
            ("DUCTUS_TEST_PYTHON", self.python.clone().into()),
            ("DUCTUS_TEST_PYTHONPATH", self.path.clone()),
        ]
    }
}

fn folder() -> PathBuf {
    environment::repository().join("clients").join("python")
}

/// The program that asks a gateway what its OpenAPI document promises.
pub(crate) struct Schemathesis {
    pub(crate) python: PathBuf,
    /// The folder of its packages.
    pub(crate) packages: PathBuf,
}

/// Fetches it. None where there is no Python for it: its test then says so by failing.
pub(crate) fn schemathesis() -> Result<Option<Schemathesis>> {
    let Some((python, tag)) = find() else { return Ok(None) };
    let requirements = environment::repository().join("infra/local/schemathesis.txt");
    let packages = packages("schemathesis 4.32.5", &requirements, &python, &tag)?;
    Ok(Some(Schemathesis { python, packages }))
}

/// A Python that requirements have hashes for, and what it calls itself.
pub(crate) fn find() -> Option<(PathBuf, String)> {
    ["python3", "python3.12", "python3.11"].into_iter().find_map(|name| {
        let python = find_on_path(name)?;
        let mut ask = command(&python);
        let said = run_quiet(ask.args(["-c", "import sys; print(sys.implementation.cache_tag)"])).ok()?;
        let tag = said.trim();
        TAGS.contains(&tag).then(|| (python, tag.to_owned()))
    })
}

/// The folder with what a file of requirements names, fetched once.
pub(crate) fn packages(title: &str, requirements: &Path, python: &Path, tag: &str) -> Result<PathBuf> {
    let text =
        std::fs::read_to_string(requirements).with_context(|| format!("cannot read {}", requirements.display()))?;
    let cache = environment::cache()?.join("python");
    let packages = cache.join(format!("{tag}-{}", files::short_hash(&text)));
    if !packages.exists() {
        report::stage(format!("{title} (once)"), || {
            files::make_folder(&cache)?;
            files::fill_once(&packages, |partial| install(python, requirements, partial))
        })?;
    }
    Ok(packages)
}

/// Into a folder of its own instead of a virtual environment: that needs no more than pip, and may be moved.
fn install(python: &Path, requirements: &Path, folder: &Path) -> Result<()> {
    let mut pip = command(python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ])
    .args(["--require-hashes", "--only-binary=:all:", "--target"])
    .arg(folder);
    run_quiet(pip.arg("--requirement").arg(requirements)).map(drop)
}
