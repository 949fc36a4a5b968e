//! What streams say of a threshold: false step-ups an hour of activity, and actions until a takeover is found.
//!
//! Invariants: a threshold is chosen from the streams it is given and nothing else; activity is event time in which no gap
//! counts for more than the pause that closes a window; a stream counts until its first step-up.

use super::play::Judged;
use ductus_dynamics::decide::DecisionPolicy;
use ductus_dynamics::wire::Action;
use std::ops::Range;

const HOUR_US: f64 = 3_600e6;

/// One stream as it was judged.
#[derive(Clone, Debug)]
pub(super) struct Stream {
    /// Whose session it claims to be: index into the people.
    pub(super) claimed: usize,
    /// Who takes over; none in a stream that is genuine to its end.
    pub(super) other: Option<usize>,
    /// Steps before the takeover; all of them where there is none.
    pub(super) before: usize,
    /// The decisions, in order.
    pub(super) judged: Vec<Judged>,
}

/// When a step-up would be asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    /// Risk from which on, 0-100.
    pub(super) step_up_risk: f32,
    /// Full windows of compared steps needed before.
    pub(super) windows_min: f32,
    /// Steps of a full window.
    pub(super) full: usize,
    /// Longest gap that is activity, µs.
    pub(super) pause_us: i64,
}

impl Rule {
    pub(super) fn of(policy: &DecisionPolicy, full: usize, pause_us: i64) -> Self {
        Self {
            step_up_risk: policy.step_up_risk,
            windows_min: policy.windows_min,
            full,
            pause_us,
        }
    }

    /// For each decision: whether anything beyond `allow` may follow from it, and its risk.
    fn risks<'a>(&self, judged: &'a [Judged]) -> impl Iterator<Item = (&'a Judged, bool)> {
        let (mut windows, full, least) = (0.0, self.full as f32, self.windows_min);
        judged.iter().map(move |judged| {
            if judged.compared.is_some() {
                windows += (judged.fresh as f32 / full).min(1.0);
            }
            (judged, judged.compared.is_some() && windows >= least)
        })
    }

    /// The highest risk at a position within `range` from which a step-up may follow.
    pub(super) fn highest(&self, stream: &Stream, range: Range<usize>) -> Option<f32> {
        let armed = self
            .risks(&stream.judged)
            .filter(|(judged, armed)| *armed && range.contains(&judged.position));
        armed.map(|(judged, _)| judged.risk).max_by(f32::total_cmp)
    }

    /// The first step-up at a position within `range`.
    fn first(&self, stream: &Stream, range: Range<usize>) -> Option<usize> {
        self.risks(&stream.judged)
            .find(|(judged, armed)| *armed && judged.risk >= self.step_up_risk && range.contains(&judged.position))
            .map(|(judged, _)| judged.position)
    }
}

/// Genuine activity and the false step-ups in it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Genuine {
    /// Streams.
    pub(super) streams: usize,
    /// Streams with a step-up.
    pub(super) step_ups: usize,
    /// Activity until then, µs.
    pub(super) active_us: i64,
    /// Steps until then.
    pub(super) steps: usize,
}

impl Genuine {
    /// Counts genuine streams up to their first step-up.
    pub(super) fn count<'a>(streams: impl IntoIterator<Item = &'a Stream>, rule: &Rule) -> Self {
        let mut genuine = Self::default();
        for stream in streams.into_iter().filter(|stream| stream.other.is_none()) {
            let step_up = rule.first(stream, 0..usize::MAX);
            let end = step_up.unwrap_or(usize::MAX);
            genuine.streams += 1;
            genuine.step_ups += usize::from(step_up.is_some());
            let mut last_us = 0;
            for judged in stream.judged.iter().take_while(|judged| judged.position <= end) {
                genuine.active_us += (judged.end_us - last_us).clamp(0, rule.pause_us);
                last_us = judged.end_us;
                genuine.steps += judged.fresh;
            }
        }
        genuine
    }

    /// Hours of activity.
    pub(super) fn hours(&self) -> f64 {
        self.active_us as f64 / HOUR_US
    }

    /// False step-ups in so many hours of activity.
    pub(super) fn step_ups_in(&self, hours: f64) -> Option<f64> {
        (self.active_us > 0).then(|| self.step_ups as f64 / self.hours() * hours)
    }
}

/// The lowest risk at which the streams keep within the budget: one false step-up in `hours` of activity.
pub(super) fn choose(streams: &[Stream], rule: &Rule, hours: f64) -> f32 {
    let genuine = streams.iter().filter(|stream| stream.other.is_none());
    // Only the highest risk of a stream can be the first that a threshold lets pass.
    let mut highest: Vec<f32> = genuine
        .filter_map(|stream| rule.highest(stream, 0..usize::MAX))
        .collect();
    highest.sort_by(f32::total_cmp);
    highest.dedup();
    let within = |threshold: f32| {
        let rule = Rule {
            step_up_risk: threshold,
            ..*rule
        };
        let genuine = Genuine::count(streams, &rule);
        genuine.step_ups as f64 * hours.max(f64::MIN_POSITIVE) <= genuine.hours() || genuine.step_ups == 0
    };
    // The count falls with the threshold, so the first that keeps within the budget can be searched by halves.
    let budget = |threshold: &f32| !within(threshold.next_up());
    let place = highest.partition_point(budget);
    highest
        .get(place)
        .or(highest.last())
        .map_or(rule.step_up_risk, |risk| risk.next_up())
}

/// Takeovers and when they were found.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Takeovers {
    /// Of each: who was claimed, and the actions until the step-up; none where it was not found in the stream.
    pub(super) found: Vec<(usize, Option<usize>)>,
    /// The actions that the ones not found went on for.
    pub(super) missed_actions: usize,
    /// Streams left out, because a false step-up came before the takeover.
    pub(super) already: usize,
}

