//! Holds `infra/prometheus/rules.yml` against the code: an alert on a metric that nobody counts never fires.
//!
//! Only a test; the rules themselves are tested by `promtool test rules infra/prometheus/rules_test.yml`, where there is one.

use std::collections::BTreeSet;
use std::path::Path;

use crate::environment;

#[test]
fn alerts_name_metrics_that_exist() {
    let root = environment::repository();
    let rules = std::fs::read_to_string(root.join("infra/prometheus/rules.yml")).expect("the rules are there");
    let mut counted = BTreeSet::new();
    for source in ["pipeline/stream/src/metrics.rs", "pipeline/service/src/metrics.rs"] {
        counted.extend(metrics(
            &std::fs::read_to_string(Path::new(&root).join(source)).expect("the source is there"),
        ));
    }
    let asked = metrics(&rules);
    assert!(asked.len() > 5, "the rules name metrics");
    for metric in asked {
        // A histogram appears as three series.
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|part| metric.strip_suffix(part))
            .unwrap_or(&metric);
        assert!(
            counted.contains(base),
            "infra/prometheus/rules.yml: no code counts {metric}"
        );
    }
}

/// Every word of a text that is named as our metrics are.
fn metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_lowercase() && letter != '_');
    words
        .filter(|word| word.starts_with("ductus_"))
        .map(str::to_owned)
        .collect()
}
