//! What the OpenAPI document promises, asked by schemathesis: whatever is sent, nothing fails on our side, and no answer has a
//! status, a content type or a body that the document does not name.
//!
//! The cases are drawn from the document and a fixed seed, so that a failure comes again.

use ductus_tests::door::Door;
use ductus_tests::load::Batch;
use ductus_tests::mailbox::Mailbox;
use ductus_tests::process::PATIENCE;
use ductus_tests::world::{World, repository, required};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
/// Cases of each operation besides those that the document itself gives.
const EXAMPLES: &str = "6";
/// These answer for ever.
const ENDLESS: [&str; 2] = ["streamDecisions", "monitorSession"];
/// After these a person is nobody any more.
const LAST: [&str; 2] = ["removeMe", "logOutEverywhere"];
const ANN: &str = "ann@example.org";
const PASSWORD: &str = "correct horse battery";

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_in_the_document() {
    let mailbox = Mailbox::open().await;
    let world = World::without_search("contract").await.with_sets([
        "identity.enabled=true".to_owned(),
        format!("identity.tenant={}", Batch::TENANT),
        "identity.public_url=http://localhost:1".to_owned(),
        format!("identity.smtp_url=smtp://{}", mailbox.address),
        "identity.smtp_from=Ductus <no-reply@ductus.example>".to_owned(),
        // A busy machine is no failure of ours.
        "identity.smtp_timeout_ms=60000".to_owned(),
        "gateway.produce_timeout_ms=60000".to_owned(),
    ]);
    let (door, gateway) = Door::open(&world).await;
    decided(&world, &door).await;
    let person = sign_in(&door, &mailbox).await;
    let url = format!("http://{}", door.address);
    let runs = [
        ("key", Some(door.key.clone()), [&ENDLESS[..], &[]].concat(), None),
        ("nobody", None, Vec::new(), None),
        // What only people who signed in may do, and what they may do besides.
        (
            "person",
            Some(person),
            [ENDLESS, LAST].concat(),
            Some("^/v1/(me|auth|events|sessions)"),
        ),
    ];
    let runs = runs.map(|(name, credential, without, only)| {
        let (folder, url) = (world.folder.path().join(name), url.clone());
        tokio::task::spawn_blocking(move || (name, ask(&folder, &url, credential.as_deref(), &without, only)))
    });
    for run in runs {
        let (name, output) = run.await.unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{name}: {said}\n{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let line = said.lines().find(|line| line.contains("generated"));
        eprintln!("{name}: {}", line.unwrap_or_default().trim());
    }
    gateway.stop();
}

/// One run of schemathesis in a folder of its own.
fn ask(folder: &Path, url: &str, credential: Option<&str>, without: &[&str], only: Option<&str>) -> Output {
    std::fs::create_dir(folder).unwrap();
    // Names that lead somewhere, now and then: most names lead nowhere.
    let settings = match credential {
        Some(_) => "[parameters]\n\"path.session\" = \"s1\"\n\"path.decision\" = \"s1-0\"\n",
        None => "",
    };
    std::fs::write(folder.join("schemathesis.toml"), settings).unwrap();
    let mut command = Command::new(required("DUCTUS_TEST_PYTHON"));
    command
        .args(["-B", "-s", "-m", "schemathesis.cli", "run"])
        .arg(repository().join("schemas/openapi.json"))
        .args(["--url", url, "--checks", CHECKS, "--max-examples", EXAMPLES])
        .args(["--phases", "coverage,fuzzing", "--seed", "1", "--continue-on-failure"])
        .args(["--generation-database", "none", "--warnings", "off", "--no-color"])
        .args(["--suppress-health-check", "all", "--request-timeout", "120"]);
    if let Some(credential) = credential {
        command.args(["--header", &format!("Authorization: Bearer {credential}")]);
    }
    if let Some(paths) = only {
        command.args(["--include-path-regex", paths]);
    }
    for operation in without {
        command.args(["--exclude-operation-id", operation]);
    }
    command
        .current_dir(folder)
        .env("PYTHONPATH", required("DUCTUS_TEST_SCHEMATHESIS"))
        .output()
        .unwrap()
}

/// A decision to be shown.
async fn decided(world: &World, door: &Door) {
    let decision = json!({
        "v": 1, "id": "s1-0", "tenant": Batch::TENANT, "subject": "ann", "session": "s1",
        "window": { "modality": "keystroke", "sequence": 0, "start_us": 0, "end_us": 9, "steps": 50, "closed": "count" },
        "risk": 91.0, "confidence": 0.8, "action": "step_up", "reasons": [],
        "score": { "comparison": 0.1, "llr": -2.0, "evidence": -4.0 },
        "model": null, "reference": null, "source": { "topic": "e", "partition": 0, "offset": 0 }, "time_us": 9,
    });
    world
        .kafka
        .put("decisions", "ann", decision.to_string().as_bytes())
        .await;
    let start = Instant::now();
    while !door
        .get("/v1/decisions/s1-0")
        .send()
        .await
        .unwrap()
        .status()
        .is_success()
    {
        assert!(start.elapsed() < PATIENCE, "the decision is not shown");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The access token of somebody who opened an account.
async fn sign_in(door: &Door, mailbox: &Mailbox) -> String {
    let wish = json!({ "email": ANN, "password": PASSWORD });
    let asked = door.json(door.post("/v1/auth/register").json(&wish)).await;
    let code = mailbox.said(ANN, "Your code is ");
    let shown = json!({ "challenge": asked["challenge"], "code": code.split('.').next() });
    let signed_in: Value = door.json(door.post("/v1/auth/confirm").json(&shown)).await;
    signed_in["access_token"].as_str().unwrap().to_owned()
}
