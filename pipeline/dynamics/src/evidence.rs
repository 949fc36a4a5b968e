//! Evidence of a session: log-likelihood ratios of windows, accumulated with forgetting over both modalities.
//!
//! A takeover is a change, so this is a CUSUM with both ends reflected (Page, Biometrika 1954), over windows that share no
//! step: a new window is added to what was known *before its first step*, never to what its own steps have said already. The
//! newest window so speaks with its full weight as soon as it is there, and nothing is counted twice.
//!
//! The numbers were chosen on people of Aalto whom the models had not seen (ADR 11). There, log-likelihood ratios of one
//! person's windows ten keys apart correlate by 0.80, of the next windows that share no key by 0.36, and 150 keys later still
//! by 0.21: part of what an older window says is said again. Not kept, because they helped little or not at all there: the
//! newest 30 keys compared on their own beside the 50, ratios measured against the session's own level, and the mean embedding
//! of the latest windows.
//!
//! Invariants: one window's say is bounded and waits for the next window to agree, so that none locks anybody out alone;
//! trust saves up only so far, so that a takeover is found by the change and not by the average; silence and another device
//! forget trust and never distrust, so that waiting helps nobody; the size is fixed, whatever comes.

use crate::event::Modality;
use crate::wire::Device;
use serde::{Deserialize, Serialize};

/// How evidence accumulates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EvidencePolicy {
    /// What remains of the old evidence when a full window is added to it. Windows of one session that share no step still
    /// agree more than independent ones would; what they repeat is taken off here.
    pub keep: f32,
    /// Most that one window may say, either way (natural log).
    pub window_max: f32,
    /// Most trust that is saved up.
    pub trust_max: f32,
    /// Most distrust that is saved up.
    pub distrust_max: f32,
    /// Trust halves in this much silence, µs.
    pub silence_us: i64,
}

impl Default for EvidencePolicy {
    fn default() -> Self {
        Self {
            keep: 0.6,
            window_max: 12.0,
            trust_max: 1.0,
            distrust_max: 16.0,
            silence_us: 600_000_000,
        }
    }
}

/// What one window says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// Keystroke or pointer.
    pub modality: Modality,
    /// What it was made with: another device has other references.
    pub device: Device,
    /// Log-likelihood ratio, natural: positive speaks for the subject.
    pub llr: f32,
    /// Steps in the window.
    pub steps: usize,
    /// Steps that no earlier window had.
    pub fresh: usize,
    /// Steps of a full window.
    pub full: usize,
    /// Event time of its first step, µs.
    pub start_us: i64,
    /// Event time of its end, µs.
    pub end_us: i64,
}

/// The evidence of one session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Accumulated log-likelihood ratio, natural: positive speaks for the subject.
    pub llr: f32,
    /// Full windows' worth of fresh steps behind it.
    pub windows: f32,
    lanes: [Lane; Modality::ALL.len()],
}

impl Evidence {
    /// Adds one window.
    pub fn add(&mut self, seen: &Observation, policy: &EvidencePolicy) {
        let full = seen.full.max(1) as f32;
        let fresh = (seen.fresh as f32 / full).min(1.0);
        self.windows += fresh;
        for (lane, modality) in self.lanes.iter_mut().zip(Modality::ALL) {
            lane.be_silent_until(seen.start_us, policy);
            if modality == seen.modality {
                lane.add(seen, policy);
            } else {
                // What the other hand said grows old as well.
                lane.fade(policy.keep.powf(fresh), |_| true);
            }
        }
        let sum: f32 = self.lanes.iter().map(|lane| lane.said).sum();
        self.llr = sum.clamp(-policy.distrust_max, policy.trust_max);
    }

    /// Whether it can have come from windows: what was read from outside is asked before it is used.
    pub(crate) fn is_sound(&self) -> bool {
        self.lanes.iter().all(Lane::is_sound) && self.llr.is_finite() && self.windows.is_finite() && self.windows >= 0.0
    }
}

/// Marks kept of a modality: more than a full window's worth.
const MARKS: usize = 8;

/// No session has so many steps, and there is room to count on.
const STEPS_MAX: u64 = 1 << 62;

/// What was known when so many steps had been seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Mark {
    /// Steps seen.
    position: u64,
    /// Evidence after the window that ended there.
    llr: f32,
}

/// The evidence of one modality.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Lane {
    /// The latest marks, oldest first; the first `len` hold.
    marks: [Mark; MARKS],
    len: usize,
    position: u64,
    /// What was known before the oldest mark.
    base: f32,
    /// The evidence: the kinder of the two latest windows'.
    said: f32,
    last_us: i64,
    device: Option<Device>,
}

