import { afterEach, expect, test, vi } from "vitest";
import { createHub } from "../../src/hub.ts";

afterEach(() => {
  vi.unstubAllGlobals();
});

test("tells those who listen, until they do not", () => {
  const heard: number[] = [];
  const changes = vi.fn();
  const hub = createHub(changes);
  expect(hub.hears("accepted")).toBe(false);
  const undo = hub.on("accepted", ({ seq }) => heard.push(seq));
  expect(hub.hears("accepted")).toBe(true);
  hub.tell("accepted", { seq: 1 });
  undo();
  undo();
  hub.tell("accepted", { seq: 2 });
  expect(hub.hears("accepted")).toBe(false);
  expect(heard).toEqual([1]);
  expect(changes).toHaveBeenCalledTimes(3);
});

test("a listener that throws is reported, and does not silence the others", () => {
  const reported = vi.fn();
  vi.stubGlobal("reportError", reported);
  const heard = vi.fn();
  const hub = createHub(() => undefined);
  const mistake = new Error("a mistake of the page");
  hub.on("accepted", () => { throw mistake; });
  hub.on("accepted", heard);
  hub.tell("accepted", { seq: 1 });
  expect(heard).toHaveBeenCalledWith({ seq: 1 });
  expect(reported).toHaveBeenCalledWith(mistake);
});
