/** Somebody else seems to be typing: whoever sits there has to prove that they are the user, or sign out. */

import { Button } from "@mantine/core";
import { useCallback } from "react";
import { beginStepUp, signOut, type SignedIn } from "../api/identity.ts";
import { Dialog } from "../parts/Dialog.tsx";
import { Loaded } from "../parts/Loaded.tsx";
import { Problem } from "../parts/Problem.tsx";
import { useAction } from "../parts/use-action.ts";
import { useResource } from "../parts/use-resource.ts";
import type { FaceProps } from "./AccountPage.tsx";
import { SecondFactor } from "./SecondFactor.tsx";
import { asUser, signIn } from "./sign-in.ts";
import classes from "./Account.module.css";

interface StepUpDialogProps {
  face: FaceProps;
  onProved: () => void;
}

export function StepUpDialog({ face: { code, onUsed, onMailbox }, onProved }: StepUpDialogProps) {
  const load = useCallback(() => asUser(beginStepUp), []);
  const { resource, reload } = useResource(load);
  const leaving = useAction();
  const proved = (who: SignedIn): void => {
    onUsed();
    signIn.entered(who);
    onProved();
  };
  const leave = (): Promise<boolean> =>
    leaving.run(async () => {
      await asUser(signOut);
      signIn.left("You are signed out.");
    });
  return (
    <Dialog title="Is it still you?" onClose={null}>
      {/* It opens under somebody's hands: what they go on typing must press no button and fill in no code. */}
      <p className={classes.text} tabIndex={-1} data-autofocus>
        The typing does not look like yours. Prove that it is you, then go on where you were.
      </p>
      <Loaded resource={resource} reload={reload} what="the question">
        {(challenge) => <SecondFactor key={code} challenge={challenge} code={code} focus={false} onProved={proved} onMailbox={onMailbox} />}
      </Loaded>
      <Problem error={leaving.error} />
      <Button mt="xs" fullWidth variant="subtle" color="red" loading={leaving.busy} onClick={() => void leave()}>
        It is not me: sign out
      </Button>
    </Dialog>
  );
}
