/** Where a session stands. */

import type { Decision } from "../api/wire.ts";

/**
 * The decision that holds now: the latest that judged. A window with too little data moves nothing, so a short window
 * after a pause must not make a session look unknown again. Without any judgement, the latest decision of all.
 */
export function verdictOf(decisions: readonly Decision[]): Decision | undefined {
  return decisions.findLast((decision) => decision.action !== "insufficient_data") ?? decisions.at(-1);
}
