//! How long to wait before another try: longer each time, never longer than a bound, never all at the same moment.

use std::time::Duration;

/// Bounds of the waiting time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    /// The first wait is at most this.
    pub(crate) min: Duration,
    /// No wait is longer.
    pub(crate) max: Duration,
}

impl Backoff {
    /// The wait before try `attempt` (from 0); `jitter` (0-1) says where between half and all of it.
    pub(crate) fn wait(&self, attempt: u32, jitter: f64) -> Duration {
        let grown = self.min.saturating_mul(2_u32.saturating_pow(attempt.min(30)));
        grown.min(self.max).mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }

    /// The same with a jitter drawn now.
    pub(crate) fn wait_now(&self, attempt: u32) -> Duration {
        self.wait(attempt, rand::random::<f64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_its_bound_and_jitters_below_it() {
        let backoff = Backoff {
            min: Duration::from_millis(200),
            max: Duration::from_secs(30),
        };
        let waits = |jitter| [0, 1, 5, 8, 1_000].map(|attempt| backoff.wait(attempt, jitter).as_millis());
        assert_eq!(waits(1.0), [200, 400, 6_400, 30_000, 30_000]);
        assert_eq!(waits(0.0), [100, 200, 3_200, 15_000, 15_000]);
    }
}
