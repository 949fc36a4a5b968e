/**
 * One monotonic clock for a page: `performance.timeOrigin` + `event.timeStamp`, never the wall clock.
 *
 * Invariant: times are integers, in microseconds, relative to an origin that does not move while the page lives.
 */

/** What a clock needs of `performance`; tests pass their own. */
export type Stopwatch = Pick<Performance, "now" | "timeOrigin">;

export interface Clock {
  readonly origin_us: number;
  /** The smallest step seen so far: 100 µs in most browsers, 100 ms where fingerprinting is resisted. */
  resolution_us(): number;
  /** The time of an event, relative to the origin. */
  at_us(event: Pick<Event, "timeStamp">): number;
  now_us(): number;
}

/** Said until a step was seen: the coarsest clock that any browser uses. */
const RESOLUTION_WORST_US = 100_000;
/** A clock that does not tick in this many reads is coarse; event times then measure it. */
const READS_MAX = 20_000;
const TICKS_WANTED = 8;

export function createClock(stopwatch: Stopwatch = performance): Clock {
  const origin_us = Math.round(stopwatch.timeOrigin * 1000);
  let resolution_us = measureResolution(stopwatch);
  let last_us = -1;

  const see = (t_us: number): number => {
    if (last_us >= 0 && t_us > last_us) resolution_us = Math.min(resolution_us, t_us - last_us);
    last_us = t_us;
    return t_us;
  };

  return {
    origin_us,
    resolution_us: () => resolution_us,
    at_us: (event) => see(Math.max(0, Math.round(event.timeStamp * 1000))),
    now_us: () => Math.max(0, Math.round(stopwatch.now() * 1000)),
  };
}

/** Reads the clock a bounded number of times and returns its smallest step. */
function measureResolution(stopwatch: Stopwatch): number {
  let step_us = RESOLUTION_WORST_US;
  let ticks = 0;
  let before = stopwatch.now();
  for (let read = 0; read < READS_MAX && ticks < TICKS_WANTED; read += 1) {
    const now = stopwatch.now();
    if (now > before) {
      step_us = Math.min(step_us, Math.max(1, Math.round((now - before) * 1000)));
      ticks += 1;
      before = now;
    }
  }
  return step_us;
}
