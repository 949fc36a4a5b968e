/** The networks that the user trusts. */

import { Button, TextInput } from "@mantine/core";
import { useCallback, useState } from "react";
import { askForAddress, dropAddress, fetchAddresses } from "../api/identity.ts";
import { Empty } from "../parts/Empty.tsx";
import { Loaded } from "../parts/Loaded.tsx";
import { Problem } from "../parts/Problem.tsx";
import { useAction } from "../parts/use-action.ts";
import { useResource } from "../parts/use-resource.ts";
import { asUser } from "./sign-in.ts";
import classes from "./Account.module.css";

export function Addresses() {
  const { resource, reload } = useResource(useCallback((signal: AbortSignal) => asUser((token) => fetchAddresses(token, signal)), []));
  const [prefix, setPrefix] = useState("");
  const [sent, setSent] = useState(false);
  const action = useAction();

  const ask = async (): Promise<void> => {
    setSent(false);
    if (!(await action.run(() => asUser((token) => askForAddress(token, prefix.trim()))))) return;
    setPrefix("");
    setSent(true);
  };
  return (
    <>
      <Loaded resource={resource} reload={reload} what="your networks">
        {(addresses) =>
          addresses.length === 0 ? (
            <Empty title="None yet." />
          ) : (
            <ul className={classes.own}>
              {addresses.map((address) => (
                <li key={address.prefix}>
                  <span className="number">{address.prefix}</span>
                  <Button
                    size="compact-sm"
                    variant="default"
                    aria-label={`Remove ${address.prefix}`}
                    onClick={() => { void action.run(() => asUser((token) => dropAddress(token, address.prefix))).then(reload); }}
                  >
                    Remove
                  </Button>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
      <Problem error={action.error} />
      <div role="status">{sent && <p className={classes.text}>Open the link that we sent to your mailbox.</p>}</div>
      <form
        className={classes.add}
        onSubmit={(event) => {
          event.preventDefault();
          void ask();
        }}
      >
        <TextInput label="Network" placeholder="192.0.2.0/24" value={prefix} onChange={(event) => { setPrefix(event.currentTarget.value); }} />
        <Button type="submit" loading={action.busy} disabled={prefix.trim() === ""}>
          Ask
        </Button>
      </form>
    </>
  );
}
