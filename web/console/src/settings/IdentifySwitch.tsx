/** Whether anybody may ask "who is it?" of this tenant. To switch it on takes a reason, which the audit trail keeps. */

import { Button, Textarea } from "@mantine/core";
import { useState } from "react";
import { switchIdentify, type Settings } from "../api/settings.ts";
import { Loaded } from "../parts/Loaded.tsx";
import { Panel } from "../parts/Panel.tsx";
import { Problem } from "../parts/Problem.tsx";
import { useAction } from "../parts/use-action.ts";
import type { Resource } from "../parts/use-resource.ts";
import classes from "./Settings.module.css";

export interface SettingsSource {
  resource: Resource<Settings>;
  reload: () => void;
}

export function IdentifySwitch({ resource, reload }: SettingsSource) {
  return (
    <Panel title="Identification">
      <Loaded resource={resource} reload={reload} what="the settings">
        {(settings) => <Switch key={String(settings.identify)} settings={settings} onChange={reload} />}
      </Loaded>
    </Panel>
  );
}

function Switch({ settings, onChange }: { settings: Settings; onChange: () => void }) {
  const [reason, setReason] = useState("");
  const action = useAction();
  const turn = async (why: string | null): Promise<void> => {
    if (await action.run(() => switchIdentify(why))) onChange();
  };
  if (settings.identify) {
    return (
      <>
        <p className={classes.text}>
          <b>On.</b> Keys with the scope <code>verify</code> may ask who somebody is.
        </p>
        <p className={classes.quote}>{settings.identify_reason ?? "No reason was noted."}</p>
        <Problem error={action.error} />
        <Button size="xs" variant="default" loading={action.busy} onClick={() => void turn(null)}>
          Switch off
        </Button>
      </>
    );
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        void turn(reason.trim());
      }}
    >
      <p className={classes.text}>
        <b>Off.</b> Nobody may ask who somebody is. Checking a claim does not need it.
      </p>
      <Textarea
        label="Reason to switch it on"
        description="The audit trail keeps it: a law, a case, an approval."
        rows={2}
        value={reason}
        onChange={(event) => { setReason(event.currentTarget.value); }}
      />
      <Problem error={action.error} />
      <Button type="submit" size="xs" mt="sm" disabled={reason.trim() === ""} loading={action.busy}>
        Switch on
      </Button>
    </form>
  );
}
