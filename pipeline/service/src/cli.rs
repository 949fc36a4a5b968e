//! The command line. Its words are a contract: other people's scripts call them (design §8).

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::str::FromStr;

/// Watches how people type and point, and says whether it is still the same person.
#[derive(Debug, Parser)]
#[command(name = "ductus", version, propagate_version = true)]
pub struct Cli {
    /// Configuration file (TOML); `check-config` prints every key.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Sets one key, over file and environment.
    #[arg(long = "set", global = true, value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
    /// What this process does.
    #[command(subcommand)]
    pub role: Role,
}

/// What a process does.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Every role in one process with an embedded broker, played by synthetic or recorded people; the page is on localhost.
    Demo(DemoOptions),
    /// Takes event batches by HTTP and WebSocket, shows decisions.
    Gateway,
    /// The hot path: events in, decisions out.
    Score,
    /// Decisions and audit records to Elasticsearch.
    Index(IndexOptions),
    /// Events, windows and decisions to the Delta tables.
    Archive,
    /// Plays a recording into Kafka.
    Replay(ReplayOptions),
    /// Prints what is configured and where from; exit status 64 when something is wrong.
    CheckConfig,
    /// Reaches every dependency and says what is wrong and how to mend it.
    Doctor,
    /// Makes, lists, rotates and revokes the keys of applications.
    #[command(subcommand)]
    Keys(KeysCommand),
}

impl Role {
    /// The word on the command line.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Demo(_) => "demo",
            Self::Gateway => "gateway",
            Self::Score => "score",
            Self::Index(_) => "index",
            Self::Archive => "archive",
            Self::Replay(_) => "replay",
            Self::CheckConfig => "check-config",
            Self::Doctor => "doctor",
            Self::Keys(_) => "keys",
        }
    }
}

/// Options of `demo`.
#[derive(Clone, Debug, Default, Args)]
pub struct DemoOptions {
    /// Plays the scenario once at full speed, without a page; the last line printed is a JSON summary.
    #[arg(long)]
    pub exit: bool,
    /// With --exit: writes the decisions there, one a line.
    #[arg(long, value_name = "FILE", requires = "exit")]
    pub out: Option<PathBuf>,
    /// Plays these recorded batches, one `EventBatch` a line, as `ductus-batch import` writes them.
    #[arg(long, value_name = "FILE")]
    pub input: Option<PathBuf>,
    /// Address of the page; the same as --set gateway.listen=ADDR.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
}

/// What `keys` does.
#[derive(Clone, Debug, Subcommand)]
pub enum KeysCommand {
    /// Makes a key and prints it, once: `{"id": …, "key": …}`.
    Create {
        /// Whose data it reaches.
        #[arg(long)]
        tenant: String,
        /// What it may do, with commas between: ingest, verify, monitor, admin.
        #[arg(long)]
        scopes: String,
        /// What people call it.
        #[arg(long, default_value = "from the command line")]
        label: String,
    },
    /// Lists the keys of a tenant, one a line, without their secrets.
    List {
        /// Whose.
        #[arg(long)]
        tenant: String,
    },
    /// Gives a key a new secret and prints it, once; the old one stays valid for a while.
    Rotate {
        /// Whose.
        #[arg(long)]
        tenant: String,
        /// How long the old secret stays valid, in seconds.
        #[arg(long, default_value_t = 86_400)]
        grace_s: u32,
        /// The key's id.
        key: String,
    },
    /// Ends a key.
    Revoke {
        /// Whose.
        #[arg(long)]
        tenant: String,
        /// The key's id.
        key: String,
    },
}

/// Options of `index`.
#[derive(Clone, Debug, Args)]
pub struct IndexOptions {
    /// Installs the templates, then ends.
    #[arg(long)]
    pub setup: bool,
}

/// Options of `replay`.
#[derive(Clone, Debug, Args)]
pub struct ReplayOptions {
    /// Batches to play, one `EventBatch` a line; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,
    /// `max`, or how many times as fast as it was recorded: 1, 10, …
    #[arg(long, default_value = "max")]
    pub speed: Speed,
}

/// How fast a recording is played.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// As fast as Kafka takes it.
    Max,
    /// So many times as fast as it was recorded.
    Times(f64),
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<f64>() {
            _ if text == "max" => Ok(Self::Max),
            Ok(times) if times > 0.0 && times.is_finite() => Ok(Self::Times(times)),
            _ => Err("say max, or a number above 0".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract() {
        let cases = [
            ("ductus --config f --set a.b=c score", "score"),
            ("ductus demo --exit --out decisions.ndjson", "demo"),
            ("ductus demo --listen 127.0.0.1:0", "demo"),
            ("ductus replay --input batches.ndjson --speed max", "replay"),
            (
                "ductus replay --input batches.ndjson --speed 10 --set kafka.bootstrap.servers=h:1",
                "replay",
            ),
            ("ductus index --setup", "index"),
            ("ductus gateway", "gateway"),
            ("ductus archive", "archive"),
            ("ductus check-config", "check-config"),
            ("ductus doctor", "doctor"),
            ("ductus keys create --tenant shop --scopes ingest,monitor", "keys"),
            ("ductus keys rotate --tenant shop a1b2", "keys"),
        ];
        for (line, name) in cases {
            let cli = Cli::try_parse_from(line.split(' ')).expect(line);
            assert_eq!(cli.role.name(), name);
        }
        for line in [
            "ductus",
            "ductus replay",
            "ductus replay --input f --speed 0",
            "ductus demo --out f",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
