/**
 * The features of `pipeline/dynamics/src/feature.rs` once more, for tests only: the SDK sends events and computes none.
 * Times become features in 64-bit floats and are rounded to 32 bits once.
 */

import type { InputEvent, KeyClass } from "../../src/wire.ts";

interface Press {
  down_us: number;
  up_us?: number;
  class: KeyClass;
}
type PointerEvent = Extract<InputEvent, { x: number }>;
type Scale = readonly (readonly [mean: number, sd: number])[];

const CLASSES: readonly KeyClass[] = [
  "letter", "letter_left", "letter_right", "digit", "punctuation", "space", "enter", "backspace", "modifier", "navigation", "other",
];
const KEYSTROKE: Scale = [[-2.264, 0.407], [-1.687, 0.687], [1.531, 0.652], [0.789, 1.011], [0.217, 0.412], [0.226, 0.434]];
const POINTER: Scale = [
  [2.858, 0.697], [0, 2.306], [0, 1.728], [-0.861, 1.738], [0, 0.552], [0, 0.789], [0, 0.295], [0.821, 0.366], [0, 1.082],
  [0.031, 0.174], [0.031, 0.174], [0.137, 0.344], [0.009, 0.094], [0.02, 0.14], [0.013, 0.114],
];

/** Rows of the window of key presses that starts at a step, each as the hexadecimal bits of its values. */
export function keystrokeRows(events: readonly InputEvent[], start: number, steps: number): string[] {
  const presses = new Map<number, Press>();
  for (const event of events) {
    if (event.type === "down") presses.set(event.press, { down_us: event.t_us, class: event.class });
    const released = event.type === "up" ? presses.get(event.press) : undefined;
    if (event.type === "up" && released) released.up_us = event.t_us;
  }
  const keys = [...presses.values()].slice(start, start + steps);
  return keys.map((key, at) => row([...scaled(keyValues(keys, key, at), KEYSTROKE), ...CLASSES.map((name) => Number(name === key.class))]));
}

function keyValues(keys: readonly Press[], { down_us, up_us }: Press, at: number): (number | undefined)[] {
  const before = keys[at - 1];
  const flight = before?.up_us === undefined ? undefined : (down_us - before.up_us) / 1e6;
  const stillDown = keys.slice(Math.max(0, at - 4), at).filter((key) => (key.up_us ?? 0) > down_us).length;
  return [
    up_us === undefined ? undefined : Math.log(clamp((up_us - down_us) / 1e6, 0.01, 1)),
    before && Math.log(clamp((down_us - before.down_us) / 1e6, 0.005, 3)),
    up_us === undefined || before?.up_us === undefined ? undefined : slog(clamp((up_us - before.up_us) / 1e6, -1, 3), 0.05),
    flight === undefined ? undefined : slog(clamp(flight, -1, 3), 0.05),
    flight === undefined ? undefined : Number(flight < 0),
    Math.min(stillDown, 3),
  ];
}

/** The same for the pointer. */
export function pointerRows(events: readonly InputEvent[], start: number, steps: number): string[] {
  const all = events.filter((event): event is PointerEvent => "x" in event);
  const window = all.slice(start, start + steps);
  const direction = { sine: 0, cosine: 0 };
  let lnSpeedBefore: number | undefined;
  return window.map((event, at) => {
    const before = window[at - 1] ?? event;
    const dt_ms = (event.t_us - before.t_us) / 1e3;
    const [dx, dy] = [event.x - before.x, event.y - before.y];
    const distance = Math.sqrt(dx * dx + dy * dy);
    const lnDt = Math.log(clamp(dt_ms, 1, 5000));
    const lnSpeed = Math.log(distance + 0.5) - lnDt;
    const [sine, cosine] = distance > 0 ? [dy / distance, dx / distance] : [0, 0];
    const values = [
      lnDt, slog(dx, 1), slog(dy, 1), lnSpeed, sine, cosine,
      sine * direction.cosine - cosine * direction.sine,
      cosine * direction.cosine + sine * direction.sine,
      lnSpeed - (lnSpeedBefore ?? lnSpeed),
      Number(event.type === "press"),
      Number(event.type === "release"),
      Number(event.type === "move" && isDrag(all, start + at)),
      Number("button" in event && event.button === "secondary"),
      Number(event.type === "scroll"),
      Number(dt_ms > 200),
    ];
    Object.assign(direction, { sine, cosine });
    lnSpeedBefore = lnSpeed;
    return row(scaled(values, POINTER));
  });
}

/** Whether a button was down before this event of the session. */
function isDrag(all: readonly PointerEvent[], at: number): boolean {
  return all.slice(0, at).findLast((event) => event.type === "press" || event.type === "release")?.type === "press";
}

function scaled(values: readonly (number | undefined)[], scale: Scale): number[] {
  return values.map((value, at) => {
    const [mean, sd] = scale[at] ?? [0, 1];
    return value === undefined ? 0 : clamp((value - mean) / sd, -5, 5);
  });
}

function row(values: readonly number[]): string {
  const bits = new Uint32Array(Float32Array.from(values).buffer);
  return Array.from(bits, (word) => word.toString(16).padStart(8, "0")).join(" ");
}

const clamp = (value: number, min: number, max: number): number => Math.min(max, Math.max(min, value));
/** As Rust's `signum`, which knows a sign of zero, too. */
const slog = (value: number, scale: number): number => (Object.is(value, 0) || value > 0 ? 1 : -1) * Math.log(1 + Math.abs(value) / scale);
