/** Risk and action in words and colours. A colour never stands alone. */

import type { Action, Decision } from "../api/wire.ts";

/** Maturity from which references are compared with: the policy's anchors are complete. */
export const MATURITY_COMPARABLE = 50;

export interface Thresholds {
  step_up: number;
  terminate: number;
}

/** The defaults of the decision policy; a server that uses others says so in `/v1/demo`. */
export const THRESHOLDS: Thresholds = { step_up: 70, terminate: 95 };

export type Tone = "allow" | "step_up" | "terminate" | "learning";

export const ACTION_WORDS: Readonly<Record<Tone, string>> = {
  allow: "Allow",
  step_up: "Step up",
  terminate: "Terminate",
  learning: "Learning…",
};

const MEANINGS: Readonly<Record<Tone, string>> = {
  allow: "Looks like the same person",
  step_up: "Ask for a second proof of identity",
  terminate: "End the session",
  learning: "Gathering references before it judges",
};

export function toneOf(action: Action): Tone {
  return action === "insufficient_data" ? "learning" : action;
}

/** What the words of a decision depend on. */
type Said = Pick<Decision, "action" | "reference" | "reasons">;

/** The word of an action; a subject with references that has too little data is not learning. */
export function actionWord(decision: Said): string {
  if (decision.action !== "insufficient_data") return ACTION_WORDS[decision.action];
  if (isEnrolling(decision)) return "Enrolling";
  return isLearning(decision) ? ACTION_WORDS.learning : "Too little data";
}

export function actionMeaning(decision: Said): string {
  if (isEnrolling(decision)) return "Its windows become references, and are not judged";
  if (decision.action !== "insufficient_data" || isLearning(decision)) return MEANINGS[toneOf(decision.action)];
  return "This window says too little; the risk stays";
}

/** The line says so of each window of an explicit enrolment. */
function isEnrolling({ reasons }: Said): boolean {
  return reasons.some(({ measure }) => measure === "enrolling");
}

function isLearning({ reference }: Said): boolean {
  return reference === null || reference.maturity < MATURITY_COMPARABLE;
}

/** Whole numbers; the ends of the scale are never claimed. */
export function formatRisk(risk: number): string {
  return String(Math.min(99, Math.max(1, Math.round(risk))));
}

/** How far the way to comparable references is, 0-100. A short window may say nothing of them, so the furthest counts. */
export function learningProgress(decisions: readonly Pick<Decision, "reference">[]): number {
  const furthest = decisions.reduce((most, { reference }) => Math.max(most, reference?.maturity ?? 0), 0);
  return Math.min(100, Math.round((furthest / MATURITY_COMPARABLE) * 100));
}
