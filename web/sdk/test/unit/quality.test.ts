import { expect, test } from "vitest";
import { createTally } from "../../src/quality.ts";
import type { InputEvent } from "../../src/wire.ts";

const CLOCK = { origin_us: 0, resolution_us: 100 };
const down = (press: number): InputEvent => ({ type: "down", t_us: 0, press, class: "letter" });
const up = (press: number): InputEvent => ({ type: "up", t_us: 0, press });
const MOVE: InputEvent = { type: "move", t_us: 0, x: 1, y: 2 };

test.each<[string, InputEvent[], number, { keys: [number, number]; pointer: [number, number]; lost: number }]>([
  ["nothing", [], 0, { keys: [0, 50], pointer: [0, 128], lost: 0 }],
  ["a key that is held", [down(1)], 1, { keys: [1, 49], pointer: [0, 128], lost: 0 }],
  ["a key whose release was lost", [down(1), down(2), up(2)], 0, { keys: [2, 48], pointer: [0, 128], lost: 0.5 }],
  ["a window of keys and more", Array.from({ length: 60 }, (_, press) => [down(press), up(press)]).flat(), 0, { keys: [60, 0], pointer: [0, 128], lost: 0 }],
  ["the pointer", [MOVE, { ...MOVE, type: "press", button: "primary" }, { ...MOVE, type: "scroll", dx: 0, dy: 9 }, { type: "blur", t_us: 0 }], 0, { keys: [0, 50], pointer: [3, 125], lost: 0 }],
])("of %s", (_, events, held, { keys, pointer, lost }) => {
  const tally = createTally();
  events.forEach(tally.count);
  expect(tally.quality(held, CLOCK)).toEqual({
    keys: { captured: keys[0], needed: keys[1] },
    pointer: { captured: pointer[0], needed: pointer[1] },
    lost_releases: lost,
    resolution_us: 100,
  });
});
