/** The risk as a big number, in the colour of its action. A dash while nothing was judged. */

import type { Decision } from "../api/wire.ts";
import { formatRisk, toneOf } from "../format/risk.ts";
import classes from "./RiskNumber.module.css";

interface RiskNumberProps {
  decision: Pick<Decision, "risk" | "action"> | undefined;
  size: "card" | "page";
}

export function RiskNumber({ decision, size }: RiskNumberProps) {
  const tone = toneOf(decision?.action ?? "insufficient_data");
  return (
    <span className={classes.risk} data-size={size}>
      <span className={classes.name}>risk</span>
      <span className={`${classes.value ?? ""} number`} data-tone={tone}>
        {decision === undefined || tone === "learning" ? "–" : formatRisk(decision.risk)}
      </span>
    </span>
  );
}
