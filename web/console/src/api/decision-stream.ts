/**
 * Decisions as they are made, by server-sent events.
 *
 * Invariant: one connection at a time; after any loss it comes back by itself, waiting longer each time, within a bound.
 */

import { STREAM_ENDPOINT } from "./server.ts";
import { isDecision, type Decision } from "./wire.ts";

export interface StreamListener {
  onOpen(): void;
  /** The connection is gone; the next try, the `attempt`th in a row, is in `wait_ms`. */
  onLost(attempt: number, wait_ms: number): void;
  /** The page read too slowly, and the server left decisions out. */
  onMissed(): void;
  onDecision(decision: Decision): void;
}

const RETRY_MIN_MS = 500;
const RETRY_MAX_MS = 15_000;

export interface DecisionStream {
  /** Connects anew, for when a connection seems open and nothing can come through it any more. */
  restart(): void;
  /** Disconnects for good. */
  close(): void;
}

export function followDecisions(listener: StreamListener): DecisionStream {
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;

  const connect = (): void => {
    const opened = new EventSource(STREAM_ENDPOINT);
    source = opened;
    opened.onopen = () => {
      failures = 0;
      listener.onOpen();
    };
    // EventSource would retry by itself, but not after a refusal, and it does not say when. So every loss is ours.
    opened.onerror = () => {
      opened.close();
      const wait_ms = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** failures);
      failures += 1;
      listener.onLost(failures, wait_ms);
      timer = setTimeout(connect, wait_ms);
    };
    opened.addEventListener("missed", () => { listener.onMissed(); });
    opened.addEventListener("decision", (event: MessageEvent<string>) => {
      const decision = parse(event.data);
      if (decision !== undefined) listener.onDecision(decision);
    });
  };

  const close = (): void => {
    clearTimeout(timer);
    source?.close();
  };

  connect();
  return {
    close,
    restart() {
      close();
      connect();
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
