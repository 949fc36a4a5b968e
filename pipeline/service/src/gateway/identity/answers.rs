//! Answers that several routes give, and what the OpenAPI document says of them.
//!
//! Invariant: what the library tells nobody but the audit is one answer here.

use super::super::openapi::problems;
use super::super::problem::Problem;
use super::cookie;
use super::request::Visitor;
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use ductus_accounts::{AccountsError, Ceremony, Challenge, CodeAnswer, PasswordRefusal, SignedIn};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::openapi::RefOr;
use utoipa::{IntoResponses, ToSchema};

/// Not signed in, or not any more; which of both is nobody's business.
pub(super) const NOT_SIGNED_IN: Problem = Problem {
    status: StatusCode::UNAUTHORIZED,
    reason: "unauthenticated",
    title: "sign in first",
    retry_after_s: None,
};

/// Something that was shown does not hold: a password, a code, a passkey, a refresh token.
pub(super) const DOES_NOT_HOLD: Problem = Problem {
    status: StatusCode::UNAUTHORIZED,
    reason: "unauthenticated",
    title: "that does not hold, or not any more",
    retry_after_s: None,
};

/// Risk, or the weight of what is asked, wants a second proof first.
pub(super) const STEP_UP: Problem = Problem {
    status: StatusCode::FORBIDDEN,
    reason: "step_up",
    title: "a second proof is asked for first, see POST /v1/me/step-up",
    retry_after_s: None,
};

/// A page of another origin.
pub(super) const FOREIGN_PAGE: Problem = Problem {
    status: StatusCode::FORBIDDEN,
    reason: "foreign_origin",
    title: "only pages of this gateway sign people in, see identity.public_url",
    retry_after_s: None,
};

/// The old password is another.
pub(super) const WRONG_PASSWORD: Problem = Problem {
    status: StatusCode::FORBIDDEN,
    reason: "wrong_password",
    title: "the old password is another",
    retry_after_s: None,
};

/// Too many attempts.
pub(super) fn too_often(wait_ms: i64) -> Problem {
    Problem {
        status: StatusCode::TOO_MANY_REQUESTS,
        reason: "too_often",
        title: "too many attempts, try again later",
        retry_after_s: Some(u32::try_from((wait_ms.max(1) + 999) / 1000).unwrap_or(u32::MAX)),
    }
}

/// A password that is not taken.
pub(super) fn bad_password(refusal: PasswordRefusal) -> Problem {
    Problem {
        status: StatusCode::BAD_REQUEST,
        reason: "bad_password",
        title: match refusal {
            PasswordRefusal::TooShort => "the password is too short",
            PasswordRefusal::TooLong => "the password is too long",
            PasswordRefusal::IsAddress => "the password is the e-mail address",
            PasswordRefusal::Known => "the password is in a list of known passwords",
        },
        retry_after_s: None,
    }
}

/// What the library could not do.
pub(super) fn failed(error: AccountsError) -> Problem {
    let for_now = |reason, title| Problem {
        status: StatusCode::SERVICE_UNAVAILABLE,
        reason,
        title,
        retry_after_s: Some(1),
    };
    match error {
        AccountsError::Invalid(what) => Problem::bad_value(what),
        AccountsError::Limit(what) => Problem {
            status: StatusCode::CONFLICT,
            reason: "limit",
            title: what,
            retry_after_s: None,
        },
        AccountsError::Busy => for_now("busy", "too many sign in at once, try again"),
        AccountsError::Mail(_) => {
            tracing::error!(%error, "people cannot sign in");
            for_now("no_mail", "the mail cannot be sent for now")
        }
        AccountsError::Database(_) => {
            tracing::error!(%error, "the accounts database failed");
            Problem::NO_DATABASE
        }
        error => {
            tracing::error!(%error, "an account cannot be served");
            Problem::BROKEN
        }
    }
}

/// Who is signed in now. The refresh token comes as a cookie.
#[derive(Serialize, ToSchema)]
pub(super) struct SignedInView {
    /// The user, who is the subject of their events.
    user: String,
    /// The tenant that their events name.
    tenant: String,
    /// For `Authorization: Bearer …`; to be kept in memory only.
    access_token: String,
    /// When the access token ends, ms since 1970.
    expires_at_ms: i64,
}

/// A code that is awaited.
#[derive(Serialize, ToSchema)]
pub(super) struct ChallengeView {
    /// What the code is to be sent back with.
    challenge: String,
    /// When it ends, ms since 1970.
    expires_at_ms: i64,
}

