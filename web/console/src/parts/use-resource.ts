/**
 * Something that is asked for, and its three states.
 *
 * Invariants: an answer to an earlier question is never shown as one to the present; a value stays while it is asked for
 * again, and stays, marked, when that fails.
 */

import { useCallback, useEffect, useState } from "react";
import { ApiError } from "../api/http.ts";

export type Resource<T> =
  | { state: "loading" }
  | { state: "failed"; error: ApiError }
  | { state: "ready"; value: T; stale: ApiError | null };

export type Load<T> = (signal: AbortSignal) => Promise<T>;

interface Asked<T> {
  load: Load<T> | null;
  resource: Resource<T>;
}

const LOADING = { state: "loading" } as const;

/** `load` must be stable (`useCallback`): another one is another question. Null asks nothing yet. */
export function useResource<T>(load: Load<T> | null, every_ms?: number): { resource: Resource<T>; reload: () => void } {
  const [asked, setAsked] = useState<Asked<T>>({ load: null, resource: LOADING });
  const [round, setRound] = useState(0);

  useEffect(() => {
    if (load === null) return;
    const ended = new AbortController();
    const read = async (): Promise<void> => {
      try {
        const value = await load(ended.signal);
        if (!ended.signal.aborted) setAsked({ load, resource: { state: "ready", value, stale: null } });
      } catch (cause) {
        if (ended.signal.aborted) return;
        const error = errorOf(cause);
        setAsked((before) => ({ load, resource: failed(before.load === load ? before.resource : LOADING, error) }));
      }
    };
    void read();
    const timer = every_ms === undefined ? undefined : setInterval(() => void read(), every_ms);
    return () => {
      clearInterval(timer);
      ended.abort();
    };
  }, [load, every_ms, round]);

  const reload = useCallback(() => { setRound((before) => before + 1); }, []);
  return { resource: asked.load === load && load !== null ? asked.resource : LOADING, reload };
}

export function errorOf(cause: unknown): ApiError {
  return cause instanceof ApiError ? cause : new ApiError(0, "unexpected", "the answer could not be read");
}

function failed<T>(before: Resource<T>, error: ApiError): Resource<T> {
  return before.state === "ready" ? { ...before, stale: error } : { state: "failed", error };
}
