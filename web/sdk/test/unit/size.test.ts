import { brotliCompressSync } from "node:zlib";
import { fileURLToPath } from "node:url";
import { build, type Rolldown } from "vite";
import { expect, test } from "vitest";

/** What a page pays for the SDK, minified and compressed. Raise it only with a reason. */
const BYTES_MAX = 4_096;

test("the SDK stays small", async () => {
  const built = (await build({
    configFile: false,
    logLevel: "silent",
    build: {
      write: false,
      // A library build keeps its white space otherwise; the page that bundles the SDK does not.
      rolldownOptions: { output: { minify: true } },
      target: "es2022",
      lib: { entry: fileURLToPath(new URL("../../src/index.ts", import.meta.url)), formats: ["es"] },
    },
  })) as Rolldown.RolldownOutput[];
  const [chunk] = built[0]?.output ?? [];
  if (chunk === undefined) throw new Error("nothing was built");
  const bytes = brotliCompressSync(chunk.code).length;
  expect(bytes).toBeGreaterThan(500);
  expect(bytes).toBeLessThanOrEqual(BYTES_MAX);
});
