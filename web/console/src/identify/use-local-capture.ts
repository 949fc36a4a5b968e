/**
 * Captures a sample in this page without sending it: it leaves only with the question.
 *
 * The SDK hands out every batch that it is about to send, and sends nothing without its token; this one never comes.
 */

import { start, type EventBatch, type Handle } from "@ductus/sdk";
import { useCallback, useEffect, useRef, useState, type RefObject } from "react";
import { BATCHES_MAX, EVENTS_MAX, countEvents } from "./sample.ts";

export interface LocalCapture {
  batches: readonly EventBatch[];
  presses: number;
  running: boolean;
  begin: () => void;
  /** Ends the capture, and gives what was captured. */
  end: () => readonly EventBatch[];
}

const NO_TOKEN = (): Promise<string> => Promise.reject(new Error("nothing of this sample is sent"));

export function useLocalCapture(field: RefObject<HTMLElement | null>, tenant: string): LocalCapture {
  const handle = useRef<Handle | null>(null);
  const taken = useRef<EventBatch[]>([]);
  const [shown, setShown] = useState<{ batches: readonly EventBatch[]; presses: number; running: boolean }>({ batches: [], presses: 0, running: false });

  const end = useCallback((): readonly EventBatch[] => {
    const running = handle.current;
    // The last batch is heard of while it is still this capture's.
    running?.pause();
    handle.current = null;
    void running?.stop();
    setShown((before) => ({ ...before, batches: taken.current, running: false }));
    return taken.current;
  }, []);

  const begin = useCallback(() => {
    if (field.current === null) return;
    end();
    taken.current = [];
    const started = start({
      endpoint: "",
      tenant,
      session: `sample-${crypto.getRandomValues(new Uint32Array(2)).join("-")}`,
      token: NO_TOKEN,
      consent: "granted",
      capture: ["keys"],
      target: field.current,
      limits: { queue_batches_max: 1, retry_min_ms: 60_000, stop_timeout_ms: 1 },
    });
    handle.current = started;
    setShown({ batches: [], presses: 0, running: true });
    started.on("batch", (batch) => {
      const sample = [...taken.current, batch];
      if (handle.current !== started || sample.length > BATCHES_MAX || countEvents(sample) > EVENTS_MAX) return;
      taken.current = sample;
      setShown({ batches: taken.current, presses: started.quality().keys.captured, running: true });
    });
  }, [field, tenant, end]);

  useEffect(() => () => { void handle.current?.stop(); }, []);
  return { ...shown, begin, end };
}
