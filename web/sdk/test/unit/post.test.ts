import { describe, expect, test } from "vitest";
import { outcomeOf, retryAfter_ms } from "../../src/post.ts";

const WALL_MS = Date.parse("2026-11-21T09:00:00Z");

test.each([
  [null, undefined],
  ["3", 3000],
  [" 0 ", 0],
  ["Sat, 21 Nov 2026 09:00:05 GMT", 5000],
  ["Sat, 21 Nov 2026 08:00:00 GMT", 0],
  ["soon", undefined],
])("Retry-After %j waits %j ms", (header, expected) => {
  expect(retryAfter_ms(header, WALL_MS)).toBe(expected);
});

describe("an answer is accepted, refused for good, or worth a retry", () => {
  test.each([
    [202, "accepted"],
    [400, "rejected"],
    [404, "rejected"],
    [413, "rejected"],
    [408, "retry"],
    [429, "retry"],
    [500, "retry"],
    [503, "retry"],
  ])("%i is %s", async (status, kind) => {
    expect((await outcomeOf(new Response("", { status }), WALL_MS)).kind).toBe(kind);
  });

  test("the reason code of problem+json is passed on", async () => {
    const response = new Response('{"title":"Bad Request","reason":"unknown_field"}', { status: 400 });
    expect(await outcomeOf(response, WALL_MS)).toEqual({ kind: "rejected", status: 400, reason: "unknown_field" });
  });
});
