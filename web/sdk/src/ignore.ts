/**
 * What must not be watched: untrusted events, secret fields, and whatever the page marked with `data-ductus-ignore`.
 */

const IGNORE_ATTRIBUTE = "data-ductus-ignore";
/** A password shown in clear is a text field; its autocomplete hint (`new-password`, `cc-exp-month`) still says what it holds. */
const SECRET_HINT = /password|one-time-code|cc-(?:number|csc|exp)/;

/** True where the event must leave no trace. Fields that once were passwords stay secret for the page's life. */
export function isIgnored(event: Event): boolean {
  return (
    !event.isTrusted ||
    event.composedPath().some((node) => node instanceof Element && (node.hasAttribute(IGNORE_ATTRIBUTE) || isSecret(node)))
  );
}

/** Remembered by element, weakly: "show password" turns the type to `text`, and the secret stays one. */
const oncePassword = new WeakSet<Element>();

/** Fields of every kind: a card's month may be chosen from a list by keys. */
function isSecret(element: Element & { type?: string; autocomplete?: string }): boolean {
  if (element.type === "password") oncePassword.add(element);
  return oncePassword.has(element) || SECRET_HINT.test(element.autocomplete ?? "");
}
