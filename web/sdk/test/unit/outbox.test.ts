import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Outcome } from "../../src/gateway.ts";
import type { Tell } from "../../src/hub.ts";
import type { Limits } from "../../src/limits.ts";
import { createOutbox, type Outbox } from "../../src/outbox.ts";
import type { EventBatch } from "../../src/wire.ts";
import { batch, limits, outcome, scripted } from "./made.ts";

const BAD = (): Outcome => outcome(400, { body: '{"reason":"unknown_field"}' });
const BUSY = (seconds: string): Outcome => outcome(429, { headers: { "retry-after": seconds } });
const DOWN = (): Outcome => outcome(0);

interface Bench {
  outbox: Outbox;
  log: string[];
  posted: () => number[];
}

/** An outbox whose gateway answers with these outcomes, and then accepts. */
function bench(outcomes: (Outcome | Promise<Outcome>)[], changed: Partial<Limits> = {}): Bench {
  const log: string[] = [];
  const tell: Tell = (name, event) => log.push(`${name} ${Object.values(event).join(" ")}`);
  const { gateway, asked } = scripted(outcomes);
  const outbox = createOutbox({ gateway, limits: limits({ queue_batches_max: 3, ...changed }), tell });
  return { outbox, log, posted: () => asked.map(({ body }) => (body as EventBatch).seq) };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(1);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test("sends in order, one at a time", async () => {
  const { outbox, log } = bench([]);
  outbox.push(batch(0));
  outbox.push(batch(1));
  await outbox.settled();
  expect(log).toEqual(["accepted 0", "accepted 1"]);
  await outbox.settled();
});

test("honours Retry-After, then repeats the same batch first", async () => {
  const { outbox, log, posted } = bench([BUSY("2")]);
  outbox.push(batch(0));
  outbox.push(batch(1));
  await outbox.settled();
  expect(log).toEqual(["retry 0 429 2000"]);
  outbox.push(batch(2));
  await vi.advanceTimersByTimeAsync(1999);
  expect(posted()).toEqual([0]);
  await vi.advanceTimersByTimeAsync(1);
  expect(posted()).toEqual([0, 0, 1, 2]);
  expect(log.slice(1)).toEqual(["accepted 0", "accepted 1", "accepted 2"]);
});

test.each([
  ["9999999999", 600_000],
  ["Sat, 21 Nov 2026 09:00:05 GMT", 100],
  ["-5", 100],
  ["", 100],
])("a Retry-After of %j waits %i ms", async (header, wait_ms) => {
  const { outbox, log } = bench([BUSY(header)]);
  outbox.push(batch(0));
  await outbox.settled();
  expect(log).toEqual([`retry 0 429 ${wait_ms}`]);
});

test("waits longer after each failure, within its bound", async () => {
  const { outbox, log } = bench([DOWN(), DOWN(), DOWN(), DOWN()]);
  outbox.push(batch(0));
  await vi.advanceTimersByTimeAsync(5000);
  expect(log).toEqual(["retry 0 0 100", "retry 0 0 200", "retry 0 0 400", "retry 0 0 400", "accepted 0"]);
});

test("a refused batch is told and does not hold up the next", async () => {
  const { outbox, log } = bench([BAD()]);
  outbox.push(batch(0));
  outbox.push(batch(1));
  await outbox.settled();
  expect(log).toEqual(["rejected 0 400 unknown_field", "accepted 1"]);
});

test("full, it drops the oldest batch that is not on its way", async () => {
  const { outbox, log, posted } = bench([new Promise(() => undefined)]);
  for (const seq of [0, 1, 2, 3, 4]) outbox.push(batch(seq));
  await vi.advanceTimersByTimeAsync(0);
  expect(posted()).toEqual([0]);
  expect(log).toEqual(["dropped 1 1", "dropped 2 1"]);
});

test("hurry sends all that fits at once", async () => {
  const size = JSON.stringify(batch(0)).length;
  let release: (answer: Outcome) => void = () => undefined;
  const { outbox, posted, log } = bench([new Promise((resolve) => (release = resolve))], { queue_batches_max: 10, hide_bytes_max: size * 2 });
  for (const seq of [0, 1, 2, 3]) outbox.push(batch(seq));
  outbox.hurry();
  expect(posted()).toEqual([0, 1, 2]);
  await vi.advanceTimersByTimeAsync(0);
  expect(log.slice(0, 2)).toEqual(["accepted 1", "accepted 2"]);
  release(outcome(202));
  await outbox.settled();
  expect(posted()).toEqual([0, 1, 2, 3]);
});

test("what could not be hurried is tried again", async () => {
  const { outbox, log, posted } = bench([DOWN(), DOWN()]);
  outbox.push(batch(0));
  await outbox.settled();
  outbox.hurry();
  await vi.advanceTimersByTimeAsync(200);
  expect(posted()).toEqual([0, 0, 0]);
  expect(log.at(-1)).toBe("accepted 0");
});

test("closing waits over retries", async () => {
  const { outbox, log } = bench([DOWN(), DOWN()]);
  outbox.push(batch(0));
  const closed = outbox.close();
  await vi.advanceTimersByTimeAsync(600);
  await closed;
  expect(log.at(-1)).toBe("accepted 0");
});

test("closing gives up after its time, tells what is lost, and sends no more", async () => {
  const { outbox, log, posted } = bench([], { stop_timeout_ms: 1_000 });
  const away = bench(Array.from({ length: 100 }, DOWN), { stop_timeout_ms: 1_000 });
  await outbox.close();
  expect(log).toEqual([]);
  expect(posted()).toEqual([]);
  away.outbox.push(batch(0));
  const closed = away.outbox.close();
  await vi.advanceTimersByTimeAsync(1_000);
  await closed;
  expect(away.log.at(-1)).toBe("dropped 0 1");
  const tries = away.posted().length;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(away.posted().length).toBe(tries);
});
