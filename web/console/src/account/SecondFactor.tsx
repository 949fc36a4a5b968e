/** The second proof: a code that was sent by mail, or a passkey. Signing in asks for it, and so does a step-up. */

import { Button, TextInput } from "@mantine/core";
import { IconFingerprint, IconMail } from "@tabler/icons-react";
import { useState } from "react";
import { beginPasskey, confirmCode, confirmPasskey, type Challenge, type SignedIn } from "../api/identity.ts";
import { Problem } from "../parts/Problem.tsx";
import { useAction } from "../parts/use-action.ts";
import { canUsePasskeys, showPasskey } from "./passkey.ts";
import classes from "./Account.module.css";

interface SecondFactorProps {
  challenge: Challenge;
  /** A code taken over from the mailbox. */
  code: string;
  onProved: (who: SignedIn) => void;
  /** Whether the code field takes the focus. */
  focus: boolean;
  /** Opens the demo's mailbox; null where there is none. */
  onMailbox: (() => void) | null;
}

export function SecondFactor({ challenge: { challenge, factors = ["code"] }, code, focus, onProved, onMailbox }: SecondFactorProps) {
  const [typed, setTyped] = useState<string | null>(null);
  const action = useAction();
  const shown = typed ?? code;

  const byCode = (): Promise<boolean> => action.run(async () => { onProved(await confirmCode(challenge, shown.trim())); });
  const byPasskey = (): Promise<boolean> =>
    action.run(async () => {
      const { options } = await beginPasskey(challenge);
      onProved(await confirmPasskey(challenge, await showPasskey(options)));
    });

  return (
    <div data-ductus-ignore>
      {factors.includes("passkey") && canUsePasskeys() && (
        <>
          <Button fullWidth leftSection={<IconFingerprint size={17} aria-hidden />} loading={action.busy} onClick={() => void byPasskey()}>
            Use your passkey
          </Button>
          <p className={classes.or}>or</p>
        </>
      )}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void byCode();
        }}
      >
        <TextInput
          autoFocus={focus}
          label="Code"
          description="We sent it to your mailbox. It is good for a few minutes."
          inputMode="numeric"
          autoComplete="one-time-code"
          value={shown}
          onChange={(event) => { setTyped(event.currentTarget.value); }}
        />
        <Problem error={action.error} />
        <Button type="submit" mt="md" fullWidth variant={factors.includes("passkey") ? "default" : "filled"} loading={action.busy} disabled={shown.trim() === ""}>
          Confirm
        </Button>
      </form>
      {onMailbox !== null && (
        <Button mt="sm" fullWidth variant="subtle" leftSection={<IconMail size={16} aria-hidden />} onClick={onMailbox}>
          Open the mailbox
        </Button>
      )}
    </div>
  );
}