impl Lane {
    fn add(&mut self, seen: &Observation, policy: &EvidencePolicy) {
        if self.device.is_some_and(|device| device != seen.device) {
            self.change_device();
        }
        self.device = Some(seen.device);
        let share = (seen.steps as f32 / seen.full.max(1) as f32).min(1.0);
        self.position += seen.fresh as u64;
        let start = self.position.saturating_sub(seen.steps as u64);
        let before = self.kept().iter().rev().find(|mark| mark.position <= start);
        let before = before.map_or(self.base, |mark| mark.llr);
        // A short window says less, and so is worth less.
        let said = seen.llr.clamp(-policy.window_max, policy.window_max) * share;
        let llr = (before * policy.keep.powf(share) + said).clamp(-policy.distrust_max, policy.trust_max);
        let last = self.kept().last().map_or(self.base, |mark| mark.llr);
        self.said = llr.max(last);
        self.last_us = self.last_us.max(seen.end_us);
        let position = self.position;
        self.mark(Mark { position, llr }, seen.full);
    }

    fn is_sound(&self) -> bool {
        let Some(kept) = self.marks.get(..self.len) else {
            return false;
        };
        let in_order = kept.is_sorted_by_key(|mark| mark.position)
            && kept.last().is_none_or(|last| last.position <= self.position)
            && self.position < STEPS_MAX;
        let mut numbers = self.marks.iter().map(|mark| mark.llr).chain([self.base, self.said]);
        in_order && numbers.all(f32::is_finite)
    }

    fn kept(&self) -> &[Mark] {
        &self.marks[..self.len]
    }

    /// Keeps the mark. Marks closer together than it takes to reach back a full window with so few give way to each other.
    fn mark(&mut self, mark: Mark, full: usize) {
        let apart = full.div_ceil(MARKS - 1) as u64;
        if let [.., before, last] = &mut self.marks[..self.len]
            && last.position - before.position < apart
        {
            *last = mark;
            return;
        }
        if self.len == MARKS {
            self.base = self.marks[0].llr;
            self.marks.copy_within(1.., 0);
            self.len -= 1;
        }
        self.marks[self.len] = mark;
        self.len += 1;
    }

    /// Another device: its windows are compared with other references, and somebody else may sit there. Only doubt stays.
    fn change_device(&mut self) {
        let last = self.kept().last().map_or(self.base, |mark| mark.llr);
        *self = Self {
            base: last.min(0.0),
            said: self.said.min(0.0),
            position: self.position,
            last_us: self.last_us,
            ..Self::default()
        };
    }

    fn be_silent_until(&mut self, t_us: i64, policy: &EvidencePolicy) {
        let silent_us = t_us.saturating_sub(self.last_us);
        if self.len == 0 || silent_us <= 0 || policy.silence_us <= 0 {
            return;
        }
        let left = (-(silent_us as f32) / policy.silence_us as f32).exp2();
        self.fade(left, |llr| llr > 0.0);
        self.last_us = t_us;
    }

