//! The cookie that holds a refresh token.
//!
//! Invariants: no script reads it, no other site sends it, it goes to `/v1/auth` alone and over TLS alone (but on this machine,
//! where browsers have none), and it ends with the sign-in.

use super::Identity;
use axum::http::{HeaderMap, HeaderValue, header};
use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use ductus_accounts::SignedIn;

const NAME: &str = "ductus_refresh";
const PATH: &str = "/v1/auth";

/// The token that a request brings.
pub(super) fn read(headers: &HeaderMap) -> Option<String> {
    let lines = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let mut cookies = lines.flat_map(Cookie::split_parse).filter_map(Result::ok);
    let cookie = cookies.find(|cookie| cookie.name() == NAME)?;
    Some(cookie.value().to_owned())
}

/// Keeps the token until the sign-in ends.
pub(super) fn keep(identity: &Identity, signed_in: &SignedIn, now_ms: i64) -> HeaderValue {
    let left_s = (signed_in.expires_ms - now_ms).max(0) / 1000;
    write(identity.secure, signed_in.refresh.expose(), left_s)
}

/// Takes it away.
pub(super) fn remove(identity: &Identity) -> HeaderValue {
    write(identity.secure, "", 0)
}

fn write(secure: bool, token: &str, max_age_s: i64) -> HeaderValue {
    let cookie = Cookie::build((NAME, token))
        .path(PATH)
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(secure)
        .max_age(Duration::seconds(max_age_s))
        .build();
    let mut value = HeaderValue::from_str(&cookie.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn cookies_are_written_and_read() {
        let written = |secure, token, age_s| write(secure, token, age_s).to_str().expect("text").to_owned();
        expect!["ductus_refresh=dr_1_0_a; HttpOnly; SameSite=Strict; Secure; Path=/v1/auth; Max-Age=60"]
            .assert_eq(&written(true, "dr_1_0_a", 60));
        expect!["ductus_refresh=; HttpOnly; SameSite=Strict; Path=/v1/auth; Max-Age=0"]
            .assert_eq(&written(false, "", 0));
        for (lines, expected) in [
            (&["ductus_refresh=dr_1"][..], Some("dr_1")),
            (&["a=b; ductus_refresh=dr_1; c=d"], Some("dr_1")),
            (&["a=b", "ductus_refresh=dr_1"], Some("dr_1")),
            (&["ductus_refresh_2=x; ;;=; ductus_refresh"], None),
            (&[], None),
        ] {
            let lines = lines
                .iter()
                .map(|line| (header::COOKIE, HeaderValue::from_static(line)));
            assert_eq!(read(&lines.collect()).as_deref(), expected);
        }
    }
}
