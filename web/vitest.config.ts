import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const alias = { "@ductus/sdk": fileURLToPath(new URL("sdk/src/index.ts", import.meta.url)) };
const browser = ["sdk", "react", "console", "examples"].map((folder) => `${folder}/test/browser/**/*.test.ts`);

export default defineConfig({
  test: {
    projects: [
      { test: { name: "sdk", root: "sdk", include: ["test/unit/**/*.test.ts"] } },
      { resolve: { alias }, test: { name: "react", root: "react", include: ["test/*.test.tsx"] } },
      { resolve: { alias }, test: { name: "console", root: "console", include: ["test/*.test.ts"] } },
      { test: { name: "bench", include: ["sdk/bench/*.bench.ts"], hookTimeout: 60_000 } },
      // Against a real gateway: see story/story.test.ts.
      { test: { name: "story", include: ["story/*.test.ts"], testTimeout: 1_800_000, hookTimeout: 180_000 } },
      {
        test: {
          name: "browser",
          include: browser,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
