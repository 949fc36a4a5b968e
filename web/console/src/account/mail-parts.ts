/** What of a mail one acts on: a code to type, or a link to approve. */

/** Eight digits, which the mail groups by four so that they can be read. */
export function codeOf(text: string): string | null {
  const [, first, second] = /(?<!\d)(\d{4}) ?(\d{4})(?!\d)/.exec(text) ?? [];
  return first === undefined || second === undefined ? null : first + second;
}

/** The token of an approval, whether the link leads to this page or to the gateway itself. */
export function approvalOf(text: string): string | null {
  return /(?:\/v1\/auth\/approvals\/|#\/approve\/)([A-Za-z0-9._~-]+)/.exec(text)?.[1] ?? null;
}
