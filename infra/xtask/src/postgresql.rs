//! A real PostgreSQL server, from Maven Central.
//!
//! Invariant: it never runs as root (it refuses to); where we are root, it is `nobody` and lives in a folder that
//! `nobody` can reach. Nobody connects without the password that was drawn when the database was made.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::command::{command, run_quiet};
use crate::services::{Launch, Lifetime, Running, User};
use crate::wheel::only_file;
use crate::{environment, files, java};

const VERSION: &str = "18.6.0";
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// The superuser that `initdb` makes; each test makes a database of its own beside the first one.
const USER: &str = "ductus";

/// The unpacked server.
pub(crate) struct PostgreSql {
    home: PathBuf,
}

impl PostgreSql {
    /// Fetches what is not in the cache yet.
    pub(crate) fn fetch(java_home: &Path) -> Result<Self> {
        let folder = environment::shared_cache()?.join("postgresql").join(VERSION);
        let processor = if cfg!(target_arch = "aarch64") {
            "arm64v8"
        } else {
            "amd64"
        };
        let pom = files::fill_template(
            include_str!("../../local/postgresql/pom.xml"),
            &[("processor", processor), ("version", VERSION)],
        );
        let title = format!("PostgreSQL {VERSION} from Maven Central (15 MB, once)");
        java::copy_dependencies(&title, &pom, &folder, java_home)?;
        let home = folder.join("unpacked");
        files::fill_once(&home, |partial| {
            let (jar, inner) = (only_file(&folder, "jar")?, folder.join("inner"));
            run_quiet(command("python3").args(["-m", "zipfile", "-e"]).arg(&jar).arg(&inner))?;
            let archive = only_file(&inner, "txz")?;
            run_quiet(command("tar").arg("-xJf").arg(&archive).arg("-C").arg(partial))?;
            files::remove_folder(&inner)
        })?;
        Ok(Self { home })
    }

    /// Starts a server with its data and log in `folder`; makes the database where there is none yet.
    pub(crate) fn start(&self, folder: &Path, port: u16, lifetime: Lifetime) -> Result<Running> {
        files::make_folder(folder)?;
        let user = User::instead_of_root()?;
        let data = folder.join("data");
        if !data.exists() {
            self.make_database(folder, &data, user.as_ref())?;
        }
        let setting = |text: String| [OsString::from("-c"), text.into()];
        let mut arguments: Vec<OsString> = vec!["-D".into(), data.into(), "-p".into(), port.to_string().into()];
        arguments.extend(setting("listen_addresses=127.0.0.1".to_owned()));
        arguments.extend(setting(format!("unix_socket_directories={}", folder.display())));
        // Tests run side by side, each with a pool of its own.
        arguments.extend(setting("max_connections=300".to_owned()));
        if lifetime == Lifetime::WithUs {
            // What dies with us need not outlive a power cut.
            arguments.extend(setting("fsync=off".to_owned()));
        }
        let launch = Launch {
            name: "PostgreSQL",
            folder: folder.to_path_buf(),
            program: self.home.join("bin/postgres"),
            arguments,
            variables: Vec::new(),
            user,
            lifetime,
            start_timeout: START_TIMEOUT,
        };
        launch.start(|log| log.contains("database system is ready to accept connections"))
    }

    fn make_database(&self, folder: &Path, data: &Path, user: Option<&User>) -> Result<()> {
        let mut random = [0_u8; 16];
        std::fs::File::open("/dev/urandom")
            .and_then(|mut source| source.read_exact(&mut random))
            .context("cannot read /dev/urandom")?;
        let password = folder.join("password");
        files::write(&password, &files::hex(&random))?;
        if let Some(user) = user {
            user.own(folder)?;
        }
        let mut initdb = match user {
            Some(user) => user.command(self.home.join("bin/initdb")),
            None => command(self.home.join("bin/initdb")),
        };
        initdb
            .args([
                "--auth=scram-sha-256",
                "--no-locale",
                "--encoding=UTF8",
                "--username",
                USER,
            ])
            .arg("--pwfile")
            .arg(&password)
            .arg("-D")
            .arg(data)
            .current_dir(folder);
        run_quiet(&mut initdb).map(drop)
    }
}

/// Where clients find the server that was started in `folder`.
pub(crate) fn url(folder: &Path, port: u16) -> Result<String> {
    let password = std::fs::read_to_string(folder.join("password")).context("cannot read PostgreSQL's password")?;
    Ok(format!(
        "postgres://{USER}:{}@127.0.0.1:{port}/postgres",
        password.trim()
    ))
}
