/** What runs and what it costs, who may ask, and who is told. */

import { PageHead } from "../parts/PageHead.tsx";
import { IdentifySwitch, type SettingsSource } from "./IdentifySwitch.tsx";
import { Keys } from "./Keys.tsx";
import { Models } from "./Models.tsx";
import { PolicyPanel } from "./PolicyPanel.tsx";
import { Webhooks } from "./Webhooks.tsx";
import classes from "./Settings.module.css";

export function SettingsPage({ settings }: { settings: SettingsSource }) {
  return (
    <>
      <PageHead title="Settings" />
      <div className={classes.stack}>
        <div className={classes.halves}>
          <PolicyPanel />
          <IdentifySwitch {...settings} />
        </div>
        <Models />
        <Keys />
        <Webhooks />
      </div>
    </>
  );
}
