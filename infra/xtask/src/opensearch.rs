//! A real OpenSearch node, from Maven Central: the second search product that users run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::services::{Launch, Lifetime, Running, is_free};
use crate::{environment, files, http, java};

const VERSION: &str = "3.8.0.0";
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// The runner counts its nodes from 1 and adds that to the base port; from here on it says "unavailable".
const PORT_LIMIT: u16 = 9300;

/// Jars and the Java runtime that runs them.
pub(crate) struct OpenSearch {
    java_home: PathBuf,
    jars: PathBuf,
}

impl OpenSearch {
    /// Fetches what is not in the cache yet.
    pub(crate) fn fetch(java_home: &Path) -> Result<Self> {
        let jars = environment::cache()?.join("opensearch").join(VERSION);
        let pom = include_str!("../../local/opensearch/pom.xml");
        java::copy_dependencies(
            "OpenSearch 3.8.0 from Maven Central (71 MB, once)",
            pom,
            &jars,
            java_home,
        )?;
        Ok(Self {
            java_home: java_home.to_path_buf(),
            jars,
        })
    }

    /// Starts a node with its data and log in `folder`.
    pub(crate) fn start(&self, folder: &Path, port: u16, lifetime: Lifetime) -> Result<Running> {
        if port >= PORT_LIMIT {
            bail!(
                "OpenSearch's runner takes no port above {}: choose another with --opensearch-port",
                PORT_LIMIT - 1
            );
        }
        files::make_folder(folder)?;
        let launch = Launch {
            name: "OpenSearch",
            folder: folder.to_path_buf(),
            program: self.java_home.join("bin/java"),
            arguments: vec![
                "-Xms512m".into(),
                "-Xmx1g".into(),
                "-cp".into(),
                format!("{}/*", self.jars.display()).into(),
                "org.codelibs.opensearch.runner.OpenSearchRunner".into(),
                "-basePath".into(),
                folder.join("node").into(),
                "-numOfNode".into(),
                "1".into(),
                "-clusterName".into(),
                format!("ductus-{port}").into(),
                "-baseHttpPort".into(),
                (port - 1).to_string().into(),
            ],
            variables: Vec::new(),
            user: None,
            lifetime,
            start_timeout: START_TIMEOUT,
        };
        launch.start(|_| http::search_node_is_well(port))
    }
}

/// A port for a passing node that the runner accepts.
pub(crate) fn free_port() -> Result<u16> {
    (9260..PORT_LIMIT)
        .find(|&port| is_free(port))
        .context("no free port between 9260 and 9299 for OpenSearch")
}
