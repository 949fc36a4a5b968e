/** Words for the contract's names. */

import type { Action, Decision, Modality } from "../api/wire.ts";

const CLOSED: Readonly<Record<Decision["window"]["closed"], string>> = {
  count: "full",
  pause: "closed by a pause",
  end: "closed by the end",
  clock_step: "closed by a clock step",
};

export function modalityWord(modality: Modality): string {
  return modality === "pointer" ? "pointer" : "keystroke";
}

export function closedWord(closed: Decision["window"]["closed"]): string {
  return CLOSED[closed];
}

/** The first eight digits, enough to tell two models apart; the whole hash stands in the title. */
export function shortHash(hash: string): string {
  return hash.slice(0, 8);
}

/** Actions as they are chosen from a list. */
export const ACTION_LABELS: Readonly<Record<Action, string>> = {
  allow: "Allow",
  step_up: "Step up",
  terminate: "Terminate",
  insufficient_data: "Too little data",
};
