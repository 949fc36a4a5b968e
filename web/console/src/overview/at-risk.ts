/** Which sessions need somebody's eye. */

import type { SessionView } from "../live/state.ts";
import { arrange, toneOfSession } from "../sessions/arrange.ts";

export function atRisk(sessions: readonly SessionView[]): SessionView[] {
  return arrange(sessions, "risk", null).filter((session) => ["step_up", "terminate"].includes(toneOfSession(session)));
}
