/**
 * People who type: how long each key stays down, and how soon the next one follows.
 *
 * Drawn as `dynamics::synthetic` draws its typists: log-normal times around personal means, slower at the ends of words, and
 * with fast and slow stretches, because times that do not hang together are known for a machine's. Invariant: a seed gives
 * the same times everywhere.
 */

/** Logarithms of milliseconds, and how far they spread. */
export interface Manner {
  readonly seed: number;
  readonly dwell: number;
  readonly dwellSpread: number;
  /** From press to press. */
  readonly pace: number;
  readonly paceSpread: number;
  /** Added to the pace after a key that is no letter. */
  readonly wordBoundary: number;
  /** Added to the dwell of the space bar, and of other keys that are no letters. */
  readonly dwellOfSpace: number;
  readonly dwellOfOthers: number;
}

/** A light and quick hand: 85 ms on a key, a press each 140 ms. */
export const OWNER: Manner = {
  seed: 11,
  dwell: Math.log(85),
  dwellSpread: 0.26,
  pace: Math.log(140),
  paceSpread: 0.38,
  wordBoundary: 0.12,
  dwellOfSpace: -0.1,
  dwellOfOthers: 0.1,
};

/** A heavy and slow one: 165 ms on a key, a press each 270 ms, and a rest after each word. */
export const STRANGER: Manner = {
  seed: 2_011,
  dwell: Math.log(165),
  dwellSpread: 0.4,
  pace: Math.log(270),
  paceSpread: 0.6,
  wordBoundary: 0.45,
  dwellOfSpace: 0.3,
  dwellOfOthers: -0.2,
};

/** How much of what is left of a time is that of the key before. */
const FLOW = 0.45;
const REST = Math.sqrt(1 - FLOW * FLOW);

export interface Times {
  dwell_ms: number;
  /** Until the next press. */
  pace_ms: number;
}

/** Gives the times of one key after the other. */
export function hand(manner: Manner): (key: string) => Times {
  const normal = normals(manner.seed);
  let dwellLeft = 0;
  let paceLeft = 0;
  return (key) => {
    const [first, second] = [normal(), normal()];
    dwellLeft = FLOW * dwellLeft + REST * first;
    paceLeft = FLOW * paceLeft + REST * (FLOW * first + REST * second);
    const letter = /[a-z]/i.test(key) && key.length === 1;
    const ofClass = letter ? 0 : key === " " ? manner.dwellOfSpace : manner.dwellOfOthers;
    return {
      dwell_ms: within(manner.dwell + ofClass + manner.dwellSpread * dwellLeft, 20, 600),
      pace_ms: within(manner.pace + (letter ? 0 : manner.wordBoundary) + manner.paceSpread * paceLeft, 35, 2_500),
    };
  };
}

function within(ln_ms: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, Math.exp(ln_ms)));
}

/** Standard normal numbers, by Box and Muller, from a 32-bit generator (mulberry32). */
function normals(seed: number): () => number {
  let state = seed;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    // Never 0, whose logarithm is wanted.
    return (((mixed ^ (mixed >>> 14)) >>> 0) + 1) / 4_294_967_297;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}
