import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createBatcher } from "../../src/batcher.ts";
import type { InputEvent } from "../../src/wire.ts";

const at = (t_us: number): InputEvent => ({ type: "blur", t_us });

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function batcher(): { sealed: number[][]; add: (t_us: number) => void; seal: () => void } {
  const sealed: number[][] = [];
  const { add, seal } = createBatcher({ batch_events_max: 3, batch_wait_ms: 500 }, (events) => {
    sealed.push(events.map((event) => event.t_us));
  });
  return { sealed, seal, add: (t_us) => { add(at(t_us)); } };
}

test("seals by size, and starts anew", () => {
  const { sealed, add } = batcher();
  for (const t of [1, 2, 3, 4]) add(t);
  expect(sealed).toEqual([[1, 2, 3]]);
});

test("seals by the age of the first event", () => {
  const { sealed, add } = batcher();
  add(1);
  vi.advanceTimersByTime(400);
  add(2);
  expect(sealed).toEqual([]);
  vi.advanceTimersByTime(100);
  expect(sealed).toEqual([[1, 2]]);
  vi.advanceTimersByTime(5000);
  expect(sealed).toHaveLength(1);
});

test("a size seal leaves no timer behind", () => {
  const { sealed, add } = batcher();
  for (const t of [1, 2, 3]) add(t);
  vi.advanceTimersByTime(100);
  add(4);
  vi.advanceTimersByTime(450);
  expect(sealed).toHaveLength(1);
  vi.advanceTimersByTime(50);
  expect(sealed).toEqual([[1, 2, 3], [4]]);
});

test("orders by time, keeping equal times as they came", () => {
  const { sealed, add } = batcher();
  for (const t of [5, 3, 4]) add(t);
  expect(sealed).toEqual([[3, 4, 5]]);
});

test("sealing nothing hands on nothing", () => {
  const { sealed, seal } = batcher();
  seal();
  expect(sealed).toEqual([]);
});
