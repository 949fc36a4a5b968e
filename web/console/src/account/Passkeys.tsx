/** The passkeys of the user: list, add, remove. */

import { Button, TextInput } from "@mantine/core";
import { useCallback, useState } from "react";
import { beginPasskeyMaking, dropPasskey, fetchPasskeys, keepPasskey } from "../api/identity.ts";
import { Empty } from "../parts/Empty.tsx";
import { Loaded } from "../parts/Loaded.tsx";
import { Problem } from "../parts/Problem.tsx";
import { useResource } from "../parts/use-resource.ts";
import type { FaceProps } from "./AccountPage.tsx";
import { canUsePasskeys, makePasskey } from "./passkey.ts";
import { asUser } from "./sign-in.ts";
import { useProved } from "./use-proved.tsx";
import classes from "./Account.module.css";

export function Passkeys({ face }: { face: FaceProps }) {
  const { resource, reload } = useResource(useCallback((signal: AbortSignal) => asUser((token) => fetchPasskeys(token, signal)), []));
  const [label, setLabel] = useState("");
  const { action, question } = useProved(face);

  const add = async (): Promise<void> => {
    const made = await action.run(async () => {
      const { ceremony = "", options } = await asUser(beginPasskeyMaking);
      const answer = await makePasskey(options);
      await asUser((token) => keepPasskey(token, ceremony, label.trim(), answer));
    });
    if (!made) return;
    setLabel("");
    reload();
  };
  return (
    <>
      <Loaded resource={resource} reload={reload} what="your passkeys">
        {(passkeys) =>
          passkeys.length === 0 ? (
            <Empty title="No passkey yet." />
          ) : (
            <ul className={classes.own}>
              {passkeys.map((passkey) => (
                <li key={passkey.id}>
                  <span>{passkey.label}</span>
                  <Button
                    size="compact-sm"
                    variant="default"
                    aria-label={`Remove the passkey ${passkey.label}`}
                    onClick={() => { void action.run(() => asUser((token) => dropPasskey(token, passkey.id))).then(reload); }}
                  >
                    Remove
                  </Button>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
      {question}
      <Problem error={action.error} />
      {canUsePasskeys() ? (
        <form
          className={classes.add}
          onSubmit={(event) => {
            event.preventDefault();
            void add();
          }}
        >
          <TextInput label="Name of the passkey" placeholder="Laptop" value={label} onChange={(event) => { setLabel(event.currentTarget.value); }} />
          <Button type="submit" loading={action.busy} disabled={label.trim() === ""}>
            Add
          </Button>
        </form>
      ) : (
        <p className={classes.soft}>This browser makes no passkeys on this page.</p>
      )}
    </>
  );
}
