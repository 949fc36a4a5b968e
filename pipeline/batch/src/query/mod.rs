//! The command `query`: SQL with DataFusion over the Delta tables of history.
//!
//! Tables `events`, `windows`, `decisions`, `feedback`, and the view [`keystrokes`](KEYSTROKES) with one row a key press, so that a
//! question about typing is one short SELECT. Functions `dwell(pressed_us, released_us)` and
//! `flight(released_us, pressed_us)` give milliseconds.
//!
//! Invariant: nothing is written; a query sees the tables as they were when it began.

mod functions;
mod output;

#[cfg(test)]
mod tests;

use crate::interrupt;
use anyhow::{Context, Result, anyhow, bail};
use arrow::array::RecordBatch;
use clap::{Args, ValueEnum};
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::{SessionConfig, SessionContext};
use ductus_history::Tables;
use std::sync::Arc;
use std::time::Duration;

/// Options of `query`.
#[derive(Args, Clone, Debug)]
pub struct QueryArgs {
    /// One SELECT over events, windows, decisions, feedback or keystrokes.
    pub sql: String,
    /// The tables' folder or URL.
    #[arg(long)]
    pub history: String,
    /// How rows are printed.
    #[arg(long, value_enum, default_value = "table")]
    pub format: Format,
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Columns in a row, for people.
    Table,
    /// With a header line.
    Csv,
    /// One object a line.
    Json,
}

/// One row a key press: `tenant, subject, session, press, class, press_us, release_us, dwell_ms, flight_ms`. A release that was
/// lost, or came later than windows wait for it (5 s), leaves dwell and the next flight empty.
pub const KEYSTROKES: &str = "\
CREATE VIEW keystrokes AS
SELECT tenant, subject, session, press, class, press_us, release_us,
       dwell(press_us, release_us) AS dwell_ms,
       flight(lag(release_us) OVER (PARTITION BY tenant, session ORDER BY press), press_us) AS flight_ms
FROM (
 SELECT tenant, subject, session, press, class, press_us,
        CASE WHEN released_us - press_us <= 5000000 THEN released_us END AS release_us
 FROM (
  SELECT tenant, max(subject) AS subject, session, press, max(class) AS class,
         max(CASE WHEN kind = 'down' THEN t_us END) AS press_us,
         min(CASE WHEN kind = 'up' THEN t_us END) AS released_us
  FROM events WHERE press IS NOT NULL
  GROUP BY tenant, session, press
 ) AS pairs
 WHERE press_us IS NOT NULL
) AS presses";

/// Runs a query and gives its rows as text.
pub fn query(args: &QueryArgs) -> Result<String> {
    output::format(&rows(&args.history, &args.sql)?, args.format)
}

/// The rows of a query.
pub(crate) fn rows(history: &str, sql: &str) -> Result<Vec<RecordBatch>> {
    // The tables drive their store with a runtime of their own, so they are opened outside of ours.
    let uris = Tables::open(history)?.table_uris();
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime of the query")?;
    runtime.block_on(async {
        tokio::select! {
            rows = run(sql, &uris) => rows,
            () = interrupted() => Err(interrupt::Interrupted.into()),
        }
    })
}

async fn run(sql: &str, uris: &[(&'static str, String)]) -> Result<Vec<RecordBatch>> {
    let context = context(uris).await?;
    // A question must not change anything, and nothing outside of history may be read by it.
    let options = SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false);
    // Only its own text: DataFusion repeats it at every level of its sources.
    let frame = context
        .sql_with_options(sql, options)
        .await
        .map_err(|error| anyhow!("the query was refused: {error}"))?;
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let mut batches = frame
        .collect()
        .await
        .map_err(|error| anyhow!("the query failed: {error}"))?;
    if batches.is_empty() {
        batches.push(RecordBatch::new_empty(schema));
    }
    Ok(batches)
}

async fn context(uris: &[(&'static str, String)]) -> Result<SessionContext> {
    let context = SessionContext::new_with_config(SessionConfig::new().with_information_schema(true));
    for function in functions::all() {
        context.register_udf(function);
    }
    for (name, uri) in uris {
        let opened = async {
            let url = deltalake::ensure_table_uri(uri)?;
            deltalake::open_table(url).await?.table_provider().await
        };
        let provider = opened
            .await
            .with_context(|| format!("cannot open table {name} at {uri}"))?;
        context
            .register_table(*name, provider)
            .with_context(|| format!("cannot register table {name}"))?;
    }
    if uris.iter().any(|(name, _)| *name == "events") {
        context
            .sql(KEYSTROKES)
            .await
            .context("cannot make the view keystrokes")?;
    } else {
        bail!("there is no table events");
    }
    Ok(context)
}

async fn interrupted() {
    while !interrupt::requested() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
