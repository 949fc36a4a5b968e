/** Where the link in a mail leads: a network is to be trusted. Opening the page approves nothing; the button does. */

import { Button } from "@mantine/core";
import { useCallback, useState } from "react";
import { approve, fetchApproval } from "../api/identity.ts";
import { formatMoment } from "../format/time.ts";
import { Facts } from "../parts/Facts.tsx";
import { Loaded } from "../parts/Loaded.tsx";
import { Problem } from "../parts/Problem.tsx";
import { useAction } from "../parts/use-action.ts";
import { useResource } from "../parts/use-resource.ts";
import { hrefOf } from "../route/route.ts";
import { Simple } from "../shell/Simple.tsx";
import classes from "./Account.module.css";

export function ApprovePage({ token }: { token: string }) {
  const { resource, reload } = useResource(useCallback((signal: AbortSignal) => fetchApproval(token, signal), [token]));
  const [approved, setApproved] = useState<string | null>(null);
  const action = useAction();
  return (
    <Simple title="Trust a network">
      {approved !== null ? (
        <p className={classes.text} role="status">
          From <b>{approved}</b> your password is enough now. <a href={hrefOf({ page: "account" })}>Go on</a>
        </p>
      ) : (
        <Loaded resource={resource} reload={reload} what="what would be trusted">
          {({ prefix, expires_at_ms }) => (
            <>
              <p className={classes.text}>Approve it only if you asked for it yourself, and the network is yours.</p>
              <Facts
                facts={[
                  ["Network", <b key="prefix">{prefix}</b>],
                  ["The link ends", formatMoment(expires_at_ms)],
                ]}
              />
              <Problem error={action.error} />
              <Button mt="lg" fullWidth loading={action.busy} onClick={() => void action.run(async () => { setApproved((await approve(token)).prefix); })}>
                Trust it
              </Button>
            </>
          )}
        </Loaded>
      )}
    </Simple>
  );
}
