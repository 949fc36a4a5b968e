//! `ductus index --setup`: the templates of our data streams, as they stand in `schemas/elasticsearch/`.
//!
//! Invariants: mappings and shared settings go in on Elasticsearch and OpenSearch alike, or the setup fails; settings that only
//! a full Elasticsearch knows are left out with a word where they are refused; running it again changes nothing.

use super::bulk::said;
use super::client::Client;
use anyhow::Context;

const MAPPINGS: (&str, &str) = (
    "ductus-mappings",
    include_str!("../../../../schemas/elasticsearch/component-mappings.json"),
);
const SETTINGS: (&str, &str) = (
    "ductus-settings",
    include_str!("../../../../schemas/elasticsearch/component-settings.json"),
);
const ELASTIC_ONLY: (&str, &str) = (
    "ductus-elastic-only",
    include_str!("../../../../schemas/elasticsearch/component-elastic-only.json"),
);
const INDEX: [(&str, &str); 2] = [
    (
        "ductus-decision",
        include_str!("../../../../schemas/elasticsearch/index-template-decision.json"),
    ),
    (
        "ductus-audit",
        include_str!("../../../../schemas/elasticsearch/index-template-audit.json"),
    ),
];

/// Installs all templates.
pub(super) async fn install(client: &Client) -> anyhow::Result<()> {
    for (name, body) in [MAPPINGS, SETTINGS] {
        put(client, "_component_template", name, body).await??;
    }
    let (name, body) = ELASTIC_ONLY;
    let elastic = match put(client, "_component_template", name, body).await? {
        Ok(()) => true,
        Err(refused) => {
            tracing::info!(
                template = name,
                why = %refused,
                "life cycle and logsdb are not for this node and are left out; set its retention by its own means"
            );
            false
        }
    };
    for (name, body) in INDEX {
        let body = with_component(body, elastic.then_some(ELASTIC_ONLY.0))?;
        put(client, "_index_template", name, &body).await??;
    }
    Ok(())
}

/// The outer error: no answer. The inner one: the node refuses the template.
async fn put(client: &Client, kind: &str, name: &str, body: &str) -> anyhow::Result<anyhow::Result<()>> {
    let reply = client
        .put(&format!("/{kind}/{name}"), body.as_bytes())
        .await
        .with_context(|| format!("template {name}: elasticsearch does not answer"))?;
    if (200..300).contains(&reply.status) {
        tracing::info!(template = name, "template is installed");
        return Ok(Ok(()));
    }
    let why = said(reply.status, &reply.body);
    if matches!(reply.status, 401 | 403) {
        anyhow::bail!("template {name} is refused: {why}; the user needs the privilege manage_index_templates");
    }
    Ok(Err(anyhow::anyhow!("template {name} is refused: {why}")))
}

/// The index template with one more component.
fn with_component(body: &str, component: Option<&str>) -> anyhow::Result<String> {
    let Some(component) = component else {
        return Ok(body.to_owned());
    };
    let mut template: serde_json::Value = serde_json::from_str(body).context("an index template is no JSON")?;
    template["composed_of"]
        .as_array_mut()
        .context("an index template has no components")?
        .push(component.into());
    Ok(template.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn templates_fit_together() {
        for (name, body) in INDEX {
            let composed: Value = serde_json::from_str(&with_component(body, Some(ELASTIC_ONLY.0)).unwrap()).unwrap();
            let components = [MAPPINGS.0, SETTINGS.0, ELASTIC_ONLY.0];
            assert_eq!(composed["composed_of"], serde_json::json!(components));
            assert_eq!(composed["priority"], 501);
            let stream = name.strip_prefix("ductus-").unwrap();
            assert_eq!(composed["index_patterns"][0], format!("logs-ductus.{stream}-*"));
            assert!(composed["data_stream"].is_object());
        }
        for (_, body) in [MAPPINGS, SETTINGS, ELASTIC_ONLY] {
            let component: Value = serde_json::from_str(body).unwrap();
            assert!(component["template"].is_object());
        }
    }
}
