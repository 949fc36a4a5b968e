import { afterEach, describe, expect, test, vi } from "vitest";
import type { ServerEvent } from "../src/api/sse.ts";

vi.stubGlobal("sessionStorage", { getItem: () => null, setItem: () => undefined, removeItem: () => undefined });
const { ApiError, ask, askOptional, query } = await import("../src/api/http.ts");
const { credential } = await import("../src/api/credential.ts");
const { createEventParser } = await import("../src/api/sse.ts");
const { sayError } = await import("../src/format/error.ts");

const events = (...chunks: string[]): ServerEvent[] => {
  const told: ServerEvent[] = [];
  const parse = createEventParser((event) => told.push(event));
  chunks.forEach(parse);
  return told;
};
const fetched = vi.fn<typeof fetch>();
vi.stubGlobal("fetch", fetched);
const answer = (status: number, body: unknown): void => {
  fetched.mockResolvedValue(new Response(status === 204 ? null : JSON.stringify(body), { status }));
};

afterEach(() => {
  fetched.mockReset();
});

describe("server-sent events", () => {
  test.each([
    ["whole", ["event: decision\nid: 1\ndata: {}\n\n"]],
    ["cut anywhere", ["event: dec", "ision\nda", "ta: {}\n", "\n"]],
    ["with other line ends", ["event: decision\r", "\ndata: {}\r\n\r\n"]],
    ["after a heartbeat", [": open\n\nevent: decision\ndata:{}\n\n"]],
  ])("%s", (_, chunks) => {
    expect(events(...chunks)).toEqual([{ event: "decision", data: "{}" }]);
  });

  test("data over lines, and no name", () => {
    expect(events("data: a\ndata: b\n\n")).toEqual([{ event: "message", data: "a\nb" }]);
  });

  test("nothing before the empty line", () => {
    expect(events("data: a\n")).toEqual([]);
  });
});

describe("a request", () => {
  test("carries the key, and a refused one is asked for again", async () => {
    credential.use("dk_1", false);
    answer(200, { a: 1 });
    expect(await ask("/v1/stats")).toEqual({ a: 1 });
    expect(fetched.mock.calls[0]?.[1]?.headers).toMatchObject({ authorization: "Bearer dk_1" });
    answer(401, { reason: "invalid_key", title: "no" });
    await expect(ask("/v1/stats")).rejects.toMatchObject({ status: 401, reason: "invalid_key" });
    expect(credential.get()).toEqual({ key: null, asked: true, wrong: true });
  });

  test("of an end user carries neither the key, nor takes it away", async () => {
    credential.use("dk_1", false);
    answer(401, { reason: "unauthenticated", title: "no" });
    await expect(ask("/v1/me", { bearer: "at_1" })).rejects.toBeInstanceOf(ApiError);
    await expect(ask("/v1/auth/refresh", { method: "POST", bearer: null })).rejects.toBeInstanceOf(ApiError);
    const sent = fetched.mock.calls.map(([, init]) => (init?.headers as Record<string, string>).authorization);
    expect(sent).toEqual(["Bearer at_1", undefined]);
    expect(credential.get().key).toBe("dk_1");
  });

  test("that changes something is JSON, even without a body", async () => {
    answer(204, null);
    expect(await ask("/v1/auth/logout", { method: "POST", bearer: "at" })).toBeUndefined();
    expect(fetched.mock.calls[0]?.[1]?.headers).toMatchObject({ "content-type": "application/json" });
  });

  test("without an answer says so; an absent thing is undefined where it may be", async () => {
    fetched.mockRejectedValue(new TypeError("network"));
    await expect(ask("/v1/stats")).rejects.toMatchObject({ status: 0, reason: "no_answer" });
    answer(404, { reason: "not_found", title: "no" });
    expect(await askOptional("/v1/demo")).toBeUndefined();
  });
});

test.each([
  [{ a: 1, b: "x y", c: null, d: undefined, e: "" }, "?a=1&b=x+y"],
  [{ a: null }, ""],
])("the query of %j", (values, text) => {
  expect(query(values)).toBe(text);
});

test.each([
  [new ApiError(403, "identify_off", "x"), /Settings/],
  [new ApiError(403, "other", "x"), /scope/],
  [new ApiError(0, "no_answer", "x"), /does not answer/],
  [new ApiError(400, "bad_password", "the password is too short"), /^The password is too short\.$/],
  [new ApiError(500, "unknown", ""), /^Something went wrong\.$/],
])("an error in words: %s", (error, words) => {
  expect(sayError(error)).toMatch(words);
});
