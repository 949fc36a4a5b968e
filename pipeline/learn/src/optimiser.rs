//! Adam with a learning-rate schedule and a bound on the gradient.
//!
//! Invariant: all state is in plain vectors and the number of steps done, so that a checkpoint can hold it exactly.

/// Learning rate over time: a straight rise to the peak, then half a cosine down to a floor, and the floor for ever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) peak: f32,
    /// The floor as a share of the peak.
    pub(crate) floor: f32,
    pub(crate) warmup_steps: u64,
    pub(crate) steps: u64,
}

impl Schedule {
    /// The rate of a step, the first one being 0.
    pub(crate) fn rate(&self, step: u64) -> f32 {
        let number = step + 1;
        if number <= self.warmup_steps {
            return self.peak * (number as f64 / self.warmup_steps as f64) as f32;
        }
        let falling = self.steps.saturating_sub(self.warmup_steps).max(1);
        let progress = ((number - self.warmup_steps) as f64 / falling as f64).min(1.0);
        let wave = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
        self.peak * (self.floor + (1.0 - self.floor) * wave as f32)
    }
}

/// Adam (Kingma, Ba 2015): moments of the gradient, one pair a weight.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Adam {
    pub(crate) first: Vec<f32>,
    pub(crate) second: Vec<f32>,
}

impl Adam {
    const FIRST_DECAY: f32 = 0.9;
    const SECOND_DECAY: f32 = 0.999;
    const EPSILON: f32 = 1e-8;

    pub(crate) fn new(parameters: usize) -> Self {
        Self {
            first: vec![0.0; parameters],
            second: vec![0.0; parameters],
        }
    }

    /// Moves the weights against `scale × gradient`. `step` counts from 0.
    pub(crate) fn apply(&mut self, parameters: &mut [f32], gradient: &[f32], scale: f32, rate: f32, step: u64) {
        // From here on both corrections are 1 to the last bit.
        let number = (step + 1).min(1_000_000) as i32;
        let first_correction = (1.0 - f64::from(Self::FIRST_DECAY).powi(number)) as f32;
        let second_correction = (1.0 - f64::from(Self::SECOND_DECAY).powi(number)) as f32;
        let moments = self.first.iter_mut().zip(&mut self.second);
        for ((parameter, gradient), (first, second)) in parameters.iter_mut().zip(gradient).zip(moments) {
            let gradient = scale * gradient;
            *first = Self::FIRST_DECAY * *first + (1.0 - Self::FIRST_DECAY) * gradient;
            *second = Self::SECOND_DECAY * *second + (1.0 - Self::SECOND_DECAY) * gradient * gradient;
            *parameter -= rate * (*first / first_correction) / ((*second / second_correction).sqrt() + Self::EPSILON);
        }
    }
}

/// Length of the gradient, summed in f64 so that it does not depend on luck with cancellation.
pub(crate) fn norm(gradient: &[f32]) -> f64 {
    gradient
        .iter()
        .map(|&value| f64::from(value) * f64::from(value))
        .sum::<f64>()
        .sqrt()
}

/// What to multiply a gradient of this length by so that it is no longer than `most`.
pub(crate) fn clip(norm: f64, most: f32) -> f32 {
    if norm > f64::from(most) {
        (f64::from(most) / norm) as f32
    } else {
        1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_falls_and_stays() {
        let schedule = Schedule {
            peak: 0.01,
            floor: 0.01,
            warmup_steps: 4,
            steps: 12,
        };
        let cases = [
            (0, 0.0025),
            (3, 0.01),
            (7, 0.5 * (0.01 + 0.0001)),
            (11, 0.0001),
            (100, 0.0001),
        ];
        for (step, expected) in cases {
            assert!(
                (schedule.rate(step) - expected).abs() < 1e-6,
                "step {step}: {}",
                schedule.rate(step)
            );
        }
        let bare = Schedule {
            warmup_steps: 0,
            steps: 0,
            ..schedule
        };
        assert!((bare.rate(0) - 0.0001).abs() < 1e-6);
    }

    #[test]
    fn the_first_step_of_adam_is_the_rate() {
        let mut adam = Adam::new(2);
        let mut parameters = [1.0, 1.0];
        adam.apply(&mut parameters, &[4.0, -0.001], 0.5, 0.1, 0);
        for (parameter, expected) in parameters.iter().zip([0.9, 1.1]) {
            assert!((parameter - expected).abs() < 1e-5, "{parameter}");
        }
    }

    #[test]
    fn clipping_keeps_the_direction() {
        assert_eq!(clip(norm(&[3.0, 4.0]), 1.0), 0.2);
        assert_eq!(clip(norm(&[0.3, 0.4]), 1.0), 1.0);
    }
}
