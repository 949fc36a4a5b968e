import { expect, test } from "vitest";
import { createPresses } from "../../src/presses.ts";

test("overlapping presses are paired by number", () => {
  const presses = createPresses();
  expect(presses.press("KeyH")).toBe(1);
  expect(presses.press("KeyI")).toBe(2);
  expect(presses.release("KeyH")).toBe(1);
  expect(presses.release("KeyI")).toBe(2);
});

test("the same key gets a new number each time", () => {
  const presses = createPresses();
  presses.press("KeyH");
  presses.release("KeyH");
  expect(presses.press("KeyH")).toBe(2);
});

test("a release without its press is nobody's", () => {
  const presses = createPresses();
  expect(presses.release("KeyH")).toBeUndefined();
  presses.press("KeyH");
  presses.forget();
  expect(presses.release("KeyH")).toBeUndefined();
});

test("a lost release is replaced by the next press of the key", () => {
  const presses = createPresses();
  presses.press("KeyH");
  expect(presses.press("KeyH")).toBe(2);
  expect(presses.release("KeyH")).toBe(2);
  expect(presses.release("KeyH")).toBeUndefined();
});

test("what is held is bounded, the oldest goes first", () => {
  const presses = createPresses();
  for (let key = 0; key < 100; key += 1) presses.press(`Key${key}`);
  expect(presses.release("Key0")).toBeUndefined();
  expect(presses.release("Key67")).toBeUndefined();
  expect(presses.release("Key68")).toBe(69);
  expect(presses.release("Key99")).toBe(100);
});
