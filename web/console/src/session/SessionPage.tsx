/** One session: how its risk went, what it rests on, and each window's decision. */

import type { Thresholds } from "../format/risk.ts";
import type { LiveState } from "../live/state.ts";
import { Empty } from "../parts/Empty.tsx";
import { SubjectLink } from "../parts/links.tsx";
import { Loaded } from "../parts/Loaded.tsx";
import { PageHead } from "../parts/PageHead.tsx";
import { SessionDetail } from "./SessionDetail.tsx";
import { useSession } from "./use-session.ts";
import classes from "./SessionDetail.module.css";

interface SessionPageProps {
  id: string;
  line: LiveState;
  thresholds: Thresholds;
}

export function SessionPage({ id, line, thresholds }: SessionPageProps) {
  const { resource, reload } = useSession(id, line);
  const known = resource.state === "ready" ? resource.value : null;
  return (
    <>
      <PageHead kind="Session" title={known?.label ?? id}>
        {known !== null && (
          <p className={classes.claim}>
            {known.subject === null ? "" : "claims to be "}
            <SubjectLink id={known.subject} />
            {known.label !== id && <> · session {id}</>}
          </p>
        )}
      </PageHead>
      <Loaded resource={resource} reload={reload} what="the session">
        {(session) =>
          session === null ? (
            <Empty title="No decision is known of this session.">
              It may be too old, or its first window is not full yet: that takes about fifty key presses.
            </Empty>
          ) : (
            <SessionDetail session={session} thresholds={thresholds} />
          )
        }
      </Loaded>
    </>
  );
}
