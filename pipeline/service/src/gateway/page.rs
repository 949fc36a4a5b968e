//! The console page, out of the binary.
//!
//! Invariants: nothing is read from outside the embedded folder; files whose names carry a hash may be kept for ever, the
//! page itself is not kept: it has a nonce, drawn for each answer, without which no style that is put into it holds.

use super::problem::Problem;
use super::{CONTENT_SECURITY_POLICY, drawn_id};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../../web/console/dist"]
#[allow_missing = true]
struct Page;

/// Shown where the binary was built without the page.
const WITHOUT: &str = "<!doctype html><meta charset=\"utf-8\"><title>Ductus</title><h1>Ductus</h1>\
    <p>This binary was built without its console page. <code>cargo xtask demo</code> builds both; by hand: \
    <code>npm ci &amp;&amp; npm run build</code> in <code>web/</code>, then build <code>ductus</code> again.</p>\
    <p>The API works: <a href=\"/v1/sessions\">sessions</a>, <a href=\"/v1/stats\">totals</a>, \
    <a href=\"/metrics\">metrics</a>.</p>";

/// Where the page wants the nonce.
const NONCE: &str = "__CSP_NONCE__";

pub(super) async fn serve(method: Method, uri: Uri) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")]).into_response();
    }
    let path = uri.path().trim_start_matches('/');
    if path.starts_with("v1/") {
        return Problem::NOT_FOUND.into_response();
    }
    let path = if path.is_empty() { "index.html" } else { path };
    match Page::get(path) {
        Some(file) if path == "index.html" => index(&String::from_utf8_lossy(&file.data)),
        Some(file) => {
            let cache = if path.starts_with("assets/") {
                "public, max-age=31536000, immutable"
            } else {
                "no-cache"
            };
            let headers = [
                (header::CONTENT_TYPE, content_type(path)),
                (header::CACHE_CONTROL, cache),
            ];
            (headers, file.data.into_owned()).into_response()
        }
        None if path == "index.html" => Html(WITHOUT).into_response(),
        None => Problem::NOT_FOUND.into_response(),
    }
}

/// The page with a nonce of its own.
fn index(page: &str) -> Response {
    let nonce = drawn_id();
    let mut headers = HeaderMap::new();
    let policy = format!("{CONTENT_SECURITY_POLICY}; style-src 'self' 'nonce-{nonce}'");
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    (headers, Html(page.replace(NONCE, &nonce))).into_response()
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("json" | "map") => "application/json",
        Some("woff2") => "font/woff2",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
