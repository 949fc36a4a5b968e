/**
 * Runs one Ductus session for the components below it.
 *
 * Invariants: one session is one `start()`: whatever names the session or whom it is of ends it and begins another, and
 * StrictMode's double mount begins one only. Unmounting ends the session and sends what is pending.
 */

import type { StartOptions } from "@ductus/sdk";
import { useEffect, useMemo, useRef, useState, type ReactNode } from "react";
import { SessionContext } from "./context.ts";
import { makeSessionId, startSession, type RunningSession } from "./session.ts";

export interface DuctusProviderProps extends Omit<StartOptions, "session"> {
  /** Left out, each start makes its own; `token` is called with it, and `useDuctusSession()` tells it. */
  session?: string;
  children?: ReactNode;
}

export function DuctusProvider({ children, ...options }: DuctusProviderProps) {
  const [running, setRunning] = useState<RunningSession | null>(null);
  const { endpoint, tenant, session, subject, consent, purpose, detail } = options;

  // Read when a session starts: a new function or object at each render must not end the one that runs.
  const latest = useRef(options);
  useEffect(() => {
    latest.current = options;
  });

  useEffect(() => {
    let begun: RunningSession | undefined;
    let ended = false;
    // StrictMode mounts twice within one task; only what is still mounted after it begins a session.
    queueMicrotask(() => {
      if (ended) return;
      begun = startSession({ ...latest.current, session: session ?? makeSessionId() });
      setRunning(begun);
    });
    return () => {
      ended = true;
      setRunning(null);
      void begun?.session.stop();
    };
  }, [endpoint, tenant, session, subject, consent, purpose, detail]);

  const context = useMemo(() => ({ running }), [running]);
  return <SessionContext.Provider value={context}>{children}</SessionContext.Provider>;
}
