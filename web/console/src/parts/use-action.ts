/** Something the person does that the gateway has to agree to: one at a time, and what went wrong is said. */

import { useCallback, useState } from "react";
import type { ApiError } from "../api/http.ts";
import { errorOf } from "./use-resource.ts";

export interface Action {
  busy: boolean;
  error: ApiError | null;
  /** True where it was done. */
  run: (work: () => Promise<unknown>) => Promise<boolean>;
}

export function useAction(): Action {
  const [state, setState] = useState<{ busy: boolean; error: ApiError | null }>({ busy: false, error: null });
  const run = useCallback(async (work: () => Promise<unknown>): Promise<boolean> => {
    setState({ busy: true, error: null });
    try {
      await work();
      setState({ busy: false, error: null });
      return true;
    } catch (cause) {
      setState({ busy: false, error: errorOf(cause) });
      return false;
    }
  }, []);
  return { ...state, run };
}
