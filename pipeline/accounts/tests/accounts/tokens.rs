//! Session tokens: what is minted, what holds, what is forged. They need no database.

use ductus_accounts::{
    AccountEvent, Forgery, MintRefusal, Principal, Scopes, SessionToken, SessionTokens, SigningKey, SigningKeys,
    TokenPolicy, TokenRefusal, TokenRequest,
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;

use crate::world::{HOUR, MINUTE, NOW, SECOND};

const OLD: [u8; 32] = [1; 32];
const YOUNG: [u8; 32] = [2; 32];

fn tokens(keys: &[(&str, [u8; 32])]) -> SessionTokens {
    let keys = keys
        .iter()
        .map(|(kid, key)| SigningKey::new(kid, key).unwrap())
        .collect();
    SessionTokens::new(SigningKeys::new(keys).unwrap(), TokenPolicy::default())
}

fn principal(scopes: &str) -> Principal {
    Principal {
        tenant: "acme".to_owned(),
        key: "k1".to_owned(),
        scopes: scopes.parse().unwrap(),
        expires_ms: None,
    }
}

fn request(scopes: &str) -> TokenRequest<'static> {
    TokenRequest {
        subject: Some("ann"),
        session: "s1",
        scopes: scopes.parse().unwrap(),
        enrol: false,
        ttl_ms: None,
    }
}

fn mint(tokens: &SessionTokens) -> String {
    let minted = tokens
        .mint(&principal("ingest monitor"), &request("ingest"), NOW)
        .unwrap();
    minted.answer.unwrap().token.expose().to_owned()
}

/// A token made by somebody else.
fn forged(header: &Header, claims: &serde_json::Value, key: &[u8]) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(key)).unwrap()
}

fn header(kid: &str, typ: &str) -> Header {
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some(kid.to_owned());
    header.typ = Some(typ.to_owned());
    header
}

fn claims() -> serde_json::Value {
    json!({
        "iss": "ductus", "aud": "ductus/session", "jti": "x", "tenant": "acme", "sub": "ann", "session": "s1",
        "scopes": ["ingest"], "enrol": false, "key": "k1", "iat": NOW / 1000, "exp": NOW / 1000 + 60
    })
}

#[test]
fn a_token_says_what_it_was_minted_for() {
    let tokens = tokens(&[("a", OLD)]);
    let minted = tokens
        .mint(&principal("ingest monitor admin"), &request("monitor ingest"), NOW)
        .unwrap();
    assert_eq!(minted.events.len(), 1);
    let minted = minted.answer.unwrap();
    assert_eq!(minted.expires_ms, NOW + 15 * MINUTE);
    let token = tokens.verify(minted.token.expose(), NOW).unwrap();
    let expected = SessionToken {
        id: token.id.clone(),
        tenant: "acme".to_owned(),
        subject: Some("ann".to_owned()),
        session: "s1".to_owned(),
        scopes: "ingest monitor".parse().unwrap(),
        enrol: false,
        key: "k1".to_owned(),
        expires_ms: NOW + 15 * MINUTE,
    };
    assert_eq!(token, expected);
}

#[test]
fn a_token_allows_no_more_than_its_key() {
    let tokens = tokens(&[("a", OLD)]);
    for (key, asked, expected) in [
        ("ingest", "ingest", Ok(())),
        ("ingest monitor", "ingest monitor", Ok(())),
        ("ingest", "monitor", Err(MintRefusal::BeyondKey)),
        ("verify admin", "ingest", Err(MintRefusal::BeyondKey)),
        ("ingest verify", "verify", Err(MintRefusal::NotForTokens)),
        ("admin", "admin", Err(MintRefusal::NotForTokens)),
        ("ingest", "", Err(MintRefusal::NotForTokens)),
    ] {
        let answer = tokens.mint(&principal(key), &request(asked), NOW).unwrap().answer;
        assert_eq!(answer.map(drop), expected, "{key} → {asked}");
    }
}

