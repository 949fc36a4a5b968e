/** The application keys of the tenant. A key's secret is shown once, when it is made. */

import { Button, Checkbox, TextInput } from "@mantine/core";
import { useCallback, useState } from "react";
import { fetchKeys, makeKey, revokeKey, rotateKey, SCOPES, type Key, type KeyMade, type Scope } from "../api/settings.ts";
import { Confirm } from "../parts/Confirm.tsx";
import { Dialog } from "../parts/Dialog.tsx";
import { Empty } from "../parts/Empty.tsx";
import { Loaded } from "../parts/Loaded.tsx";
import { Panel } from "../parts/Panel.tsx";
import { Problem } from "../parts/Problem.tsx";
import { Secret } from "../parts/Secret.tsx";
import { useAction } from "../parts/use-action.ts";
import { useResource } from "../parts/use-resource.ts";
import { KeyRows } from "./KeyRows.tsx";
import classes from "./Settings.module.css";

export function Keys() {
  const { resource, reload } = useResource(useCallback((signal: AbortSignal) => fetchKeys(signal), []));
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<KeyMade | null>(null);
  const [asked, setAsked] = useState<{ what: "rotate" | "revoke"; key: Key } | null>(null);
  const action = useAction();
  const open = resource.state === "ready" && resource.value === undefined;

  const done = (secret: KeyMade | null): void => {
    if (secret !== null) setMade(secret);
    reload();
  };
  return (
    <Panel
      title="Application keys"
      hint="For back ends. A page of an application gets a session token instead."
      tools={!open && <Button size="xs" onClick={() => { setMaking(true); }}>Make a key…</Button>}
    >
      {made !== null && <Secret title={`Key ${made.id}`} secret={made.key} onClose={() => { setMade(null); }} />}
      <Loaded resource={resource} reload={reload} what="the keys">
        {(keys) =>
          keys === undefined ? (
            <Empty title="Access is open: there are no keys.">Everybody who reaches this gateway may do everything. Set access.mode to change that.</Empty>
          ) : (
            <KeyRows keys={keys} onAsk={(what, key) => { setAsked({ what, key }); }} />
          )
        }
      </Loaded>
      {making && <KeyForm onMade={done} onClose={() => { setMaking(false); }} />}
      {asked?.what === "revoke" && (
        <Confirm title={`End the key “${asked.key.label}”?`} verb="End it" action={action} onConfirm={async () => { await revokeKey(asked.key.id); done(null); }} onClose={() => { setAsked(null); }}>
          Whoever uses it is refused within seconds. It cannot be brought back.
        </Confirm>
      )}
      {asked?.what === "rotate" && (
        <Confirm title={`A new secret for “${asked.key.label}”?`} verb="Make it" action={action} onConfirm={async () => { done(await rotateKey(asked.key.id)); }} onClose={() => { setAsked(null); }}>
          The old secret stays valid for a while, so that you can put the new one in place.
        </Confirm>
      )}
    </Panel>
  );
}

function KeyForm({ onMade, onClose }: { onMade: (made: KeyMade) => void; onClose: () => void }) {
  const [label, setLabel] = useState("");
  const [scopes, setScopes] = useState<Scope[]>(["ingest"]);
  const action = useAction();
  const make = async (): Promise<void> => {
    if (await action.run(async () => { onMade(await makeKey(label.trim(), scopes)); })) onClose();
  };
  return (
    <Dialog title="Make a key" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void make();
        }}
      >
        <TextInput data-autofocus label="Label" description="Who uses it, and where." value={label} autoComplete="off" onChange={(event) => { setLabel(event.currentTarget.value); }} />
        <Checkbox.Group mt="md" label="What it may do" value={scopes} onChange={(values) => { setScopes(values); }}>
          <div className={classes.scopes}>
            {SCOPES.map((scope) => (
              <Checkbox key={scope} value={scope} label={SCOPE_WORDS[scope]} />
            ))}
          </div>
        </Checkbox.Group>
        <Problem error={action.error} />
        <Button type="submit" mt="md" fullWidth loading={action.busy} disabled={label.trim() === "" || scopes.length === 0}>
          Make the key
        </Button>
      </form>
    </Dialog>
  );
}

const SCOPE_WORDS: Readonly<Record<Scope, string>> = {
  ingest: "ingest: send events",
  verify: "verify: enrol and check people",
  monitor: "monitor: watch risk and decisions",
  admin: "admin: keys, settings, webhooks, erasure",
};
