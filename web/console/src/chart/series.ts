/** From decisions to the columns that are drawn. */

import type { Decision } from "../api/wire.ts";

/** One column an axis: seconds since the start, risk where it was judged, risk where nothing could be said. */
export type Columns = [x: number[], judged: (number | null)[], unjudged: (number | null)[]];

export function toColumns(decisions: readonly Decision[]): Columns {
  const origin_us = originOf(decisions);
  const x: number[] = [];
  const judged: (number | null)[] = [];
  const unjudged: (number | null)[] = [];
  for (const decision of decisions) {
    const known = decision.action !== "insufficient_data";
    x.push(toSeconds(decision.time_us, origin_us));
    judged.push(known ? decision.risk : null);
    unjudged.push(known ? null : decision.risk);
  }
  return [x, judged, unjudged];
}

/** Where the time axis begins: the start of the first window that is kept. */
export function originOf(decisions: readonly Decision[]): number {
  return decisions[0]?.window.start_us ?? 0;
}

export function toSeconds(time_us: number, origin_us: number): number {
  return Math.max(0, (time_us - origin_us) / 1_000_000);
}
