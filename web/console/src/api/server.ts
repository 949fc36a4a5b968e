/** How the line is doing, and what it decided lately. */

import { ask, askOptional, GATEWAY, noAnswer } from "./http.ts";
import { isDecision, type Decision, type Readiness, type Scenario, type SessionSummary, type Stats } from "./wire.ts";

export const fetchScenario = (): Promise<Scenario | undefined> => askOptional<Scenario>("/v1/demo");
export const fetchStats = (): Promise<Stats | undefined> => askOptional<Stats>("/v1/stats");

/** What the gateway lacks is an answer too: 503 with the same body. */
export async function fetchReadiness(signal: AbortSignal): Promise<Readiness> {
  const response = await fetch(`${GATEWAY}/readyz`, { signal, cache: "no-store" }).catch(noAnswer);
  return (await response.json()) as Readiness;
}

export async function fetchSessions(): Promise<SessionSummary[]> {
  return (await askOptional<SessionSummary[]>("/v1/sessions")) ?? [];
}

export async function fetchDecisions(session: string, signal?: AbortSignal): Promise<Decision[]> {
  const path = `/v1/sessions/${encodeURIComponent(session)}/decisions`;
  const decisions = await askOptional<unknown[]>(path, signal === undefined ? {} : { signal });
  return (decisions ?? []).filter(isDecision);
}

/** A token for one session of this page, which is learned first and judged then, so that the key itself goes into no capture. */
export async function mintToken(session: string, subject: string): Promise<string> {
  const { token } = await ask<{ token: string }>("/v1/tokens", { method: "POST", body: { session, subject, scopes: ["ingest"], enrol: true } });
  return token;
}
