//! How finely a clock tells time, seen from the times alone: a browser rounds its clock on purpose, a timer or a screen beats
//! at its own rate.
//!
//! Invariants: only durations are looked at, so that it does not matter when the clock started; too few of them say nothing;
//! durations that all lie on a grid are given that grid or a coarser one.

/// Clock grids that are looked for, coarsest first, µs: of browsers, of timers, of screens and of keyboards.
pub const GRIDS_US: [i64; 14] = [
    100_000, 50_000, 33_333, 20_000, 16_667, 16_000, 15_625, 10_000, 8_000, 5_000, 4_000, 2_000, 1_000, 100,
];
/// Fewest durations that say anything.
pub const DURATIONS_MIN: usize = 20;
/// Recordings round a clock of 15.6 ms to whole milliseconds: so far off a duration may be on grids from here on, µs.
const ROUNDED_FROM_US: i64 = 8_000;
const ROUNDING_US: i64 = 1_000;

/// Durations that are looked at before a grid is given up or gone on with.
const BLOCK: usize = 32;
/// One and a half times two to the power of 52: added to a number and taken away again, it rounds that to a whole one.
const WHOLE: f64 = 6_755_399_441_055_744.0;

/// The coarsest of [`GRIDS_US`] on which 19 in 20 of these durations (µs) lie; 1 µs, the unit of all times, where they lie on
/// none of them; `None` where there are too few. Durations of zero lie on every grid: leave them out.
pub fn grid_us(durations_us: &[i64]) -> Option<i64> {
    let durations_us: Vec<f64> = durations_us.iter().map(|us| *us as f64).collect();
    coarsest(&durations_us, durations_us.len())
}

/// The same, with durations of zero left out. They are whole numbers.
pub(crate) fn grid_us_of(durations_us: &[f64]) -> Option<i64> {
    let count = durations_us.iter().map(|us| usize::from(*us != 0.0)).sum();
    coarsest(durations_us, count)
}

/// The same for durations of which so many count.
fn coarsest(durations_us: &[f64], count: usize) -> Option<i64> {
    if count < DURATIONS_MIN {
        return None;
    }
    let lies_on = |grid_us: i64| {
        let slack_us = if grid_us >= ROUNDED_FROM_US {
            ROUNDING_US
        } else {
            grid_us / 20
        };
        // In grids. All are whole numbers of µs, so that half of one more leaves room for rounding.
        let (rate, slack) = (1.0 / grid_us as f64, (slack_us as f64 + 0.5) / grid_us as f64);
        let is_off = |us: &f64| {
            let grids = us * rate;
            (grids - (grids + WHOLE - WHOLE)).abs() > slack
        };
        let most_off = count as u64 / 20;
        let mut off = 0;
        // Most clocks are off most grids: one is given up as soon as too many durations are.
        durations_us.chunks(BLOCK).all(|block| {
            off += block.iter().map(|us| u64::from(is_off(us))).sum::<u64>();
            off <= most_off
        })
    };
    Some(GRIDS_US.into_iter().find(|grid_us| lies_on(*grid_us)).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_clocks() {
        // Primes share no grid of their own.
        let primes = [
            83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167, 173, 179, 181,
        ];
        let times = |unit_us: i64| -> Vec<i64> { primes.iter().map(|prime| prime * unit_us).collect() };
        let rounded = |grid_us: i64| -> Vec<i64> {
            let ms = |us: i64| (us + 500) / 1_000 * 1_000;
            primes.iter().map(|prime| ms((prime - 80) * grid_us)).collect()
        };
        assert_eq!(grid_us(&times(1_000)), Some(1_000));
        assert_eq!(grid_us(&times(100)), Some(100));
        assert_eq!(grid_us(&times(16_000)), Some(16_000));
        assert_eq!(
            grid_us(&rounded(15_625)),
            Some(15_625),
            "a timer of Windows, in whole milliseconds"
        );
        assert_eq!(grid_us(&times(1_037)), Some(1), "on no grid");
        assert_eq!(grid_us(&times(1_000)[1..]), None, "too few");
    }

    proptest! {
        #![proptest_config(crate::proptest_config(256))]

        #[test]
        fn a_grid_is_found_whenever_the_clock_started(
            gaps_us in proptest::collection::vec(3_000i64..900_000, 30..120),
            grid in 0usize..GRIDS_US.len(),
            start_us in 0i64..1_000_000,
        ) {
            let of_grid_us = GRIDS_US[grid];
            let mut now_us = start_us;
            let mut told = Vec::new();
            for gap_us in gaps_us {
                now_us += gap_us;
                told.push(now_us / of_grid_us * of_grid_us);
            }
            let durations: Vec<i64> = told.windows(2).map(|pair| pair[1] - pair[0]).filter(|us| *us > 0).collect();
            if durations.len() >= DURATIONS_MIN {
                prop_assert!(grid_us(&durations).unwrap() >= of_grid_us);
                let backwards: Vec<i64> = durations.iter().rev().copied().collect();
                prop_assert_eq!(grid_us(&durations), grid_us(&backwards));
            }
        }
    }
}
