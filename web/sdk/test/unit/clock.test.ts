import { expect, test } from "vitest";
import { createClock, type Stopwatch } from "../../src/clock.ts";

/** A stopwatch that ticks every `reads` reads by `step_ms`. */
function stopwatch(step_ms: number, reads: number): Stopwatch {
  let count = 0;
  return { timeOrigin: 1_700_000_000_000.25, now: () => Math.floor(++count / reads) * step_ms };
}

test.each([
  ["fine", 0.005, 1, 5],
  ["ordinary", 0.1, 50, 100],
  ["Firefox", 2, 200, 2000],
  ["stopped", 0, 1, 100_000],
])("the resolution of a %s clock is measured", (_, step_ms, reads, expected) => {
  expect(createClock(stopwatch(step_ms, reads)).reading().resolution_us).toBe(expected);
});

test("times are whole microseconds from the origin", () => {
  const clock = createClock(stopwatch(0, 1));
  expect(clock.reading().origin_us).toBe(1_700_000_000_000_250);
  expect(clock.at_us({ timeStamp: 12.3456 })).toBe(12_346);
  expect(clock.at_us({ timeStamp: -1 })).toBe(0);
});

test("event times refine a clock that would not tick", () => {
  const clock = createClock(stopwatch(0, 1));
  clock.at_us({ timeStamp: 100 });
  clock.at_us({ timeStamp: 102 });
  expect(clock.reading().resolution_us).toBe(2000);
});
