//! Against a provider on this machine.

use super::*;
use crate::config::Config;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};

const AUDIENCE: &str = "ductus-console";

/// A key that signs, with its name and its algorithm.
#[derive(Clone)]
pub(in crate::gateway) struct Signer {
    name: String,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Signer {
    pub(in crate::gateway) fn ec(name: &str) -> Self {
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).expect("a key");
        Self {
            name: name.to_owned(),
            algorithm: Algorithm::ES256,
            key: EncodingKey::from_ec_der(key.as_ref()),
        }
    }

    fn rsa(name: &str) -> Self {
        // What PKCS #8 puts before an RSA key of 2,048 bits: version, algorithm, and the heads of two containers.
        const WRAPPING: usize = 26;
        let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der: Pkcs8V1Der<'_> = pair.as_der().expect("encoded");
        Self {
            name: name.to_owned(),
            algorithm: Algorithm::RS256,
            key: EncodingKey::from_rsa_der(&der.as_ref()[WRAPPING..]),
        }
    }

    /// The same key under another name.
    fn named(&self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..self.clone()
        }
    }

    fn jwk(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).expect("a public key");
        jwk.common.key_id = Some(self.name.clone());
        serde_json::to_value(jwk).expect("json")
    }

    pub(in crate::gateway) fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.name.clone());
        jsonwebtoken::encode(&header, claims, &self.key).expect("signed")
    }
}

/// A provider that counts how often it is asked for its keys.
pub(in crate::gateway) struct Provider {
    pub(in crate::gateway) issuer: String,
    /// None: it is away.
    keys: Arc<std::sync::Mutex<Option<Value>>>,
    asked: Arc<AtomicUsize>,
}

type Shown = (String, Arc<std::sync::Mutex<Option<Value>>>, Arc<AtomicUsize>);

