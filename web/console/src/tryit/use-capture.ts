/** Runs the SDK on one field for as long as there is a session, and shows what it sends. */

import { start, type EventBatch, type Handle, type Purpose, type RiskEvent, type TokenSource } from "@ductus/sdk";
import { useCallback, useEffect, useRef, useState, type RefObject } from "react";
import { GATEWAY } from "../api/http.ts";

export interface Capture {
  lastBatch: EventBatch | null;
  /** Key presses captured in this session. */
  presses: number;
  counts: Readonly<Counts>;
  /** What went wrong last; null while all is well. */
  trouble: string | null;
}

/** Of this session. */
export interface Counts {
  batches: number;
  events: number;
  accepted: number;
  dropped: number;
}

const NOTHING: Capture = { lastBatch: null, presses: 0, counts: { batches: 0, events: 0, accepted: 0, dropped: 0 }, trouble: null };

export interface CaptureTarget {
  tenant: string;
  subject: string;
  /** Null captures nothing. */
  session: string | null;
  purpose: Purpose;
  /** Must be stable; left out where access is open. */
  token?: TokenSource | undefined;
  /** Must be stable; listening opens the session's monitor. */
  onRisk?: (risk: RiskEvent) => void;
}

/** `end` ends the session for good; it resolves when what was captured was taken. */
export function useCapture(field: RefObject<HTMLElement | null>, target: CaptureTarget): Capture & { end: () => Promise<void> } {
  const { tenant, subject, session, purpose, token, onRisk } = target;
  const [capture, setCapture] = useState(NOTHING);
  const running = useRef<Handle | null>(null);
  const end = useCallback(async () => running.current?.stop(), []);

  useEffect(() => {
    if (session === null || field.current === null) return;
    const handle = start({
      endpoint: GATEWAY,
      tenant,
      subject,
      session,
      purpose,
      ...(token === undefined ? {} : { token }),
      consent: "granted",
      capture: ["keys"],
      target: field.current,
    });
    running.current = handle;
    const counts = { ...NOTHING.counts };
    let ended = false;
    const update = (change: Partial<Capture>): void => {
      // Answers to the session before may come after the next one has begun.
      if (ended) return;
      setCapture((before) => ({ ...before, ...change, presses: handle.quality().keys.captured, counts: { ...counts } }));
    };
    handle.on("batch", (lastBatch) => {
      counts.batches += 1;
      counts.events += lastBatch.events.length;
      update({ lastBatch });
    });
    handle.on("accepted", () => {
      counts.accepted += 1;
      update({ trouble: null });
    });
    handle.on("rejected", ({ reason }) => { update({ trouble: `The line refused a batch: ${reason}.` }); });
    handle.on("retry", ({ wait_ms }) => {
      update({ trouble: `The line does not answer; next try in ${Math.ceil(wait_ms / 1000)} s. What you type waits here.` });
    });
    handle.on("dropped", ({ events }) => {
      counts.dropped += 1;
      update({ trouble: `The line was away too long: ${events} events were dropped.` });
    });
    if (onRisk !== undefined) handle.on("risk", onRisk);
    return () => {
      void handle.stop();
      ended = true;
      setCapture((before) => ({ ...NOTHING, lastBatch: before.lastBatch }));
    };
  }, [field, tenant, subject, session, purpose, token, onRisk]);

  return { ...capture, end };
}
