/** The read side of the gateway, by plain GET. Every call has a time limit; an absent endpoint is `undefined`, not an error. */

import { isDecision, type Decision, type Scenario, type SessionSummary, type Stats } from "./wire.ts";

const REQUEST_TIMEOUT_MS = 8_000;

/** The gateway that serves this page. */
export const GATEWAY = "";
export const STREAM_ENDPOINT = "/v1/decisions/stream";

export const fetchScenario = (): Promise<Scenario | undefined> => get<Scenario>("/v1/demo");
export const fetchStats = (): Promise<Stats | undefined> => get<Stats>("/v1/stats");

export async function fetchSessions(): Promise<SessionSummary[]> {
  return (await get<SessionSummary[]>("/v1/sessions")) ?? [];
}

export async function fetchDecisions(session: string): Promise<Decision[]> {
  const decisions = await get<unknown[]>(`/v1/sessions/${encodeURIComponent(session)}/decisions`);
  return (decisions ?? []).filter(isDecision);
}

async function get<T>(path: string): Promise<T | undefined> {
  const response = await fetch(path, {
    headers: { accept: "application/json" },
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`${path} answered ${response.status}`);
  return (await response.json()) as T;
}
