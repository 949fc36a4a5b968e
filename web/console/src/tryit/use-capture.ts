/** Runs the SDK on one field for as long as there is a session, and shows what it sends. */

import { start, type EventBatch, type Purpose, type Stats } from "@ductus/sdk";
import { useEffect, useState, type RefObject } from "react";
import { EVENTS_ENDPOINT } from "../api/server.ts";

export interface Capture {
  lastBatch: EventBatch | null;
  /** Key presses sent in this session. */
  presses: number;
  stats: Readonly<Stats> | null;
  /** What went wrong last; null while all is well. */
  trouble: string | null;
}

const NOTHING: Capture = { lastBatch: null, presses: 0, stats: null, trouble: null };

export interface CaptureTarget {
  tenant: string;
  subject: string;
  /** Null captures nothing. */
  session: string | null;
  purpose: Purpose;
}

export function useCapture(field: RefObject<HTMLElement | null>, target: CaptureTarget): Capture {
  const { tenant, subject, session, purpose } = target;
  const [capture, setCapture] = useState(NOTHING);

  useEffect(() => {
    if (session === null || field.current === null) return;
    const handle = start({
      endpoint: EVENTS_ENDPOINT,
      tenant,
      subject,
      session,
      purpose,
      consent: "granted",
      capture: ["keys"],
      target: field.current,
    });
    const update = (change: Partial<Capture>): void => {
      setCapture((before) => ({ ...before, ...change, stats: handle.stats() }));
    };
    let presses = 0;
    handle.on("batch", (lastBatch) => {
      presses += lastBatch.events.filter((event) => event.type === "down").length;
      update({ lastBatch, presses });
    });
    handle.on("accepted", () => { update({ trouble: null }); });
    handle.on("rejected", ({ reason }) => { update({ trouble: `The line refused a batch: ${reason}.` }); });
    handle.on("retry", ({ wait_ms }) => {
      update({ trouble: `The line does not answer; next try in ${Math.ceil(wait_ms / 1000)} s. What you type waits here.` });
    });
    handle.on("dropped", ({ events }) => { update({ trouble: `The line was away too long: ${events} events were dropped.` }); });
    return () => {
      void handle.stop();
      setCapture((before) => ({ ...NOTHING, lastBatch: before.lastBatch }));
    };
  }, [field, tenant, subject, session, purpose]);

  return capture;
}
