/** What the page says while the line is away: what is wrong, what still holds, and what happens next. */

import { Alert } from "@mantine/core";
import { IconPlugConnectedX } from "@tabler/icons-react";
import type { Connection } from "../live/state.ts";

export function ConnectionAlert({ connection }: { connection: Connection }) {
  if (connection.status === "refused") {
    return (
      <Alert mb="md" color="orange" variant="light" title="This key may not watch the line" role="status">
        Live pages stay empty. A key with the scope <code>monitor</code> shows them.
      </Alert>
    );
  }
  if (connection.status !== "disconnected") return null;
  const seconds = Math.round(connection.retry_ms / 1000);
  return (
    <Alert
      mb="md"
      color="orange"
      variant="light"
      icon={<IconPlugConnectedX size={18} aria-hidden />}
      title="No connection to the line"
      role="status"
    >
      What you see is the last known state. Next try in {seconds} s; it comes back by itself. If it does not, look whether{" "}
      <code>ductus demo</code> still runs.
    </Alert>
  );
}
