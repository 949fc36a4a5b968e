/** Who is at risk now, what goes through the line, and whether the gateway lacks anything. */

import type { LiveState } from "../live/state.ts";
import { PageHead } from "../parts/PageHead.tsx";
import { go } from "../route/use-route.ts";
import { ActivityFeed } from "../sessions/ActivityFeed.tsx";
import { countTones } from "../sessions/arrange.ts";
import { ScenarioNote } from "../sessions/ScenarioNote.tsx";
import { AtRisk } from "./AtRisk.tsx";
import { LineHealth } from "./LineHealth.tsx";
import { LineRates } from "./LineRates.tsx";
import { Standings } from "./Standings.tsx";
import classes from "./Overview.module.css";

export function OverviewPage({ line }: { line: LiveState }) {
  return (
    <>
      <PageHead title="Overview" />
      <ScenarioNote scenario={line.scenario} />
      <Standings counts={countTones(line.sessions)} />
      <div className={classes.columns}>
        <div className={classes.stack}>
          <AtRisk line={line} />
          <LineRates rates={line.rates} />
        </div>
        <div className={classes.stack}>
          <LineHealth line={line} />
          <ActivityFeed activity={line.activity} onOpen={(id) => { go({ page: "session", id }); }} />
        </div>
      </div>
    </>
  );
}
