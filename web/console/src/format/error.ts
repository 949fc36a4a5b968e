/** What went wrong, in a sentence that says what to do. */

import type { ApiError } from "../api/http.ts";

const BY_REASON: Readonly<Record<string, string>> = {
  no_answer: "The gateway does not answer. Check that it runs, then try again.",
  identify_off: "Identification is off for this tenant. An administrator can switch it on under Settings.",
  step_up: "Prove that it is you first.",
  missing_scope: "This key may not do that. Use a key with the scope it needs.",
  too_often: "Too many tries. Wait a moment, then try again.",
};

const BY_STATUS: Readonly<Record<number, string>> = {
  401: "The gateway does not accept these credentials.",
  403: "This key may not do that. Use a key with the scope it needs.",
  404: "The gateway does not know this, or this part is switched off.",
  429: "Too many requests. Wait a moment, then try again.",
  503: "The gateway is not ready. Try again in a moment.",
};

export function sayError({ reason, status, message }: Pick<ApiError, "reason" | "status" | "message">): string {
  return BY_REASON[reason] ?? BY_STATUS[status] ?? sentence(message);
}

/** The gateway's titles are lower case, without a full stop. */
function sentence(title: string): string {
  if (title === "") return "Something went wrong.";
  return `${title.charAt(0).toUpperCase()}${title.slice(1)}${/[.!?]$/.test(title) ? "" : "."}`;
}
