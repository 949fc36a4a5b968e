//! Tests of this module.

use super::*;
use expect_test::{Expect, expect};

const NO_ENVIRONMENT: [(&str, &str); 0] = [];

fn load(file: Option<&str>, environment: &[(&str, &str)], sets: &[&str]) -> Result<Config, Mistakes> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ductus.toml");
    if let Some(text) = file {
        std::fs::write(&path, text).expect("a file");
    }
    let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    Config::load_from(file.map(|_| path.as_path()), environment, &sets).map_err(|mut mistakes| {
        for mistake in &mut mistakes.0 {
            if let Origin::File { path, .. } = &mut mistake.origin {
                *path = "ductus.toml".to_owned();
            }
        }
        mistakes
    })
}

fn check_mistakes(file: Option<&str>, environment: &[(&str, &str)], sets: &[&str], expect: Expect) {
    let mistakes = load(file, environment, sets).expect_err("mistakes");
    expect.assert_eq(&mistakes.to_string());
}

#[test]
fn the_defaults_are_those_of_the_domain() {
    let config = load(None, &NO_ENVIRONMENT, &[]).expect("the defaults hold");
    assert_eq!(config.line(), LineConfig::default());
}

#[test]
fn each_layer_overrides_the_one_below() {
    let file =
        "[score]\nshards = 3\ngroup = \"file\"\n[kafka]\n\"bootstrap.servers\" = \"file:1\"\nclient.rack = \"r1\"\n";
    let environment = [
        ("DUCTUS__SCORE__GROUP", "environment"),
        ("DUCTUS__KAFKA__CONSUMER__FETCH__MIN__BYTES", "10"),
        ("DUCTUS__REFERENCES__PASSIVE", "false"),
        ("DUCTUS_CACHE", "/cache"),
    ];
    let sets = ["score.shards=4", "kafka.bootstrap.servers=flag:1", "decision.prior=1"];
    let config = load(Some(file), &environment, &sets).expect("no mistakes");
    assert_eq!(config.score.shards, 4);
    assert_eq!(config.score.group, "environment");
    assert!(!config.references.passive);
    assert_eq!(config.decision.prior, 1.0);
    assert_eq!(config.surroundings.cache.as_deref(), Some(Path::new("/cache")));
    let consumer = config.kafka.consumer_config("g");
    let values = ["bootstrap.servers", "client.rack", "fetch.min.bytes", "isolation.level"];
    assert_eq!(
        values.map(|name| consumer.get(name).unwrap_or("-")),
        ["flag:1", "r1", "10", "read_committed"]
    );
    let producer = config.kafka.producer_config();
    assert_eq!(producer.get("fetch.min.bytes"), None);
    assert_eq!(producer.get("partitioner"), Some("murmur2_random"));
}

