//! Attacks on the door, each with what holds it: `docs/security.md` is the table.
//!
//! Where an attack is one on every route, the routes come from the OpenAPI document, so that a new one cannot be forgotten.

mod content;
mod sockets;
mod tenants;
mod tokens;

use super::access::Guarded;
use super::identity::{ANN, Answer, House, PASSWORD, credentials};
use super::*;
use crate::gateway::openapi::finish;

/// One operation of the document.
struct Operation {
    method: Method,
    /// With its names in braces.
    path: String,
    /// Names of its query's parameters.
    query: Vec<String>,
    /// Fields of its body that are texts; none where it takes no body.
    body: Option<Vec<String>>,
}

impl Operation {
    /// Every operation.
    fn all() -> Vec<Self> {
        let document = finish(Gateway::routes().1);
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, said) in item.as_object().expect("operations") {
                let parameters = said["parameters"].as_array().cloned().unwrap_or_default();
                let query = parameters.iter().filter(|parameter| parameter["in"] == "query");
                let named = |parameter: &Value| parameter["name"].as_str().expect("a name").to_owned();
                operations.push(Self {
                    method: method.to_uppercase().parse().expect("a method"),
                    path: path.clone(),
                    query: query.map(named).collect(),
                    body: said.get("requestBody").map(|body| texts(&document, body)),
                });
            }
        }
        assert!(operations.len() > 50, "the document has all of them");
        operations
    }

    /// As it stands in the document.
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether it has names in its path.
    fn has_names(&self) -> bool {
        self.path.contains('{')
    }

    /// Whether its answer goes on for ever.
    fn is_endless(&self) -> bool {
        ["/v1/decisions/stream", "/v1/sessions/{session}/monitor"].contains(&self.path.as_str())
    }

    /// The path with its names replaced.
    fn path_with(&self, value: impl Fn(&str) -> String) -> String {
        let mut parts = self.path.split('{');
        let mut path = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').expect("a name ends");
            path += &value(name);
            path += rest;
        }
        path
    }
}

/// The fields of a body that are texts.
fn texts(document: &Value, body: &Value) -> Vec<String> {
    let schema = &body["content"]["application/json"]["schema"];
    let schema = match schema["$ref"]
        .as_str()
        .and_then(|reference| reference.strip_prefix('#'))
    {
        Some(place) => document.pointer(place).expect("it is there"),
        None => schema,
    };
    let fields = schema["properties"].as_object().into_iter().flatten();
    let texts = fields.filter(|(_, field)| field["type"] == "string" || field["type"][0] == "string");
    texts.map(|(name, _)| name.clone()).collect()
}
