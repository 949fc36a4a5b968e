/** The inside of the drawer: one decision in full (under the pointer, chosen in the table, or the one that holds now). */

import { Button } from "@mantine/core";
import { useState } from "react";
import { RiskChart } from "../chart/RiskChart.tsx";
import { originOf, toSeconds } from "../chart/series.ts";
import { actionMeaning, actionWord, toneOf, type Thresholds } from "../format/risk.ts";
import { formatClock, formatElapsed } from "../format/time.ts";
import type { SessionView } from "../live/state.ts";
import { verdictOf } from "../live/verdict.ts";
import { chartLabel } from "../sessions/chart-label.ts";
import { ReasonList } from "../sessions/ReasonList.tsx";
import { RiskBadge } from "../shell/RiskBadge.tsx";
import { RiskNumber } from "../shell/RiskNumber.tsx";
import { DecisionFacts } from "./DecisionFacts.tsx";
import { DecisionTable } from "./DecisionTable.tsx";
import classes from "./SessionDetail.module.css";

export function SessionDetail({ session, thresholds }: { session: SessionView; thresholds: Thresholds }) {
  const [hovered, setHovered] = useState<number | null>(null);
  const [chosen, setChosen] = useState<string | null>(null);
  const { decisions } = session;
  const held = decisions.find((candidate) => candidate.id === chosen);
  const decision = (hovered === null ? undefined : decisions[hovered]) ?? held ?? verdictOf(decisions);
  if (decision === undefined) {
    return <p className={classes.empty}>No decision yet: the first window is not full.</p>;
  }
  const tone = toneOf(decision.action);
  const elapsed = formatElapsed(toSeconds(decision.time_us, originOf(decisions)));

  return (
    <>
      <div className={classes.verdict}>
        <RiskNumber decision={decision} size="page" />
        <div className={classes.words}>
          <RiskBadge tone={tone} word={actionWord(decision)} large />
          <span>{actionMeaning(decision)}</span>
        </div>
        <p className={`${classes.when ?? ""} number`}>
          {hovered !== null ? "at the pointer" : held === undefined ? "now" : "chosen"} · {elapsed} into the session · {formatClock(decision.time_us)}
          {held !== undefined && (
            <Button size="compact-xs" variant="default" ml={8} onClick={() => { setChosen(null); }}>
              Back to now
            </Button>
          )}
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
      <DecisionTable decisions={decisions} chosen={chosen} onChoose={setChosen} />
    </>
  );
}
