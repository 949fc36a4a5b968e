/** Says changes of action aloud, politely. What was there before the page was ready is not news. */

import { ACTION_WORDS, formatRisk, toneOf } from "../format/risk.ts";
import type { Activity } from "../live/state.ts";

export function Announcer({ latest, ready }: { latest: Activity | undefined; ready: boolean }) {
  return (
    <div className="visually-hidden" aria-live="polite" aria-atomic="true">
      {ready && latest !== undefined
        ? `${latest.label}: ${ACTION_WORDS[toneOf(latest.to)]}, risk ${formatRisk(latest.risk)}`
        : ""}
    </div>
  );
}
