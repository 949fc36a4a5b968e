/** Events and decisions a second, over the last minutes. */

import { useMemo } from "react";
import { LineChart } from "../chart/LineChart.tsx";
import { formatRate } from "../format/number.ts";
import type { Rate } from "../live/state.ts";
import { Empty } from "../parts/Empty.tsx";
import { Panel } from "../parts/Panel.tsx";
import classes from "./Overview.module.css";

export function LineRates({ rates }: { rates: readonly Rate[] }) {
  return (
    <Panel title="What goes through">
      {rates.length === 0 ? (
        <Empty title="Counting…">The first rate comes with the second reading.</Empty>
      ) : (
        <div className={classes.charts}>
          <Course name="Events" rates={rates} field="events" />
          <Course name="Decisions" rates={rates} field="decisions" />
        </div>
      )}
    </Panel>
  );
}

function Course({ name, rates, field }: { name: string; rates: readonly Rate[]; field: "events" | "decisions" }) {
  const points = useMemo(() => {
    const last_ms = rates.at(-1)?.uptime_ms ?? 0;
    return { x: rates.map(({ uptime_ms }) => (uptime_ms - last_ms) / 1000), y: rates.map((rate) => rate[field]) };
  }, [rates, field]);
  const now = formatRate(rates.at(-1)?.[field] ?? null) ?? "–";
  return (
    <div>
      <p className={`${classes.chartHead ?? ""} number`}>
        {name} <b>{now}</b>
      </p>
      <LineChart points={points} shape="rate" height={110} label={`${name} a second over the last minutes: ${now} now`} />
    </div>
  );
}
