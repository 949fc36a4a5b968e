//! A synthetic pointer user: strokes of minimum jerk between targets, timed by Fitts' law, with clicks and pauses.

use super::{Population, normal, rng};
use crate::event::{Button, EventKind, InputEvent};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

// Movement time by Fitts' law in Shannon's form (MacKenzie 1992): a + b · log2(distance / width + 1), ms. The ranges are those
// commonly reported for mice; spread over people, curvature, tremor, pauses and clicks are assumed, not measured.
const FITTS_A_MS: Population = Population { mean: 120.0, sd: 40.0 };
const FITTS_B_MS: Population = Population { mean: 150.0, sd: 35.0 };
const LN_CLICK_DWELL_MS: Population = Population { mean: 4.5, sd: 0.25 };
const LN_PAUSE_MS: Population = Population { mean: 6.0, sd: 0.35 };
const CURVATURE: Population = Population { mean: 0.0, sd: 0.12 };
const TREMOR_PX: Population = Population { mean: 0.8, sd: 0.35 };
/// Where the peak of speed lies within a stroke: 0.5 is symmetric.
const SKEW: Population = Population { mean: 0.42, sd: 0.06 };

/// Time between samples, µs: a 125 Hz mouse.
const SAMPLE_US: i64 = 8_000;
const SCREEN: (f64, f64) = (1_600.0, 900.0);

/// A person who points.
#[derive(Clone, Debug)]
pub struct PointerUser {
    seed: u64,
    fitts_a_ms: f64,
    fitts_b_ms: f64,
    ln_click_dwell_ms: f64,
    ln_pause_ms: f64,
    curvature: f64,
    tremor_px: f64,
    skew: f64,
    /// Share of strokes that end in a click.
    clicks: f64,
    /// Share of strokes that overshoot and come back.
    overshoots: f64,
}

impl PointerUser {
    /// Draws a person.
    pub fn draw(seed: u64) -> Self {
        let mut rng = rng(seed, 0);
        Self {
            seed,
            fitts_a_ms: FITTS_A_MS.draw(&mut rng).max(30.0),
            fitts_b_ms: FITTS_B_MS.draw(&mut rng).max(60.0),
            ln_click_dwell_ms: LN_CLICK_DWELL_MS.draw(&mut rng),
            ln_pause_ms: LN_PAUSE_MS.draw(&mut rng),
            curvature: CURVATURE.draw(&mut rng),
            tremor_px: TREMOR_PX.draw(&mut rng).max(0.0),
            skew: SKEW.draw(&mut rng).clamp(0.25, 0.6),
            clicks: rng.random_range(0.3..0.8),
            overshoots: rng.random_range(0.05..0.5),
        }
    }

    /// At least `steps` pointer events from `start_us` on, in the order of time.
    pub fn session(&self, session: u64, steps: usize, start_us: i64) -> Vec<InputEvent> {
        let mut rng = rng(self.seed, session + 1);
        let mut events = Vec::with_capacity(steps + 128);
        let (mut t_us, mut at) = (start_us, (SCREEN.0 / 2.0, SCREEN.1 / 2.0));
        while events.len() < steps {
            let target = (rng.random_range(0.0..SCREEN.0), rng.random_range(0.0..SCREEN.1));
            if rng.random_bool(self.overshoots) {
                let beyond = (target.0 + (target.0 - at.0) * 0.08, target.1 + (target.1 - at.1) * 0.08);
                t_us = self.stroke(at, beyond, t_us, &mut rng, &mut events);
                at = beyond;
            }
            t_us = self.stroke(at, target, t_us, &mut rng, &mut events);
            at = target;
            if rng.random_bool(self.clicks) {
                t_us = self.click(at, t_us, &mut rng, &mut events);
            }
            t_us += (1e3 * (self.ln_pause_ms + 0.5 * normal(&mut rng)).exp()) as i64;
        }
        events
    }

    /// One stroke on a minimum-jerk course (Flash & Hogan, J. Neuroscience 1985), bent sideways; returns when it ends, µs.
    fn stroke(
        &self,
        from: (f64, f64),
        to: (f64, f64),
        start_us: i64,
        rng: &mut ChaCha8Rng,
        events: &mut Vec<InputEvent>,
    ) -> i64 {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let bits = (dx.hypot(dy) / 40.0 + 1.0).log2();
        let duration_ms = (self.fitts_a_ms + self.fitts_b_ms * bits) * (0.12 * normal(rng)).exp();
        let samples = ((duration_ms * 1e3) as i64 / SAMPLE_US).max(2);
        let bend = self.curvature + 0.05 * normal(rng);
        // A power of time moves the peak of speed away from the middle.
        let power = 0.5_f64.ln() / self.skew.ln();
        for sample in 1..=samples {
            let tau = (sample as f64 / samples as f64).powf(power);
            let along = tau.powi(3) * (10.0 - 15.0 * tau + 6.0 * tau * tau);
            let aside = bend * (std::f64::consts::PI * along).sin();
            let mut shake = || self.tremor_px * normal(rng);
            let x = (from.0 + dx * along - dy * aside + shake()).round() as i32;
            let y = (from.1 + dy * along + dx * aside + shake()).round() as i32;
            events.push(InputEvent {
                t_us: start_us + sample * SAMPLE_US,
                kind: EventKind::Move { x, y },
            });
        }
        start_us + samples * SAMPLE_US
    }

    fn click(&self, at: (f64, f64), t_us: i64, rng: &mut ChaCha8Rng, events: &mut Vec<InputEvent>) -> i64 {
        let (x, y) = (at.0.round() as i32, at.1.round() as i32);
        let down_us = t_us + rng.random_range(40_000..160_000);
        let up_us = down_us + (1e3 * (self.ln_click_dwell_ms + 0.2 * normal(rng)).exp()) as i64;
        let button = Button::Primary;
        events.push(InputEvent {
            t_us: down_us,
            kind: EventKind::ButtonDown { button, x, y },
        });
        events.push(InputEvent {
            t_us: up_us,
            kind: EventKind::ButtonUp { button, x, y },
        });
        up_us
    }
}
