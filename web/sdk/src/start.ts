/**
 * Starts watching a page: observers → batcher → outbox → gateway; and back: monitor → listeners.
 *
 * Invariants: without consent nothing is observed and nothing is asked; nothing is ever stored; what was dropped is counted
 * and told.
 */

import { createBatcher } from "./batcher.ts";
import { createClock, type Clock } from "./clock.ts";
import { detectDevice, detectLayout } from "./device.ts";
import { createGateway, type TokenSource } from "./gateway.ts";
import { createHub, type Listener, type SdkEvents } from "./hub.ts";
import { LIMITS, type Limits } from "./limits.ts";
import { createMonitor } from "./monitor.ts";
import { observeBlur } from "./observe-blur.ts";
import { observeKeys } from "./observe-keys.ts";
import { observePage } from "./observe-page.ts";
import { observePointer } from "./observe-pointer.ts";
import { observeScroll } from "./observe-scroll.ts";
import type { Emit, Undo, Watch } from "./observe.ts";
import { createOutbox } from "./outbox.ts";
import { createPresses, type Presses } from "./presses.ts";
import { createTally, type Quality } from "./quality.ts";
import type { BatchDevice, Consent, EventBatch, InputEvent, KeyDetail, Purpose } from "./wire.ts";

export interface StartOptions {
  /** The gateway's base address, such as `https://ductus.example`; empty for the page's own. `/v1/…` follows from it. */
  endpoint: string;
  tenant: string;
  /** One session is one `start()`: press and sequence numbers begin anew. */
  session: string;
  /** A pseudonym of whom the session claims to be; left out while nobody is claimed. */
  subject?: string;
  /** The session's token, or what fetches one from the application's back end: called at first, and when the gateway refuses it. */
  token?: TokenSource;
  consent: Consent;
  purpose?: Purpose;
  detail?: KeyDetail;
  /** What is watched; both by default. */
  capture?: readonly ("keys" | "pointer")[];
  /** Where it is watched; the whole document by default. */
  target?: EventTarget;
  /** What the application knows better than the browser. */
  device?: Partial<BatchDevice>;
  limits?: Partial<Limits>;
}

export interface Handle {
  /** Stops watching until `resume`; what was captured is sent. */
  pause(): void;
  resume(): void;
  /** Sends what is pending; resolves when it was taken, or the next try has to wait. */
  flush(): Promise<void>;
  /** Ends the session for good. */
  stop(): Promise<void>;
  /** What was captured so far, and how much more a judgement needs. */
  quality(): Quality;
  /** Listens to the session's risk and to what the SDK does; returns the undo. */
  on<Name extends keyof SdkEvents>(name: Name, listener: Listener<Name>): Undo;
}

export function start(options: StartOptions): Handle {
  const limits: Limits = { ...LIMITS, ...options.limits };
  const hub = createHub(() => {
    if (hub.hears("risk") && !stopped) monitor.open();
    else monitor.close();
  });
  const clock = createClock();
  const presses = createPresses();
  const tally = createTally();
  const parts = { gateway: createGateway(options, limits), session: options.session, limits, tell: hub.tell };
  const outbox = createOutbox(parts);
  const monitor = createMonitor(parts);
  // Without consent the session has ended before it began.
  let stopped = options.consent !== "granted";
  let watching: AbortController | undefined;

  const seal = createSealer(options, clock, stopped);
  const batcher = createBatcher(limits, (events) => {
    const batch = seal(events);
    hub.tell("batch", batch);
    outbox.push(batch);
  });
  const emit: Emit = (event) => {
    tally.count(event);
    batcher.add(event);
  };

  const pause = (): void => {
    watching?.abort();
    watching = undefined;
    presses.forget();
    batcher.seal();
  };
  const resume = (): void => {
    if (stopped || watching !== undefined) return;
    watching = new AbortController();
    const { signal } = watching;
    observe(options, { target: options.target ?? document, clock, emit, signal }, presses);
    observePage(signal, () => {
      batcher.seal();
      outbox.hurry();
    });
  };
  resume();
  return {
    pause,
    resume,
    flush() {
      batcher.seal();
      return outbox.settled();
    },
    async stop() {
      if (stopped) return;
      stopped = true;
      emit({ type: "end", t_us: clock.now_us() });
      pause();
      monitor.close();
      await outbox.close();
    },
    quality: () => tally.quality(presses.held(), clock.reading()),
    on: hub.on,
  };
}

/** Wraps events in the batch that the contract describes, and numbers it. Without consent the device is not looked at. */
function createSealer(options: StartOptions, clock: Clock, withheld: boolean): (events: InputEvent[]) => EventBatch {
  let layout: BatchDevice["layout"] = "unknown";
  if (!withheld) void detectLayout().then((name) => (layout = name));
  let device: BatchDevice | undefined;
  let seq = 0;

  return (events) => {
    // Frozen by the first batch: references belong to a device class, which must not change within a session.
    device ??= { ...detectDevice(), layout, ...options.device };
    return {
      v: 1,
      tenant: options.tenant,
      subject: options.subject,
      session: options.session,
      seq: seq++,
      purpose: options.purpose ?? "session",
      consent: options.consent,
      clock: clock.reading(),
      device,
      detail: options.detail ?? "class",
      events,
    };
  };
}

function observe({ capture = ["keys", "pointer"], detail = "class" }: StartOptions, watch: Watch, presses: Presses): void {
  if (capture.includes("keys")) {
    observeKeys(watch, presses, detail);
    observeBlur(watch, presses);
  }
  if (capture.includes("pointer")) {
    observePointer(watch);
    observeScroll(watch);
  }
}
