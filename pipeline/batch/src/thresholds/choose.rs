//! From what a tenant's people did, day by day, to the risks at which they are asked for a second proof.
//!
//! Invariants: a tenant's threshold is met by all its subject-days together; a subject's own moves away from it only as far
//! as their own days weigh against the days that the budget speaks of, so that who has few days has the tenant's; nothing
//! leaves the bounds that the operator sets.

use super::budget::Budget;
use ductus_stream::thresholds::Tenant;
use std::collections::BTreeMap;

/// One day on which a subject was compared with their references.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Day {
    pub(super) tenant: String,
    pub(super) subject: String,
    /// Highest risk of the day, 0-100.
    pub(super) risk: f32,
}

/// Bounds of every threshold, 0-100.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bounds {
    pub(super) floor: f32,
    pub(super) ceiling: f32,
}

impl Bounds {
    fn hold(self, risk: f32) -> f32 {
        risk.clamp(self.floor, self.ceiling)
    }
}

/// The thresholds of every tenant for a budget.
pub(super) fn choose(days: &[Day], budget: Budget, bounds: Bounds) -> BTreeMap<String, Tenant> {
    let mut tenants: BTreeMap<&str, BTreeMap<&str, Vec<f32>>> = BTreeMap::new();
    for day in days {
        let subjects = tenants.entry(&day.tenant).or_default();
        subjects.entry(&day.subject).or_default().push(day.risk);
    }
    let tenant = |(name, subjects): (&str, BTreeMap<&str, Vec<f32>>)| {
        let all = lowest(subjects.values().flatten().copied().collect(), budget);
        let own = subjects.into_iter().filter_map(|(subject, risks)| {
            let risk = own(risks, all, budget)?;
            Some((subject.to_owned(), bounds.hold(risk)))
        });
        let tenant = Tenant {
            step_up_risk: bounds.hold(all),
            subjects: own.collect(),
        };
        (name.to_owned(), tenant)
    };
    tenants.into_iter().map(tenant).collect()
}

/// The lowest risk that is reached on no more days than the budget allows.
pub(super) fn lowest(mut risks: Vec<f32>, budget: Budget) -> f32 {
    risks.sort_by(|a, b| b.total_cmp(a));
    // A hair more, so that 30 days in a budget of 1 per 30d are one and not almost one.
    let allowed = (risks.len() as f64 * budget.a_day() + 1e-9) as usize;
    risks.get(allowed).map_or(f32::MIN_POSITIVE, |risk| risk.next_up())
}

/// A subject's own threshold: between what their days say and the tenant's, by the weight of their days against those that
/// the budget speaks of, on the scale of evidence. None for who has fewer days than that: the tenant's holds for them.
fn own(risks: Vec<f32>, tenant: f32, budget: Budget) -> Option<f32> {
    let (have, need) = (risks.len() as f64, 1.0 / budget.a_day());
    if have < need {
        return None;
    }
    let weight = have / (have + need);
    let mixed = weight * log_odds(lowest(risks, budget)) + (1.0 - weight) * log_odds(tenant);
    Some((100.0 / (1.0 + (-mixed).exp())) as f32)
}

/// Log-odds of a risk, kept finite.
fn log_odds(risk: f32) -> f64 {
    let share = (f64::from(risk) / 100.0).clamp(1e-6, 1.0 - 1e-6);
    (share / (1.0 - share)).ln()
}

/// Step-ups a subject-day that these thresholds would have asked for in history.
pub(super) fn cost(days: &[Day], tenants: &BTreeMap<String, Tenant>) -> Option<f64> {
    let asked = days.iter().filter(|day| {
        tenants.get(&day.tenant).is_some_and(|tenant| {
            let own = tenant.subjects.get(&day.subject).copied();
            day.risk >= own.unwrap_or(tenant.step_up_risk)
        })
    });
    (!days.is_empty()).then(|| asked.count() as f64 / days.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        floor: 20.0,
        ceiling: 99.0,
    };

    fn days(subject: &str, risks: impl IntoIterator<Item = f32>) -> Vec<Day> {
        let day = |risk| Day {
            tenant: "acme".to_owned(),
            subject: subject.to_owned(),
            risk,
        };
        risks.into_iter().map(day).collect()
    }

    #[test]
    fn the_budget_is_met_by_all_days_together() {
        let all: Vec<Day> = (0..10u8)
            .flat_map(|i| days(&format!("s-{i}"), (0..12u8).map(|j| f32::from(i + j))))
            .collect();
        for (one_in, allowed) in [(30.0, 4), (12.0, 10), (1_000.0, 0)] {
            let budget = Budget::one_in(one_in);
            let lowest = lowest(all.iter().map(|day| day.risk).collect(), budget);
            let asked = |threshold: f32| all.iter().filter(|day| day.risk >= threshold).count();
            assert!(asked(lowest) <= allowed, "{one_in}");
            assert!(asked(lowest - 1.0) > allowed, "{one_in}: no lower one would do");
        }
    }

    #[test]
    fn few_days_have_the_tenants_threshold() {
        let mut all = days("calm", [30.0; 200]);
        all.extend(days("restless", [80.0; 200]));
        all.extend(days("new", [10.0; 5]));
        let tenant = &choose(&all, Budget::one_in(20.0), BOUNDS)["acme"];
        assert!(tenant.step_up_risk > 80.0);
        assert!(
            tenant.subjects["calm"] < 40.0 && tenant.subjects["calm"] > 30.0,
            "{tenant:?}"
        );
        assert!(tenant.subjects["restless"] > 80.0);
        assert!(!tenant.subjects.contains_key("new"));
        let cost = cost(&all, &choose(&all, Budget::one_in(20.0), BOUNDS)).unwrap();
        assert!(cost <= 0.05, "{cost}");
    }

    #[test]
    fn bounds_hold() {
        let mut all = days("saint", [0.0; 90]);
        all.extend(days("goat", [100.0; 90]));
        let tenant = &choose(&all, Budget::one_in(30.0), BOUNDS)["acme"];
        assert_eq!((tenant.step_up_risk, tenant.subjects["goat"]), (99.0, 99.0));
        assert!(tenant.subjects["saint"] >= 20.0);
    }

    #[test]
    fn a_tighter_budget_never_lowers_a_threshold() {
        let risks: Vec<f32> = (0..97u16).map(|i| f32::from(i * 37 % 101)).collect();
        let lowest: Vec<f32> = (2..90u8)
            .map(|days| lowest(risks.clone(), Budget::one_in(f64::from(days))))
            .collect();
        assert!(lowest.is_sorted(), "{lowest:?}");
    }
}
