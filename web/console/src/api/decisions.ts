/** Searching decisions, and saying whether they were right. */

import { ask, query } from "./http.ts";
import { isDecision, type Action, type Decision, type Modality } from "./wire.ts";

export interface DecisionFilter {
  subject?: string;
  session?: string;
  action?: Action;
  modality?: Modality;
  risk_min?: number;
  risk_max?: number;
  since_ms?: number;
  until_ms?: number;
}

export interface DecisionPage {
  /** Newest first. */
  decisions: Decision[];
  /** Where to go on; null at the end. */
  next: string | null;
  /** Decisions before this may be missing. */
  complete_since_ms: number;
}

export type Verdict = "false_alarm" | "confirmed";

export interface Feedback {
  verdict: Verdict;
  by: string;
  at_ms: number;
  note: string | null;
}

export type JudgedDecision = Decision & { feedback: Feedback[] };

export async function searchDecisions(filter: DecisionFilter, limit: number, after: string | null, signal?: AbortSignal): Promise<DecisionPage> {
  const page = await ask<DecisionPage>(`/v1/decisions${query({ ...filter, limit, after })}`, signal === undefined ? {} : { signal });
  return { ...page, decisions: page.decisions.filter(isDecision) };
}

export function fetchDecision(id: string, signal: AbortSignal): Promise<JudgedDecision> {
  return ask(`/v1/decisions/${encodeURIComponent(id)}`, { signal });
}

export async function sendFeedback(id: string, verdict: Verdict, note: string): Promise<void> {
  const body = note === "" ? { verdict } : { verdict, note };
  await ask(`/v1/decisions/${encodeURIComponent(id)}/feedback`, { method: "POST", body });
}