    /// Leaves this share of what `concerns` picks.
    fn fade(&mut self, left: f32, concerns: impl Fn(f32) -> bool) {
        let marks = self.marks[..self.len].iter_mut().map(|mark| &mut mark.llr);
        for llr in marks.chain([&mut self.base, &mut self.said]) {
            if concerns(*llr) {
                *llr *= left;
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    /// A window of 50 keys that ends `fresh` keys after the one before, a key every 200 ms.
    fn window(position: &mut usize, llr: f32, fresh: usize) -> Observation {
        *position += fresh;
        let steps = (*position).min(50);
        Observation {
            modality: Modality::Keystroke,
            device: Device::default(),
            llr,
            steps,
            fresh,
            full: 50,
            start_us: (*position - steps) as i64 * 200_000,
            end_us: *position as i64 * 200_000,
        }
    }

    /// Evidence after full windows that share nothing.
    pub(crate) fn apart(llrs: &[f32], policy: &EvidencePolicy) -> Vec<Evidence> {
        let (mut evidence, mut position) = (Evidence::default(), 0);
        let add = |llr: &f32| {
            evidence.add(&window(&mut position, *llr, 50), policy);
            evidence
        };
        llrs.iter().map(add).collect()
    }

    fn check(llrs: &[f32], fresh: usize, expect: Expect) {
        let policy = EvidencePolicy::default();
        let (mut evidence, mut position) = (Evidence::default(), 40);
        let line = |llr: &f32| {
            evidence.add(&window(&mut position, *llr, fresh), &policy);
            format!("{:+.1}", evidence.llr)
        };
        expect.assert_eq(&llrs.iter().map(line).collect::<Vec<_>>().join(" "));
    }

    #[test]
    fn a_takeover_is_found_by_the_change() {
        let policy = EvidencePolicy::default();
        let mut llrs = vec![4.0; 200];
        llrs.extend([-4.0; 3]);
        let evidence = apart(&llrs, &policy);
        assert!(evidence[199].llr > 0.0);
        assert!(
            evidence[202].llr < -2.0,
            "two hundred good windows buy no more than a few bad ones: {evidence:?}"
        );
    }

    #[test]
    fn overlapping_windows_say_no_more_than_one() {
        check(&[-2.0; 6], 10, expect!["+0.0 -2.0 -2.0 -2.0 -2.0 -2.0"]);
        check(&[2.0; 6], 10, expect!["+1.0 +1.0 +1.0 +1.0 +1.0 +1.0"]);
    }

    #[test]
    fn one_bad_window_waits_for_the_next_to_agree() {
        check(&[4.0, 4.0, -9.0, 4.0], 50, expect!["+1.0 +1.0 +1.0 -1.0"]);
        check(&[4.0, 4.0, -9.0, -9.0], 50, expect!["+1.0 +1.0 +1.0 -8.4"]);
    }

    #[test]
    fn silence_forgets_trust_and_keeps_doubt() {
        let policy = EvidencePolicy::default();
        for (llr, expect) in [(4.0, expect!["+1.00 → +0.50"]), (-4.0, expect!["-7.84 → -5.22"])] {
            let (mut evidence, mut position) = (Evidence::default(), 0);
            for _ in 0..4 {
                evidence.add(&window(&mut position, llr, 50), &policy);
            }
            let before = evidence.llr;
            position += 600 * 5;
            let late = Observation {
                llr: 0.0,
                ..window(&mut position, 0.0, 50)
            };
            evidence.add(&late, &policy);
            expect.assert_eq(&format!("{before:+.2} → {:+.2}", evidence.llr));
        }
    }

    #[test]
    fn another_device_starts_with_the_doubt_only() {
        let policy = EvidencePolicy::default();
        let (mut evidence, mut position) = (Evidence::default(), 0);
        for _ in 0..4 {
            evidence.add(&window(&mut position, 4.0, 50), &policy);
        }
        let other = Observation {
            device: Device {
                touch: true,
                ..Device::default()
            },
            ..window(&mut position, -2.0, 50)
        };
        evidence.add(&other, &policy);
        assert_eq!(evidence.llr, 0.0, "nothing known, and one window waits for the next");
        evidence.add(&Observation { fresh: 50, ..other }, &policy);
        assert!(evidence.llr < -1.0, "{}", evidence.llr);
    }

    fn any_observation() -> impl Strategy<Value = Observation> {
        (
            any::<bool>(),
            any::<bool>(),
            prop_oneof![-20f32..20.0, Just(f32::MAX), Just(f32::MIN)],
            0usize..200,
            0usize..200,
            1usize..200,
            any::<i64>(),
            any::<i64>(),
        )
            .prop_map(
                |(pointer, touch, llr, steps, fresh, full, start_us, end_us)| Observation {
                    modality: Modality::ALL[usize::from(pointer)],
                    device: Device {
                        touch,
                        ..Device::default()
                    },
                    llr,
                    steps,
                    fresh,
                    full,
                    start_us,
                    end_us,
                },
            )
    }

    proptest! {
        #![proptest_config(crate::proptest_config(256))]

        #[test]
        fn stays_within_its_bounds(seen in proptest::collection::vec(any_observation(), 0..100)) {
            let policy = EvidencePolicy::default();
            let mut evidence = Evidence::default();
            for seen in &seen {
                evidence.add(seen, &policy);
                prop_assert!((-policy.distrust_max..=policy.trust_max).contains(&evidence.llr), "{evidence:?}");
            }
        }

        #[test]
        fn no_single_window_speaks_against_anybody(llrs in proptest::collection::vec(0.5f32..5.0, 1..40), at in 0usize..40, fresh in 1usize..=50) {
            let policy = EvidencePolicy::default();
            let (mut evidence, mut position) = (Evidence::default(), 50 - fresh);
            for (i, llr) in llrs.iter().enumerate() {
                let llr = if i == at { -1e6 } else { *llr };
                evidence.add(&window(&mut position, llr, fresh), &policy);
                prop_assert!(evidence.llr >= -policy.window_max, "{evidence:?}");
                prop_assert!(i != at || evidence.llr >= 0.0, "{evidence:?}");
            }
        }
    }
}
