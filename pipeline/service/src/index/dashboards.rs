//! Tests of the dashboards as far as they can be checked without Kibana and Grafana: what they name exists.

use serde_json::Value;
use std::collections::BTreeSet;

const KIBANA: &str = include_str!("../../../../dashboards/kibana/ductus-soc.ndjson");
const GRAFANA: &str = include_str!("../../../../dashboards/grafana/ductus-operations.json");
const MAPPINGS: &str = include_str!("../../../../schemas/elasticsearch/component-mappings.json");
/// Every file that names metrics.
const METRICS: [&str; 4] = [
    include_str!("../../../stream/src/metrics.rs"),
    include_str!("../metrics.rs"),
    include_str!("metrics.rs"),
    include_str!("../archive/metrics.rs"),
];

fn objects() -> Vec<Value> {
    KIBANA.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Every value under the key `name`, however deep, also in JSON that is kept as text.
fn values<'v>(name: &str, value: &'v Value, found: &mut Vec<&'v Value>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get(name));
            members.values().for_each(|member| values(name, member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| values(name, item, found)),
        _ => {}
    }
}

fn mapped_fields() -> BTreeSet<String> {
    fn walk(path: &str, properties: &Value, found: &mut BTreeSet<String>) {
        for (name, field) in properties.as_object().unwrap() {
            let path = format!("{path}{name}");
            match field.get("properties") {
                Some(inner) => walk(&format!("{path}."), inner, found),
                None => {
                    found.insert(path);
                }
            }
        }
    }
    let mappings: Value = serde_json::from_str(MAPPINGS).unwrap();
    let mut found = BTreeSet::new();
    walk("", &mappings["template"]["mappings"]["properties"], &mut found);
    found
}

#[test]
fn every_field_in_kibana_is_mapped() {
    let mapped = mapped_fields();
    let mut used = BTreeSet::new();
    for object in &objects() {
        let mut found = Vec::new();
        values("sourceField", object, &mut found);
        values("sortField", object, &mut found);
        used.extend(found.iter().filter_map(|field| field.as_str().map(str::to_owned)));
        if object["type"] == "search" {
            let columns = object["attributes"]["columns"].as_array().unwrap();
            used.extend(columns.iter().filter_map(|column| column.as_str().map(str::to_owned)));
        }
        // Of our queries, `[not] field : value`.
        let mut queries = Vec::new();
        values("query", object, &mut queries);
        let fields = queries.iter().filter_map(|query| query.as_str()?.split_once(':'));
        used.extend(fields.map(|(field, _)| field.trim().trim_start_matches("not ").to_owned()));
    }
    used.remove("___records___");
    assert!(used.len() > 8, "{used:?}");
    let unknown: Vec<_> = used.difference(&mapped).collect();
    assert!(unknown.is_empty(), "not in component-mappings.json: {unknown:?}");
}

#[test]
fn every_reference_in_kibana_resolves() {
    let objects = objects();
    let known: BTreeSet<_> = objects
        .iter()
        .map(|object| (object["type"].as_str(), object["id"].as_str()))
        .collect();
    for object in &objects {
        assert!(object["coreMigrationVersion"].is_string(), "{}", object["id"]);
        for reference in object["references"].as_array().unwrap() {
            let target = (reference["type"].as_str(), reference["id"].as_str());
            assert!(known.contains(&target), "{} refers to {target:?}", object["id"]);
        }
    }
    let board = objects.iter().find(|object| object["type"] == "dashboard").unwrap();
    let panels: Value = serde_json::from_str(board["attributes"]["panelsJSON"].as_str().unwrap()).unwrap();
    let names: BTreeSet<String> = board["references"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reference| reference["name"].as_str().unwrap().to_owned())
        .collect();
    for panel in panels.as_array().unwrap() {
        let (index, name) = (
            panel["panelIndex"].as_str().unwrap(),
            panel["panelRefName"].as_str().unwrap(),
        );
        assert!(names.contains(&format!("{index}:{name}")));
    }
}

#[test]
fn every_metric_in_grafana_exists() {
    let known: BTreeSet<&str> = METRICS
        .iter()
        .flat_map(|source| source.split('"').filter(|text| text.starts_with("ductus_")))
        .collect();
    let board: Value = serde_json::from_str(GRAFANA).unwrap();
    let mut queries = Vec::new();
    values("expr", &board, &mut queries);
    assert!(queries.len() > 20);
    for query in queries {
        let query = query.as_str().unwrap();
        let names = query
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .filter(|word| word.starts_with("ductus_"));
        for name in names {
            let name = name.strip_suffix("_bucket").unwrap_or(name);
            assert!(known.contains(name), "{name} in {query} is no metric of ours");
        }
    }
}
