/** The console: navigation, the line's state, and one page. */

import { useCallback, useRef } from "react";
import { fetchSettings } from "../api/settings.ts";
import { DecisionPage } from "../decisions/DecisionPage.tsx";
import { DecisionsPage } from "../decisions/DecisionsPage.tsx";
import type { Thresholds } from "../format/risk.ts";
import { THRESHOLDS } from "../format/risk.ts";
import { IdentifyPage } from "../identify/IdentifyPage.tsx";
import type { LiveState } from "../live/state.ts";
import { useLine } from "../live/use-line.ts";
import { OverviewPage } from "../overview/OverviewPage.tsx";
import { useResource } from "../parts/use-resource.ts";
import type { Route } from "../route/route.ts";
import { SessionPage } from "../session/SessionPage.tsx";
import { SessionsPage } from "../sessions/SessionsPage.tsx";
import type { SettingsSource } from "../settings/IdentifySwitch.tsx";
import { SettingsPage } from "../settings/SettingsPage.tsx";
import { SubjectPage } from "../subject/SubjectPage.tsx";
import { SubjectsPage } from "../subject/SubjectsPage.tsx";
import { TryPage } from "../tryit/TryPage.tsx";
import { Announcer } from "./Announcer.tsx";
import { ConnectionAlert } from "./ConnectionAlert.tsx";
import { Navigation } from "./Navigation.tsx";
import { TopBar } from "./TopBar.tsx";
import { UnknownPage } from "./UnknownPage.tsx";
import classes from "./Console.module.css";

interface ConsoleProps {
  route: Route;
  hasKey: boolean;
}

export function Console({ route, hasKey }: ConsoleProps) {
  const line = useLine();
  const main = useRef<HTMLElement>(null);
  const thresholds = line.scenario?.thresholds ?? THRESHOLDS;
  const settings = useResource(useCallback((signal: AbortSignal) => fetchSettings(signal), []));
  const identify = settings.resource.state === "ready" && settings.resource.value.identify;

  return (
    <div className={classes.console}>
      <a
        className={classes.skip}
        href="#main"
        onClick={(event) => {
          // The address is the route; the link must not change it.
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to the page
      </a>
      <Navigation route={route} identify={identify} hasKey={hasKey} demo={line.scenario !== null} />
      <div className={classes.column}>
        <TopBar line={line} />
        <main ref={main} id="main" tabIndex={-1} className={classes.main}>
          <ConnectionAlert connection={line.connection} />
          <Page route={route} line={line} thresholds={thresholds} settings={settings} />
        </main>
      </div>
      <Announcer latest={line.activity[0]} ready={line.loaded} />
    </div>
  );
}

interface PageProps {
  route: Route;
  line: LiveState;
  thresholds: Thresholds;
  settings: SettingsSource;
}

function Page({ route, line, thresholds, settings }: PageProps) {
  switch (route.page) {
    case "overview":
      return <OverviewPage line={line} />;
    case "sessions":
      return <SessionsPage line={line} thresholds={thresholds} />;
    case "session":
      return <SessionPage key={route.id} id={route.id} line={line} thresholds={thresholds} />;
    case "subjects":
      return <SubjectsPage line={line} />;
    case "subject":
      return <SubjectPage key={route.id} id={route.id} tenant={line.tenant} />;
    case "decisions":
      return <DecisionsPage query={route.query} />;
    case "decision":
      return <DecisionPage key={route.id} id={route.id} />;
    case "identify":
      return <IdentifyPage tenant={line.tenant} />;
    case "settings":
      return <SettingsPage settings={settings} />;
    case "try":
      return <TryPage line={line} thresholds={thresholds} />;
    default:
      return <UnknownPage />;
  }
}
