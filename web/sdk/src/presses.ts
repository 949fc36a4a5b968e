/**
 * Pairs a release with its press by a running number.
 *
 * Invariant: which key is held is known only while it is held, and only here. The number says nothing about the key:
 * a stable id per key would be a substitution cipher.
 */

/** Nobody holds more; the oldest is forgotten beyond it, so that lost releases cannot pile up. */
const HELD_MAX = 32;

export interface Presses {
  /** Numbers a new press. A key that is still held lost its release; the new press takes its place. */
  press(code: string): number;
  /** The number of the press that ends, or undefined where the press was not seen. */
  release(code: string): number | undefined;
  /** Forgets what is held: after a blur, releases go elsewhere. */
  forget(): void;
  /** How many are held now. */
  held(): number;
}

export function createPresses(): Presses {
  const held = new Map<string, number>();
  let last = 0;
  return {
    press(code) {
      last += 1;
      held.delete(code);
      held.set(code, last);
      if (held.size > HELD_MAX) held.delete(held.keys().next().value ?? code);
      return last;
    },
    release(code) {
      const number = held.get(code);
      held.delete(code);
      return number;
    },
    forget() {
      held.clear();
    },
    held: () => held.size,
  };
}
