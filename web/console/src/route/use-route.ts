/** Which page is open: the address says it, so that links lead there and "back" works. */

import { useMemo, useSyncExternalStore } from "react";
import { hrefOf, parseRoute, type Route } from "./route.ts";

export function useRoute(): Route {
  const hash = useSyncExternalStore(subscribe, () => location.hash);
  return useMemo(() => parseRoute(hash), [hash]);
}

export function go(route: Route): void {
  location.hash = hrefOf(route);
}

/** The same page with another address, for filters: "back" should leave the page, not undo a letter. */
export function replaceRoute(route: Route): void {
  history.replaceState(null, "", hrefOf(route));
  dispatchEvent(new HashChangeEvent("hashchange"));
}

function subscribe(onChange: () => void): () => void {
  addEventListener("hashchange", onChange);
  return () => {
    removeEventListener("hashchange", onChange);
  };
}