impl Provider {
    pub(in crate::gateway) async fn start(signers: &[&Signer]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let issuer = format!("http://{}", listener.local_addr().expect("an address"));
        let provider = Self {
            issuer,
            keys: Arc::default(),
            asked: Arc::default(),
        };
        provider.publish(signers);
        let describe = async |State((issuer, ..)): State<Shown>| {
            Json(json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") }))
        };
        let keys = async |State((_, keys, asked)): State<Shown>| {
            asked.fetch_add(1, Ordering::SeqCst);
            let keys = keys.lock().unwrap_or_else(PoisonError::into_inner).clone();
            keys.map(Json).ok_or(StatusCode::INTERNAL_SERVER_ERROR)
        };
        let shown = (
            provider.issuer.clone(),
            Arc::clone(&provider.keys),
            Arc::clone(&provider.asked),
        );
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(describe))
            .route("/keys", get(keys))
            .with_state(shown);
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    fn publish(&self, signers: &[&Signer]) {
        let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
        self.publish_document(Some(json!({ "keys": keys })));
    }

    fn publish_document(&self, document: Option<Value>) {
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = document;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// What a good token says.
    pub(in crate::gateway) fn claims(&self) -> Value {
        let now_s = jsonwebtoken::get_current_timestamp();
        json!({
            "iss": self.issuer, "aud": AUDIENCE, "sub": "ann", "exp": now_s + 600, "iat": now_s,
            "scope": "openid monitor verify",
        })
    }

    pub(in crate::gateway) fn sets(&self) -> Vec<String> {
        vec![
            format!("oidc.issuer={}", self.issuer),
            format!("oidc.audience={AUDIENCE}"),
            "oidc.tenant=t".to_owned(),
            "oidc.clock_skew_ms=5000".to_owned(),
        ]
    }

    fn reader(&self, more: &[&str]) -> Oidc {
        let more = more.iter().map(|set| (*set).to_owned());
        let sets: Vec<String> = self.sets().into_iter().chain(more).collect();
        let config = Config::load_from(None, std::iter::empty(), &sets).expect("no mistakes");
        Oidc::new(&config.oidc).expect("it opens").expect("a provider is named")
    }
}

fn with(claims: &Value, changes: Value) -> Value {
    let mut claims = claims.clone();
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims
}

fn without(claims: &Value, name: &str) -> Value {
    let mut claims = claims.clone();
    claims.as_object_mut().expect("an object").remove(name);
    claims
}

#[tokio::test]
async fn only_what_the_provider_signed_for_us_and_lives_holds() {
    let (ec, rsa, stranger) = (Signer::ec("ec"), Signer::rsa("rsa"), Signer::ec("ec"));
    let provider = Provider::start(&[&ec, &rsa]).await;
    let reader = provider.reader(&[]);
    let (good, now_s) = (provider.claims(), jsonwebtoken::get_current_timestamp());
    let crossed = ec.named("rsa");
    // The public key, which everybody has, as if it were a secret that two share.
    let modulus = rsa.jwk()["n"].as_str().expect("a modulus").to_owned();
    let confused = Signer {
        name: "rsa".to_owned(),
        algorithm: Algorithm::HS256,
        key: EncodingKey::from_secret(modulus.as_bytes()),
    };
    let signed = ec.sign(&good);
    let (head, rest) = signed.split_once('.').expect("three parts");
    let (body, signature) = rest.split_once('.').expect("three parts");
    // {"alg":"none","kid":"ec"}
    let unsigned = format!("eyJhbGciOiJub25lIiwia2lkIjoiZWMifQ.{body}.");
    let cases = [
        ("EC", ec.sign(&good), true),
        ("RSA", rsa.sign(&good), true),
        (
            "one of several audiences",
            ec.sign(&with(&good, json!({ "aud": ["other", AUDIENCE] }))),
            true,
        ),
        (
            "ended within the skew",
            ec.sign(&with(&good, json!({ "exp": now_s - 2 }))),
            true,
        ),
        (
            "another audience",
            ec.sign(&with(&good, json!({ "aud": "other" }))),
            false,
        ),
        ("no audience", ec.sign(&without(&good, "aud")), false),
        (
            "another issuer",
            ec.sign(&with(&good, json!({ "iss": "https://evil.example" }))),
            false,
        ),
        ("no issuer", ec.sign(&without(&good, "iss")), false),
        ("expired", ec.sign(&with(&good, json!({ "exp": now_s - 60 }))), false),
        ("without end", ec.sign(&without(&good, "exp")), false),
        ("not yet", ec.sign(&with(&good, json!({ "nbf": now_s + 600 }))), false),
        ("a stranger's key of the same name", stranger.sign(&good), false),
        ("the other key's name", crossed.sign(&good), false),
        ("HS256 with the public key", confused.sign(&good), false),
        ("alg none", unsigned, false),
        ("no signature", format!("{head}.{body}."), false),
        (
            "another body",
            format!("{head}.{}.{signature}", body.replace('a', "b")),
            false,
        ),
        ("noise", "a.b.c".to_owned(), false),
        ("nothing", String::new(), false),
    ];
    for (what, token, holds) in cases {
        assert_eq!(reader.verify(&token).await.is_some(), holds, "{what}");
    }
    let analyst = reader.verify(&signed).await.expect("it holds");
    let expected = Analyst {
        name: "ann".to_owned(),
        tenant: "t".to_owned(),
        scopes: Scopes::of(&[Scope::Monitor, Scope::Verify]),
        expires_ms: (now_s as i64 + 600) * 1000,
    };
    assert_eq!((analyst.expires_ms - expected.expires_ms).abs() / 10_000, 0);
    assert_eq!(
        Analyst {
            expires_ms: expected.expires_ms,
            ..analyst
        },
        expected
    );
    assert_eq!(provider.asked(), 1, "the keys are kept");
}

#[tokio::test]
async fn unknown_keys_ask_once_an_interval() {
    let ec = Signer::ec("ec");
    let provider = Provider::start(&[&ec]).await;
    let (reader, claims) = (provider.reader(&[]), provider.claims());
    let flood = (0..200).map(|index| {
        let token = ec.named(&format!("k{index}")).sign(&claims);
        let reader = &reader;
        async move { reader.verify(&token).await }
    });
    let answers = futures::future::join_all(flood).await;
    assert!(answers.iter().all(Option::is_none));
    assert!(reader.verify(&ec.sign(&claims)).await.is_some());
    assert_eq!(provider.asked(), 1);
}

#[tokio::test]
async fn keys_come_and_go_and_outlive_a_provider_that_is_away() {
    let (old, new) = (Signer::ec("old"), Signer::ec("new"));
    let provider = Provider::start(&[&old]).await;
    let reader = provider.reader(&["oidc.refresh_interval_ms=1", "oidc.keys_ms=0"]);
    let (old_token, new_token) = (old.sign(&provider.claims()), new.sign(&provider.claims()));
    let holds = async |token: &str| {
        tokio::time::sleep(Duration::from_millis(5)).await;
        reader.verify(token).await.is_some()
    };
    assert!(holds(&old_token).await && !holds(&new_token).await);
    provider.publish(&[&old, &new]);
    assert!(holds(&new_token).await && holds(&old_token).await);
    for away in [None, Some(json!({ "message": "oh" })), Some(json!("x".repeat(300_000)))] {
        provider.publish_document(away);
        assert!(holds(&new_token).await && holds(&old_token).await);
    }
    provider.publish(&[&new]);
    assert!(!holds(&old_token).await && holds(&new_token).await);
}

#[tokio::test]
async fn keys_for_something_else_are_left_out() {
    let ec = Signer::ec("ec");
    let secret = json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "ec", "alg": "HS256" });
    let unusable = [
        json!({ "use": "enc" }),
        json!({ "alg": "ES384" }),
        json!({ "kid": "another" }),
        json!({ "crv": "P-384" }),
        json!({ "x": "AA" }),
        secret,
    ];
    for change in unusable {
        let provider = Provider::start(&[]).await;
        let key = with(&ec.jwk(), change.clone());
        provider.publish_document(Some(json!({ "keys": [{ "kty": "new" }, 7, key] })));
        let token = ec.sign(&provider.claims());
        assert!(provider.reader(&[]).verify(&token).await.is_none(), "{change}");
    }
    let provider = Provider::start(&[]).await;
    let key = with(&ec.jwk(), json!({ "use": "sig", "x5t": "?" }));
    provider.publish_document(Some(json!({ "keys": [{ "kty": "new" }, 7, key] })));
    let token = ec.sign(&provider.claims());
    assert!(provider.reader(&[]).verify(&token).await.is_some());
}

