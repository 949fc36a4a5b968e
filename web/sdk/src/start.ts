/**
 * Starts watching a page: observers → batcher → queue → sender.
 *
 * Invariants: without consent nothing is observed; nothing is ever stored; what was dropped is counted and reported.
 */

import { createBatcher, type Batcher } from "./batcher.ts";
import { createClock, type Clock } from "./clock.ts";
import { detectDevice, detectLayout } from "./device.ts";
import { createHub, type Hub, type Listener, type SdkEvents, type Stats } from "./hub.ts";
import { LIMITS, type Limits } from "./limits.ts";
import { observeBlur } from "./observe-blur.ts";
import { observeKeys } from "./observe-keys.ts";
import { observePage } from "./observe-page.ts";
import { observePointer } from "./observe-pointer.ts";
import { observeScroll } from "./observe-scroll.ts";
import type { Undo, Watch } from "./observe.ts";
import { beacon, createPost } from "./post.ts";
import { createPresses, type Presses } from "./presses.ts";
import { createQueue, type Queue } from "./queue.ts";
import { createSender, type Sender } from "./sender.ts";
import type { BatchDevice, Consent, EventBatch, InputEvent, KeyDetail, Purpose } from "./wire.ts";

export interface StartOptions {
  /** Where batches go: the gateway's `/v1/events`. */
  endpoint: string;
  tenant: string;
  /** One session is one `start()`: press and sequence numbers begin anew. */
  session: string;
  /** A pseudonym of whom the session claims to be; left out while nobody is claimed. */
  subject?: string;
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
  /** Sends what is pending; resolves when it was taken, or the server asked to wait. */
  flush(): Promise<void>;
  /** Ends the session for good. */
  stop(): Promise<void>;
  /** Listens to what the SDK does; returns the undo. */
  on<Name extends keyof SdkEvents>(name: Name, listener: Listener<Name>): Undo;
  stats(): Readonly<Stats>;
}

export function start(options: StartOptions): Handle {
  const limits: Limits = { ...LIMITS, ...options.limits };
  const hub = createHub();
  if (options.consent !== "granted") return inert(hub);

  const clock = createClock();
  const { batcher, queue, sender } = createLine(options, limits, clock, hub);
  const presses = createPresses();
  const observe = (): Undo => observeAll(options, { clock, batcher, sender, presses });
  let undo: Undo | undefined = observe();
  let stopped = false;

  const pause = (): void => {
    undo?.();
    undo = undefined;
    batcher.seal();
  };

  return {
    pause,
    resume() {
      if (!stopped) undo ??= observe();
    },
    flush() {
      batcher.seal();
      return sender.settled();
    },
    async stop() {
      if (stopped) return;
      stopped = true;
      batcher.add({ type: "end", t_us: clock.now_us() });
      pause();
      await within(sender.emptied(), limits.stop_timeout_ms);
      sender.close();
      for (const { batch } of queue.entries()) hub.dropped(batch);
    },
    on: hub.on,
    stats: hub.stats,
  };
}

/** Everything between an observer and the network. */
function createLine(
  options: StartOptions,
  limits: Limits,
  clock: Clock,
  hub: Hub,
): { batcher: Batcher; queue: Queue; sender: Sender } {
  const queue = createQueue(limits.queue_batches_max);
  const sender = createSender({
    queue,
    limits,
    post: createPost(options.endpoint, limits.request_timeout_ms),
    events: hub,
    ...("keepalive" in Request.prototype ? {} : { beacon: (body: string) => beacon(options.endpoint, body) }),
  });
  const seal = createSealer(options, clock);
  const batcher = createBatcher(limits, (events) => {
    const batch = seal(events);
    const dropped = queue.push(batch);
    hub.sealed(batch);
    if (dropped !== undefined) hub.dropped(dropped);
    sender.wake();
  });
  return { batcher, queue, sender };
}

/** Wraps events in the batch that the contract describes, and numbers it. */
function createSealer(options: StartOptions, clock: Clock): (events: InputEvent[]) => EventBatch {
  const detected = detectDevice();
  let layout = detected.layout;
  void detectLayout().then((name) => (layout = name));
  let device: BatchDevice | undefined;
  let seq = 0;

  return (events) => {
    // Frozen by the first batch: references belong to a device class, which must not change within a session.
    device ??= { ...detected, layout, ...options.device };
    const batch: EventBatch = {
      v: 1,
      tenant: options.tenant,
      ...(options.subject === undefined ? {} : { subject: options.subject }),
      session: options.session,
      seq,
      purpose: options.purpose ?? "session",
      consent: options.consent,
      clock: { origin_us: clock.origin_us, resolution_us: clock.resolution_us() },
      device,
      detail: options.detail ?? "class",
      events,
    };
    seq += 1;
    return batch;
  };
}

/** What observers write to, alive over pause and resume: press numbers never begin anew within a session. */
interface Line {
  clock: Clock;
  batcher: Batcher;
  sender: Sender;
  presses: Presses;
}

function observeAll(options: StartOptions, { clock, batcher, sender, presses }: Line): Undo {
  const capture = options.capture ?? ["keys", "pointer"];
  const watch: Watch = { target: options.target ?? document, clock, emit: batcher.add };
  const undos: Undo[] = [];
  if (capture.includes("keys")) {
    undos.push(observeKeys(watch, presses, options.detail ?? "class"));
    undos.push(observeBlur({ ...watch, target: window }, presses));
  }
  if (capture.includes("pointer")) undos.push(observePointer(watch), observeScroll(watch));
  undos.push(
    observePage(() => {
      batcher.seal();
      sender.hurry();
    }),
  );
  return () => {
    for (const undo of undos) undo();
    presses.forget();
  };
}

/** What stands in where consent is withheld: it watches nothing and sends nothing. */
function inert(hub: Hub): Handle {
  const nothing = (): void => undefined;
  const done = (): Promise<void> => Promise.resolve();
  return { pause: nothing, resume: nothing, flush: done, stop: done, on: hub.on, stats: hub.stats };
}

/** Waits for a promise, but no longer than this. */
function within(promise: Promise<void>, wait_ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, wait_ms);
    void promise.then(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
