/** What only the user may do: where the gateway wants a second proof first, it is asked for, and then it is done. */

import { useCallback, useState, type ReactNode } from "react";
import { ApiError } from "../api/http.ts";
import { useAction, type Action } from "../parts/use-action.ts";
import type { FaceProps } from "./AccountPage.tsx";
import { ProofDialog } from "./ProofDialog.tsx";

interface Waiting {
  proved: () => void;
  left: () => void;
}

/** The question has to be rendered for as long as there is one. */
export function useProved(face: FaceProps): { action: Action; question: ReactNode } {
  const { busy, error, run } = useAction();
  const [waiting, setWaiting] = useState<Waiting | null>(null);
  const runProved = useCallback(
    (work: () => Promise<unknown>) =>
      run(async () => {
        try {
          await work();
        } catch (cause) {
          if (!(cause instanceof ApiError) || cause.reason !== "step_up") throw cause;
          await new Promise<void>((resolve, reject) => {
            setWaiting({ proved: resolve, left: () => { reject(cause); } });
          }).finally(() => { setWaiting(null); });
          await work();
        }
      }),
    [run],
  );
  const question = waiting && (
    <ProofDialog
      title="Prove that it is you"
      text="This would let whoever sits here be you from now on."
      face={face}
      onProved={waiting.proved}
      onClose={waiting.left}
    />
  );
  return { action: { busy, error, run: runProved }, question };
}
