/** What of a mail one acts on: a code to type, or a link to approve. */

export function codeOf(text: string): string | null {
  return /(?<!\d)\d{6,8}(?!\d)/.exec(text)?.[0] ?? null;
}

/** The token of an approval, whether the link leads to this page or to the gateway itself. */
export function approvalOf(text: string): string | null {
  return /(?:\/v1\/auth\/approvals\/|#\/approve\/)([A-Za-z0-9._~-]+)/.exec(text)?.[1] ?? null;
}
