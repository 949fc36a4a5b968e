//! What no single key's type can say.
//!
//! Invariant: every rule names one key, so that the mistake is told where it was made.

use super::layers::Layers;
use super::{Config, Origin};
use ductus_dynamics::parse::is_id;
use reqwest::Url;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use tracing_subscriber::EnvFilter;

/// Notes every mistake of a configuration whose types are right.
pub(super) fn check(config: &Config, layers: &mut Layers) {
    let mut rules = Rules(layers);
    limits(config, &mut rules);
    windows(config, &mut rules);
    decisions(config, &mut rules);
    places(config, &mut rules);
    identity(config, &mut rules);
    oidc(config, &mut rules);
    for problem in config.score_config().problems() {
        layers.refuse("", Origin::Default, problem);
    }
}

struct Rules<'a>(&'a mut Layers);

impl Rules<'_> {
    fn must(&mut self, holds: bool, key: &str, what: &str) {
        if !holds {
            self.0.refuse_in_force(key, what);
        }
    }

    fn positive(&mut self, key: &str, value: usize) {
        self.must(value > 0, key, "must be at least 1");
    }

    fn within(&mut self, key: &str, value: f32, range: RangeInclusive<f32>) {
        let what = format!("must be from {} to {}", range.start(), range.end());
        self.must(range.contains(&value), key, &what);
    }
}

fn limits(config: &Config, rules: &mut Rules<'_>) {
    let positive = [
        ("limits.batch_bytes_max", config.limits.batch_bytes_max),
        ("limits.batch_events_max", config.limits.batch_events_max),
        ("limits.sessions_max", config.limits.sessions_max),
        ("limits.repeat_sessions_max", config.limits.repeat_sessions_max),
        ("gateway.in_flight_max", config.gateway.in_flight_max),
        ("gateway.connections_max", config.gateway.connections_max),
        ("gateway.connections_each_max", config.gateway.connections_each_max),
        ("gateway.stream_lag_max", config.gateway.stream_lag_max),
        ("gateway.board_sessions_max", config.gateway.board_sessions_max),
        ("gateway.board_decisions_max", config.gateway.board_decisions_max),
        (
            "gateway.board_decisions_total_max",
            config.gateway.board_decisions_total_max,
        ),
        ("gateway.board_feedback_max", config.gateway.board_feedback_max),
        ("gateway.audit_in_flight_max", config.gateway.audit_in_flight_max),
        ("gateway.audit_kinds_max", config.gateway.audit_kinds_max),
        ("gateway.catch_up_readers_max", config.gateway.catch_up_readers_max),
        ("questions.in_flight_max", config.questions.in_flight_max),
        (
            "webhooks.webhooks_per_tenant_max",
            config.webhooks.webhooks_per_tenant_max as usize,
        ),
        (
            "webhooks.deliveries_per_webhook_max",
            config.webhooks.deliveries_per_webhook_max as usize,
        ),
        ("webhooks.in_flight_max", config.webhooks.in_flight_max as usize),
        (
            "webhooks.in_flight_per_webhook_max",
            config.webhooks.in_flight_per_webhook_max as usize,
        ),
        ("webhooks.poll_ms", config.webhooks.poll_ms as usize),
        ("webhooks.timeout_ms", config.webhooks.timeout_ms as usize),
        ("webhooks.attempts_max", config.webhooks.attempts_max as usize),
        ("webhooks.retry_min_ms", config.webhooks.retry_min_ms as usize),
        ("webhooks.sessions_max", config.webhooks.sessions_max as usize),
        ("questions.embedders_max", config.questions.embedders_max),
        ("gateway.body_bytes_max", config.gateway.body_bytes_max),
        ("gateway.body_batches_max", config.gateway.body_batches_max),
        ("gateway.sockets_max", config.gateway.sockets_max),
        ("gateway.rate_keys_max", config.gateway.rate_keys_max),
        ("identity.hashes_at_once", config.identity.hashes_at_once),
        ("identity.access_ms", config.identity.access_ms as usize),
        ("identity.sign_in_ms", config.identity.sign_in_ms as usize),
        ("identity.sign_in_idle_ms", config.identity.sign_in_idle_ms as usize),
        ("identity.smtp_timeout_ms", config.identity.smtp_timeout_ms as usize),
        ("identity.purge_interval_ms", config.identity.purge_interval_ms as usize),
        ("oidc.refresh_interval_ms", config.oidc.refresh_interval_ms as usize),
        ("oidc.request_timeout_ms", config.oidc.request_timeout_ms as usize),
        ("replay.in_flight_max", config.replay.in_flight_max),
        ("archive.flush_rows_max", config.archive.flush_rows_max),
        ("elasticsearch.bulk_bytes_max", config.elasticsearch.bulk_bytes_max),
        ("elasticsearch.in_flight_max", config.elasticsearch.in_flight_max),
        (
            "session.watermark_step_ms_max",
            config.session.watermark_step_ms_max as usize,
        ),
        ("references.anchors", config.references.anchors),
    ];
    for (key, value) in positive {
        rules.positive(key, value);
    }
    rules.positive("gateway.audit_sum_ms", config.gateway.audit_sum_ms as usize);
    rules.must(config.topics.partitions > 0, "topics.partitions", "must be at least 1");
    rules.must(
        (1..=ductus_scorer::BATCH_WINDOWS_MAX).contains(&config.score.batch_windows_max),
        "score.batch_windows_max",
        "must be from 1 to 64",
    );
    rules.must(
        config.webhooks.retry_max_ms >= config.webhooks.retry_min_ms,
        "webhooks.retry_max_ms",
        "must be at least webhooks.retry_min_ms",
    );
    rules.must(config.demo.speed > 0.0, "demo.speed", "must be above 0");
}

