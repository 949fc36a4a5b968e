/**
 * The nonce of this page load: without it the content security policy refuses every style element. Two libraries make some:
 * Mantine (its variables), and what it holds the page still with below a dialog.
 */

import { setNonce } from "get-nonce";

export function readNonce(): string {
  const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";
  setNonce(nonce);
  return nonce;
}
