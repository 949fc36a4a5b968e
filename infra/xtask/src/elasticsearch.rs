//! A real Elasticsearch node, from Maven Central: the server without its optional modules.
//!
//! Invariant: it never runs as root (it refuses to); where we are root, it is `nobody` and lives in a folder that
//! `nobody` can reach.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::command::{command, run_quiet};
use crate::services::{Launch, Lifetime, Running, User};
use crate::wheel::only_file;
use crate::{environment, files, http, java};

const VERSION: &str = "9.2.0";
const START_TIMEOUT: Duration = Duration::from_secs(180);

/// The unpacked server and the Java runtime that runs it.
pub(crate) struct Elasticsearch {
    java_home: PathBuf,
    home: PathBuf,
}

impl Elasticsearch {
    /// Fetches what is not in the cache yet.
    pub(crate) fn fetch(java_home: &Path) -> Result<Self> {
        let cache = environment::shared_cache()?.join("elasticsearch");
        let folder = cache.join(VERSION);
        let pom = include_str!("../../local/elasticsearch/pom.xml");
        java::copy_dependencies(
            "Elasticsearch 9.2.0 from Maven Central (99 MB, once)",
            pom,
            &folder,
            java_home,
        )?;
        let unpacked = folder.join("unpacked");
        files::fill_once(&unpacked, |partial| {
            let archive = only_file(&folder, "zip")?;
            run_quiet(
                command("python3")
                    .args(["-m", "zipfile", "-e"])
                    .arg(&archive)
                    .arg(partial),
            )?;
            std::fs::remove_file(&archive).context("cannot remove the unpacked archive")
        })?;
        let home = unpacked.join(format!("elasticsearch-{VERSION}"));
        for program in std::fs::read_dir(home.join("bin")).context("the Elasticsearch archive has no bin folder")? {
            files::make_executable(&program?.path())?;
        }
        // The start script looks for this folder.
        files::make_folder(&home.join("plugins"))?;
        Ok(Self {
            java_home: java_home.to_path_buf(),
            home,
        })
    }

    /// Starts a node with its data, log and settings in `folder`.
    pub(crate) fn start(
        &self,
        folder: &Path,
        http_port: u16,
        transport_port: u16,
        lifetime: Lifetime,
    ) -> Result<Running> {
        let (settings, data, logs) = (folder.join("config"), folder.join("data"), folder.join("logs"));
        for folder in [&settings, &data, &logs] {
            files::make_folder(folder)?;
        }
        // What the distribution brings (log4j2, roles, …) first, then our own file over it.
        let mut copy = command("cp");
        copy.args(["-R", "--"]).arg(self.home.join("config/.")).arg(&settings);
        run_quiet(&mut copy)?;
        self.leave_out_missing_modules(&settings.join("jvm.options"))?;
        let text = files::fill_template(
            include_str!("../../local/elasticsearch/elasticsearch.yml"),
            &[
                ("http_port", &http_port.to_string()),
                ("transport_port", &transport_port.to_string()),
                ("data", &data.display().to_string()),
                ("logs", &logs.display().to_string()),
            ],
        );
        files::write(&settings.join("elasticsearch.yml"), &text)?;
        let user = User::instead_of_root()?;
        if let Some(user) = &user {
            user.own(folder)?;
        }
        let launch = Launch {
            name: "Elasticsearch",
            folder: folder.to_path_buf(),
            program: self.home.join("bin/elasticsearch"),
            arguments: Vec::new(),
            variables: vec![
                ("ES_JAVA_HOME", self.java_home.clone().into()),
                ("ES_PATH_CONF", settings.into()),
                ("ES_JAVA_OPTS", "-Xms1g -Xmx1g".into()),
                ("HOME", folder.as_os_str().to_owned()),
            ],
            user,
            lifetime,
            start_timeout: START_TIMEOUT,
        };
        launch.start(|_| http::search_node_is_well(http_port))
    }

    /// A trimmed Java runtime may lack the vector module, which only makes vector search faster: without it the server
    /// starts once it is not asked for.
    fn leave_out_missing_modules(&self, options: &Path) -> Result<()> {
        const OPTIONAL: &str = "jdk.incubator.vector";
        let release = std::fs::read_to_string(self.java_home.join("release")).unwrap_or_default();
        if !release.contains("MODULES=") || release.contains(OPTIONAL) {
            return Ok(());
        }
        let text = std::fs::read_to_string(options).context("cannot read Elasticsearch's jvm.options")?;
        let kept: Vec<&str> = text.lines().filter(|line| !line.contains(OPTIONAL)).collect();
        files::write(options, &(kept.join("\n") + "\n"))
    }
}
