/** Which sessions are shown, and in what order. */

import { toneOf, type Tone } from "../format/risk.ts";
import type { SessionView } from "../live/state.ts";
import { verdictOf } from "../live/verdict.ts";

/** `played`: as the scenario lists them; `risk`: the most urgent first. */
export type Order = "played" | "risk";

/** A session without any decision yet is learning. */
export function toneOfSession(session: SessionView): Tone {
  return toneOf(verdictOf(session.decisions)?.action ?? "insufficient_data");
}

export function countTones(sessions: readonly SessionView[]): Readonly<Record<Tone, number>> {
  const counts = { allow: 0, step_up: 0, terminate: 0, learning: 0 };
  for (const session of sessions) counts[toneOfSession(session)] += 1;
  return counts;
}

export function arrange(sessions: readonly SessionView[], order: Order, only: Tone | null): SessionView[] {
  const chosen = sessions.filter((session) => only === null || toneOfSession(session) === only);
  return order === "played" ? chosen : chosen.sort((a, b) => urgency(b) - urgency(a));
}

/** Learning sessions come last: nothing is known against them. */
function urgency(session: SessionView): number {
  return toneOfSession(session) === "learning" ? -1 : (session.decisions.at(-1)?.risk ?? -1);
}
