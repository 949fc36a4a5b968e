/** One session: who it claims to be, its risk as number, colour and word, its course, and why. */

import { IconKeyboard, IconMouse } from "@tabler/icons-react";
import { RiskChart } from "../chart/RiskChart.tsx";
import { formatScore, formatShare } from "../format/number.ts";
import { actionMeaning, actionWord, learningProgress, toneOf, type Thresholds } from "../format/risk.ts";
import type { SessionView } from "../live/state.ts";
import { verdictOf } from "../live/verdict.ts";
import { hrefOf } from "../route/route.ts";
import { RiskBadge } from "../shell/RiskBadge.tsx";
import { RiskNumber } from "../shell/RiskNumber.tsx";
import { chartLabel } from "./chart-label.ts";
import { ReasonList } from "./ReasonList.tsx";
import classes from "./SessionCard.module.css";

interface SessionCardProps {
  session: SessionView;
  thresholds: Thresholds;
}

const CHART_HEIGHT = 128;
const REASONS_MAX = 3;

export function SessionCard({ session, thresholds }: SessionCardProps) {
  const latest = session.decisions.at(-1);
  const verdict = verdictOf(session.decisions);
  const tone = toneOf(verdict?.action ?? "insufficient_data");
  const ModalityIcon = session.modality === "pointer" ? IconMouse : IconKeyboard;

  return (
    <article className={classes.card} data-tone={tone}>
      <header className={classes.head}>
        <ModalityIcon className={classes.modality} size={18} aria-label={session.modality === "pointer" ? "Pointer" : "Keystrokes"} />
        <div className={classes.who}>
          <h2 className={classes.label}>
            <a className={classes.open} href={hrefOf({ page: "session", id: session.id })} title={session.label}>
              {session.label}
            </a>
          </h2>
          <p className={classes.claim}>
            {session.subject === null ? "nobody claimed" : <>claims to be <b>{session.subject}</b></>}
          </p>
        </div>
        {latest?.window.closed === "end" && <span className={classes.ended}>ended</span>}
      </header>

      <div className={classes.verdict}>
        <RiskNumber decision={verdict} size="card" />
        <span className={classes.words}>
          <RiskBadge tone={tone} word={verdict === undefined ? "Waiting" : actionWord(verdict)} />
          <span className={classes.meaning}>{verdict === undefined ? "No window is full yet" : actionMeaning(verdict)}</span>
        </span>
      </div>

      <RiskChart
        decisions={session.decisions}
        thresholds={thresholds}
        handOver_us={session.handOver_us}
        height={CHART_HEIGHT}
        label={chartLabel(session)}
      />

      <div className={classes.reasons}>
        {tone === "learning" ? (
          <LearningBar percent={learningProgress(session.decisions)} />
        ) : (
          <ReasonList reasons={(verdict?.reasons ?? []).slice(0, REASONS_MAX)} />
        )}
      </div>

      <dl className={`${classes.facts ?? ""} number`}>
        <Fact name="evidence" value={formatScore(latest?.score.evidence ?? null, 1)} />
        <Fact name="confidence" value={latest === undefined ? "–" : formatShare(latest.confidence)} />
        <Fact name="windows" value={String(session.windows)} />
      </dl>
    </article>
  );
}

function LearningBar({ percent }: { percent: number }) {
  return (
    <div className={classes.learning}>
      <span>References {percent} % complete</span>
      <progress max={100} value={percent} aria-label="References gathered" />
    </div>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
