/**
 * One running session, as components see it: the SDK's handle, its id, and the latest risk for whoever asks late.
 *
 * Invariant: the monitor stream is open only while a component shows the risk, however many do.
 */

import { start, type Handle, type RiskEvent, type StartOptions } from "@ductus/sdk";

export interface DuctusSession extends Handle {
  /** The session's id: what the application's back end mints a token for. */
  readonly id: string;
}

export interface RunningSession {
  readonly session: DuctusSession;
  readonly risk: RiskStore;
}

/** What `useSyncExternalStore` asks for. */
export interface RiskStore {
  subscribe(onChange: () => void): () => void;
  latest(): RiskEvent | null;
}

export function startSession(options: StartOptions): RunningSession {
  const handle = start(options);
  return { session: { ...handle, id: options.session }, risk: createRiskStore(handle) };
}

export function createRiskStore({ on }: Pick<Handle, "on">): RiskStore {
  let latest: RiskEvent | null = null;
  return {
    subscribe: (onChange) =>
      on("risk", (event) => {
        latest = event;
        onChange();
      }),
    latest: () => latest,
  };
}

/** 128 random bits; `randomUUID` exists only on secure pages. */
export function makeSessionId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
