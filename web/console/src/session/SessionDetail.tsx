/** The inside of a session's page: one decision in full (under the pointer, chosen in the table, or the one that holds now). */

import { Button } from "@mantine/core";
import { useMemo, useState } from "react";
import { LineChart } from "../chart/LineChart.tsx";
import { RiskChart } from "../chart/RiskChart.tsx";
import { originOf, toSeconds } from "../chart/series.ts";
import { formatScore } from "../format/number.ts";
import { actionMeaning, actionWord, toneOf, type Thresholds } from "../format/risk.ts";
import { formatClock, formatElapsed } from "../format/time.ts";
import type { SessionView } from "../live/state.ts";
import { verdictOf } from "../live/verdict.ts";
import { Panel } from "../parts/Panel.tsx";
import { hrefOf } from "../route/route.ts";
import { chartLabel } from "../sessions/chart-label.ts";
import { RiskBadge } from "../shell/RiskBadge.tsx";
import { RiskNumber } from "../shell/RiskNumber.tsx";
import { DecisionFacts } from "./DecisionFacts.tsx";
import { DecisionTable } from "./DecisionTable.tsx";
import { ReasonPictures } from "./ReasonPictures.tsx";
import classes from "./SessionDetail.module.css";

export function SessionDetail({ session, thresholds }: { session: SessionView; thresholds: Thresholds }) {
  const [hovered, setHovered] = useState<number | null>(null);
  const [chosen, setChosen] = useState<string | null>(null);
  const { decisions } = session;
  const held = decisions.find((candidate) => candidate.id === chosen);
  const decision = (hovered === null ? undefined : decisions[hovered]) ?? held ?? verdictOf(decisions);
  const evidence = useMemo(
    () => ({
      x: decisions.map(({ time_us }) => toSeconds(time_us, originOf(decisions))),
      y: decisions.map(({ score }) => score.evidence),
    }),
    [decisions],
  );
  if (decision === undefined) return <p className={classes.empty}>No decision yet: the first window is not full.</p>;
  const elapsed = formatElapsed(toSeconds(decision.time_us, originOf(decisions)));

  return (
    <div className={classes.page}>
      <Panel title="Risk over time">
        <div className={classes.verdict}>
          <RiskNumber decision={decision} size="page" />
          <div className={classes.words}>
            <RiskBadge tone={toneOf(decision.action)} word={actionWord(decision)} large />
            <span>{actionMeaning(decision)}</span>
          </div>
          <p className={`${classes.when ?? ""} number`}>
            {hovered !== null ? "at the pointer" : held === undefined ? "now" : "chosen"} · {elapsed} into the session · {formatClock(decision.time_us)}
            {held !== undefined && (
              <Button size="compact-sm" variant="default" ml={8} onClick={() => { setChosen(null); }}>
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
      </Panel>
      <div className={classes.halves}>
        <Panel title="Why: the usual against what was seen">
          <ReasonPictures decision={decision} earlier={decisions.filter(({ time_us }) => time_us < decision.time_us)} />
        </Panel>
        <div className={classes.stack}>
          <Panel title="From what" tools={<a className={classes.open} href={hrefOf({ page: "decision", id: decision.id })}>Open this decision</a>}>
            <DecisionFacts decision={decision} />
          </Panel>
          <Panel title="Evidence" hint="Adds up over windows. Below zero it speaks for somebody else, above for the claimed subject.">
            <LineChart points={evidence} shape="evidence" height={130} label={`Evidence over time: ${formatScore(decision.score.evidence)} now`} />
          </Panel>
        </div>
      </div>
      <Panel title="Windows and their decisions">
        <DecisionTable decisions={decisions} chosen={chosen} onChoose={setChosen} />
      </Panel>
    </div>
  );
}
