/** The colours of `tokens.css` for the canvas, which knows no CSS variables. */

const NAMES = [
  "ink-soft",
  "line",
  "risk-allow",
  "risk-step_up",
  "risk-terminate",
  "risk-learning",
  "mark",
  "mark-soft",
] as const;

export type Palette = Readonly<Record<(typeof NAMES)[number], string>>;

export function readPalette(element: Element): Palette {
  const style = getComputedStyle(element);
  const entries = NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]);
  return Object.fromEntries(entries) as Palette;
}
