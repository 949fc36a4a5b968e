/** `dist/ductus.min.js`: the SDK in one file, for pages without a bundler, and for the measure of its size. */

import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  build: {
    target: "es2022",
    outDir: "dist",
    // The modules that tsc made lie there, too.
    emptyOutDir: false,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      input: fileURLToPath(new URL("src/index.ts", import.meta.url)),
      preserveEntrySignatures: "exports-only",
      output: { entryFileNames: "ductus.min.js" },
    },
  },
});
