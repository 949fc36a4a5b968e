/** The page: header, two views, and one drawer over both. */

import { Tabs } from "@mantine/core";
import { useState } from "react";
import { SessionDrawer } from "../detail/SessionDrawer.tsx";
import { THRESHOLDS } from "../format/risk.ts";
import { useLine } from "../live/use-line.ts";
import { SessionsPage } from "../sessions/SessionsPage.tsx";
import { TryPage } from "../tryit/TryPage.tsx";
import { Announcer } from "./Announcer.tsx";
import { ConnectionAlert } from "./ConnectionAlert.tsx";
import { Header } from "./Header.tsx";
import { isView, useView } from "./use-view.ts";
import classes from "./App.module.css";

export function App() {
  const line = useLine();
  const [view, setView] = useView();
  const [opened, setOpened] = useState<string | null>(null);
  const thresholds = line.scenario?.thresholds ?? THRESHOLDS;
  const session = line.sessions.find((candidate) => candidate.id === opened);

  return (
    <Tabs
      value={view}
      onChange={(value) => {
        if (isView(value)) setView(value);
      }}
      variant="default"
      classNames={{ panel: classes.panel }}
    >
      <Header line={line} />
      <main className={classes.main}>
        <ConnectionAlert connection={line.connection} />
        <Tabs.Panel value="sessions">
          <SessionsPage line={line} thresholds={thresholds} onOpen={setOpened} />
        </Tabs.Panel>
        <Tabs.Panel value="try">
          <TryPage line={line} thresholds={thresholds} onOpen={setOpened} />
        </Tabs.Panel>
      </main>
      <SessionDrawer session={session} thresholds={thresholds} onClose={() => { setOpened(null); }} />
      <Announcer latest={line.activity[0]} ready={line.loaded} />
    </Tabs>
  );
}
