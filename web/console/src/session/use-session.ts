/**
 * One session for its page: as the line tells it, and where the line tells nothing of it (any more), as it was kept.
 */

import { useCallback } from "react";
import { searchDecisions } from "../api/decisions.ts";
import { fetchDecisions } from "../api/server.ts";
import type { Decision } from "../api/wire.ts";
import type { LiveState, SessionView } from "../live/state.ts";
import { useResource, type Resource } from "../parts/use-resource.ts";

/** Kept decisions that are asked for where the line has forgotten the session. */
const KEPT_MAX = 500;

export function useSession(id: string, line: LiveState): { resource: Resource<SessionView | null>; reload: () => void } {
  const live = line.sessions.find((session) => session.id === id && session.decisions.length > 0);
  const needed = live === undefined && (line.loaded || line.connection.status === "refused");
  const load = useCallback((signal: AbortSignal) => readKept(id, signal), [id]);
  const { resource, reload } = useResource(needed ? load : null);
  return { resource: live === undefined ? resource : { state: "ready", value: live, stale: null }, reload };
}

/** The first of two places that has any; null where nobody knows the session. */
async function readKept(id: string, signal: AbortSignal): Promise<SessionView | null> {
  let decisions = await fetchDecisions(id, signal);
  if (decisions.length === 0) decisions = (await searchDecisions({ session: id }, KEPT_MAX, null, signal)).decisions.toReversed();
  return sessionOf(id, decisions);
}

function sessionOf(id: string, decisions: readonly Decision[]): SessionView | null {
  const last = decisions.at(-1);
  if (last === undefined) return null;
  return { id, subject: last.subject, label: id, modality: last.window.modality, handOver_us: null, decisions, windows: decisions.length };
}
