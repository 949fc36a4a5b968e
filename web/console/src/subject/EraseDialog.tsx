/** Asks before a subject is erased. */

import { useState } from "react";
import { eraseSubject, type Erasure } from "../api/subjects.ts";
import { Confirm } from "../parts/Confirm.tsx";
import { useAction } from "../parts/use-action.ts";

interface EraseDialogProps {
  tenant: string;
  subject: string;
  onErased: (erasure: Erasure) => void;
  onClose: () => void;
}

/** Subjects may be called anything; a word that can be typed is asked for instead. */
const WORD = "erase";

export function EraseDialog({ tenant, subject, onErased, onClose }: EraseDialogProps) {
  const action = useAction();
  const [title] = useState(`Erase ${subject}?`);
  const erase = async (): Promise<void> => {
    onErased(await eraseSubject(tenant, subject));
  };
  return (
    <Confirm title={title} verb="Erase for good" typed={WORD} action={action} onConfirm={erase} onClose={onClose}>
      References, events, windows and decisions of this subject are deleted everywhere: in the stream, in the history, in the search
      index. It cannot be undone. You get a receipt.
    </Confirm>
  );
}
