/** Whether the gateway has all it needs, and what it counted. */

import { IconAlertTriangle, IconCircleCheck } from "@tabler/icons-react";
import { useCallback } from "react";
import { fetchReadiness } from "../api/server.ts";
import { formatCount } from "../format/number.ts";
import { formatElapsed } from "../format/time.ts";
import type { LiveState } from "../live/state.ts";
import { Facts } from "../parts/Facts.tsx";
import { Loaded } from "../parts/Loaded.tsx";
import { Panel } from "../parts/Panel.tsx";
import { useResource } from "../parts/use-resource.ts";
import classes from "./Overview.module.css";

const READ_EVERY_MS = 5_000;

export function LineHealth({ line }: { line: LiveState }) {
  const { resource, reload } = useResource(useCallback((signal: AbortSignal) => fetchReadiness(signal), []), READ_EVERY_MS);
  const { stats } = line;
  return (
    <Panel title="Health of the line">
      <Loaded resource={resource} reload={reload} what="the gateway's readiness">
        {({ ready, missing }) => (
          <>
            <p className={classes.ready} data-ready={ready}>
              {ready ? <IconCircleCheck size={18} aria-hidden /> : <IconAlertTriangle size={18} aria-hidden />}
              {ready ? "Ready. Nothing is missing." : "Not ready"}
            </p>
            {!ready && (
              <ul className={classes.missing}>
                {Object.entries(missing).map(([part, what]) => (
                  <li key={part}>
                    <b>{part}</b> {what}
                  </li>
                ))}
              </ul>
            )}
          </>
        )}
      </Loaded>
      {stats !== null && (
        <Facts
          facts={[
            ["Events in", formatCount(stats.events)],
            ["Windows", formatCount(stats.windows)],
            ["Decisions", formatCount(stats.decisions)],
            ["Rejected", formatCount(stats.rejected)],
            ["Late", stats.late === null ? "not known here" : formatCount(stats.late)],
            ["Duplicates", stats.duplicates === null ? "not known here" : formatCount(stats.duplicates)],
            ["Running for", formatElapsed(stats.uptime_ms / 1000)],
          ]}
        />
      )}
    </Panel>
  );
}
