/** Asks for a second proof that whoever sits there is the user. */

import { useCallback, type ReactNode } from "react";
import { beginStepUp, type SignedIn } from "../api/identity.ts";
import type { Reason } from "../api/wire.ts";
import { sayToOwner } from "../format/reason-words.ts";
import { Dialog } from "../parts/Dialog.tsx";
import { Loaded } from "../parts/Loaded.tsx";
import { useResource } from "../parts/use-resource.ts";
import type { FaceProps } from "./AccountPage.tsx";
import { SecondFactor } from "./SecondFactor.tsx";
import { asUser, signIn } from "./sign-in.ts";
import classes from "./Account.module.css";

interface ProofDialogProps {
  title: string;
  /** Why. */
  text: string;
  /** What speaks against the user. */
  reasons?: readonly Reason[];
  face: FaceProps;
  onProved: () => void;
  /** Null where it must be answered: it opens under somebody's hands, and what they go on typing must press nothing. */
  onClose: (() => void) | null;
  /** Another way out. */
  children?: ReactNode;
}

export function ProofDialog({ title, text, reasons = [], face: { code, onUsed, onMailbox }, onProved, onClose, children }: ProofDialogProps) {
  const load = useCallback(() => asUser(beginStepUp), []);
  const { resource, reload } = useResource(load);
  const proved = (who: SignedIn): void => {
    onUsed();
    signIn.entered(who);
    onProved();
  };
  const forced = onClose === null;
  return (
    <Dialog title={title} onClose={onClose}>
      <p className={classes.text} tabIndex={-1} {...(forced ? { "data-autofocus": true } : {})}>
        {text}
      </p>
      {reasons.length > 0 && (
        <ul className={classes.reasons}>
          {reasons.map((reason) => (
            <li key={reason.measure}>{sayToOwner(reason)}</li>
          ))}
        </ul>
      )}
      <Loaded resource={resource} reload={reload} what="the question">
        {(challenge) => <SecondFactor key={code} challenge={challenge} code={code} focus={!forced} onProved={proved} onMailbox={onMailbox} />}
      </Loaded>
      {children}
    </Dialog>
  );
}
