/** Who is told of risk, and what could not be told. */

import { Button } from "@mantine/core";
import { useCallback, useState } from "react";
import { fetchWebhooks } from "../api/settings.ts";
import { Empty } from "../parts/Empty.tsx";
import { Loaded } from "../parts/Loaded.tsx";
import { Panel } from "../parts/Panel.tsx";
import { Secret } from "../parts/Secret.tsx";
import { useResource } from "../parts/use-resource.ts";
import { WebhookForm } from "./WebhookForm.tsx";
import { WebhookItem } from "./WebhookItem.tsx";
import classes from "./Settings.module.css";

export function Webhooks() {
  const { resource, reload } = useResource(useCallback((signal: AbortSignal) => fetchWebhooks(signal), []));
  const open = resource.state === "ready" && resource.value === undefined;
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<{ id: string; secret: string } | null>(null);
  return (
    <Panel
      title="Webhooks"
      hint="An address that is told when a session’s action changes. Each message is signed with the webhook’s secret."
      tools={!open && <Button size="xs" onClick={() => { setMaking(true); }}>Add a webhook…</Button>}
    >
      {made !== null && <Secret title="The webhook’s secret" secret={made.secret} onClose={() => { setMade(null); }} />}
      <Loaded resource={resource} reload={reload} what="the webhooks">
        {(hooks) =>
          hooks === undefined ? (
            <Empty title="Access is open: nobody is told.">Webhooks belong to a tenant’s application keys. Set access.mode to have them.</Empty>
          ) : hooks.length === 0 ? (
            <Empty title="No webhooks yet.">Applications can also watch a session’s risk directly.</Empty>
          ) : (
            <ul className={classes.hooks}>
              {hooks.map((hook) => (
                <WebhookItem key={hook.id} hook={hook} onDropped={reload} />
              ))}
            </ul>
          )
        }
      </Loaded>
      {making && (
        <WebhookForm
          onMade={({ id, secret }) => {
            if (secret !== null) setMade({ id, secret });
            reload();
          }}
          onClose={() => { setMaking(false); }}
        />
      )}
    </Panel>
  );
}
