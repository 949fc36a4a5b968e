/** Makes decisions as the real line would: evidence with forgetting, risk by the logistic function, reasons with z. */

import { createHash } from "node:crypto";

const KEY_REASONS = [
  ["flight_letter_letter", "letter→letter flight", "ms", 38],
  ["dwell_letter", "letter dwell", "ms", 17],
  ["flight_space_letter", "space→letter flight", "ms", 44],
  ["dwell_space", "space dwell", "ms", -12],
  ["overlap", "share of overlapping keys", "%", -21],
];
const POINTER_REASONS = [
  ["speed", "pointer speed", "px/s", 310],
  ["click_dwell", "click dwell", "ms", 41],
  ["turn", "turn between moves", "°", 9],
  ["press_delay", "time from stop to click", "ms", 120],
];
const MODELS = { keystroke: "2026-11-21-pace-ensemble", pointer: "2026-11-21-balabit" };

/** Small seeded generator (mulberry32), so that a screenshot can be taken again. */
export function createRandom(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
}

/** The state of one session; `step` returns its next decision. */
export function createSession({ tenant, session, subject, modality }, random) {
  let sequence = 0;
  let evidence = 0;
  let windows = 0;
  return function step({ llr, end_us, reference, steps = 50, closed = "count" }) {
    const id = createHash("sha256").update(`${tenant}/${session}/${modality}/${sequence}`).digest("hex").slice(0, 32);
    const fresh = sequence === 0 ? 1 : 0.2;
    const scored = llr !== null && reference !== null && reference.maturity >= 50;
    if (scored) {
      const said = Math.max(-2.5, Math.min(2.5, llr)) * fresh;
      evidence = Math.max(-6, Math.min(3, evidence * 0.9 ** fresh + said));
      windows += fresh;
    }
    const risk = 100 / (1 + Math.exp(2 + evidence));
    const severe = windows < 1.5 || risk < 70 ? "allow" : risk < 95 ? "step_up" : "terminate";
    const decision = {
      v: 1,
      id,
      tenant,
      subject,
      session,
      window: { modality, sequence, start_us: end_us - 9_000_000, end_us, steps, closed },
      risk,
      confidence: (1 - Math.exp(-windows / 2)) * 0.97,
      action: scored ? severe : "insufficient_data",
      reasons: scored ? reasons(modality, llr, random) : [learning(reference)],
      score: { comparison: scored ? 0.55 + llr * 0.09 : null, llr: scored ? llr : null, evidence },
      model: { id: modality, version: MODELS[modality], sha256: createHash("sha256").update(MODELS[modality]).digest("hex") },
      reference,
      source: { topic: "ductus.events.v1", partition: 3, offset: 1200 + sequence },
      time_us: end_us,
    };
    sequence += 1;
    return decision;
  };
}

function learning(reference) {
  const count = reference?.count ?? 0;
  return { measure: "references_immature", text: `learning: ${count} of 5 references so far`, delta: count, unit: "references", z: 0 };
}

function reasons(modality, llr, random) {
  const strength = Math.max(0.2, 1.4 - llr * 0.75);
  return (modality === "pointer" ? POINTER_REASONS : KEY_REASONS)
    .map(([measure, label, unit, scale]) => {
      const z = strength * (1.1 + random.normal() * 0.5) * (scale < 0 ? -1 : 1);
      const delta = (Math.abs(scale) * z) / 3.2;
      const sign = delta < 0 ? "-" : "+";
      const text = `${label} ${sign}${Math.abs(delta).toFixed(0)} ${unit} against the usual, z ${z.toFixed(1)}`;
      return { measure, text, delta, unit, z };
    })
    .filter((reason) => Math.abs(reason.z) >= 2)
    .sort((a, b) => Math.abs(b.z) - Math.abs(a.z))
    .slice(0, 5);
}