#[test]
fn all_mistakes_are_told_at_once() {
    check_mistakes(
        Some(
            "[score]\nshards = -1\ngruop = \"x\"\n\n[telemetry]\nlog_format = \"xml\"\n[window.keystroke]\nhop = 51\n",
        ),
        &[
            ("DUCTUS__GATEWAY__IN_FLIGHT_MAX", "many"),
            ("DUCTUS__NOTHING__LIKE__THIS", "1"),
        ],
        &["decision.terminate_risk=10", "kafka.acks", "limits.detail=row"],
        expect![[r#"
            the configuration has 9 mistakes:
              ductus.toml:3: score.gruop: unknown key; did you mean score.group?
              environment variable DUCTUS__GATEWAY__IN_FLIGHT_MAX: gateway.in_flight_max: must be a whole number
              environment variable DUCTUS__NOTHING__LIKE__THIS: nothing.like.this: unknown key; `ductus check-config` lists all keys
              --set: kafka.acks: must be section.key=value
              --set: limits.detail: unknown variant `row`, expected `class` or `hand`
              ductus.toml:2: score.shards: invalid value: integer `-1`, expected usize
              ductus.toml:6: telemetry.log_format: unknown variant `xml`, expected `text` or `json`
              ductus.toml:8: window.keystroke.hop: must be from 1 to the number of steps
              --set: decision.terminate_risk: must be from decision.step_up_risk to 100"#]],
    );
}

#[test]
fn networks_are_read_and_what_is_none_is_told() {
    let sets = ["webhooks.private_networks=10.0.0.0/8, fd00::/8"];
    let config = load(None, &NO_ENVIRONMENT, &sets).expect("no mistakes");
    assert_eq!(config.webhooks.private_networks.len(), 2);
    check_mistakes(
        None,
        &NO_ENVIRONMENT,
        &[
            "webhooks.private_networks=10.0.0.1/33",
            "webhooks.retry_max_ms=1",
            "webhooks.issuer=",
        ],
        expect![[r#"
            the configuration has 3 mistakes:
              --set: webhooks.private_networks: must be networks as 10.0.0.0/8, with commas between them
              --set: webhooks.retry_max_ms: must be at least webhooks.retry_min_ms
              --set: webhooks.issuer: must name who signs security event tokens"#]],
    );
}

#[test]
fn a_file_that_is_no_toml_is_told_by_line() {
    check_mistakes(
        Some("[score\nshards = 1\n"),
        &NO_ENVIRONMENT,
        &["score.shards=x"],
        expect![[r#"
        the configuration has 2 mistakes:
          ductus.toml:1: unclosed table, expected `]`
          --set: score.shards: must be a whole number"#]],
    );
}

#[test]
fn secrets_are_masked() {
    let sets = [
        "elasticsearch.password=hunter2",
        "kafka.sasl.password=hunter2",
        "kafka.ssl.key.pem=hunter2",
        "identity.smtp_url=smtps://u:hunter2@h",
        "access.signing_keys=a:hunter2",
        "elasticsearch.username=elastic",
        "webhooks.secret_keys=hunter2",
        "webhooks.signing_key=hunter2",
    ];
    let config = load(None, &NO_ENVIRONMENT, &sets).expect("no mistakes");
    let shown = config.describe() + &format!("{config:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    let lines: Vec<&str> = shown.lines().filter(|line| line.contains("--set")).collect();
    expect![[r#"
        access.signing_keys = "***"  # --set
        elasticsearch.password = "***"  # --set
        elasticsearch.username = "elastic"  # --set
        identity.smtp_url = "***"  # --set
        kafka."sasl.password" = "***"  # --set
        kafka."ssl.key.pem" = "***"  # --set
        webhooks.secret_keys = "***"  # --set
        webhooks.signing_key = "***"  # --set"#]]
    .assert_eq(&lines.join("\n"));
}

#[test]
fn what_is_described_can_be_read_again() {
    let first = load(None, &NO_ENVIRONMENT, &["score.shards=2"]).expect("no mistakes");
    let again = load(Some(&first.describe()), &NO_ENVIRONMENT, &[]).expect("no mistakes");
    assert_eq!(again.score.shards, 2);
    assert_eq!(again.kafka.settings(), first.kafka.settings());
}

#[test]
fn people_sign_in_only_where_all_is_there_for_it() {
    check_mistakes(
        None,
        &NO_ENVIRONMENT,
        &[
            "identity.enabled=true",
            "identity.public_url=http://ductus.example",
            "identity.pepper=hunter2",
            "identity.tenant=a b",
            "gateway.trusted_proxies=10.0.0.0/8, proxy",
            "oidc.issuer=https://id.example",
        ],
        expect![[r#"
            the configuration has 8 mistakes:
              --set: gateway.trusted_proxies: must be networks as 10.0.0.0/8, with commas between them
              --set: identity.pepper: must have at least 64 hexadecimal digits, two a byte
              --set: identity.tenant: must have 1 to 64 characters out of A-Z a-z 0-9 . _ : -
              --set: identity.public_url: must be https://…, or http://… on this machine
              default: identity.smtp_url: must be smtps://… or smtp://…: without mail nobody can sign in (the demo has it on without this, and a mailbox)
              default: identity.smtp_from: must name the sender of mails, as Ductus <no-reply@example.org>
              default: oidc.audience: must name who tokens are for, or those for everybody else would hold here
              default: oidc.tenant: must be an id, or empty with oidc.tenant_claim in its place"#]],
    );
}

#[test]
fn secrets_travel_by_tls_or_not_over_a_network() {
    for (url, reaches, stays) in [
        ("https://ductus.example", true, false),
        ("https://localhost", true, false),
        ("http://localhost:8080", true, true),
        ("http://127.0.0.1:8080/", true, true),
        ("http://127.1.2.3", true, true),
        ("http://[::1]:8080", true, true),
        ("http://ductus.example", false, false),
        ("http://localhost.evil.example", false, false),
        ("http://127.0.0.1.evil.example", false, false),
        ("http://localhost@evil.example", false, false),
        ("http://10.0.0.1", false, false),
        ("ftp://localhost", false, false),
        ("localhost", false, false),
        ("", false, false),
    ] {
        assert_eq!((reachable(url), stays_here(url)), (reaches, stays), "{url}");
    }
}
