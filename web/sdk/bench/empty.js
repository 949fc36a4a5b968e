/** The yardstick: a listener for each event that does nothing. */
export function listen() {
  for (const type of ["keydown", "keyup", "pointermove", "pointerdown", "pointerup", "wheel"]) {
    document.addEventListener(type, () => undefined, { capture: true, passive: true });
  }
}
