/** Name, views, and how the line is doing. */

import { ActionIcon, Tabs, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { IconKeyboard, IconLayoutGrid, IconMoon, IconSun } from "@tabler/icons-react";
import type { LiveState } from "../live/state.ts";
import { LineStatus } from "./LineStatus.tsx";
import classes from "./Header.module.css";

export function Header({ line }: { line: LiveState }) {
  return (
    <header className={classes.header}>
      <div className={classes.inner}>
        <div className={classes.brand}>
          <img src="./favicon.svg" alt="" width={28} height={28} />
          <h1 className={classes.name}>Ductus</h1>
        </div>
        <Tabs.List className={classes.tabs} aria-label="Views">
          <Tabs.Tab value="sessions" leftSection={<IconLayoutGrid size={16} aria-hidden />}>
            Sessions
          </Tabs.Tab>
          <Tabs.Tab value="try" leftSection={<IconKeyboard size={16} aria-hidden />}>
            Try it yourself
          </Tabs.Tab>
        </Tabs.List>
        <LineStatus line={line} />
        <SchemeToggle />
      </div>
    </header>
  );
}

function SchemeToggle() {
  const { setColorScheme } = useMantineColorScheme();
  const dark = useComputedColorScheme() === "dark";
  return (
    <ActionIcon
      className={classes.scheme}
      variant="default"
      size="lg"
      aria-label={dark ? "Use the light scheme" : "Use the dark scheme"}
      onClick={() => { setColorScheme(dark ? "light" : "dark"); }}
    >
      {dark ? <IconSun size={17} aria-hidden /> : <IconMoon size={17} aria-hidden />}
    </ActionIcon>
  );
}
