/**
 * What must not be watched: untrusted events, secret fields, and whatever the page marked with `data-ductus-ignore`.
 *
 * Asked for every event, so it is one question to the browser: a walk over the path in here would cost more than the rest.
 */

/** A password shown in clear is a text field; its hint (`new-password`, `cc-exp-month`) still says what it holds. */
const IGNORED = "[type=password],[data-ductus-ignore],[autocomplete*=password i],[autocomplete*=one-time-code i],[autocomplete*=cc- i]";

/** Remembered by element, weakly: "show password" turns the type to `text`, and the secret stays one for the page's life. */
const secrets = new WeakSet<Element>();

/** What an event may be for: an element, or the document and the window, which have nothing of one. */
type Target = Element | (EventTarget & { shadowRoot?: undefined; closest?: undefined }) | null | undefined;

/** True where the event must leave no trace. */
export function isIgnored(event: Event): boolean {
  if (!event.isTrusted) return true;
  let at = event.target as Target;
  // Inside a component the event names the component only; the field is the first of the path.
  if (at?.shadowRoot) at = event.composedPath()[0];
  // Outwards, from a component's inside to the element that it is.
  while (at?.closest) {
    const ignored = at.closest(IGNORED);
    if (ignored === at) secrets.add(at);
    if (ignored ?? secrets.has(at)) return true;
    at = (at.getRootNode() as Partial<ShadowRoot>).host;
  }
  return false;
}
