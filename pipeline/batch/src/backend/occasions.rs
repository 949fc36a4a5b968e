//! People's embeddings by occasion: what a back-end is learned from.
//!
//! Invariants: sessions close in time are one occasion, because people, keyboards and moods change between sittings and not
//! within one; memory is bounded by the people of a part, and windows by what an occasion may give.

use crate::corpus::{Person, Session};
use crate::embed::Embeddings;
use crate::windows::Cutting;
use anyhow::Result;
use ductus_dynamics::backend::Occasions;
use ductus_dynamics::feature::FeatureWindow;

/// A pause of this long between sessions makes another occasion, unless said otherwise, minutes.
pub(crate) const GAP_MINUTES: u32 = 60;
/// Most occasions of a person, the latest ones.
const OCCASIONS_MAX: usize = 12;
/// Most windows of an occasion, spread over it.
const WINDOWS_MAX: usize = 12;
/// People whose windows are embedded together.
const PEOPLE_TOGETHER: usize = 200;

/// How people are divided into occasions and windows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dividing {
    /// How windows are cut; those used here share no step.
    pub(crate) cutting: Cutting,
    /// The pause between sessions that makes another occasion, µs.
    pub(crate) gap_us: i64,
}

impl Dividing {
    /// Windows as the stream cuts them, of at most `steps_max` steps.
    pub(crate) fn of(cutting: Cutting, steps_max: usize, gap_minutes: u32) -> Self {
        let mut cutting = cutting;
        cutting.config.steps = cutting.config.steps.min(steps_max);
        cutting.config.min_steps = cutting.config.min_steps.min(steps_max);
        Self {
            cutting: cutting.apart(),
            gap_us: i64::from(gap_minutes) * 60_000_000,
        }
    }

    /// The embeddings of the people who were seen on several occasions; the others are left out.
    pub(crate) fn embedded<'a>(
        &self,
        people: impl IntoIterator<Item = &'a Person>,
        embed: impl Fn(&[FeatureWindow]) -> Result<Embeddings>,
    ) -> Result<Vec<Occasions>> {
        let several: Vec<Vec<Vec<FeatureWindow>>> = people
            .into_iter()
            .map(|person| self.windows(person))
            .filter(|occasions| occasions.len() >= 2)
            .collect();
        let mut embedded = Vec::with_capacity(several.len());
        for part in several.chunks(PEOPLE_TOGETHER) {
            let windows: Vec<FeatureWindow> = part.iter().flatten().flatten().cloned().collect();
            let embeddings = embed(&windows)?;
            let mut next = 0..windows.len();
            let mut take = |occasion: &Vec<FeatureWindow>| -> Vec<Vec<f32>> {
                let indices = next.by_ref().take(occasion.len());
                indices.map(|index| embeddings.of(index).to_vec()).collect()
            };
            let person = |occasions: &Vec<Vec<FeatureWindow>>| Occasions(occasions.iter().map(&mut take).collect());
            embedded.extend(part.iter().map(person));
        }
        Ok(embedded)
    }

    /// The windows of a person, occasion by occasion; occasions without one are left out.
    fn windows(&self, person: &Person) -> Vec<Vec<FeatureWindow>> {
        let mut occasions: Vec<Vec<FeatureWindow>> = Vec::new();
        for sessions in self.occasions(&person.sessions) {
            let windows: Vec<FeatureWindow> = sessions
                .iter()
                .flat_map(|session| self.cutting.features(session))
                .collect();
            let every = windows.len().div_ceil(WINDOWS_MAX).max(1);
            let spread: Vec<FeatureWindow> = windows.into_iter().step_by(every).collect();
            if !spread.is_empty() {
                occasions.push(spread);
            }
        }
        occasions.split_off(occasions.len().saturating_sub(OCCASIONS_MAX))
    }

    /// Sessions in runs without a long pause between them; `sessions` are ordered by their start.
    fn occasions<'a>(&self, sessions: &'a [Session]) -> impl Iterator<Item = &'a [Session]> {
        let end_us = |session: &Session| session.events.last().map_or(i64::MIN, |event| event.t_us);
        let gap_us = self.gap_us;
        sessions.chunk_by(move |before, after| {
            let start_us = after.events.first().map_or(i64::MAX, |event| event.t_us);
            start_us.saturating_sub(end_us(before)) < gap_us
        })
    }
}
