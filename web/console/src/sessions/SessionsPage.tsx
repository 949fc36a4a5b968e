/** All sessions at a glance: a summary that filters, the grid, and the latest changes. */

import { useState } from "react";
import type { Thresholds, Tone } from "../format/risk.ts";
import type { LiveState } from "../live/state.ts";
import { PageHead } from "../parts/PageHead.tsx";
import { go } from "../route/use-route.ts";
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
}

export function SessionsPage({ line, thresholds }: SessionsPageProps) {
  const [order, setOrder] = useState<Order>("played");
  const [only, setOnly] = useState<Tone | null>(null);
  const shown = arrange(line.sessions, order, only);

  return (
    <>
      <PageHead title="Sessions" />
      <ScenarioNote scenario={line.scenario} />
      <SessionFilter counts={countTones(line.sessions)} only={only} onOnly={setOnly} order={order} onOrder={setOrder} />
      <div className={classes.columns}>
        <section aria-label="Sessions" className={classes.grid}>
          {shown.map((session) => (
            <SessionCard key={session.id} session={session} thresholds={thresholds} />
          ))}
          {shown.length === 0 && <NoSessions line={line} filtered={only !== null} />}
        </section>
        <ActivityFeed activity={line.activity} onOpen={(id) => { go({ page: "session", id }); }} />
      </div>
    </>
  );
}