#[tokio::test]
async fn a_provider_of_another_name_is_none() {
    let ec = Signer::ec("ec");
    let provider = Provider::start(&[&ec]).await;
    let token = ec.sign(&with(
        &provider.claims(),
        json!({ "iss": format!("{}/", provider.issuer) }),
    ));
    let other = format!("oidc.issuer={}/", provider.issuer);
    assert!(provider.reader(&[&other]).verify(&token).await.is_none());
    assert_eq!(provider.asked(), 0);
    // Where its keys are told, it need not describe itself.
    let keys = format!("oidc.jwks_url={}/keys", provider.issuer);
    assert!(provider.reader(&[&other, &keys]).verify(&token).await.is_some());
}

#[tokio::test]
async fn claims_say_whose_data_and_what_may_be_done() {
    let ec = Signer::ec("ec");
    let provider = Provider::start(&[&ec]).await;
    let read = async |sets: &[&str], changes: Value| {
        let token = ec.sign(&with(&provider.claims(), changes));
        let analyst = provider.reader(sets).verify(&token).await?;
        Some(format!("{}: {}", analyst.tenant, analyst.scopes))
    };
    let cases = [
        (&[][..], json!({ "scope": "monitor" }), Some("t: monitor")),
        (
            &[],
            json!({ "scope": ["admin", "monitor", 7] }),
            Some("t: monitor admin"),
        ),
        (&[], json!({ "scope": "Monitor monitors" }), Some("t: ")),
        (&[], json!({ "scope": null }), Some("t: ")),
        (
            &["oidc.scopes_prefix=ductus:"],
            json!({ "scope": "ductus:admin ingest" }),
            Some("t: admin"),
        ),
        (
            &["oidc.scopes_claim=/realm/roles"],
            json!({ "realm": { "roles": ["verify"] } }),
            Some("t: verify"),
        ),
        (
            &["oidc.tenant_claim=org"],
            json!({ "org": "acme" }),
            Some("acme: verify monitor"),
        ),
        (&["oidc.tenant_claim=org"], json!({ "org": "a b" }), None),
        (&["oidc.tenant_claim=org"], json!({ "org": ["acme"] }), None),
        (&["oidc.tenant_claim=org"], json!({}), None),
    ];
    for (sets, changes, expected) in cases {
        assert_eq!(
            read(sets, changes.clone()).await.as_deref(),
            expected,
            "{sets:?} {changes}"
        );
    }
}
