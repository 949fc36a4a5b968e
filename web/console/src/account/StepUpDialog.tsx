/** Somebody else seems to be typing: whoever sits there has to prove that they are the user, or sign out. */

import { Button } from "@mantine/core";
import { signOut } from "../api/identity.ts";
import type { Reason } from "../api/wire.ts";
import { Problem } from "../parts/Problem.tsx";
import { useAction } from "../parts/use-action.ts";
import type { FaceProps } from "./AccountPage.tsx";
import { ProofDialog } from "./ProofDialog.tsx";
import { asUser, signIn } from "./sign-in.ts";

interface StepUpDialogProps {
  face: FaceProps;
  /** What was unlike the user; none where the page was opened after it was noticed. */
  reasons: readonly Reason[];
  onProved: () => void;
}

export function StepUpDialog({ face, reasons, onProved }: StepUpDialogProps) {
  const leaving = useAction();
  const leave = (): Promise<boolean> =>
    leaving.run(async () => {
      await asUser(signOut);
      signIn.left("You are signed out.");
    });
  return (
    <ProofDialog
      title="Is it still you?"
      text="The typing does not look like yours. Prove that it is you, then go on where you were."
      reasons={reasons}
      face={face}
      onProved={onProved}
      onClose={null}
    >
      <Problem error={leaving.error} />
      <Button mt="xs" fullWidth variant="subtle" color="red" loading={leaving.busy} onClick={() => void leave()}>
        It is not me: sign out
      </Button>
    </ProofDialog>
  );
}
