/** What stands in for the grid while there is nothing in it. */

import { Loader } from "@mantine/core";
import type { LiveState } from "../live/state.ts";
import classes from "./NoSessions.module.css";

export function NoSessions({ line, filtered }: { line: LiveState; filtered: boolean }) {
  if (filtered) return <p className={classes.empty}>No session stands there now.</p>;
  if (line.connection.status === "disconnected") return <p className={classes.empty}>No session is known yet.</p>;
  if (!line.loaded) {
    return (
      <p className={classes.empty}>
        <Loader size="sm" type="dots" color="gray" aria-hidden />
        Connecting to the line…
      </p>
    );
  }
  return (
    <div className={classes.empty}>
      <strong>No sessions yet</strong>
      <span>
        A session appears with its first decision, which takes about fifty key presses. Send events to{" "}
        <code>/v1/events</code>, or open “Try it yourself” and type.
      </span>
    </div>
  );
}
