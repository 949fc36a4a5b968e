/** The page is hidden or left: the last moment at which anything can be sent. Never `unload`, it breaks the back cache. */

import { listen, type Undo } from "./observe.ts";

export function observePage(onHidden: () => void): Undo {
  const visibilitychange = (): void => {
    if (document.visibilityState === "hidden") onHidden();
  };
  // Safari has left pages without a visibilitychange (WebKit bug 199854); calling twice is harmless.
  const undoHide = listen(window, { pagehide: onHidden });
  const undoVisibility = listen(document, { visibilitychange });
  return () => {
    undoHide();
    undoVisibility();
  };
}