impl Takeovers {
    /// Counts the streams with a takeover.
    pub(super) fn count<'a>(streams: impl IntoIterator<Item = &'a Stream>, rule: &Rule) -> Self {
        let mut takeovers = Self::default();
        for stream in streams.into_iter().filter(|stream| stream.other.is_some()) {
            if rule.first(stream, 0..stream.before + 1).is_some() {
                takeovers.already += 1;
                continue;
            }
            let found = rule.first(stream, stream.before + 1..usize::MAX);
            takeovers.take(stream, found);
        }
        takeovers
    }

    /// The same from the actions that the line itself asked for.
    pub(super) fn as_asked<'a>(streams: impl IntoIterator<Item = &'a Stream>) -> Self {
        let mut takeovers = Self::default();
        for stream in streams.into_iter().filter(|stream| stream.other.is_some()) {
            let asked = |judged: &&Judged| matches!(judged.action, Action::StepUp | Action::Terminate);
            match stream.judged.iter().find(asked).map(|judged| judged.position) {
                Some(position) if position <= stream.before => takeovers.already += 1,
                found => takeovers.take(stream, found),
            }
        }
        takeovers
    }

    fn take(&mut self, stream: &Stream, found: Option<usize>) {
        let last = stream.judged.last().map_or(stream.before, |judged| judged.position);
        if found.is_none() {
            self.missed_actions += last.saturating_sub(stream.before);
        }
        self.found
            .push((stream.claimed, found.map(|position| position - stream.before)));
    }

    /// Actions within which this share of the takeovers is found; none where so many are not.
    pub(super) fn quantile(&self, share: f64) -> Option<usize> {
        quantile(self.found.iter().map(|(_, actions)| *actions), share)
    }

    /// Share found within so many actions.
    pub(super) fn within(&self, actions: usize) -> Option<f64> {
        let within = self
            .found
            .iter()
            .filter(|(_, found)| found.is_some_and(|found| found <= actions));
        share(within.count(), self.found.len())
    }

    /// Mean actions until the step-up; those not found count with what they did unseen, so it is a little kind.
    pub(super) fn mean(&self) -> Option<f64> {
        let actions: usize = self.found.iter().filter_map(|(_, found)| *found).sum();
        share(actions + self.missed_actions, self.found.len())
    }
}

fn share(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// The least value that at least this share of the values reaches; what is missing is larger than any.
pub(super) fn quantile(values: impl Iterator<Item = Option<usize>>, share: f64) -> Option<usize> {
    let mut values: Vec<usize> = values.map(|value| value.unwrap_or(usize::MAX)).collect();
    values.sort_unstable();
    let place = (share * values.len() as f64).ceil().max(1.0) as usize - 1;
    values.get(place).copied().filter(|value| *value != usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Rule = Rule {
        step_up_risk: 50.0,
        windows_min: 1.5,
        full: 50,
        pause_us: 30_000_000,
    };

    /// A decision every 10 steps and 60 s, with these risks.
    fn stream(claimed: usize, takeover: Option<usize>, risks: &[f32]) -> Stream {
        let judged = risks.iter().enumerate().map(|(i, risk)| Judged {
            position: (i + 1) * 50,
            steps: 50,
            fresh: 50,
            end_us: (i as i64 + 1) * 20_000_000,
            compared: Some((0.0, 0.0)),
            evidence: 0.0,
            risk: *risk,
            action: Action::Allow,
        });
        Stream {
            claimed,
            other: takeover.map(|_| claimed + 1),
            before: takeover.unwrap_or(usize::MAX),
            judged: judged.collect(),
        }
    }

    #[test]
    fn the_threshold_keeps_the_budget() {
        let streams: Vec<Stream> = (0u8..100)
            .map(|i| stream(usize::from(i), None, &[99.0, f32::from(i) * 0.5, 1.0]))
            .collect();
        let genuine = Genuine::count(
            &streams,
            &Rule {
                step_up_risk: 60.0,
                ..RULE
            },
        );
        assert_eq!(
            (genuine.step_ups, genuine.steps),
            (0, 15_000),
            "the first window never counts"
        );
        assert!((genuine.hours() - 100.0 / 60.0).abs() < 1e-9);
        for (hours, expected) in [(1e-9, 0), (0.1, 15), (1.0, 1), (10.0, 0)] {
            let step_up_risk = choose(&streams, &RULE, hours);
            let genuine = Genuine::count(&streams, &Rule { step_up_risk, ..RULE });
            if hours > 1e-6 {
                assert_eq!(genuine.step_ups, expected, "{hours} h: {step_up_risk}");
            }
            assert!(genuine.step_ups_in(hours).unwrap() <= 1.0 || hours < 1e-6);
        }
    }

    #[test]
    fn actions_count_from_the_takeover() {
        let streams = [
            stream(0, Some(120), &[0.0, 0.0, 20.0, 80.0, 90.0]),
            stream(1, Some(120), &[0.0, 70.0, 20.0, 80.0]),
            stream(2, Some(120), &[0.0, 0.0, 40.0, 40.0]),
            stream(3, Some(50), &[0.0, 60.0]),
            stream(4, None, &[0.0, 60.0]),
        ];
        let found = Takeovers::count(&streams, &RULE);
        assert_eq!(found.found, [(0, Some(80)), (2, None), (3, Some(50))]);
        assert_eq!((found.already, found.missed_actions), (1, 80));
        assert_eq!(
            (found.quantile(0.3), found.quantile(0.5), found.quantile(0.95)),
            (Some(50), Some(80), None)
        );
        assert_eq!(found.within(60), Some(1.0 / 3.0));
        assert_eq!(found.mean(), Some(70.0));
    }
}
