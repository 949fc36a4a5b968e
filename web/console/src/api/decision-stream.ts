/**
 * Decisions as they are made, by server-sent events.
 *
 * Invariants: one connection at a time; after any loss it comes back by itself, waiting longer each time, within a bound;
 * a refusal is final, because the same credential would be refused again.
 */

import { credential } from "./credential.ts";
import { GATEWAY, headersFor } from "./http.ts";
import { readEvents } from "./sse.ts";
import { isDecision, type Decision } from "./wire.ts";

export interface StreamListener {
  onOpen(): void;
  /** The connection is gone; the next try, the `attempt`th in a row, is in `wait_ms`. */
  onLost(attempt: number, wait_ms: number): void;
  /** The credential is not good for this. */
  onRefused(): void;
  /** The page read too slowly, and the server left decisions out. */
  onMissed(): void;
  onDecision(decision: Decision): void;
}

const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 15_000;
/** The gateway says something every 15 s at least. A connection that is silent for longer is dead, whatever it looks like. */
const SILENCE_MS_MAX = 45_000;

export interface DecisionStream {
  /** Connects anew, for when a connection seems open and nothing can come through it any more. */
  restart(): void;
  /** Disconnects for good. */
  close(): void;
}

export function followDecisions(listener: StreamListener): DecisionStream {
  let connection = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;

  const connect = async (): Promise<void> => {
    const mine = new AbortController();
    connection = mine;
    let silence: ReturnType<typeof setTimeout> | undefined;
    const hear = (): void => {
      clearTimeout(silence);
      silence = setTimeout(() => { mine.abort("silent"); }, SILENCE_MS_MAX);
    };
    hear();
    try {
      const response = await fetch(`${GATEWAY}/v1/decisions/stream`, {
        headers: { ...headersFor(undefined), accept: "text/event-stream" },
        cache: "no-store",
        signal: mine.signal,
      });
      if (response.status === 401) credential.refused();
      if (response.status === 401 || response.status === 403) {
        listener.onRefused();
        return;
      }
      if (response.ok && response.body !== null) {
        failures = 0;
        listener.onOpen();
        await readEvents(response.body, (event) => { take(event.event, event.data); }, hear);
      }
    } catch {
      // No answer, a broken connection, or ours to end: the next lines tell them apart.
    } finally {
      clearTimeout(silence);
    }
    if (mine.signal.aborted && mine.signal.reason !== "silent") return;
    const wait_ms = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** failures);
    failures += 1;
    listener.onLost(failures, wait_ms);
    timer = setTimeout(() => void connect(), wait_ms);
  };

  const take = (event: string, data: string): void => {
    if (event === "missed") listener.onMissed();
    if (event !== "decision") return;
    const decision = parse(data);
    if (decision !== undefined) listener.onDecision(decision);
  };

  const close = (): void => {
    clearTimeout(timer);
    connection.abort("closed");
  };

  void connect();
  return {
    close,
    restart() {
      close();
      void connect();
    },
  };
}

function parse(data: string): Decision | undefined {
  try {
    const value: unknown = JSON.parse(data);
    return isDecision(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
