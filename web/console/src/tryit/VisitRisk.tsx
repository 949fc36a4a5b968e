/** The visitor's own risk, live. */

import { Button } from "@mantine/core";
import { RiskChart } from "../chart/RiskChart.tsx";
import { actionMeaning, actionWord, toneOf, type Thresholds } from "../format/risk.ts";
import type { SessionView } from "../live/state.ts";
import { verdictOf } from "../live/verdict.ts";
import { chartLabel } from "../sessions/chart-label.ts";
import { hrefOf } from "../route/route.ts";
import { ReasonList } from "../sessions/ReasonList.tsx";
import { RiskBadge } from "../shell/RiskBadge.tsx";
import { RiskNumber } from "../shell/RiskNumber.tsx";
import type { Visit } from "./visit.ts";
import classes from "./VisitRisk.module.css";

interface VisitRiskProps {
  visit: Visit;
  session: SessionView | undefined;
  thresholds: Thresholds;
}

const NONE: readonly never[] = [];

export function VisitRisk({ visit, session, thresholds }: VisitRiskProps) {
  const latest = verdictOf(session?.decisions ?? NONE);
  const tone = toneOf(latest?.action ?? "insufficient_data");
  const shown = { label: "your session", decisions: session?.decisions ?? NONE, handOver_us: visit.handOver_us };
  return (
    <section className={classes.panel} aria-label="Your risk" data-ductus-ignore>
      <div className={classes.top}>
        <RiskNumber decision={latest} size="page" />
        <div className={classes.words} aria-live="polite">
          <RiskBadge tone={tone} word={latest === undefined ? "Waiting" : actionWord(latest)} large />
          <span className={classes.meaning}>
            {latest === undefined ? "The first decision comes after fifty key presses" : actionMeaning(latest)}
          </span>
        </div>
      </div>
      <RiskChart {...shown} thresholds={thresholds} height={210} label={chartLabel(shown)} detailed />
      <h2 className={classes.heading}>Why</h2>
      <div className={classes.reasons}>
        {latest === undefined ? <p className={classes.meaning}>Nothing to explain yet.</p> : <ReasonList reasons={latest.reasons} />}
      </div>
      <footer className={classes.foot}>
        <span>
          subject <code>{visit.subject}</code>
        </span>
        {session !== undefined && (
          <Button component="a" size="compact-sm" variant="default" href={hrefOf({ page: "session", id: session.id })} target="_blank">
            All decisions, in a new tab
          </Button>
        )}
      </footer>
    </section>
  );
}
