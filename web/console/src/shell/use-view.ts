/** Which view is open, kept in the address, so that a link leads to it and "back" works. */

import { useCallback, useSyncExternalStore } from "react";

const VIEWS = ["sessions", "try"] as const;
export type View = (typeof VIEWS)[number];

export function isView(value: string | null): value is View {
  return VIEWS.some((view) => view === value);
}

export function useView(): [View, (view: View) => void] {
  const view = useSyncExternalStore(subscribe, read);
  const setView = useCallback((next: View) => {
    location.hash = next;
  }, []);
  return [view, setView];
}

function read(): View {
  const hash = location.hash.slice(1);
  return isView(hash) ? hash : "sessions";
}

function subscribe(onChange: () => void): () => void {
  addEventListener("hashchange", onChange);
  return () => {
    removeEventListener("hashchange", onChange);
  };
}
