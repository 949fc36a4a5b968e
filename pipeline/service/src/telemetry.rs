//! Logs to standard error: text for people, or ECS-shaped JSON for Elasticsearch.
//!
//! Invariants: standard output belongs to results; messages are constant and data stands in fields, so that lines can be
//! counted; no log line holds an event.

use crate::config::{LogFormat, Telemetry};
use serde_json::{Map, Value, json};
use std::fmt;
use std::io::IsTerminal;
use std::time::{SystemTime, UNIX_EPOCH};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Starts logging for the whole process. A second call changes nothing.
///
/// # Errors
/// The filter cannot be read.
pub fn start(config: &Telemetry, role: &'static str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log_filter)
        .map_err(|error| anyhow::anyhow!("telemetry.log_filter cannot be read: {error}"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // Fails only where logging was started before, as in tests.
    let _ = match config.log_format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.event_format(Ecs { role }).try_init(),
    };
    Ok(())
}

/// One object a line, with the field names of the Elastic Common Schema.
struct Ecs {
    role: &'static str,
}

impl<S, N> FormatEvent<S, N> for Ecs
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let now_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis());
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut line = Map::new();
        line.insert("@timestamp".to_owned(), json!(rfc3339(now_ms)));
        line.insert("ecs.version".to_owned(), json!("9.0.0"));
        line.insert(
            "log.level".to_owned(),
            json!(event.metadata().level().as_str().to_lowercase()),
        );
        line.insert("log.logger".to_owned(), json!(event.metadata().target()));
        line.insert("message".to_owned(), json!(fields.message));
        line.insert("service.name".to_owned(), json!("ductus"));
        line.insert("service.node.roles".to_owned(), json!([self.role]));
        line.insert("service.version".to_owned(), json!(env!("CARGO_PKG_VERSION")));
        line.insert("process.thread.name".to_owned(), json!(std::thread::current().name()));
        if let Some(error) = fields.labels.remove("error") {
            line.insert("error.message".to_owned(), error);
        }
        if !fields.labels.is_empty() {
            line.insert("ductus".to_owned(), Value::Object(fields.labels));
        }
        writeln!(out, "{}", Value::Object(line))
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    labels: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match field.name() {
            "message" => {
                self.message = match value {
                    Value::String(text) => text,
                    other => other.to_string(),
                }
            }
            // What `log` (of dependencies) adds about itself.
            name if name.starts_with("log.") => {}
            name => {
                self.labels.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, json!(value));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, json!(value));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, json!(value));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, json!(value));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, json!(value));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, json!(format!("{value:?}")));
    }
}

/// Time in UTC with milliseconds; the civil date by Howard Hinnant's algorithm.
fn rfc3339(unix_ms: u128) -> String {
    let (seconds, ms) = ((unix_ms / 1000) as i64, unix_ms % 1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_258_799_999, "2026-11-21T10:59:59.999Z"),
        ];
        for (unix_ms, expected) in cases {
            assert_eq!(rfc3339(unix_ms), expected);
        }
    }
}
