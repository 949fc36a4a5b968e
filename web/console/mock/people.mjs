/** What is known of subjects: references, erasures, and whose rhythm a sample resembles. */

import { randomUUID } from "node:crypto";
import { Refusal } from "./access.mjs";
import { createRandom } from "./decisions.mjs";
import { SCENARIO } from "./scenario.mjs";

const MATURE = 50;
const MODELS = { keystroke: "2026-11-21-pace-ensemble", pointer: "2026-11-21-balabit" };
/** How long an erasure is in each state. */
const STEP_MS = 1_500;

const set = (modality, device, maturity, updated_us) => ({
  modality,
  device,
  model: MODELS[modality],
  version: Math.ceil(maturity / 7),
  maturity,
  mature: maturity >= MATURE,
  windows: Math.ceil(maturity / 10),
  windows_missing: Math.max(0, Math.ceil((MATURE - maturity) / 10)),
  updated_us,
});

/** `maturityOf` tells how far a visitor's own references are; `forget` drops a subject's decisions. */
export function createPeople(start_us, maturityOf, forget) {
  const references = new Map();
  const erasures = new Map();
  for (const { subject, kind, learning } of SCENARIO) {
    const known = [set(kind === "pointer" ? "pointer" : "keystroke", kind === "pointer" ? "mouse" : "physical", learning ? 40 : 85, start_us)];
    if (subject === "aalto-100118") known.push(set("pointer", "mouse", 62, start_us - 86_400e6), set("keystroke", "virtual", 30, start_us - 3 * 86_400e6));
    references.set(subject, known);
  }

  const stateOf = (erasure) => {
    const steps = Math.floor((Date.now() - erasure.asked_at_ms) / STEP_MS);
    const state = ["asked", "running", "done"][Math.min(2, steps)];
    const detail = state === "done" ? { references: erasure.sets, batches: 118, models_trained_on_them: [MODELS.keystroke] } : null;
    return { receipt: erasure.receipt, state, asked_at_ms: erasure.asked_at_ms, changed_at_ms: erasure.asked_at_ms + Math.min(2, steps) * STEP_MS, detail };
  };

  return {
    subject(subject) {
      const own = maturityOf(subject);
      const visitor = own > 0 ? [set("keystroke", "physical", own, Date.now() * 1000)] : [];
      return { subject, references: references.get(subject) ?? visitor };
    },
    drop(subject, modality, device) {
      references.set(subject, (references.get(subject) ?? []).filter((one) => one.modality !== modality || one.device !== device));
    },
    erase(subject) {
      const erasure = { receipt: randomUUID(), asked_at_ms: Date.now(), sets: references.get(subject)?.length ?? 0 };
      erasures.set(erasure.receipt, erasure);
      references.delete(subject);
      forget(subject);
      return stateOf(erasure);
    },
    erasure(receipt) {
      const erasure = erasures.get(receipt);
      if (erasure === undefined) throw new Refusal(404, "not_found", "there is no such receipt");
      return stateOf(erasure);
    },
    identify({ batches, pool, candidates_max = 10 }) {
      const presses = batches.flatMap((batch) => batch.events).filter((event) => event.type === "down").length;
      const known = [...references.keys()].filter((subject) => pool === undefined || pool.subjects.includes(subject));
      const missing = Math.max(0, 50 - presses);
      const needed = missing === 0 ? [] : [{ modality: "keystroke", steps: missing }];
      if (missing > 0) return { candidates: [], searched: known.length, nobody: 1, needed, findings: [] };
      const random = createRandom(presses);
      const scored = known.map((subject) => ({ subject, score: 1.5 + random.normal() * 2.4 })).sort((a, b) => b.score - a.score);
      const total = scored.reduce((sum, { score }) => sum + Math.exp(score), known.length);
      const candidates = scored
        .slice(0, candidates_max)
        .map(({ subject, score }, at) => ({ rank: at + 1, subject, score, probability: Math.exp(score) / total }));
      return { candidates, searched: known.length, nobody: known.length / total, needed, findings: [] };
    },
  };
}
