/**
 * Tells listeners what the SDK does.
 *
 * Invariant: a listener that throws is the page's error, reported there; it stops neither the capture nor the others.
 */

import type { Undo } from "./observe.ts";
import type { EventBatch } from "./wire.ts";

/** Why a decision says what it says, in words and in numbers. */
export interface Reason {
  measure: string;
  text: string;
  /** Against the usual, in `unit`. */
  delta: number;
  unit: string;
  /** In standard deviations of this person. */
  z: number;
}

/** What the gateway's monitor says whenever a window of the session was judged. */
export interface RiskEvent {
  session: string;
  subject: string | null;
  /** 0-100: that it is somebody else. */
  risk: number;
  /** 0-1. */
  confidence: number;
  action: "allow" | "step_up" | "terminate" | "insufficient_data";
  reasons: Reason[];
  /** Id of the decision, for feedback on it. */
  decision: string;
  /** Microseconds since the Unix epoch. */
  time_us: number;
}

/** What `handle.on` offers, by name. */
export interface SdkEvents {
  /** The session's risk was judged anew. Listening opens the monitor stream, the last undo closes it. */
  risk: RiskEvent;
  /** The monitor stream broke. It comes back in `wait_ms`; undefined where the gateway refuses it and it does not. */
  lost: { status: number; wait_ms: number | undefined };
  /** A batch was sealed and waits for the network: exactly what will be sent. */
  batch: EventBatch;
  accepted: { seq: number };
  rejected: { seq: number; status: number; reason: string };
  /** A batch will be tried again; status 0 means that no answer came. */
  retry: { seq: number; status: number; wait_ms: number };
  /** The queue was full, or `stop()` could wait no longer: this batch is lost. */
  dropped: { seq: number; events: number };
}

export type Listener<Name extends keyof SdkEvents> = (event: SdkEvents[Name]) => void;
export type Tell = <Name extends keyof SdkEvents>(name: Name, event: SdkEvents[Name]) => void;

export interface Hub {
  on<Name extends keyof SdkEvents>(name: Name, listener: Listener<Name>): Undo;
  tell: Tell;
  /** Whether anybody listens to this. */
  hears(name: keyof SdkEvents): boolean;
}

/** `onListen` is called whenever somebody begins or ceases to listen. */
export function createHub(onListen: () => void): Hub {
  const listeners: { [Name in keyof SdkEvents]?: Set<Listener<Name>> } = {};
  return {
    on(name, listener) {
      const set: Set<Listener<typeof name>> = (listeners[name] ??= new Set<never>());
      set.add(listener);
      onListen();
      return () => {
        set.delete(listener);
        onListen();
      };
    },
    tell(name, event) {
      listeners[name]?.forEach((listener) => {
        try {
          listener(event);
        } catch (error) {
          reportError(error);
        }
      });
    },
    hears: (name) => Boolean(listeners[name]?.size),
  };
}
