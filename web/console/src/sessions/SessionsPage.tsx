/** All sessions at a glance: what is played here, a summary that filters, the grid, and the latest changes. */

import { useState } from "react";
import type { Thresholds, Tone } from "../format/risk.ts";
import type { LiveState } from "../live/state.ts";
import { ActivityFeed } from "./ActivityFeed.tsx";
import { NoSessions } from "./NoSessions.tsx";
import { ScenarioNote } from "./ScenarioNote.tsx";
import { SessionCard } from "./SessionCard.tsx";
import { SessionFilter } from "./SessionFilter.tsx";
import { arrange, countTones, type Order } from "./arrange.ts";
import classes from "./SessionsPage.module.css";

interface SessionsPageProps {
  line: LiveState;
  thresholds: Thresholds;
  onOpen: (session: string) => void;
}

export function SessionsPage({ line, thresholds, onOpen }: SessionsPageProps) {
  const [order, setOrder] = useState<Order>("played");
  const [only, setOnly] = useState<Tone | null>(null);
  const shown = arrange(line.sessions, order, only);

  return (
    <>
      <ScenarioNote scenario={line.scenario} />
      <SessionFilter counts={countTones(line.sessions)} only={only} onOnly={setOnly} order={order} onOrder={setOrder} />
      <div className={classes.columns}>
        <section aria-label="Sessions" className={classes.grid}>
          {shown.map((session) => (
            <SessionCard key={session.id} session={session} thresholds={thresholds} onOpen={onOpen} />
          ))}
          {shown.length === 0 && <NoSessions line={line} filtered={only !== null} />}
        </section>
        <ActivityFeed activity={line.activity} onOpen={onOpen} />
      </div>
    </>
  );
}