fn windows(config: &Config, rules: &mut Rules<'_>) {
    for (name, window) in [
        ("keystroke", config.window.keystroke),
        ("pointer", config.window.pointer),
    ] {
        let key = |end: &str| format!("window.{name}.{end}");
        let (within, what) = (1..=window.steps, "must be from 1 to the number of steps");
        rules.must(window.steps >= 2, &key("steps"), "must be at least 2");
        rules.must(within.contains(&window.hop), &key("hop"), what);
        rules.must(within.contains(&window.min_steps), &key("min_steps"), what);
        rules.positive(&key("pause_ms"), window.pause_ms as usize);
    }
}

fn decisions(config: &Config, rules: &mut Rules<'_>) {
    let decision = &config.decision;
    rules.within("evidence.keep", config.evidence.keep, 0.0..=1.0);
    let (liveness, replay) = (&config.liveness, &config.replay_detection);
    rules.within("liveness.suspicion_keep", liveness.suspicion_keep, 0.0..=1.0);
    rules.within("liveness.accusation", liveness.accusation, 0.0..=100.0);
    rules.within("liveness.forged_max", liveness.forged_max, 0.0..=100.0);
    rules.positive("liveness.keys_max", liveness.keys_max);
    rules.positive("liveness.strokes_max", liveness.strokes_max);
    rules.within("replay_detection.moves_equal_min", replay.moves_equal_min, 0.0..=1.0);
    rules.positive("replay_detection.steps_min", replay.steps_min);
    rules.within("decision.step_up_risk", decision.step_up_risk, 0.0..=100.0);
    rules.must(
        (decision.step_up_risk..=100.0).contains(&decision.terminate_risk),
        "decision.terminate_risk",
        "must be from decision.step_up_risk to 100",
    );
    rules.within(
        "references.drift_cosine_min",
        config.references.drift_cosine_min,
        -1.0..=1.0,
    );
    rules.within(
        "references.adapt_risk_max",
        config.references.adapt_risk_max,
        0.0..=100.0,
    );
}

