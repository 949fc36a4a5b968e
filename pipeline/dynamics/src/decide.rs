//! From evidence to risk, confidence and action.
//!
//! Invariants: insufficient data never moves the risk; an action beyond `allow` needs more than one full window of evidence;
//! a threshold of a subject's or tenant's own moves the step-up and never puts the end of a session before it.

use crate::evidence::Evidence;
use crate::wire::Action;
use std::collections::BTreeMap;

/// Where the lines are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DecisionPolicy {
    /// Log-odds of the subject before any evidence (natural).
    pub prior: f32,
    /// Risk from which a second proof is asked for.
    pub step_up_risk: f32,
    /// Risk from which the session is ended.
    pub terminate_risk: f32,
    /// Full windows of evidence needed for anything beyond `allow`.
    pub windows_min: f32,
}

impl Default for DecisionPolicy {
    fn default() -> Self {
        Self {
            prior: 3.75,
            step_up_risk: 70.0,
            terminate_risk: 95.0,
            windows_min: 1.5,
        }
    }
}

/// Step-up risks of tenants and subjects that were computed from their history, before those of the policy.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thresholds {
    /// By tenant.
    pub tenants: BTreeMap<String, TenantThresholds>,
}

/// Step-up risks of one tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantThresholds {
    /// For everybody who has none of their own.
    pub step_up_risk: f32,
    /// By subject.
    pub subjects: BTreeMap<String, f32>,
}

impl Thresholds {
    /// The step-up risk of a subject, or of their tenant.
    pub fn step_up_risk(&self, tenant: &str, subject: Option<&str>) -> Option<f32> {
        let tenant = self.tenants.get(tenant)?;
        let own = subject.and_then(|subject| tenant.subjects.get(subject));
        Some(own.copied().unwrap_or(tenant.step_up_risk))
    }
}

/// What follows from the evidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict {
    /// Risk that it is somebody else, 0-100.
    pub risk: f32,
    /// How much evidence stands behind it, 0-1.
    pub confidence: f32,
    /// What to do.
    pub action: Action,
}

impl DecisionPolicy {
    /// The policy with another step-up risk, if there is one; the session is never ended before a step-up.
    pub fn with_step_up_risk(self, risk: Option<f32>) -> Self {
        let step_up_risk = risk.unwrap_or(self.step_up_risk);
        Self {
            step_up_risk,
            terminate_risk: self.terminate_risk.max(step_up_risk),
            ..self
        }
    }

    /// Risk at this evidence, 0-100: the probability of an impostor after prior and evidence.
    pub fn risk(&self, evidence: &Evidence) -> f32 {
        100.0 / (1.0 + (self.prior + evidence.llr).exp())
    }

    /// The verdict at this evidence. `quality` (0-1) says how complete window and references are.
    pub fn decide(&self, evidence: &Evidence, quality: f32) -> Verdict {
        let risk = self.risk(evidence);
        let confidence = (1.0 - (-evidence.windows / 2.0).exp()) * quality.clamp(0.0, 1.0);
        let action = if evidence.windows < self.windows_min || risk < self.step_up_risk {
            Action::Allow
        } else if risk < self.terminate_risk {
            Action::StepUp
        } else {
            Action::Terminate
        };
        Verdict {
            risk,
            confidence,
            action,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::EvidencePolicy;
    use crate::evidence::tests::apart;
    use expect_test::{Expect, expect};

    fn check(llrs: &[f32], expect: Expect) {
        let evidence = apart(llrs, &EvidencePolicy::default());
        let lines: Vec<String> = llrs
            .iter()
            .zip(&evidence)
            .map(|(llr, evidence)| {
                let Verdict {
                    risk,
                    confidence,
                    action,
                } = DecisionPolicy::default().decide(evidence, 1.0);
                format!("{llr:+} → risk {risk:.0}, confidence {confidence:.2}, {action:?}")
            })
            .collect();
        expect.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn a_subjects_own_threshold_comes_first() {
        let tenant = TenantThresholds {
            step_up_risk: 60.0,
            subjects: BTreeMap::from([("s-1".to_owned(), 97.0)]),
        };
        let thresholds = Thresholds {
            tenants: BTreeMap::from([("acme".to_owned(), tenant)]),
        };
        let policy = |tenant: &str, subject: Option<&str>| {
            let policy = DecisionPolicy::default();
            let policy = policy.with_step_up_risk(thresholds.step_up_risk(tenant, subject));
            (policy.step_up_risk, policy.terminate_risk)
        };
        assert_eq!(policy("acme", Some("s-1")), (97.0, 97.0));
        assert_eq!(policy("acme", Some("s-2")), (60.0, 95.0));
        assert_eq!(policy("acme", None), (60.0, 95.0));
        assert_eq!(policy("else", Some("s-1")), (70.0, 95.0));
    }

    #[test]
    fn one_window_never_locks_out() {
        check(&[-100.0], expect!["-100 → risk 2, confidence 0.39, Allow"]);
    }

    #[test]
    fn a_takeover_is_stepped_up_and_then_ended() {
        check(
            &[4.0, 4.0, -5.0, -5.0, -5.0, -5.0],
            expect![[r#"
                +4 → risk 1, confidence 0.39, Allow
                +4 → risk 1, confidence 0.63, Allow
                -5 → risk 1, confidence 0.78, Allow
                -5 → risk 66, confidence 0.86, Allow
                -5 → risk 98, confidence 0.92, Terminate
                -5 → risk 100, confidence 0.95, Terminate"#]],
        );
    }
}
