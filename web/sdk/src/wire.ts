/**
 * The shapes that leave the page: one `EventBatch`, as `schemas/` describes it.
 *
 * Invariant: no field here can hold what was typed. A key is its class, a press is a running number.
 */

/** What a key is, never which one it is. The two hands appear only at detail `hand`. */
export type KeyClass =
  | "letter"
  | "letter_left"
  | "letter_right"
  | "digit"
  | "punctuation"
  | "space"
  | "enter"
  | "backspace"
  | "modifier"
  | "navigation"
  | "other";

export type PointerButton = "primary" | "secondary" | "middle" | "other";

/** One thing that a hand did. `t_us` counts microseconds from the batch's `clock.origin_us`. */
export type InputEvent =
  | { type: "down"; t_us: number; press: number; class: KeyClass }
  | { type: "up"; t_us: number; press: number }
  | { type: "move"; t_us: number; x: number; y: number }
  | { type: "press"; t_us: number; x: number; y: number; button: PointerButton }
  | { type: "release"; t_us: number; x: number; y: number; button: PointerButton }
  | { type: "scroll"; t_us: number; x: number; y: number; dx: number; dy: number }
  | { type: "blur"; t_us: number }
  | { type: "end"; t_us: number };

export type Purpose = "session" | "enrol" | "collect";
export type Consent = "granted" | "withheld";
/** How much a key class tells: `class` is the default, `hand` splits letters into left and right. */
export type KeyDetail = "class" | "hand";

export interface BatchClock {
  /** Microseconds since the Unix epoch. */
  origin_us: number;
  /** The smallest step that this browser's clock was seen to take. */
  resolution_us: number;
}

export interface BatchDevice {
  keyboard: "physical" | "virtual" | "none" | "unknown";
  pointer: "mouse" | "touchpad" | "touch" | "pen" | "none" | "unknown";
  layout: "qwerty" | "qwertz" | "azerty" | "other" | "unknown";
  touch: boolean;
}

export interface EventBatch {
  v: 1;
  tenant: string;
  subject?: string | undefined;
  session: string;
  /** Runs from 0 within a session; a gap tells the server that a batch was dropped. */
  seq: number;
  purpose: Purpose;
  consent: Consent;
  clock: BatchClock;
  device: BatchDevice;
  detail: KeyDetail;
  events: InputEvent[];
}