impl From<Challenge> for ChallengeView {
    fn from(challenge: Challenge) -> Self {
        Self {
            challenge: challenge.id,
            expires_at_ms: challenge.expires_ms,
        }
    }
}

/// A second factor that is awaited.
#[derive(Serialize, ToSchema)]
pub(super) struct FactorsView {
    #[serde(flatten)]
    challenge: ChallengeView,
    /// What answers it: `code` by mail, or a `passkey`.
    #[schema(value_type = Vec<String>)]
    factors: Factors,
}

/// Whether a passkey will do besides the code.
struct Factors {
    passkey: bool,
}

impl Serialize for Factors {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let factors: &[&str] = if self.passkey { &["code", "passkey"] } else { &["code"] };
        factors.serialize(serializer)
    }
}

/// The first half of a passkey's ceremony.
#[derive(Serialize, ToSchema)]
pub(super) struct CeremonyView {
    /// What the browser's answer is to be sent back with.
    ceremony: String,
    /// For `navigator.credentials.create` or `.get`.
    #[schema(value_type = Object)]
    options: Value,
    /// When it ends, ms since 1970.
    expires_at_ms: i64,
}

impl From<Ceremony> for CeremonyView {
    fn from(ceremony: Ceremony) -> Self {
        Self {
            ceremony: ceremony.id,
            options: ceremony.options,
            expires_at_ms: ceremony.expires_ms,
        }
    }
}

impl Visitor {
    /// 202: a second factor is awaited. Whoever gets here has shown the first one.
    pub(super) async fn asked(&self, challenge: Challenge) -> Result<Response, Problem> {
        let passkey = match &self.identity.passkeys {
            Some(passkeys) => passkeys
                .may_confirm(&self.visit(), &challenge.id)
                .await
                .map_err(failed)?,
            None => false,
        };
        let body = FactorsView {
            challenge: challenge.into(),
            factors: Factors { passkey },
        };
        Ok((StatusCode::ACCEPTED, Json(body)).into_response())
    }

    /// 200 with the cookie.
    pub(super) fn signed_in(&self, signed_in: SignedIn) -> Response {
        let cookie = cookie::keep(&self.identity, &signed_in, self.now_ms);
        let body = SignedInView {
            user: signed_in.user,
            tenant: self.identity.tenant.clone(),
            access_token: signed_in.access.token.expose().to_owned(),
            expires_at_ms: signed_in.access.expires_ms,
        };
        ([(header::SET_COOKIE, cookie)], Json(body)).into_response()
    }

    /// What became of a code or a passkey. A step-up's sign-in goes on with the cookie that it has.
    pub(super) fn confirmed(&self, answer: CodeAnswer) -> Result<Response, Problem> {
        match answer {
            CodeAnswer::Refused => Err(DOES_NOT_HOLD),
            CodeAnswer::Throttled { retry_after_ms } => Err(too_often(retry_after_ms)),
            CodeAnswer::SignedIn(signed_in) => Ok(self.signed_in(signed_in)),
            CodeAnswer::Proved(access) => {
                let token = self.accounts().verify_access(access.token.expose(), self.now_ms);
                let body = SignedInView {
                    user: token.map_err(|_| Problem::BROKEN)?.user,
                    tenant: self.identity.tenant.clone(),
                    access_token: access.token.expose().to_owned(),
                    expires_at_ms: access.expires_ms,
                };
                Ok(Json(body).into_response())
            }
        }
    }

    /// The answer, and no cookie any more.
    pub(super) fn without_cookie(&self, answer: impl IntoResponse) -> Response {
        ([(header::SET_COOKIE, cookie::remove(&self.identity))], answer).into_response()
    }
}

/// What any route here answers where nobody signs in.
pub(super) struct Absent;

impl IntoResponses for Absent {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        problems(&[(
            "404",
            "it is not there, or nobody signs in here: see `identity.enabled`",
        )])
    }
}

/// What any route may answer that people come to before they are signed in.
pub(super) struct Unproved;

impl IntoResponses for Unproved {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        problems(&[
            ("401", "that does not hold, or not any more"),
            ("403", "the page is of another origin"),
            ("429", "too many attempts: again after the seconds of `Retry-After`"),
            ("503", "try again after the seconds of `Retry-After`"),
        ])
    }
}
