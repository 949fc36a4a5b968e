//! Evidence of a session: log-likelihood ratios of windows, accumulated with forgetting over both modalities.
//!
//! Invariants: a window counts only for its fresh steps, because windows overlap; one window's say is bounded, so that none
//! locks anybody out alone; trust saves up only so far, so that a takeover is found by the change and not by the average
//! (a CUSUM with both ends reflected; Page, Biometrika 1954).

/// How evidence accumulates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EvidencePolicy {
    /// What remains of the old evidence after one full window.
    pub keep: f32,
    /// Most that one full window may say, either way (natural log).
    pub window_max: f32,
    /// Most trust that is saved up.
    pub trust_max: f32,
    /// Most distrust that is saved up.
    pub distrust_max: f32,
}

impl Default for EvidencePolicy {
    fn default() -> Self {
        Self {
            keep: 0.9,
            window_max: 2.5,
            trust_max: 3.0,
            distrust_max: 6.0,
        }
    }
}

/// The evidence of one session.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence {
    /// Accumulated log-likelihood ratio, natural: positive speaks for the subject.
    pub llr: f32,
    /// Full windows' worth of fresh steps behind it.
    pub windows: f32,
}

impl Evidence {
    /// Adds one window: its log-likelihood ratio, and the share of its steps that no earlier window had (0-1).
    pub fn add(&mut self, llr: f32, fresh: f32, policy: &EvidencePolicy) {
        let fresh = fresh.clamp(0.0, 1.0);
        let said = llr.clamp(-policy.window_max, policy.window_max) * fresh;
        self.llr = (self.llr * policy.keep.powf(fresh) + said).clamp(-policy.distrust_max, policy.trust_max);
        self.windows += fresh;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_takeover_is_found_by_the_change() {
        let policy = EvidencePolicy::default();
        let mut evidence = Evidence::default();
        for _ in 0..200 {
            evidence.add(4.0, 1.0, &policy);
        }
        let mut windows = 0;
        while evidence.llr > -3.0 {
            evidence.add(-4.0, 1.0, &policy);
            windows += 1;
        }
        assert_eq!(windows, 3, "two hundred good windows buy no more than a few bad ones");
    }

    proptest! {
        #![proptest_config(crate::proptest_config(256))]

        #[test]
        fn stays_within_its_bounds(llrs in proptest::collection::vec((-1e6f32..1e6, 0f32..1.5), 0..100)) {
            let policy = EvidencePolicy::default();
            let mut evidence = Evidence::default();
            for (llr, fresh) in llrs {
                evidence.add(llr, fresh, &policy);
                prop_assert!((-policy.distrust_max..=policy.trust_max).contains(&evidence.llr));
            }
        }

        #[test]
        fn overlapping_windows_say_no_more_than_one(llr in -2.5f32..2.5, hops in 1usize..10) {
            let policy = EvidencePolicy { keep: 1.0, ..EvidencePolicy::default() };
            let (mut whole, mut parts) = (Evidence::default(), Evidence::default());
            whole.add(llr, 1.0, &policy);
            for _ in 0..hops {
                parts.add(llr, 1.0 / hops as f32, &policy);
            }
            prop_assert!((whole.llr - parts.llr).abs() < 1e-4);
        }
    }
}
