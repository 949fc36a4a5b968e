import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const alias = { "@ductus/sdk": fileURLToPath(new URL("sdk/src/index.ts", import.meta.url)) };

export default defineConfig({
  test: {
    projects: [
      { test: { name: "sdk", root: "sdk", include: ["test/unit/**/*.test.ts"] } },
      { resolve: { alias }, test: { name: "console", root: "console", include: ["test/*.test.ts"] } },
      {
        test: {
          name: "browser",
          include: ["sdk/test/browser/**/*.test.ts", "console/test/browser/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
