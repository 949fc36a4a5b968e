/** Starts the page. */

import "@mantine/core/styles.css";
import "uplot/dist/uPlot.min.css";
import "./theme/tokens.css";

import { MantineProvider } from "@mantine/core";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./shell/App.tsx";
import { readNonce } from "./theme/nonce.ts";
import { cssVariables, theme } from "./theme/theme.ts";

const root = document.getElementById("root");
if (root === null) throw new Error("the page has no #root to render into");
const nonce = readNonce();

createRoot(root).render(
  <StrictMode>
    <MantineProvider theme={theme} cssVariablesResolver={cssVariables} defaultColorScheme="auto" getStyleNonce={() => nonce}>
      <App />
    </MantineProvider>
  </StrictMode>,
);
