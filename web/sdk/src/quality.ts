/**
 * What was captured so far, against what a judgement needs.
 *
 * Invariant: counts only. Times of keys become features in one place, the pipeline; there is no second formula here.
 */

import type { BatchClock, InputEvent } from "./wire.ts";

/** Steps of a full window, as in the pipeline's `WindowConfig` (a test compares them with `schemas/golden`). */
export const WINDOW_PRESSES = 50;
export const WINDOW_POINTER_EVENTS = 128;

export interface Quality {
  /** Key presses; a pause or the end of the session lets the line judge from 20. */
  keys: Captured;
  /** Moves, presses, releases and scrolls of the pointer; a pause or the end lets the line judge from 64. */
  pointer: Captured;
  /** Share of the presses whose release was never seen, 0-1: above a few hundredths, something swallows them. */
  lost_releases: number;
  /** The clock's smallest step; above 2,000 µs a person's rhythm is hard to tell from another's. */
  resolution_us: number;
}

export interface Captured {
  /** Since `start`. */
  captured: number;
  /** Still to come until the line judges for the first time. */
  needed: number;
}

export interface Tally {
  count(event: InputEvent): void;
  quality(presses_held: number, clock: BatchClock): Quality;
}

export function createTally(): Tally {
  let presses = 0;
  let releases = 0;
  let pointer_events = 0;
  const against = (captured: number, window: number): Captured => ({ captured, needed: Math.max(0, window - captured) });
  return {
    count(event) {
      if (event.type === "down") presses += 1;
      else if (event.type === "up") releases += 1;
      else if ("x" in event) pointer_events += 1;
    },
    quality: (presses_held, { resolution_us }) => ({
      keys: against(presses, WINDOW_PRESSES),
      pointer: against(pointer_events, WINDOW_POINTER_EVENTS),
      lost_releases: presses && (presses - releases - presses_held) / presses,
      resolution_us,
    }),
  };
}
