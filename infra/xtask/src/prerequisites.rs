//! What the system must bring: looked for, installed where we may, otherwise named in one list.
//!
//! Invariant: nothing is installed that is there already, and nothing at all unless we are root on a Debian-like system.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::command::{command, find_on_path, on_path, run_quiet, run_shown};
use crate::{environment, report};

/// Something the system must bring.
pub(crate) struct Prerequisite {
    name: &'static str,
    is_there: fn() -> bool,
    /// The Debian packages that bring it.
    packages: &'static [&'static str],
}

const COMPILER: Prerequisite = Prerequisite {
    name: "C and C++ compiler",
    is_there: || on_path("cc") && on_path("c++"),
    packages: &["gcc", "g++", "libc6-dev"],
};
const MAKE: Prerequisite = Prerequisite {
    name: "make",
    is_there: || on_path("make"),
    packages: &["make"],
};
const PKG_CONFIG: Prerequisite = Prerequisite {
    name: "pkg-config",
    is_there: || on_path("pkg-config"),
    packages: &["pkg-config"],
};
const OPENSSL: Prerequisite = Prerequisite {
    name: "OpenSSL headers",
    is_there: || library("openssl"),
    packages: &["libssl-dev"],
};
const ZLIB: Prerequisite = Prerequisite {
    name: "zlib headers",
    is_there: || library("zlib"),
    packages: &["zlib1g-dev"],
};
const PIP: Prerequisite = Prerequisite {
    name: "Python 3 with pip",
    is_there: python_with_pip,
    packages: &["python3", "python3-pip"],
};
const MAVEN: Prerequisite = Prerequisite {
    name: "Maven",
    is_there: || on_path("mvn"),
    packages: &["maven"],
};
const XZ: Prerequisite = Prerequisite {
    name: "tar and xz",
    is_there: || on_path("tar") && on_path("xz"),
    packages: &["tar", "xz-utils"],
};
const SETPRIV: Prerequisite = Prerequisite {
    name: "setpriv",
    is_there: || on_path("setpriv"),
    packages: &["util-linux"],
};
const CHROMIUM: Prerequisite = Prerequisite {
    name: "Chromium",
    is_there: || chromium().is_some(),
    packages: &["chromium"],
};

/// For the fuzz targets.
pub(crate) const FUZZ: &[&Prerequisite] = &[&COMPILER];
/// For `ductus` itself.
pub(crate) const DEMO: &[&Prerequisite] = &[&COMPILER, &MAKE, &PKG_CONFIG, &OPENSSL, &ZLIB, &PIP];
/// For real services.
pub(crate) const UP: &[&Prerequisite] = &[&PIP, &MAVEN, &SETPRIV, &XZ];
/// For everything.
pub(crate) const TEST: &[&Prerequisite] = &[
    &COMPILER,
    &MAKE,
    &PKG_CONFIG,
    &OPENSSL,
    &ZLIB,
    &PIP,
    &MAVEN,
    &SETPRIV,
    &XZ,
    &CHROMIUM,
];

/// Makes sure that all of these are there.
pub(crate) fn require(wanted: &[&Prerequisite]) -> Result<()> {
    let missing = missing(wanted);
    if missing.is_empty() {
        return Ok(());
    }
    if environment::is_root() && on_path("apt-get") {
        install(&missing)?;
    }
    let missing = self::missing(wanted);
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = missing.iter().map(|one| format!("  - {}", one.name)).collect();
    bail!(
        "missing from this system:\n{}\non Debian or Ubuntu this brings them: sudo apt-get update && sudo apt-get {}",
        names.join("\n"),
        install_words(&missing).join(" ")
    );
}

/// The program for tests in a real browser.
pub(crate) fn chromium() -> Option<PathBuf> {
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find_map(find_on_path)
}

fn missing<'a>(wanted: &[&'a Prerequisite]) -> Vec<&'a Prerequisite> {
    wanted.iter().copied().filter(|one| !(one.is_there)()).collect()
}

fn install(missing: &[&Prerequisite]) -> Result<()> {
    let names: Vec<&str> = missing.iter().map(|one| one.name).collect();
    report::heading(format!("install {} with apt-get (once)", names.join(", ")));
    let apt = || {
        let mut apt = command("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    run_shown(apt().args(["update", "-q"]))?;
    run_shown(apt().args(["-q"]).args(install_words(missing)))
}

fn install_words(missing: &[&Prerequisite]) -> Vec<&'static str> {
    let packages = missing.iter().flat_map(|one| one.packages.iter().copied());
    ["install", "-y", "--no-install-recommends"]
        .into_iter()
        .chain(packages)
        .collect()
}

fn library(name: &str) -> bool {
    run_quiet(command("pkg-config").args(["--exists", name])).is_ok()
}

fn python_with_pip() -> bool {
    run_quiet(command("python3").args(["-m", "pip", "--version"])).is_ok()
}
