//! What auditors are told.

use super::access::Guarded;
use super::*;
use ductus_dynamics::wire::{AuditAction, AuditRecord, Outcome};

/// The audit once so many records are there.
fn audit(guarded: &Guarded, count: usize) -> Vec<AuditRecord> {
    let stand = &guarded.stand;
    let records = stand.records(&stand.config.topics.audit, count);
    let read = records
        .iter()
        .map(|(_, value)| serde_json::from_slice(value).expect("a record"));
    read.collect()
}

/// How often something was refused: by action, whose, by whom, why.
fn refusals(records: &[AuditRecord]) -> Vec<(AuditAction, String, Option<String>, String, u64)> {
    let refused = records.iter().filter_map(|record| {
        let access = record.access.as_ref()?;
        assert_eq!(access.address.map(|address| address.is_loopback()), Some(true));
        (access.outcome == Outcome::Failure).then(|| {
            let reason = access.reason.clone().unwrap_or_default();
            (
                record.action,
                record.tenant.clone(),
                access.by.clone(),
                reason,
                access.count,
            )
        })
    });
    let mut refused: Vec<_> = refused.collect();
    refused.sort_by_key(|refusal| format!("{refusal:?}"));
    refused
}

#[test]
fn whoever_is_refused_is_told_once_and_then_counted() {
    let mut guarded = Guarded::new(&["gateway.audit_sum_ms=300000"]);
    let (ingest_id, ingest) = guarded.key("t", "ingest");
    for _ in 0..20 {
        assert_eq!(guarded.call("GET", "/v1/sessions", "", None).0, 401);
        assert_eq!(guarded.call("GET", "/v1/sessions", "dk_x_y", None).0, 401);
        assert_eq!(guarded.call("GET", "/v1/sessions", "a.b.c", None).0, 401);
        assert_eq!(guarded.call("GET", "/v1/sessions", &ingest, None).0, 403);
        let forged = batch("s1", 0).replace(r#""tenant":"t""#, r#""tenant":"u""#);
        assert_eq!(guarded.send(&ingest, &forged).0, 403);
    }
    let by = Some(ingest_id);
    let kinds = [
        (AuditAction::AccessRefused, "t", by.clone(), "monitor"),
        (AuditAction::BatchForged, "t", by, "forged_tenant"),
        (AuditAction::CredentialRefused, "-", None, "malformed"),
        (AuditAction::CredentialRefused, "-", None, "no_credential"),
    ];
    assert_eq!(refusals(&audit(&guarded, 4)).len(), 4, "one of each kind at once");
    guarded.stand.shutdown.request();
    guarded.stand.running.take().expect("it runs").join();
    let counts = [[1, 19], [1, 19], [1, 39], [1, 19]];
    let expected: Vec<_> = kinds
        .into_iter()
        .zip(counts)
        .flat_map(|((action, tenant, by, reason), counts)| {
            counts.map(|count| (action, tenant.to_owned(), by.clone(), reason.to_owned(), count))
        })
        .collect();
    assert_eq!(refusals(&audit(&guarded, 8)), expected, "the others at the end");
}

#[test]
fn more_than_the_limits_allow_is_told() {
    let guarded = Guarded::new(&["gateway.subject_batches_burst=1"]);
    let (id, key) = guarded.key("t", "ingest");
    assert_eq!(guarded.send(&key, &batch("s1", 0)).0, 202);
    assert_eq!(guarded.send(&key, &batch("s1", 1)).0, 429);
    let told = refusals(&audit(&guarded, 1));
    let expected = (
        AuditAction::RateLimited,
        "t".to_owned(),
        Some(id),
        "batches".to_owned(),
        1,
    );
    assert_eq!(told, [expected]);
}

#[test]
fn whoever_manages_keys_and_makes_tokens_is_told() {
    let guarded = Guarded::new(&[]);
    let (admin_id, admin) = guarded.key("t", "admin ingest");
    let wish = json!({ "label": "shop", "scopes": ["ingest"] });
    let (_, made) = guarded.call("POST", "/v1/keys", &admin, Some(wish));
    let shop = made["id"].as_str().expect("an id").to_owned();
    guarded.token(made["key"].as_str().expect("a key"), Some("ann"), "s1", &["ingest"]);
    guarded.call("POST", &format!("/v1/keys/{shop}/rotate"), &admin, None);
    guarded.call("DELETE", &format!("/v1/keys/{shop}"), &admin, None);
    let mut records = audit(&guarded, 4);
    records.sort_by_key(|record| format!("{:?}", record.action));
    let told: Vec<_> = records
        .iter()
        .map(|record| {
            let access = record.access.as_ref().expect("who did it");
            let object = access.object.as_deref().filter(|object| *object == shop);
            (record.action, access.by.as_deref(), object, record.session.as_deref())
        })
        .collect();
    let (admin, shop) = (Some(admin_id.as_str()), Some(shop.as_str()));
    let expected = [
        (AuditAction::KeyCreated, admin, shop, None),
        (AuditAction::KeyRevoked, admin, shop, None),
        (AuditAction::KeyRotated, admin, shop, None),
        (AuditAction::TokenMinted, shop, None, Some("s1")),
    ];
    assert_eq!(told, expected);
    let text = serde_json::to_string(&records).expect("json");
    assert!(!text.contains("dk_"), "no credential stands in the audit: {text}");
}

#[test]
fn identification_is_off_until_a_reason_is_given() {
    let guarded = Guarded::new(&[]);
    let (id, admin) = guarded.key("t", "admin");
    let (_, verifier) = guarded.key("t", "verify");
    let off = json!({ "identify": false, "identify_reason": null });
    assert_eq!(guarded.call("GET", "/v1/settings", &admin, None), (200, off.clone()));
    assert_eq!(guarded.call("GET", "/v1/settings", &verifier, None).0, 403);
    for reason in [json!(null), json!(""), json!("  ")] {
        let wish = json!({ "identify": true, "reason": reason });
        let (status, answer) = guarded.call("PUT", "/v1/settings", &admin, Some(wish));
        assert_eq!((status, answer["reason"].as_str()), (400, Some("bad_value")));
    }
    let wish = json!({ "identify": true, "reason": "call centre" });
    let on = json!({ "identify": true, "identify_reason": "call centre" });
    assert_eq!(
        guarded.call("PUT", "/v1/settings", &admin, Some(wish)),
        (200, on.clone())
    );
    assert_eq!(guarded.call("GET", "/v1/settings", &admin, None), (200, on));
    let (_, stranger) = guarded.key("u", "admin");
    assert_eq!(guarded.call("GET", "/v1/settings", &stranger, None), (200, off.clone()));
    assert_eq!(guarded.call("GET", "/v1/settings?tenant=t", &stranger, None).0, 403);
    let wish = json!({ "identify": false });
    assert_eq!(guarded.call("PUT", "/v1/settings", &admin, Some(wish)), (200, off));
    let records = audit(&guarded, 4);
    let set = records
        .iter()
        .filter(|record| record.action == AuditAction::IdentifySet);
    let told: Vec<_> = set
        .filter_map(|record| {
            let access = record.access.clone()?;
            Some((access.by?, access.object?, access.reason))
        })
        .collect();
    let expected = [
        (id.clone(), "on".to_owned(), Some("call centre".to_owned())),
        (id, "off".to_owned(), None),
    ];
    assert_eq!(told, expected);
}
