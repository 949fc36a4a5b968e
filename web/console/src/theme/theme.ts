/** Mantine's theme: one accent, small radii, and surfaces from `tokens.css`. */

import { createTheme, type CSSVariablesResolver, type MantineColorsTuple } from "@mantine/core";

/** Mantine's dark greys are neutral; ours lean to blue, as the surfaces do. */
const dark: MantineColorsTuple = [
  "#e7ebf0",
  "#c3ccd6",
  "#98a5b3",
  "#6b7785",
  "#3a4451",
  "#262d37",
  "#1b222b",
  "#161b22",
  "#10151b",
  "#0b0e13",
];

export const theme = createTheme({
  colors: { dark },
  primaryColor: "indigo",
  primaryShade: { light: 7, dark: 5 },
  defaultRadius: "md",
  fontFamily: 'Inter, system-ui, -apple-system, "Segoe UI", sans-serif',
  fontFamilyMonospace: "var(--mono)",
  headings: { fontWeight: "650" },
  cursorType: "pointer",
});

const SURFACES = {
  "--mantine-color-body": "var(--surface-page)",
  "--mantine-color-text": "var(--ink)",
  "--mantine-color-dimmed": "var(--ink-soft)",
  "--mantine-color-default": "var(--surface-card)",
  "--mantine-color-default-border": "var(--line-strong)",
};

/** Said for each scheme, because Mantine's own values for a scheme would win over common ones. */
export const cssVariables: CSSVariablesResolver = () => ({ variables: {}, light: SURFACES, dark: SURFACES });
