/** The inside of the drawer. The pointer over the chart picks a decision; otherwise the latest one is shown. */

import { useState } from "react";
import { RiskChart } from "../chart/RiskChart.tsx";
import { originOf, toSeconds } from "../chart/series.ts";
import { actionMeaning, actionWord, formatRisk, toneOf, type Thresholds } from "../format/risk.ts";
import { formatClock, formatElapsed } from "../format/time.ts";
import type { SessionView } from "../live/state.ts";
import { chartLabel } from "../sessions/chart-label.ts";
import { ReasonList } from "../sessions/ReasonList.tsx";
import { RiskBadge } from "../shell/RiskBadge.tsx";
import { DecisionFacts } from "./DecisionFacts.tsx";
import { DecisionTable } from "./DecisionTable.tsx";
import classes from "./SessionDetail.module.css";

export function SessionDetail({ session, thresholds }: { session: SessionView; thresholds: Thresholds }) {
  const [hovered, setHovered] = useState<number | null>(null);
  const { decisions } = session;
  const decision = (hovered === null ? undefined : decisions[hovered]) ?? decisions.at(-1);
  if (decision === undefined) {
    return <p className={classes.empty}>No decision yet: the first window is not full.</p>;
  }
  const tone = toneOf(decision.action);
  const elapsed = formatElapsed(toSeconds(decision.time_us, originOf(decisions)));

  return (
    <>
      <div className={classes.verdict}>
        <span className={`${classes.risk ?? ""} number`} data-tone={tone}>
          {tone === "learning" ? "–" : formatRisk(decision.risk)}
        </span>
        <div className={classes.words}>
          <RiskBadge tone={tone} word={actionWord(decision)} large />
          <span>{actionMeaning(decision)}</span>
        </div>
        <p className={`${classes.when ?? ""} number`}>
          {decision === decisions.at(-1) ? "latest" : "at pointer"} · {elapsed} into the session · {formatClock(decision.time_us)}
        </p>
      </div>
      <RiskChart
        decisions={decisions}
        thresholds={thresholds}
        handOver_us={session.handOver_us}
        height={240}
        label={chartLabel(session)}
        detailed
        onHover={setHovered}
      />
      <div className={classes.halves}>
        <section>
          <h3 className={classes.heading}>Why</h3>
          <ReasonList reasons={decision.reasons} />
        </section>
        <section>
          <h3 className={classes.heading}>From what</h3>
          <DecisionFacts decision={decision} />
        </section>
      </div>
      <h3 className={classes.heading}>Decisions</h3>
      <DecisionTable decisions={decisions} />
    </>
  );
}