#[test]
fn a_token_lives_within_bounds_and_no_longer_than_its_key() {
    let tokens = tokens(&[("a", OLD)]);
    for (ttl_ms, key_ends_ms, expected) in [
        (Some(MINUTE), None, Ok(NOW + MINUTE)),
        (Some(HOUR), None, Ok(NOW + HOUR)),
        (Some(MINUTE - 1), None, Err(MintRefusal::Ttl)),
        (Some(HOUR + 1), None, Err(MintRefusal::Ttl)),
        (Some(i64::MAX), None, Err(MintRefusal::Ttl)),
        (Some(-1), None, Err(MintRefusal::Ttl)),
        (Some(HOUR), Some(NOW + 10 * MINUTE), Ok(NOW + 10 * MINUTE)),
        (None, Some(NOW + 999), Err(MintRefusal::KeyEnds)),
    ] {
        let by = Principal {
            expires_ms: key_ends_ms,
            ..principal("ingest")
        };
        let request = TokenRequest {
            ttl_ms,
            ..request("ingest")
        };
        let answer = tokens.mint(&by, &request, NOW).unwrap().answer;
        assert_eq!(
            answer.map(|minted| minted.expires_ms),
            expected,
            "{ttl_ms:?} {key_ends_ms:?}"
        );
    }
}

#[test]
fn time_ends_a_token() {
    let tokens = tokens(&[("a", OLD)]);
    let token = mint(&tokens);
    let end = NOW + 15 * MINUTE;
    for (now_ms, expected) in [
        (NOW - 2 * SECOND, None),
        (NOW - 2 * SECOND - 1, Some(TokenRefusal::NotYet)),
        (end + 2 * SECOND - 1, None),
        (end + 2 * SECOND, Some(TokenRefusal::Expired)),
    ] {
        assert_eq!(tokens.verify(&token, now_ms).err(), expected, "{}", now_ms - NOW);
    }
    let held = tokens.verify(&token, NOW).unwrap();
    assert!(tokens.still_holds(&held, end + 2 * SECOND - 1));
    assert!(!tokens.still_holds(&held, end + 2 * SECOND));
}

#[test]
fn a_rotated_key_still_verifies_and_a_removed_one_does_not() {
    let before = tokens(&[("a", OLD)]);
    let (during, after) = (tokens(&[("b", YOUNG), ("a", OLD)]), tokens(&[("b", YOUNG)]));
    let (old, young) = (mint(&before), mint(&during));
    assert!(during.verify(&old, NOW).is_ok());
    assert!(after.verify(&young, NOW).is_ok(), "the newest signs");
    assert_eq!(after.verify(&old, NOW).err(), Some(TokenRefusal::UnknownKey));
    assert_eq!(before.verify(&young, NOW).err(), Some(TokenRefusal::UnknownKey));
}

#[test]
fn forged_tokens_do_not_hold() {
    let tokens = tokens(&[("a", OLD)]);
    let kind = "ductus-session+jwt";
    assert!(
        tokens.verify(&forged(&header("a", kind), &claims(), &OLD), NOW).is_ok(),
        "the base of the cases below"
    );
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = claims();
        claims[name] = value;
        forged(&header("a", kind), &claims, &OLD)
    };
    let without = |name: &str| {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        forged(&header("a", kind), &claims, &OLD)
    };
    let other_algorithm = {
        let mut header = header("a", kind);
        header.alg = Algorithm::HS384;
        forged(&header, &claims(), &OLD)
    };
    // {"alg":"none","typ":"ductus-session+jwt","kid":"a"}
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiZHVjdHVzLXNlc3Npb24rand0Iiwia2lkIjoiYSJ9.e30.".to_owned();
    let good = mint(&tokens);
    let (head, tail) = good.rsplit_once('.').unwrap();
    let flipped = format!("{head}.{}{}", if tail.starts_with('A') { 'B' } else { 'A' }, &tail[1..]);
    for (what, token, expected) in [
        (
            "another key",
            forged(&header("a", kind), &claims(), &YOUNG),
            TokenRefusal::BadSignature,
        ),
        ("a changed signature", flipped, TokenRefusal::BadSignature),
        (
            "an unknown key",
            forged(&header("z", kind), &claims(), &OLD),
            TokenRefusal::UnknownKey,
        ),
        (
            "a user's token",
            forged(&header("a", "ductus-user+jwt"), &claims(), &OLD),
            TokenRefusal::OtherKind,
        ),
        (
            "a plain type",
            forged(&header("a", "JWT"), &claims(), &OLD),
            TokenRefusal::OtherKind,
        ),
        (
            "another audience",
            with("aud", json!("ductus/user")),
            TokenRefusal::OtherKind,
        ),
        ("another issuer", with("iss", json!("evil")), TokenRefusal::OtherKind),
        ("no audience", without("aud"), TokenRefusal::Malformed),
        ("another algorithm", other_algorithm, TokenRefusal::Malformed),
        ("no algorithm", none, TokenRefusal::Malformed),
        ("an end long ago", with("exp", json!(1)), TokenRefusal::Expired),
        (
            "a start out of range",
            with("iat", json!(i64::MAX)),
            TokenRefusal::NotYet,
        ),
        (
            "an end that is text",
            with("exp", json!("tomorrow")),
            TokenRefusal::Malformed,
        ),
        (
            "an unknown scope",
            with("scopes", json!(["root"])),
            TokenRefusal::Malformed,
        ),
        ("no tenant", without("tenant"), TokenRefusal::Malformed),
        ("nothing", String::new(), TokenRefusal::Malformed),
        ("a long text", "a.".repeat(10_000), TokenRefusal::Malformed),
    ] {
        let refusal = tokens.verify(&token, NOW).expect_err(what);
        assert_eq!(refusal, expected, "{what}");
    }
}