fn places(config: &Config, rules: &mut Rules<'_>) {
    rules.must(
        !config.kafka.bootstrap().trim().is_empty(),
        "kafka.bootstrap.servers",
        "must name a broker, host:port",
    );
    rules.must(
        address(&config.gateway.listen),
        "gateway.listen",
        "must be an address and a port, as 127.0.0.1:8080",
    );
    let listen = config.telemetry.listen.as_str();
    rules.must(
        matches!(listen, "" | "off") || address(listen),
        "telemetry.listen",
        "must be an address and a port, empty, or off",
    );
    rules.must(
        EnvFilter::try_new(&config.telemetry.log_filter).is_ok(),
        "telemetry.log_filter",
        "must be a list as info,ductus_stream=debug",
    );
    let url = config.elasticsearch.url.as_str();
    rules.must(
        url.is_empty() || url.starts_with("http://") || url.starts_with("https://"),
        "elasticsearch.url",
        "must start with http:// or https://",
    );
    rules.must(
        !config.webhooks.issuer.trim().is_empty(),
        "webhooks.issuer",
        "must name who signs security event tokens",
    );
}

fn identity(config: &Config, rules: &mut Rules<'_>) {
    let identity = &config.identity;
    let pepper = identity.pepper.reveal();
    rules.must(
        pepper.is_empty()
            || (pepper.len() >= PEPPER_DIGITS_MIN
                && pepper.len().is_multiple_of(2)
                && pepper.bytes().all(|digit| digit.is_ascii_hexdigit())),
        "identity.pepper",
        "must have at least 64 hexadecimal digits, two a byte",
    );
    rules.must(is_id(&identity.tenant), "identity.tenant", AN_ID);
    if !identity.enabled {
        return;
    }
    rules.must(reachable(&identity.public_url), "identity.public_url", A_WEB_ADDRESS);
    let server = identity.smtp_url.reveal();
    rules.must(
        server.starts_with("smtp://") || server.starts_with("smtps://"),
        "identity.smtp_url",
        "must be smtps://… or smtp://…: without mail nobody can sign in (the demo has it on without this, and a mailbox)",
    );
    rules.must(
        identity.smtp_from.contains('@'),
        "identity.smtp_from",
        "must name the sender of mails, as Ductus <no-reply@example.org>",
    );
}

fn oidc(config: &Config, rules: &mut Rules<'_>) {
    let oidc = &config.oidc;
    if oidc.issuer.is_empty() {
        return;
    }
    rules.must(reachable(&oidc.issuer), "oidc.issuer", A_WEB_ADDRESS);
    rules.must(
        oidc.jwks_url.is_empty() || reachable(&oidc.jwks_url),
        "oidc.jwks_url",
        A_WEB_ADDRESS,
    );
    rules.must(
        !oidc.audience.is_empty(),
        "oidc.audience",
        "must name who tokens are for, or those for everybody else would hold here",
    );
    rules.must(
        !oidc.scopes_claim.is_empty(),
        "oidc.scopes_claim",
        "must name the claim that says what analysts may do",
    );
    rules.must(
        is_id(&oidc.tenant) || (oidc.tenant.is_empty() && !oidc.tenant_claim.is_empty()),
        "oidc.tenant",
        "must be an id, or empty with oidc.tenant_claim in its place",
    );
}

/// Shortest pepper: 256 bits.
const PEPPER_DIGITS_MIN: usize = 64;
const AN_ID: &str = "must have 1 to 64 characters out of A-Z a-z 0-9 . _ : -";
const A_WEB_ADDRESS: &str = "must be https://…, or http://… on this machine";

/// Whether secrets may travel there: by TLS, or not over a network at all.
pub fn reachable(url: &str) -> bool {
    Url::parse(url).is_ok_and(|parsed| parsed.scheme() == "https" && parsed.has_host()) || stays_here(url)
}

/// Whether this is a page of this machine without TLS: `http://localhost`, or a loopback address.
pub fn stays_here(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    url.scheme() == "http" && (host == "localhost" || address.is_ok_and(|address| address.is_loopback()))
}

fn address(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}
