/** The page is hidden or left: the last moment at which anything can be sent. Never `unload`, it breaks the back cache. */

import { listen } from "./observe.ts";

export function observePage(signal: AbortSignal, onHidden: () => void): void {
  const visibilitychange = (): void => {
    if (document.hidden) onHidden();
  };
  listen({ target: document, signal }, { visibilitychange });
}
