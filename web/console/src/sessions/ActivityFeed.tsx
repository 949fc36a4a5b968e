/** The latest changes of action over all sessions, newest first. */

import { IconArrowNarrowRight } from "@tabler/icons-react";
import { formatRisk, toneOf } from "../format/risk.ts";
import { formatClock } from "../format/time.ts";
import type { Activity } from "../live/state.ts";
import { RiskBadge } from "../shell/RiskBadge.tsx";
import classes from "./ActivityFeed.module.css";

interface ActivityFeedProps {
  activity: readonly Activity[];
  onOpen: (session: string) => void;
}

export function ActivityFeed({ activity, onOpen }: ActivityFeedProps) {
  return (
    <section className={classes.feed} aria-label="Changes of action">
      <h2 className={classes.title}>Changes of action</h2>
      {activity.length === 0 && <p className={classes.empty}>None yet. A change appears here when an action is raised or lowered.</p>}
      <ol className={classes.list}>
        {activity.map((change) => (
          <li key={change.id}>
            <button type="button" className={classes.change} onClick={() => { onOpen(change.session); }}>
              <span className={classes.head}>
                <span className={classes.label}>{change.label}</span>
                <time className={`${classes.time ?? ""} number`}>{formatClock(change.time_us)}</time>
              </span>
              <span className={classes.step}>
                {change.from !== null && (
                  <>
                    <RiskBadge tone={toneOf(change.from)} />
                    <IconArrowNarrowRight size={15} aria-label="to" />
                  </>
                )}
                <RiskBadge tone={toneOf(change.to)} />
                <span className={`${classes.risk ?? ""} number`}>risk {formatRisk(change.risk)}</span>
              </span>
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}
