//! The OpenAPI 3.1 document of the gateway: from the handlers themselves, with the schemas of the wire out of `schemas/`.
//!
//! Invariant: it is equal to the reviewed copy, `schemas/openapi.json` (a test).

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::OnceLock;
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::{ResponseBuilder, ResponsesBuilder};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref, RefOr};
use utoipa::{IntoResponses, ToSchema};

/// Names of the security schemes.
const BEARER: &str = "bearer";
const REFRESH_COOKIE: &str = "refresh_cookie";

/// Schemas that are not the gateway's own: what travels through Kafka as well.
const WIRE: [(&str, &str); 2] = [
    (
        "EventBatch",
        include_str!("../../../../schemas/event-batch.schema.json"),
    ),
    ("Decision", include_str!("../../../../schemas/decision.schema.json")),
];

/// What every refusal looks like (RFC 9457).
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what `problem::Problem` writes")]
pub(super) struct ProblemDetails {
    /// `urn:ductus:problem:` and the reason.
    r#type: String,
    /// One sentence for people.
    title: String,
    /// The status of the answer.
    status: u16,
    /// Code for programs.
    reason: String,
}

/// What any route may answer that asks for a credential.
pub(super) struct Refused;

impl IntoResponses for Refused {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        problems(&[
            ("401", "no credential, or none that holds"),
            ("403", "the credential is good for something else"),
            ("503", "try again after the seconds of `Retry-After`"),
        ])
    }
}

/// Refusals by status, each with what it says.
pub(super) fn problems(told: &[(&str, &str)]) -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
    let responses = told.iter().fold(ResponsesBuilder::new(), |responses, (status, what)| {
        responses.response(*status, problem(what))
    });
    responses.build().into()
}

fn problem(what: &str) -> utoipa::openapi::Response {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("ProblemDetails")))
        .build();
    ResponseBuilder::new()
        .description(what)
        .content("application/problem+json", content)
        .build()
}

/// The document that handlers are collected into.
pub(super) fn begin() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Ductus gateway")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Event batches in, risk out. Where `access.mode` is `open` no credential is asked for.",
        ))
        .license(Some(
            LicenseBuilder::new()
                .name("Apache-2.0")
                .identifier(Some("Apache-2.0"))
                .build(),
        ))
        .build();
    OpenApiBuilder::new().info(info).build()
}

/// Adds what no handler can say, and writes the whole.
pub(super) fn finish(mut api: OpenApi) -> Value {
    let components = api.components.get_or_insert_with(Default::default);
    let scheme = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "An application key (`dk_…`), a session token made with one, the access token of whoever signed in, or a token of \
             the configured identity provider.",
        ))
        .build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(scheme));
    let cookie = ApiKeyValue::with_description("ductus_refresh", "Set by signing in; no script reads it.");
    components.add_security_scheme(REFRESH_COOKIE, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    for item in api.paths.paths.values_mut() {
        let operations: [&mut Option<Operation>; 4] = [&mut item.get, &mut item.post, &mut item.put, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            // A route that asks for something else, or for nothing, says so itself.
            let asks = operation.responses.responses.contains_key("401") && operation.security.is_none();
            if asks {
                operation.security = Some(vec![SecurityRequirement::new(BEARER, Vec::<String>::new())]);
            }
        }
    }
    let mut document = serde_json::to_value(api).unwrap_or_default();
    if let Some(Value::Object(schemas)) = document.pointer_mut("/components/schemas") {
        for (name, text) in WIRE {
            hoist(name, text, schemas);
        }
    }
    document
}

/// Puts a schema and its definitions among the components, and lets its references point there.
fn hoist(name: &str, text: &str, schemas: &mut Map<String, Value>) {
    let text = text.replace("#/$defs/", "#/components/schemas/");
    let Ok(Value::Object(mut schema)) = serde_json::from_str(&text) else {
        return;
    };
    schema.remove("$schema");
    schema.remove("$id");
    if let Some(Value::Object(definitions)) = schema.remove("$defs") {
        schemas.extend(definitions);
    }
    schemas.insert(name.to_owned(), schema.into());
}

/// `GET /v1/openapi.json`.
#[utoipa::path(
    get,
    path = "/v1/openapi.json",
    operation_id = "getOpenApi",
    tag = "about",
    responses((status = 200, description = "this document", content_type = "application/json"))
)]
pub(super) async fn document() -> Response {
    static DOCUMENT: OnceLock<String> = OnceLock::new();
    let text = DOCUMENT.get_or_init(|| finish(super::Gateway::routes().1).to_string());
    ([(header::CONTENT_TYPE, "application/json")], text.as_str()).into_response()
}
