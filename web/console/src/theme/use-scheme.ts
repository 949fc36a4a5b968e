/**
 * The colour scheme that the document carries now. Mantine's own hook may render before the attribute is set, and what
 * reads CSS variables (the charts) would read those of the scheme before.
 */

import { useSyncExternalStore } from "react";

const ATTRIBUTE = "data-mantine-color-scheme";

export function useScheme(): string {
  return useSyncExternalStore(subscribe, read);
}

function read(): string {
  return document.documentElement.getAttribute(ATTRIBUTE) ?? "";
}

function subscribe(onChange: () => void): () => void {
  const observer = new MutationObserver(onChange);
  observer.observe(document.documentElement, { attributeFilter: [ATTRIBUTE] });
  return () => {
    observer.disconnect();
  };
}
