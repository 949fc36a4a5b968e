/** A risk in a row: the number, and a bar as long as it is high. */

import { formatRisk, toneOf } from "../format/risk.ts";
import type { Action } from "../api/wire.ts";
import classes from "./parts.module.css";

export function RiskMeter({ risk, action }: { risk: number; action: Action }) {
  const tone = toneOf(action);
  if (tone === "learning") return <span className={classes.meterNone}>–</span>;
  return (
    <span className={classes.meter} data-tone={tone}>
      <span className={classes.meterValue}>{formatRisk(risk)}</span>
      <svg className={classes.meterBar} viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden>
        <rect width="100" height="6" rx="3" className={classes.meterGround} />
        <rect width={Math.max(2, risk)} height="6" rx="3" fill="currentColor" />
      </svg>
    </span>
  );
}
