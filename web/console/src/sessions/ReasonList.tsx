/** Reasons in human words, each with a bar for how unusual it is. */

import type { Reason } from "../api/wire.ts";
import { signed, viewReason } from "../format/reason.ts";
import classes from "./ReasonList.module.css";

/** A z of this much fills the bar. */
const Z_FULL = 6;

export function ReasonList({ reasons }: { reasons: readonly Reason[] }) {
  if (reasons.length === 0) return <p className={classes.none}>Nothing stands out against the usual.</p>;
  return (
    <ul className={classes.list}>
      {reasons.map((reason) => {
        const { measure, label, amount, z } = viewReason(reason);
        const width = Math.min(1, Math.abs(z) / Z_FULL) * 100;
        return (
          <li key={measure} className={classes.reason} title={reason.text}>
            <span className={classes.label}>{label}</span>
            {amount !== null && (
              <>
                <span className={`${classes.amount ?? ""} number`}>{amount}</span>
                <span className={classes.bar} aria-hidden>
                  <span style={{ width: `${width}%` }} />
                </span>
                <span className={`${classes.z ?? ""} number`}>z {signed(z, 1)}</span>
              </>
            )}
          </li>
        );
      })}
    </ul>
  );
}
