/**
 * One monotonic clock for a page: `performance.timeOrigin` + `event.timeStamp`, never the wall clock.
 *
 * Invariant: times are integers, in microseconds, relative to an origin that does not move while the page lives.
 */

import type { BatchClock } from "./wire.ts";

/** What a clock needs of `performance`; tests pass their own. */
export type Stopwatch = Pick<Performance, "now" | "timeOrigin">;

export interface Clock {
  /** Where times count from, and the smallest step seen so far: 100 µs in most browsers, 100 ms where fingerprinting is resisted. */
  reading(): BatchClock;
  /** The time of an event, relative to the origin. */
  at_us(event: Pick<Event, "timeStamp">): number;
  now_us(): number;
}

/** Said until a step was seen: the coarsest clock that any browser uses. */
const RESOLUTION_WORST_US = 100_000;
/** Some hundred microseconds of reading; a clock that does not tick meanwhile is measured by the times of events. */
const READS = 5_000;

export function createClock(stopwatch: Stopwatch = performance): Clock {
  let resolution_us = RESOLUTION_WORST_US;
  let last_us = Infinity;

  const at_us: Clock["at_us"] = ({ timeStamp }) => {
    const t_us = Math.max(0, Math.round(timeStamp * 1000));
    if (t_us > last_us) resolution_us = Math.min(resolution_us, t_us - last_us);
    last_us = t_us;
    return t_us;
  };
  const now_us = (): number => at_us({ timeStamp: stopwatch.now() });

  for (let read = 0; read < READS; read += 1) now_us();
  return { reading: () => ({ origin_us: Math.round(stopwatch.timeOrigin * 1000), resolution_us }), at_us, now_us };
}
