/** One's own account: password, passkeys, trusted addresses, all sign-ins, and its end. */

import { Button } from "@mantine/core";
import { useState } from "react";
import { deleteMe, signOutEverywhere, type Me } from "../api/identity.ts";
import { formatMoment } from "../format/time.ts";
import { Confirm } from "../parts/Confirm.tsx";
import { Facts } from "../parts/Facts.tsx";
import { Panel } from "../parts/Panel.tsx";
import { useAction } from "../parts/use-action.ts";
import type { FaceProps } from "./AccountPage.tsx";
import { Addresses } from "./Addresses.tsx";
import { Passkeys } from "./Passkeys.tsx";
import { PasswordForm } from "./PasswordForm.tsx";
import { asUser, signIn } from "./sign-in.ts";
import { useProved } from "./use-proved.tsx";
import classes from "./Account.module.css";

interface SecurityPanelProps {
  me: Me;
  face: FaceProps;
}

export function SecurityPanel({ me, face }: SecurityPanelProps) {
  const [asked, setAsked] = useState<"everywhere" | "delete" | null>(null);
  const leaving = useAction();
  const { action: deleting, question } = useProved(face);
  const close = (): void => { setAsked(null); };
  return (
    <div className={classes.halves}>
      <Panel title="You">
        <Facts
          facts={[
            ["E-mail", me.email],
            ["Pseudonym", me.user],
            ["Since", formatMoment(me.created_at_ms)],
          ]}
        />
        <div className={classes.ends}>
          <Button size="xs" variant="default" onClick={() => { setAsked("everywhere"); }}>
            Sign out everywhere…
          </Button>
          <Button size="xs" variant="outline" color="red" onClick={() => { setAsked("delete"); }}>
            Delete my account…
          </Button>
        </div>
      </Panel>
      <Panel title="Password">
        <PasswordForm />
      </Panel>
      <Panel title="Passkeys" hint="A passkey proves in one touch that it is you.">
        <Passkeys face={face} />
      </Panel>
      <Panel title="Trusted networks" hint="From these your password is enough: the one you registered from, and those you approved by a link in a mail.">
        <Addresses />
      </Panel>
      {asked === "everywhere" && (
        <Confirm
          title="Sign out everywhere?"
          verb="Sign out"
          action={leaving}
          onConfirm={async () => {
            await asUser(signOutEverywhere);
            signIn.left("You are signed out everywhere.");
          }}
          onClose={close}
        >
          Every page and device has to sign in again, this one too.
        </Confirm>
      )}
      {/* One dialog at a time: Escape would close both. */}
      {asked === "delete" && question === null && (
        <Confirm
          title="Delete your account?"
          verb="Delete for good"
          typed="delete"
          action={deleting}
          onConfirm={async () => {
            await asUser(deleteMe);
            signIn.left("Your account is deleted, and what was learned of you with it.");
          }}
          onClose={close}
        >
          Your account and everything that was learned of your typing are deleted. It cannot be undone.
        </Confirm>
      )}
      {question}
    </div>
  );
}
