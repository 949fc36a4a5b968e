import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Outcome } from "../../src/post.ts";
import { createQueue, type Queue } from "../../src/queue.ts";
import { createSender, type Sender } from "../../src/sender.ts";
import type { EventBatch } from "../../src/wire.ts";

const batch = (seq: number): EventBatch => ({
  v: 1,
  tenant: "t",
  session: "s",
  seq,
  purpose: "session",
  consent: "granted",
  clock: { origin_us: 0, resolution_us: 100 },
  device: { keyboard: "physical", pointer: "mouse", layout: "qwerty", touch: false },
  detail: "class",
  events: [{ type: "blur", t_us: 1 }],
});

const ACCEPTED: Outcome = { kind: "accepted" };
const BUSY: Outcome = { kind: "retry", status: 429, wait_ms: 2000 };
const DOWN: Outcome = { kind: "retry", status: 0, wait_ms: undefined };
const BAD: Outcome = { kind: "rejected", status: 400, reason: "unknown_field" };

interface Bench {
  queue: Queue;
  sender: Sender;
  log: string[];
  posted: number[];
}

/** A sender whose server answers with the given outcomes, and then accepts. */
function bench(outcomes: Outcome[], hide_bytes_max = 60_000): Bench {
  const log: string[] = [];
  const posted: number[] = [];
  const queue = createQueue(3);
  const sender = createSender({
    queue,
    limits: { hide_bytes_max, retry_min_ms: 100, retry_max_ms: 400 },
    random: () => 1,
    post: (body) => {
      posted.push((JSON.parse(body) as EventBatch).seq);
      return Promise.resolve(outcomes.shift() ?? ACCEPTED);
    },
    events: {
      accepted: (entry) => log.push(`accepted ${entry.batch.seq}`),
      rejected: (entry, status, reason) => log.push(`rejected ${entry.batch.seq} ${status} ${reason}`),
      retry: (entry, status, wait_ms) => log.push(`retry ${entry.batch.seq} ${status} ${wait_ms}`),
    },
  });
  return { queue, sender, log, posted };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("sends in order, one at a time", async () => {
  const { queue, sender, log } = bench([]);
  queue.push(batch(0));
  queue.push(batch(1));
  sender.wake();
  sender.wake();
  await sender.settled();
  expect(log).toEqual(["accepted 0", "accepted 1"]);
  expect(queue.entries()).toHaveLength(0);
});

test("honours Retry-After, then repeats the same batch first", async () => {
  const { queue, sender, log, posted } = bench([BUSY]);
  queue.push(batch(0));
  queue.push(batch(1));
  sender.wake();
  await sender.settled();
  expect(log).toEqual(["retry 0 429 2000"]);
  sender.wake();
  await vi.advanceTimersByTimeAsync(1999);
  expect(posted).toEqual([0]);
  await vi.advanceTimersByTimeAsync(1);
  expect(posted).toEqual([0, 0, 1]);
  expect(log.slice(1)).toEqual(["accepted 0", "accepted 1"]);
});

test("waits longer after each failure, within its bound", async () => {
  const { queue, sender, log } = bench([DOWN, DOWN, DOWN, DOWN]);
  queue.push(batch(0));
  sender.wake();
  await vi.advanceTimersByTimeAsync(5000);
  expect(log).toEqual(["retry 0 0 100", "retry 0 0 200", "retry 0 0 400", "retry 0 0 400", "accepted 0"]);
});

test("a refused batch is reported and does not hold up the next", async () => {
  const { queue, sender, log } = bench([BAD]);
  queue.push(batch(0));
  queue.push(batch(1));
  sender.wake();
  await sender.settled();
  expect(log).toEqual(["rejected 0 400 unknown_field", "accepted 1"]);
});

test("a full queue gives back its oldest batch that is not on its way", () => {
  const { queue } = bench([]);
  for (const seq of [0, 1, 2]) expect(queue.push(batch(seq))).toBeUndefined();
  const [first] = queue.entries();
  if (first) first.inFlight = true;
  expect(queue.push(batch(3))?.seq).toBe(1);
  expect(queue.entries().map((entry) => entry.batch.seq)).toEqual([0, 2, 3]);
});

test("hurry sends all that fits at once", async () => {
  const size = JSON.stringify(batch(0)).length;
  const { queue, sender, posted, log } = bench([], size * 2);
  for (const seq of [0, 1, 2]) queue.push(batch(seq));
  sender.hurry();
  expect(posted).toEqual([0, 1]);
  await vi.advanceTimersByTimeAsync(0);
  expect(log).toEqual(["accepted 0", "accepted 1"]);
  expect(queue.entries()).toHaveLength(1);
});

test("emptied waits over retries", async () => {
  const { queue, sender } = bench([DOWN, DOWN]);
  queue.push(batch(0));
  sender.wake();
  let done = false;
  void sender.emptied().then(() => (done = true));
  await vi.advanceTimersByTimeAsync(100);
  expect(done).toBe(false);
  await vi.advanceTimersByTimeAsync(500);
  expect(done).toBe(true);
});

test("closed, it sends no more", async () => {
  const { queue, sender, posted } = bench([DOWN]);
  queue.push(batch(0));
  sender.wake();
  await sender.settled();
  sender.close();
  await vi.advanceTimersByTimeAsync(5000);
  sender.wake();
  expect(posted).toEqual([0]);
});
