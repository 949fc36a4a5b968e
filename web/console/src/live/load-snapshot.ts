/** Reads everything the page needs at once after each connect: scenario, sessions, and their histories. */

import { fetchDecisions, fetchScenario, fetchSessions } from "../api/server.ts";
import type { Decision } from "../api/wire.ts";
import { SESSIONS_MAX, type LiveAction } from "./state.ts";

/** Histories asked for at the same time; a browser opens six connections, and one is the stream. */
const PARALLEL_MAX = 4;

export async function loadSnapshot(): Promise<LiveAction & { type: "snapshot" }> {
  const [scenario, summaries] = await Promise.all([fetchScenario(), fetchSessions()]);
  const ids = summaries.map((summary) => summary.session).slice(-SESSIONS_MAX);
  return { type: "snapshot", scenario: scenario ?? null, summaries, histories: await loadHistories(ids) };
}

async function loadHistories(ids: string[]): Promise<Decision[][]> {
  const histories: Decision[][] = [];
  const rest = [...ids];
  const worker = async (): Promise<void> => {
    for (let id = rest.shift(); id !== undefined; id = rest.shift()) {
      // One session without a history must not take the page from all others.
      histories.push(await fetchDecisions(id).catch(() => []));
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_MAX }, worker));
  return histories;
}
