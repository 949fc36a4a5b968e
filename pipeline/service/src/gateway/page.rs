//! The console page, out of the binary.
//!
//! Invariants: nothing is read from outside the embedded folder; files whose names carry a hash may be kept for ever, the
//! page itself must be asked for each time.

use super::problem::Problem;
use axum::http::{Method, StatusCode, Uri, header};
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
