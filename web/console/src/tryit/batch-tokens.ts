/** A batch as JSON that a person can read: one event a line, cut into tokens for colour. */

import type { EventBatch } from "@ductus/sdk";

export interface Token {
  kind: "key" | "word" | "number" | "sign";
  text: string;
}

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?|true|false|null)/g;

export function batchText(batch: EventBatch): string {
  const { events, ...head } = batch;
  const lines = Object.entries(head).map(([name, value]) => `  ${JSON.stringify(name)}: ${inline(value)},`);
  const rows = events.map((event) => `    ${inline(event)}`).join(",\n");
  return ["{", ...lines, '  "events": [', rows, "  ]", "}"].join("\n");
}

export function batchTokens(batch: EventBatch): Token[] {
  const text = batchText(batch);
  const tokens: Token[] = [];
  let last = 0;
  for (const match of text.matchAll(TOKEN)) {
    if (match.index > last) tokens.push({ kind: "sign", text: text.slice(last, match.index) });
    const [whole, quoted, colon] = match;
    tokens.push({ kind: quoted === undefined ? "number" : colon === undefined ? "word" : "key", text: whole });
    last = match.index + whole.length;
  }
  tokens.push({ kind: "sign", text: text.slice(last) });
  return tokens;
}

/** `{ "type": "down", "press": 3 }`: on one line, with room to breathe. */
function inline(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).map(([name, field]) => `${JSON.stringify(name)}: ${inline(field)}`);
  return `{ ${fields.join(", ")} }`;
}
