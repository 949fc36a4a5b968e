/** Another password. */

import { Button, PasswordInput } from "@mantine/core";
import { useState } from "react";
import { changePassword } from "../api/identity.ts";
import { Problem } from "../parts/Problem.tsx";
import { useAction } from "../parts/use-action.ts";
import { asUser } from "./sign-in.ts";
import classes from "./Account.module.css";

export function PasswordForm() {
  const [old, setOld] = useState("");
  const [fresh, setFresh] = useState("");
  const [done, setDone] = useState(false);
  const action = useAction();
  const change = async (): Promise<void> => {
    setDone(false);
    if (!(await action.run(() => asUser((token) => changePassword(token, old, fresh))))) return;
    setOld("");
    setFresh("");
    setDone(true);
  };
  return (
    <form
      data-ductus-ignore
      onSubmit={(event) => {
        event.preventDefault();
        void change();
      }}
    >
      <PasswordInput label="Password now" autoComplete="current-password" value={old} visibilityToggleButtonProps={{ "aria-label": "Show the password now", tabIndex: 0 }} onChange={(event) => { setOld(event.currentTarget.value); }} />
      <PasswordInput mt="sm" label="New password" description="At least 15 characters. A short sentence is good." autoComplete="new-password" value={fresh} visibilityToggleButtonProps={{ "aria-label": "Show the new password", tabIndex: 0 }} onChange={(event) => { setFresh(event.currentTarget.value); }} />
      <Problem error={action.error} />
      <div role="status">{done && <p className={classes.text}>The password is changed.</p>}</div>
      <Button type="submit" size="xs" mt="sm" loading={action.busy} disabled={old === "" || fresh === ""}>
        Change the password
      </Button>
    </form>
  );
}
