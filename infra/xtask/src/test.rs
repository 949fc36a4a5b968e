//! `cargo xtask test`: set-up, every check and every test, real services included.
//!
//! Invariants: a failure does not keep the rest from running; the services are stopped whatever happens; the last line
//! is the sum over everything.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::Result;
use clap::Args;

use crate::command::{cargo, run_shown};
use crate::elasticsearch::Elasticsearch;
use crate::kafka::{Kafka, Ports};
use crate::opensearch::OpenSearch;
use crate::postgresql::PostgreSql;
use crate::python::Schemathesis;
use crate::services::{Lifetime, Running, free_port};
use crate::tally::Tally;
use crate::web::Web;
use crate::{
    advisories, deny, environment, files, fuzz, java, onnxruntime, opensearch, postgresql, prerequisites, python,
    recordings, report,
};

/// Which tests.
#[derive(Args)]
pub(crate) struct Options {
    /// Only the Rust tests whose name contains this, without the other checks.
    filter: Option<String>,
}

/// Runs everything; fails if anything failed or was left out in continuous integration.
pub(crate) fn test(options: &Options) -> Result<ExitCode> {
    let started = Instant::now();
    let mut tally = Tally::default();
    prerequisites::require(prerequisites::TEST)?;
    let setup = Setup::fetch()?;
    let everything = options.filter.is_none();
    let mut guests = Guests::default();
    // The page comes first: the binary embeds it.
    tally.check("web: packages and page", || {
        let installed = Web::install()?;
        installed.build()?;
        guests.variables.extend(installed.variables()?);
        guests.web = Some(installed);
        Ok(())
    });
    tally.check("Python client: packages", || {
        let client = python::Client::fetch()?;
        guests.variables.extend(client.variables());
        guests.python = Some(client);
        Ok(())
    });
    if everything {
        static_checks(&mut tally);
        advisories::check(guests.web.as_ref(), &mut tally);
        fuzz::check(&mut tally);
    }
    cargo_tests(&setup, &guests, options, &mut tally);
    if everything {
        guests.check(&mut tally);
    }
    if environment::in_ci() {
        tally.refuse_skips();
    }
    report::progress(format!("\nall of it took {}", report::seconds(started.elapsed())));
    Ok(if tally.close() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What is tested in languages of its own, each where its packages could be had: without them it has failed already.
#[derive(Default)]
struct Guests {
    web: Option<Web>,
    python: Option<python::Client>,
    /// What Rust tests need to start them; a test that misses one fails.
    variables: Vec<(&'static str, OsString)>,
}

impl Guests {
    fn check(&self, tally: &mut Tally) {
        if let Some(web) = &self.web {
            tally.check("web: types and lints", || run_shown(&mut web.script("check")));
            tally.run("web: unit tests", &mut web.script("test"));
            tally.run("web: tests in a real browser", &mut web.script("test:browser"));
        }
        if let Some(python) = &self.python {
            tally.check("Python client: tests", || python.test());
        }
    }
}

/// Everything that is downloaded.
struct Setup {
    kafka: Kafka,
    elasticsearch: Elasticsearch,
    opensearch: OpenSearch,
    postgresql: PostgreSql,
    onnxruntime: PathBuf,
    schemathesis: Option<Schemathesis>,
    recordings: Option<PathBuf>,
}

impl Setup {
    fn fetch() -> Result<Self> {
        let java_home = java::home()?;
        Ok(Self {
            kafka: Kafka::fetch(&java_home)?,
            elasticsearch: Elasticsearch::fetch(&java_home)?,
            opensearch: OpenSearch::fetch(&java_home)?,
            postgresql: PostgreSql::fetch(&java_home)?,
            onnxruntime: onnxruntime::fetch()?,
            schemathesis: python::schemathesis()?,
            recordings: recordings::folder()?,
        })
    }
}

fn static_checks(tally: &mut Tally) {
    tally.check("cargo fmt", || run_shown(cargo().args(["fmt", "--all", "--check"])));
    // Workspaces of their own.
    for package in ["fuzz", "fuzz/delta"] {
        let manifest = environment::repository().join(package).join("Cargo.toml");
        tally.check(&format!("cargo fmt: {package}"), || {
            run_shown(cargo().args(["fmt", "--check", "--manifest-path"]).arg(manifest))
        });
    }
    tally.check("cargo clippy", || {
        run_shown(cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--keep-going",
            "--",
            "--deny",
            "warnings",
        ]))
    });
    tally.check("cargo doc", || {
        let mut doc = cargo();
        run_shown(
            doc.args(["doc", "--workspace", "--no-deps"])
                .env("RUSTDOCFLAGS", "--deny warnings"),
        )
    });
    tally.check("cargo deny (bans, licences, sources)", deny::check);
}

/// The build of the tests and of the long form of some of them: the same, so that neither has the other build again.
pub(crate) fn build_everything() -> Command {
    let mut build = cargo();
    build.args(["build", "--workspace", "--bins", "--tests"]);
    build
}

/// Builds first, so that the services need not wait while the compiler works.
fn cargo_tests(setup: &Setup, guests: &Guests, options: &Options, tally: &mut Tally) {
    let before = tally.failed();
    tally.check("build the binaries and the tests", || {
        // In one go: the tests' own dependencies would otherwise have everything built a second time.
        run_shown(&mut build_everything())
    });
    if tally.failed() > before {
        return;
    }
    let folders = Folders::new();
    let mut services = None;
    tally.check("start Kafka, Elasticsearch, OpenSearch and PostgreSQL", || {
        services = Some(Services::start(
            setup,
            folders.as_ref().map_err(|error| anyhow::anyhow!("{error:#}"))?,
        )?);
        Ok(())
    });
    // Where the services did not start, the tests that need them say so by failing.
    run_tests(setup, guests, services.as_ref(), options, tally);
    drop(services);
    if let Ok(folders) = folders {
        folders.clean_up(tally.failed() == before);
    }
}

fn run_tests(setup: &Setup, guests: &Guests, services: Option<&Services>, options: &Options, tally: &mut Tally) {
    // A test that cannot run for want of recordings writes its name and the reason here.
    let skipped = std::env::temp_dir().join(format!("ductus-skipped-{}", std::process::id()));
    let _ = fs::remove_file(&skipped);
    let mut tests = cargo();
    tests
        .args(["test", "--workspace", "--no-fail-fast"])
        .args(&options.filter);
    tests
        .env("ORT_DYLIB_PATH", &setup.onnxruntime)
        .env("DUCTUS_SKIPPED", &skipped);
    tests.env("DUCTUS_BIN_DIR", environment::target().join("debug"));
    tests.envs(guests.variables.iter().map(|(name, value)| (name, value)));
    if let Some(services) = services {
        tests.envs(services.variables.iter().map(|(name, value)| (name, value)));
    }
    if let Some(Schemathesis { python, packages }) = &setup.schemathesis {
        tests.env("DUCTUS_TEST_PYTHON", python);
        tests.env("DUCTUS_TEST_SCHEMATHESIS", packages);
    }
    match &setup.recordings {
        Some(folder) => tests.env("DUCTUS_DATA", folder),
        None => tests.env_remove("DUCTUS_DATA"),
    };
    tally.run("cargo test", &mut tests);
    for line in fs::read_to_string(&skipped).unwrap_or_default().lines() {
        tally.skip(line);
    }
    let _ = fs::remove_file(&skipped);
}

/// Real services that live as long as the tests.
struct Services {
    variables: Vec<(&'static str, String)>,
    // Only for their end: dropping stops them.
    _running: Vec<Running>,
}

impl Services {
    fn start(setup: &Setup, folders: &Folders) -> Result<Self> {
        let (ports, search, transport) = (Ports::free()?, free_port()?, free_port()?);
        let kafka = report::stage(format!("Kafka on port {}", ports.broker), || {
            setup.kafka.start(&folders.own.join("kafka"), ports, Lifetime::WithUs)
        })?;
        let elasticsearch = report::stage(format!("Elasticsearch on port {search}"), || {
            setup.elasticsearch.start(
                &folders.shared.join("elasticsearch"),
                search,
                transport,
                Lifetime::WithUs,
            )
        })?;
        let second = opensearch::free_port()?;
        let opensearch = report::stage(format!("OpenSearch on port {second}"), || {
            setup
                .opensearch
                .start(&folders.own.join("opensearch"), second, Lifetime::WithUs)
        })?;
        let (sql_port, sql_folder) = (free_port()?, folders.shared.join("postgresql"));
        let postgresql = report::stage(format!("PostgreSQL on port {sql_port}"), || {
            setup.postgresql.start(&sql_folder, sql_port, Lifetime::WithUs)
        })?;
        let spare_ports = Ports::free()?;
        let spare = setup.kafka.spare(&folders.own.join("spare-kafka"), spare_ports)?;
        let mut variables = ports.variables();
        variables.extend([
            ("DUCTUS_TEST_SPARE_KAFKA", format!("127.0.0.1:{}", spare_ports.broker)),
            ("DUCTUS_TEST_SPARE_KAFKA_START", spare.display().to_string()),
            ("DUCTUS_TEST_ELASTICSEARCH", format!("http://127.0.0.1:{search}")),
            ("DUCTUS_TEST_OPENSEARCH", format!("http://127.0.0.1:{second}")),
            ("DUCTUS_TEST_POSTGRES", postgresql::url(&sql_folder, sql_port)?),
        ]);
        Ok(Self {
            variables,
            _running: vec![kafka, elasticsearch, opensearch, postgresql],
        })
    }
}

/// Where the services of one test run keep their data and logs.
pub(crate) struct Folders {
    pub(crate) own: PathBuf,
    shared: PathBuf,
}

impl Folders {
    pub(crate) fn new() -> Result<Self> {
        let folder = |cache: PathBuf| -> Result<PathBuf> {
            let all = cache.join("test-runs");
            remove_abandoned(&all);
            let folder = all.join(std::process::id().to_string());
            files::make_folder(&folder)?;
            Ok(folder)
        };
        Ok(Self {
            own: folder(environment::cache()?)?,
            shared: folder(environment::shared_cache()?)?,
        })
    }

    pub(crate) fn clean_up(&self, all_is_well: bool) {
        for folder in [&self.own, &self.shared] {
            if all_is_well {
                let _ = files::remove_folder(folder);
            } else {
                report::progress(format!(
                    "    logs of the services: {} (until the next run)",
                    folder.display()
                ));
            }
        }
    }
}

/// Removes what earlier runs left, unless they still run.
fn remove_abandoned(all: &Path) {
    let Ok(entries) = fs::read_dir(all) else { return };
    for folder in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let process_id = folder.file_name().map(|name| Path::new("/proc").join(name));
        if process_id.is_some_and(|process| !process.exists()) {
            let _ = files::remove_folder(&folder);
        }
    }
}
