//! Whom an identity provider vouches for, beside keys and people.

use super::*;
use crate::gateway::oidc::tests::{Provider, Signer};

#[test]
fn an_analyst_does_what_the_provider_says_for_their_tenant() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let signer = Signer::ec("a");
    let provider = runtime.block_on(Provider::start(&[&signer]));
    let sets = provider.sets();
    let sets: Vec<&str> = sets.iter().map(String::as_str).chain(["access.mode=keys"]).collect();
    let house = House::new(&sets);
    let token = |scopes: &str, audience: Option<&str>| {
        let mut claims = provider.claims();
        claims["scope"] = scopes.into();
        if let Some(audience) = audience {
            claims["aud"] = audience.into();
        }
        signer.sign(&claims)
    };
    let monitor = token("openid monitor", None);
    house.stand.publish_decision("s1", 0);
    house.stand.await_decisions(1);
    let read = |path: &str, token: &str| house.with_token("GET", path, token, None);
    let sessions = read("/v1/sessions", &monitor).body;
    assert_eq!(sessions[0]["session"], "s1", "{sessions}");
    assert_eq!(read("/v1/sessions/s1/risk", &monitor).status, 200);
    for (path, token) in [
        ("/v1/sessions", token("verify", None)),
        ("/v1/users", monitor.clone()),
        ("/v1/keys", token("admin", None)),
        ("/v1/me", monitor.clone()),
        ("/v1/sessions", token("openid", None)),
    ] {
        assert_eq!(read(path, &token).reason(), (403, "forbidden"), "{path}");
    }
    assert_eq!(read("/v1/users", &token("admin", None)).body, json!([]));
    assert_eq!(
        read("/v1/sessions", &token("monitor", Some("other"))).reason(),
        (401, "unauthenticated")
    );
    let sent: Value = serde_json::from_str(&batch("s1", 0)).expect("json");
    let send = |batch: &Value| house.with_token("POST", "/v1/events", &token("ingest", None), Some(batch.clone()));
    assert_eq!(send(&sent).status, 202);
    let mut foreign = sent;
    foreign["tenant"] = "u".into();
    assert_eq!(send(&foreign).reason(), (403, "forged_tenant"));
}
