/** Mantine's theme: one accent, small radii, and surfaces from `tokens.css`. */

import { Button, createTheme, type CSSVariablesResolver, type MantineColorsTuple } from "@mantine/core";

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
  // White text on it holds 4.5:1 in both schemes.
  primaryShade: 7,
  defaultRadius: "md",
  fontFamily: 'Inter, system-ui, -apple-system, "Segoe UI", sans-serif',
  fontFamilyMonospace: "var(--mono)",
  headings: { fontWeight: "650" },
  cursorType: "pointer",
  // In tables and beside headings: as high as a finger needs, as small as the text around it.
  components: {
    Button: Button.extend({ vars: (_theme, { size }) => ({ root: size === "compact-sm" ? { "--button-fz": "0.75rem" } : {} }) }),
  },
});

const SURFACES = {
  "--mantine-color-body": "var(--surface-page)",
  "--mantine-color-text": "var(--ink)",
  "--mantine-color-dimmed": "var(--ink-soft)",
  "--mantine-color-default": "var(--surface-card)",
  "--mantine-color-default-border": "var(--line-strong)",
  // Mantine's own red and orange are too pale for text; those of the risks are not.
  "--mantine-color-error": "var(--risk-terminate)",
  "--mantine-color-red-filled": "#c42b2b",
  "--mantine-color-red-filled-hover": "#a92323",
  "--mantine-color-red-outline": "var(--risk-terminate)",
  "--mantine-color-red-light": "var(--risk-terminate-soft)",
  "--mantine-color-red-light-color": "var(--risk-terminate)",
  "--mantine-color-orange-light": "var(--risk-step_up-soft)",
  "--mantine-color-orange-light-color": "var(--risk-step_up)",
};

/** Said for each scheme, because Mantine's own values for a scheme would win over common ones. */
export const cssVariables: CSSVariablesResolver = () => ({ variables: {}, light: SURFACES, dark: SURFACES });
