import { expect, test } from "vitest";
import { layoutOf } from "../../src/device.ts";

test.each([
  ["qwyz", "qwerty"],
  ["qwzy", "qwertz"],
  ["azyw", "azerty"],
  ["',fb", "other"],
  ["", "unknown"],
])("%j is %s", (row, expected) => {
  const codes = ["KeyQ", "KeyW", "KeyY", "KeyZ"];
  expect(layoutOf(new Map(Array.from(row, (letter, at) => [codes[at] ?? "", letter])))).toBe(expected);
});
