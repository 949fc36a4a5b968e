//! What the routes ask of a request: that people sign in here at all, where it comes from, who sent it, and its body.
//!
//! Invariants: a page of another origin changes nothing, neither by a form (it cannot say that it sends JSON) nor by a script
//! (its browser names its origin).

use super::super::Gateway;
use super::super::access::Caller;
use super::super::input::{Body, says_json};
use super::super::problem::Problem;
use super::Identity;
use super::answers::{FOREIGN_PAGE, NOT_SIGNED_IN, STEP_UP, failed};
use crate::accounts::now_ms;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use ductus_accounts::{AccessToken, Accounts, Me, Passkeys, Proof, Secret, Visit};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use std::net::IpAddr;
use std::sync::Arc;

/// Whoever asks: from where, and when.
pub(super) struct Visitor {
    pub(super) identity: Arc<Identity>,
    address: IpAddr,
    pub(super) now_ms: i64,
}

impl Visitor {
    pub(super) fn accounts(&self) -> &Accounts {
        &self.identity.accounts
    }

    pub(super) fn passkeys(&self) -> Result<&Passkeys, Problem> {
        self.identity.passkeys.as_ref().ok_or(Problem::NOT_FOUND)
    }

    pub(super) fn visit(&self) -> Visit<'_> {
        Visit {
            tenant: &self.identity.tenant,
            address: self.address,
            now_ms: self.now_ms,
        }
    }
}

impl FromRequestParts<Gateway> for Visitor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        let identity = gateway.inner.identity.clone().ok_or(Problem::NOT_FOUND)?;
        Ok(Self {
            identity,
            address: gateway.inner.clients.of(parts),
            now_ms: now_ms(),
        })
    }
}

/// Somebody who signed in. Whether their sign-in still lives is asked of the database: see [`Self::me`].
pub(super) struct Person {
    pub(super) visitor: Visitor,
    pub(super) token: AccessToken,
}

impl Person {
    /// Their account.
    pub(super) async fn me(&self) -> Result<Me, Problem> {
        let me = self.visitor.accounts().me(&self.token, self.visitor.now_ms).await;
        me.map_err(failed)?.ok_or(NOT_SIGNED_IN)
    }

    /// The same, where no second proof is asked for: whoever sits there may change what protects the account.
    pub(super) async fn settled(&self) -> Result<Me, Problem> {
        let me = self.me().await?;
        match me.step_up {
            None => Ok(me),
            Some(_) => Err(STEP_UP),
        }
    }

    /// The same, where a second proof was given a moment ago: an open sign-in alone makes nobody its user.
    pub(super) async fn proved(&self) -> Result<Me, Problem> {
        let me = self.me().await?;
        match me.proof {
            Proof::Fresh => Ok(me),
            Proof::Asked | Proof::Old => Err(STEP_UP),
        }
    }
}

impl FromRequestParts<Gateway> for Person {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        let visitor = Visitor::from_request_parts(parts, gateway).await?;
        let caller = Caller::from_request_parts(parts, gateway).await?;
        match caller.person() {
            Some(token) if token.tenant == visitor.identity.tenant => Ok(Self {
                token: token.clone(),
                visitor,
            }),
            None if !caller.is_anybody() => Err(caller.forbidden("person")),
            _ => Err(NOT_SIGNED_IN),
        }
    }
}

/// A page of ours sent it, or somebody who is no browser.
pub(super) struct OwnPage;

impl FromRequestParts<Gateway> for OwnPage {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Problem> {
        let identity = gateway.inner.identity.as_ref().ok_or(Problem::NOT_FOUND)?;
        if !says_json(&parts.headers) {
            return Err(Problem::NOT_JSON);
        }
        if !is_own_page(&parts.headers, &identity.public_url) {
            return Err(FOREIGN_PAGE);
        }
        Ok(Self)
    }
}

/// A body of JSON, from a page of ours.
pub(super) struct Told<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Gateway> for Told<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, gateway: &Gateway) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        OwnPage::from_request_parts(&mut parts, gateway).await?;
        let Body(told) = Body::from_request(Request::from_parts(parts, body), gateway).await?;
        Ok(Self(told))
    }
}

/// Pages that may send events (`gateway.cors_origins`) are not among them.
fn is_own_page(headers: &HeaderMap, public_url: &str) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return true;
    };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let here = origin.split_once("://").map(|(_, here)| here);
    (here.is_some() && here == host)
        || reqwest::Url::parse(public_url).is_ok_and(|url| url.origin().ascii_serialization() == origin)
}

/// A field that nothing shows.
pub(super) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(pairs: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test]
    fn pages_are_told_apart() {
        for (origin, expected) in [
            ("https://ductus.example", true),
            ("http://gateway:8080", true),
            ("https://ductus.example.evil.org", false),
            ("https://ductus.example:444", false),
            ("http://ductus.example", false),
            ("https://evil.org", false),
            ("null", false),
            ("", false),
        ] {
            let headers = headers(&[(header::ORIGIN, origin), (header::HOST, "gateway:8080")]);
            assert_eq!(is_own_page(&headers, "https://ductus.example"), expected, "{origin}");
        }
        assert!(is_own_page(&headers(&[]), "https://ductus.example"));
    }
}