#[test]
fn a_batch_is_covered_by_its_own_token_only() {
    let named = tokens(&[("a", OLD)])
        .verify(&mint(&tokens(&[("a", OLD)])), NOW)
        .unwrap();
    let nobody = SessionToken {
        subject: None,
        ..named.clone()
    };
    let teacher = SessionToken {
        enrol: true,
        ..named.clone()
    };
    for (token, tenant, subject, session, learned, expected) in [
        (&named, "acme", Some("ann"), "s1", false, Ok(())),
        (&named, "evil", Some("ann"), "s1", false, Err(Forgery::ForgedTenant)),
        (&named, "acme", Some("bob"), "s1", false, Err(Forgery::ForgedSubject)),
        (&named, "acme", None, "s1", false, Err(Forgery::ForgedSubject)),
        (&named, "acme", Some("ann"), "s2", false, Err(Forgery::ForgedSession)),
        (&named, "acme", Some("ann"), "s1", true, Err(Forgery::ForgedPurpose)),
        (&nobody, "acme", None, "s1", false, Ok(())),
        (&nobody, "acme", Some("ann"), "s1", false, Err(Forgery::ForgedSubject)),
        (&teacher, "acme", Some("ann"), "s1", true, Ok(())),
        (&teacher, "acme", Some("ann"), "s1", false, Ok(())),
        (&teacher, "acme", Some("bob"), "s1", true, Err(Forgery::ForgedSubject)),
    ] {
        assert_eq!(
            token.covers(tenant, subject, session, learned),
            expected,
            "{tenant} {subject:?} {session} {learned}"
        );
    }
}

#[test]
fn names_are_checked_before_they_are_signed() {
    let tokens = tokens(&[("a", OLD)]);
    for request in [
        TokenRequest {
            session: "",
            ..request("ingest")
        },
        TokenRequest {
            session: "a b",
            ..request("ingest")
        },
        TokenRequest {
            subject: Some("\n"),
            ..request("ingest")
        },
    ] {
        assert!(tokens.mint(&principal("ingest"), &request, NOW).is_err(), "{request:?}");
    }
}

#[test]
fn keys_that_cannot_sign_are_refused() {
    assert!(SigningKey::new("a", &[0; 31]).is_err());
    assert!(SigningKey::new("", &OLD).is_err());
    assert!(SigningKey::new("a b", &OLD).is_err());
    let key = || SigningKey::new("a", &OLD).unwrap();
    assert!(SigningKeys::new(Vec::new()).is_err());
    assert!(SigningKeys::new(vec![key(), key()]).is_err());
    let many = (0..9)
        .map(|kid| SigningKey::new(&kid.to_string(), &OLD).unwrap())
        .collect();
    assert!(SigningKeys::new(many).is_err());
    assert_eq!(format!("{:?}", key()), "SigningKey(a)");
}

#[test]
fn events_carry_no_token() {
    let tokens = tokens(&[("a", OLD)]);
    let minted = tokens.mint(&principal("ingest"), &request("ingest"), NOW).unwrap();
    let token = minted.answer.unwrap().token;
    let refused = AccountEvent::token_refused(TokenRefusal::Expired, None, NOW);
    let text = serde_json::to_string(&[minted.events, vec![refused]].concat()).unwrap();
    assert!(token.expose().split('.').all(|part| !text.contains(part)), "{text}");
}

#[test]
fn scopes_travel_as_words() {
    let scopes: Scopes = serde_json::from_value(json!(["ingest", "monitor"])).unwrap();
    assert_eq!(scopes.to_string(), "ingest monitor");
}
