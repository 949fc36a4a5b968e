import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createGateway, kindOf, reasonOf, type GatewayParts } from "../../src/gateway.ts";

/** Statuses that the next requests are answered with, and what was asked. */
let statuses: number[] = [];
let asked: { url: string; authorization: string | undefined }[] = [];

beforeEach(() => {
  [statuses, asked] = [[], []];
  vi.useFakeTimers();
  vi.stubGlobal("fetch", (url: string, { headers }: { headers: Record<string, string> }) => {
    asked.push({ url, authorization: headers.authorization });
    const status = statuses.shift() ?? 202;
    return status === 0 ? Promise.reject(new TypeError("offline")) : Promise.resolve(new Response(null, { status }));
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** Asks once, and says what came of it. */
function asker(token: GatewayParts["token"], endpoint = "https://ductus.example"): () => Promise<string> {
  const parts = { endpoint, session: "s-1", ...(token !== undefined && { token }) };
  const gateway = createGateway(parts, { request_timeout_ms: 1_000 });
  return async () => {
    const { kind, response } = await gateway("/events", { headers: {} });
    return `${kind} ${response.status}`;
  };
}
const authorizations = (): (string | undefined)[] => asked.map(({ authorization }) => authorization);

test.each([
  ["https://ductus.example", "https://ductus.example/v1/events"],
  ["https://ductus.example/", "https://ductus.example/v1/events"],
  ["https://example.com/ductus", "https://example.com/ductus/v1/events"],
  ["", "/v1/events"],
])("below %j it asks %j", async (endpoint, url) => {
  await asker(undefined, endpoint)();
  expect(asked).toEqual([{ url, authorization: undefined }]);
});

describe("the token", () => {
  test("is asked for once, with the session, and kept", async () => {
    const token = vi.fn((session: string) => Promise.resolve(`of-${session}`));
    const ask = asker(token);
    await Promise.all([ask(), ask()]);
    await ask();
    expect(token).toHaveBeenCalledTimes(1);
    expect(authorizations()).toEqual(["Bearer of-s-1", "Bearer of-s-1", "Bearer of-s-1"]);
  });

  test("is asked for again after a 401, once a try", async () => {
    let issued = 0;
    const ask = asker(() => `token-${(issued += 1)}`);
    statuses = [202, 401, 401, 202];
    expect([await ask(), await ask(), await ask(), await ask()]).toEqual(["accepted 202", "retry 401", "retry 401", "accepted 202"]);
    expect(authorizations()).toEqual(["Bearer token-1", "Bearer token-1", "Bearer token-2", "Bearer token-3"]);
  });

  test("that was renewed meanwhile is not thrown away by a late 401", async () => {
    let issued = 0;
    const ask = asker(() => `token-${(issued += 1)}`);
    statuses = [401, 401];
    await Promise.all([ask(), ask()]);
    await ask();
    expect(issued).toBe(2);
  });

  test("that is a plain string cannot be renewed: its 401 is final", async () => {
    statuses = [401];
    expect(await asker("token")()).toBe("rejected 401");
  });

  test.each([
    ["fails", () => Promise.reject(new Error("the back end is away"))],
    ["throws", () => { throw new Error("a mistake"); }],
    ["is empty", () => ""],
  ])("that %s is asked for again by the next try, and nothing is sent without it", async (_, broken: () => Promise<string> | string) => {
    const token = vi.fn<() => Promise<string> | string>(() => "good").mockImplementationOnce(broken);
    const ask = asker(token);
    expect(await ask()).toBe("retry 0");
    expect(asked).toEqual([]);
    expect(await ask()).toBe("accepted 202");
    expect(token).toHaveBeenCalledTimes(2);
  });

  test("that never comes is not waited for for ever", async () => {
    const asking = asker(() => new Promise(() => undefined))();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await asking).toBe("retry 0");
  });

  test("survives a network that is away", async () => {
    const token = vi.fn(() => "token");
    const ask = asker(token);
    statuses = [0];
    expect([await ask(), await ask()]).toEqual(["retry 0", "accepted 202"]);
    expect(token).toHaveBeenCalledTimes(1);
  });
});

test.each([
  [200, true, "accepted"],
  [202, true, "accepted"],
  [400, true, "rejected"],
  [401, true, "retry"],
  [401, false, "rejected"],
  [403, true, "rejected"],
  [413, true, "rejected"],
  [408, true, "retry"],
  [429, false, "retry"],
  [500, true, "retry"],
  [503, false, "retry"],
])("%i (renewable: %j) is %s", (status, renewable, kind) => {
  expect(kindOf(status, renewable)).toBe(kind);
});

test.each([
  ['{"title":"Bad Request","reason":"unknown_field"}', "unknown_field"],
  ['{"title":"Bad Request"}', "Bad"],
  ["<html>", "Bad"],
])("of the refusal %j the reason is %j", async (body, reason) => {
  expect(await reasonOf(new Response(body, { status: 400, statusText: "Bad" }))).toBe(reason);
});
