import { describe, expect, test } from "vitest";
import { keyClass } from "../../src/key-class.ts";

const CLASSES = new Set([
  "letter", "letter_left", "letter_right", "digit", "punctuation", "space", "enter", "backspace", "modifier",
  "navigation", "other",
]);

describe("a key becomes its class", () => {
  test.each([
    ["a", "KeyA", "letter"],
    ["Z", "KeyZ", "letter"],
    ["ß", "Minus", "letter"],
    ["щ", "KeyO", "letter"],
    ["漢", "", "letter"],
    ["7", "Digit7", "digit"],
    ["٣", "Digit3", "digit"],
    [".", "Period", "punctuation"],
    ["€", "KeyE", "punctuation"],
    ["+", "Equal", "punctuation"],
    [" ", "Space", "space"],
    ["\u00a0", "Space", "space"],
    ["Enter", "NumpadEnter", "enter"],
    ["Backspace", "Backspace", "backspace"],
    ["Shift", "ShiftLeft", "modifier"],
    ["AltGraph", "AltRight", "modifier"],
    ["ArrowUp", "ArrowUp", "navigation"],
    ["Tab", "Tab", "navigation"],
    ["F5", "F5", "other"],
    ["Delete", "Delete", "navigation"],
    ["\u0007", "", "other"],
    ["Dead", "BracketLeft", "other"],
    ["Unidentified", "", "other"],
    ["constructor", "", "other"],
    ["", "", "other"],
    ["😀", "", "punctuation"],
  ])("%j (%s) is %s", (key, code, expected) => {
    expect(keyClass({ key, code }, "class")).toBe(expected);
  });
});

describe("hands appear only at detail hand", () => {
  test.each([
    ["q", "KeyQ", "letter_left"],
    ["a", "KeyQ", "letter_left"],
    ["b", "KeyB", "letter_left"],
    ["n", "KeyN", "letter_right"],
    ["ö", "Semicolon", "letter_right"],
    ["x", "", "letter"],
    ["5", "Digit5", "digit"],
    ["Shift", "ShiftLeft", "modifier"],
  ])("%j at %s is %s", (key, code, expected) => {
    expect(keyClass({ key, code }, "hand")).toBe(expected);
    expect(keyClass({ key, code }, "class")).not.toMatch(/_/);
  });
});

test("no key ever comes back as itself", () => {
  for (let point = 0; point < 0x3000; point += 1) {
    expect(CLASSES).toContain(keyClass({ key: String.fromCodePoint(point), code: "KeyA" }, "hand"));
  }
});
