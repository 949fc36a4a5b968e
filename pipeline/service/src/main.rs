//! The life of a `ductus` process: command line, configuration, logging, signals, and then one role until it has drained.

use clap::Parser;
use ductus_service::cli::{Cli, Role};
use ductus_service::config::Config;
use ductus_service::shutdown::Shutdown;
use ductus_service::{archive, demo, doctor, gateway, index, keys, output, process, replay, score, telemetry};
use std::process::ExitCode;

/// A request to the gateway is many small pieces of memory, made in one thread and given back in another: 6 µs of 63 less than with
/// the C library's (docs/capacity.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Wrong use or wrong configuration (`EX_USAGE`): starting again will not help.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(asked) if !asked.use_stderr() => asked.exit(),
        Err(wrong) => {
            // Standard error may be closed; the exit status says it too.
            let _ = wrong.print();
            return ExitCode::from(USAGE);
        }
    };
    let config = match Config::load(cli.config.as_deref(), &cli.set) {
        Ok(config) => config,
        Err(mistakes) => {
            output::complain(&mistakes.to_string());
            return ExitCode::from(USAGE);
        }
    };
    match live(&cli.role, config) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!(role = cli.role.name(), error = output::explain(&error), "ductus ends");
            ExitCode::FAILURE
        }
    }
}

fn live(role: &Role, config: Config) -> anyhow::Result<ExitCode> {
    telemetry::start(&config.telemetry, role.name())?;
    let shutdown = Shutdown::new();
    shutdown.on_signals()?;
    let name = role.name();
    match role {
        Role::CheckConfig => output::text(config.describe().trim_end()),
        Role::Doctor => return doctor::run(&config),
        Role::Keys(command) => keys::run(&config, command)?,
        Role::Replay(options) => replay::run(&config, options, &shutdown)?,
        Role::Demo(options) => demo::run(config, options, &shutdown)?,
        Role::Index(options) if options.setup => index::setup(&config)?,
        Role::Gateway => process::run(name, &config, &shutdown, |health, registry| {
            gateway::run(&config, health, &shutdown, registry)
        })?,
        Role::Score => process::run(name, &config, &shutdown, |health, registry| {
            score::run(&config, health, &shutdown, registry)
        })?,
        Role::Index(_) => process::run(name, &config, &shutdown, |health, registry| {
            index::run(&config, health, shutdown.clone(), registry)
        })?,
        Role::Archive => process::run(name, &config, &shutdown, |health, registry| {
            archive::run(&config, health, shutdown.clone(), registry)
        })?,
    }
    Ok(ExitCode::SUCCESS)
}
