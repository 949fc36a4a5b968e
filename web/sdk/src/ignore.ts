/**
 * What must not be watched: untrusted events, secret fields, and whatever the page marked with `data-ductus-ignore`.
 */

const IGNORE_ATTRIBUTE = "data-ductus-ignore";
/** A password shown in clear is a text field; its autocomplete hint still says what it holds. */
const SECRET_HINT = /(?:^|\s)(?:current-password|new-password|one-time-code|cc-(?:number|csc|exp|exp-month|exp-year))(?:\s|$)/;

/** True where the event must leave no trace. Fields that once were passwords stay secret for the page's life. */
export function isIgnored(event: Event): boolean {
  if (!event.isTrusted) return true;
  for (const node of event.composedPath()) {
    if (node instanceof Element && (node.hasAttribute(IGNORE_ATTRIBUTE) || isSecret(node))) return true;
  }
  return false;
}

/** Remembered by element, weakly: "show password" turns the type to `text`, and the secret stays one. */
const oncePassword = new WeakSet<Element>();

function isSecret(element: Element): boolean {
  if (!(element instanceof HTMLInputElement)) return false;
  if (element.type === "password") oncePassword.add(element);
  return oncePassword.has(element) || SECRET_HINT.test(element.autocomplete);
}
