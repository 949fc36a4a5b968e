/** Decisions for tests, with only what a test cares about spelled out. */

import type { Action, Decision } from "../src/api/wire.ts";

export const START_US = 1_763_712_000_000_000;

export interface Sketch {
  session?: string;
  seconds?: number;
  risk?: number;
  action?: Action;
  maturity?: number | null;
  id?: string;
  /** The measure of its only reason. */
  measure?: string;
}

export function decision(sketch: Sketch = {}): Decision {
  const { session = "s-1", seconds = 10, risk = 12, action = "allow", maturity = 100 } = sketch;
  const time_us = START_US + seconds * 1_000_000;
  return {
    v: 1,
    id: sketch.id ?? `${session}/${seconds}`,
    tenant: "demo",
    subject: "subject-1",
    session,
    window: { modality: "keystroke", sequence: seconds, start_us: time_us - 5_000_000, end_us: time_us, steps: 50, closed: "count" },
    risk,
    confidence: 0.5,
    action,
    reasons: sketch.measure === undefined ? [] : [{ measure: sketch.measure, text: sketch.measure, delta: 0, unit: "", z: 0 }],
    score: { comparison: null, llr: null, evidence: 0 },
    model: null,
    reference: maturity === null ? null : { version: 1, maturity, count: 1 },
    source: { topic: "ductus.events.v1", partition: 0, offset: seconds },
    time_us,
  };
}
