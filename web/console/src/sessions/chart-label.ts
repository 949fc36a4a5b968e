/** A chart in one sentence, for those who do not see it. */

import { actionWord, formatRisk } from "../format/risk.ts";
import { formatElapsed } from "../format/time.ts";
import { originOf, toSeconds } from "../chart/series.ts";
import type { SessionView } from "../live/state.ts";
import { verdictOf } from "../live/verdict.ts";

export function chartLabel(session: Pick<SessionView, "label" | "decisions" | "handOver_us">): string {
  const { decisions, handOver_us, label } = session;
  const latest = verdictOf(decisions);
  if (latest === undefined) return `Risk over time of ${label}: nothing yet`;
  const origin_us = originOf(decisions);
  const highest = Math.max(...decisions.map((decision) => decision.risk));
  const now = formatElapsed(toSeconds(latest.time_us, origin_us));
  const change =
    handOver_us === null || handOver_us > latest.time_us
      ? ""
      : ` The hands change at ${formatElapsed(toSeconds(handOver_us, origin_us))}.`;
  return `Risk over time of ${label}: ${formatRisk(latest.risk)} at ${now}, ${actionWord(latest)}. Highest ${formatRisk(highest)}.${change}`;
}
