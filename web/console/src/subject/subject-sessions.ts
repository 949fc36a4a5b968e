/** The sessions of a subject, out of its decisions. */

import type { Action, Decision, Modality } from "../api/wire.ts";

export interface PastSession {
  id: string;
  modality: Modality;
  windows: number;
  first_us: number;
  last_us: number;
  risk_max: number;
  /** The latest that judged; the latest of all where none did. */
  action: Action;
  risk: number;
}

/** Newest first, as decisions come from a search. */
export function sessionsOf(newestFirst: readonly Decision[]): PastSession[] {
  const sessions = new Map<string, PastSession>();
  for (const { session, window, time_us, risk, action } of newestFirst) {
    const judged = action !== "insufficient_data";
    const known = sessions.get(session);
    if (known === undefined) {
      sessions.set(session, {
        id: session,
        modality: window.modality,
        windows: 1,
        first_us: window.start_us,
        last_us: time_us,
        risk_max: judged ? risk : 0,
        action,
        risk,
      });
      continue;
    }
    known.windows += 1;
    known.first_us = Math.min(known.first_us, window.start_us);
    if (!judged) continue;
    known.risk_max = Math.max(known.risk_max, risk);
    if (known.action === "insufficient_data") Object.assign(known, { action, risk });
  }
  return [...sessions.values()];
}
