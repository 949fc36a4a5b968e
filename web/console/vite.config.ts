import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

const SERVER = "http://127.0.0.1:8787";

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  // Relative paths: the gateway may serve the page below any prefix, and embeds it in the binary.
  base: "./",
  plugins: [react()],
  resolve: { alias: { "@ductus/sdk": fileURLToPath(new URL("../sdk/src/index.ts", import.meta.url)) } },
  build: {
    target: "es2022",
    // Inlined assets would be data: addresses, which the page's content security policy refuses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // One script, loaded once from beside the server: splitting it would gain nothing.
    chunkSizeWarningLimit: 700,
  },
  server: { proxy: { "/v1": SERVER } },
});
