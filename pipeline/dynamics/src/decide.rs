//! From evidence to risk, confidence and action.
//!
//! Invariants: insufficient data never moves the risk; an action beyond `allow` needs more than one full window of evidence.

use crate::evidence::Evidence;
use crate::wire::Action;

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
            prior: 2.0,
            step_up_risk: 70.0,
            terminate_risk: 95.0,
            windows_min: 1.5,
        }
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
    use expect_test::{Expect, expect};

    fn check(llrs: &[f32], expect: Expect) {
        let mut evidence = Evidence::default();
        let lines: Vec<String> = llrs
            .iter()
            .map(|llr| {
                evidence.add(*llr, 1.0, &EvidencePolicy::default());
                let Verdict {
                    risk,
                    confidence,
                    action,
                } = DecisionPolicy::default().decide(&evidence, 1.0);
                format!("{llr:+} → risk {risk:.0}, confidence {confidence:.2}, {action:?}")
            })
            .collect();
        expect.assert_eq(&lines.join("\n"));
    }

    #[test]
    fn one_window_never_locks_out() {
        check(&[-100.0], expect!["-100 → risk 62, confidence 0.39, Allow"]);
    }

    #[test]
    fn a_takeover_is_stepped_up_and_then_ended() {
        check(
            &[4.0, 4.0, -4.0, -4.0, -4.0, -4.0],
            expect![[r#"
                +4 → risk 1, confidence 0.39, Allow
                +4 → risk 1, confidence 0.63, Allow
                -4 → risk 10, confidence 0.78, Allow
                -4 → risk 58, confidence 0.86, Allow
                -4 → risk 93, confidence 0.92, StepUp
                -4 → risk 98, confidence 0.95, Terminate"#]],
        );
    }
}
