import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build, type Rolldown } from "vite";
import { expect, test } from "vitest";

/** What a page pays for the SDK, bundled, minified, and compressed by `gzip -9`. */
const BYTES_MAX = 4_096;
const CONFIG = fileURLToPath(new URL("../../vite.config.ts", import.meta.url));

test("the SDK stays small", async () => {
  const built = (await build({ configFile: CONFIG, logLevel: "silent", build: { write: false } })) as Rolldown.RolldownOutput;
  const [chunk, ...others] = built.output;
  const bytes = gzipSync(chunk.code, { level: 9 }).length;
  process.stderr.write(`@ductus/sdk: ${chunk.code.length} bytes minified, ${bytes} with gzip -9, ${brotliCompressSync(chunk.code).length} with Brotli\n`);
  expect(others).toEqual([]);
  // Whole: what starts, and what listens to the risk.
  expect(chunk.code).toMatch(/keydown.*/s);
  expect(chunk.code).toMatch(/last-event-id/);
  expect(bytes).toBeLessThanOrEqual(BYTES_MAX);
});
