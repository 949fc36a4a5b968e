/** What components ask: the session, and its risk. */

import type { RiskEvent } from "@ductus/sdk";
import { useContext, useSyncExternalStore } from "react";
import { SessionContext } from "./context.ts";
import type { DuctusSession, RiskStore, RunningSession } from "./session.ts";

/** The session of the provider above; null until it runs: on the server, and during the first render. */
export function useDuctusSession(): DuctusSession | null {
  return useRunning()?.session ?? null;
}

/** The latest risk of the session; null until a window was judged. The monitor stream is open while this is in use. */
export function useRisk(): RiskEvent | null {
  const { subscribe, latest } = useRunning()?.risk ?? NOTHING;
  return useSyncExternalStore(subscribe, latest, NOTHING.latest);
}

const NOTHING: RiskStore = { subscribe: () => () => undefined, latest: () => null };

function useRunning(): RunningSession | null {
  const context = useContext(SessionContext);
  if (context === undefined) throw new Error("there is no <DuctusProvider> above this component");
  return context.running;
}
