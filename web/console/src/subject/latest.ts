/** Each subject with the session of theirs that was heard of last. */

import type { Decision } from "../api/wire.ts";
import type { SessionView } from "../live/state.ts";
import { verdictOf } from "../live/verdict.ts";

export interface Latest {
  subject: string;
  session: SessionView;
  verdict: Decision;
}

export function latestOfSubjects(sessions: readonly SessionView[]): Latest[] {
  const latest = new Map<string, Latest>();
  for (const session of sessions) {
    const verdict = verdictOf(session.decisions);
    if (verdict === undefined || session.subject === null) continue;
    const known = latest.get(session.subject);
    if (known === undefined || known.verdict.time_us < verdict.time_us) latest.set(session.subject, { subject: session.subject, session, verdict });
  }
  return [...latest.values()].sort((a, b) => a.subject.localeCompare(b.subject));
}
