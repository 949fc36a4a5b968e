import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Outcome } from "../../src/gateway.ts";
import type { Tell } from "../../src/hub.ts";
import { createMonitor, type Monitor } from "../../src/monitor.ts";
import { limits, outcome, scripted, type Asked } from "./made.ts";

/** A stream that says these parts, and then ends, or stays open. */
function stream(parts: string[], end = true): Outcome {
  const bytes = new TextEncoder();
  const body = new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(bytes.encode(part));
      if (end) controller.close();
    },
  });
  return outcome(200, { body });
}
const risk = (id: string, value: number): string => `event: risk\nid: ${id}\ndata: {"risk":${value}}\n\n`;

interface Bench {
  monitor: Monitor;
  log: string[];
  asked: Asked[];
}

function bench(outcomes: (Outcome | Promise<Outcome>)[]): Bench {
  const log: string[] = [];
  const tell: Tell = (name, event) => log.push(`${name} ${JSON.stringify(event)}`);
  const { gateway, asked } = scripted(outcomes, () => new Promise(() => undefined));
  return { monitor: createMonitor({ gateway, session: "s-1", limits: limits(), tell }), log, asked };
}
const pass = (wait_ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(wait_ms);
const lastIds = (asked: Asked[]): (string | undefined)[] => asked.map(({ headers }) => headers["last-event-id"]);

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(1);
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

test("asks for the session's stream, and tells each risk as it comes", async () => {
  const { monitor, log, asked } = bench([stream([": open\n\n", risk("3-1", 5), risk("3-2", 80)], false)]);
  monitor.open();
  monitor.open();
  await pass(0);
  expect(asked.map(({ path, headers }) => [path, headers])).toEqual([["/sessions/s-1/monitor", { accept: "text/event-stream" }]]);
  expect(log).toEqual(['risk {"risk":5}', 'risk {"risk":80}']);
});

test.each([
  ["in single characters", Array.from(risk("1", 7))],
  ["with carriage returns", [risk("1", 7).replaceAll("\n", "\r\n")]],
  ["with carriage returns, in single characters", Array.from(risk("1", 7).replaceAll("\n", "\r\n"))],
  ["with fields in another order and no space", ['data:{"risk":7}\nid:1\nevent:risk\n\n']],
  ["between events of other names, and comments", ["event: missed\ndata: 3\n\n: still here\n\n", risk("1", 7)]],
])("reads an event %s", async (_, parts) => {
  const { monitor, log } = bench([stream(parts, false)]);
  monitor.open();
  await pass(0);
  expect(log).toEqual(['risk {"risk":7}']);
});

test("text of any language, cut anywhere, arrives whole", async () => {
  const bytes = new TextEncoder().encode('event: risk\nid: 1\ndata: {"text":"→ é 漢 \u2028 😀"}\n\n');
  const body = new ReadableStream({ start(controller) { for (const byte of bytes) controller.enqueue(new Uint8Array([byte])); } });
  const { monitor, log } = bench([outcome(200, { body })]);
  monitor.open();
  await pass(0);
  expect(log).toEqual([`risk ${JSON.stringify({ text: "→ é 漢 \u2028 😀" })}`]);
});

test("comes back with the id of the last event, waiting longer while nothing comes, within its bound", async () => {
  const { monitor, log, asked } = bench([stream([risk("3-1", 5)]), outcome(503), outcome(0), outcome(0), stream([risk("3-2", 6)]), stream([], false)]);
  monitor.open();
  await pass(10_000);
  expect(lastIds(asked)).toEqual([undefined, "3-1", "3-1", "3-1", "3-1", "3-2"]);
  expect(log.filter((line) => line.startsWith("lost"))).toEqual([
    'lost {"status":200,"wait_ms":100}',
    'lost {"status":503,"wait_ms":200}',
    'lost {"status":0,"wait_ms":400}',
    'lost {"status":0,"wait_ms":400}',
    'lost {"status":200,"wait_ms":100}',
  ]);
});

test("waits for a session that is not known yet", async () => {
  const { monitor, log } = bench([outcome(404), stream([risk("1", 5)], false)]);
  monitor.open();
  await pass(200);
  expect(log).toEqual(['lost {"status":404,"wait_ms":100}', 'risk {"risk":5}']);
});

test("gives up where the gateway refuses, and tries again for the next listener", async () => {
  const { monitor, log, asked } = bench([outcome(403), stream([risk("1", 5)], false)]);
  monitor.open();
  await pass(60_000);
  expect(log).toEqual(['lost {"status":403}']);
  expect(asked).toHaveLength(1);
  monitor.open();
  await pass(0);
  expect(log.at(-1)).toBe('risk {"risk":5}');
});

test("an event that cannot be read is left behind", async () => {
  const { monitor, log, asked } = bench([stream(["event: risk\nid: 4\ndata: {broken\n\n"]), stream([risk("5", 5)], false)]);
  monitor.open();
  await pass(200);
  expect(lastIds(asked)).toEqual([undefined, "4"]);
  expect(log.at(-1)).toBe('risk {"risk":5}');
});

test("an event without an end is not waited for", async () => {
  const { monitor, asked } = bench([stream(["data: " + "x".repeat(70_000)], false)]);
  monitor.open();
  await pass(150);
  expect(asked).toHaveLength(2);
  expect(asked[0]?.signal?.aborted).toBe(true);
});

test.each([
  ["a stream on which nothing is said", stream([risk("1", 5)], false)],
  ["a gateway that does not answer", new Promise<Outcome>(() => undefined)],
])("%s is given up, and asked again", async (_, silent) => {
  const { monitor, asked } = bench([silent]);
  monitor.open();
  await pass(44_000);
  expect(asked).toHaveLength(1);
  await pass(2_000);
  expect(asked).toHaveLength(2);
  expect(asked[0]?.signal?.aborted).toBe(true);
});

test("closed it is silent, and opened again it goes on where it was", async () => {
  const { monitor, log, asked } = bench([stream([risk("1", 5)], false), stream([risk("2", 6)], false)]);
  monitor.open();
  await pass(0);
  monitor.close();
  await pass(60_000);
  expect(asked).toHaveLength(1);
  expect(asked[0]?.signal?.aborted).toBe(true);
  monitor.open();
  await pass(0);
  expect(lastIds(asked)).toEqual([undefined, "1"]);
  expect(log).toEqual(['risk {"risk":5}', 'risk {"risk":6}']);
});

test("closed and opened while it waits, there is one connection", async () => {
  const { monitor, asked } = bench([outcome(503)]);
  monitor.open();
  await pass(50);
  monitor.close();
  monitor.open();
  await pass(1_000);
  expect(asked).toHaveLength(2);
});
