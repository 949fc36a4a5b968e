/** Signing in, registering, and setting a new password: an address and a password, then a second proof. */

import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useState } from "react";
import { isSignedIn, register, resetPassword, signIn as askSignIn, type Challenge, type SignedIn } from "../api/identity.ts";
import { Problem } from "../parts/Problem.tsx";
import { useAction } from "../parts/use-action.ts";
import { SecondFactor } from "./SecondFactor.tsx";
import classes from "./Account.module.css";

export type Entry = "in" | "register" | "reset";

export const ENTRY_TITLES: Readonly<Record<Entry, string>> = { in: "Sign in", register: "Register", reset: "New password" };
const ASKS = { in: askSignIn, register, reset: resetPassword } as const;

interface EntryFormsProps {
  entry: Entry;
  onEntry: (entry: Entry) => void;
  code: string;
  onSignedIn: (who: SignedIn) => void;
  onMailbox: (() => void) | null;
}

export function EntryForms({ entry, onEntry, code, onSignedIn, onMailbox }: EntryFormsProps) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [challenge, setChallenge] = useState<Challenge | null>(null);
  const action = useAction();

  const send = (): Promise<boolean> =>
    action.run(async () => {
      const answer: Challenge | SignedIn = await ASKS[entry](email.trim(), password);
      setPassword("");
      if (isSignedIn(answer)) onSignedIn(answer);
      else setChallenge(answer);
    });

  if (challenge !== null) {
    return (
      <>
        <SecondFactor key={code} challenge={challenge} code={code} focus onProved={onSignedIn} onMailbox={onMailbox} />
        <button type="button" className={classes.turn} onClick={() => { setChallenge(null); }}>
          Begin again
        </button>
      </>
    );
  }
  return (
    <form
      data-ductus-ignore
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
    >
      <TextInput
        label="E-mail address"
        type="email"
        autoComplete="username"
        required
        withAsterisk={false}
        value={email}
        onChange={(event) => { setEmail(event.currentTarget.value); }}
      />
      <PasswordInput
        mt="md"
        label={entry === "reset" ? "New password" : "Password"}
        description={entry === "in" ? undefined : "At least 15 characters. A short sentence is good."}
        autoComplete={entry === "in" ? "current-password" : "new-password"}
        required
        withAsterisk={false}
        value={password}
        visibilityToggleButtonProps={{ "aria-label": "Show the password", tabIndex: 0 }}
        onChange={(event) => { setPassword(event.currentTarget.value); }}
      />
      <Problem error={action.error} />
      <Button type="submit" mt="lg" fullWidth loading={action.busy}>
        {ENTRY_TITLES[entry]}
      </Button>
      <div className={classes.turns}>
        {(["in", "register", "reset"] as const)
          .filter((other) => other !== entry)
          .map((other) => (
            <button key={other} type="button" className={classes.turn} onClick={() => { onEntry(other); }}>
              {TURN_WORDS[other]}
            </button>
          ))}
      </div>
    </form>
  );
}

const TURN_WORDS: Readonly<Record<Entry, string>> = {
  in: "Sign in instead",
  register: "Register",
  reset: "Forgot the password?",
};
