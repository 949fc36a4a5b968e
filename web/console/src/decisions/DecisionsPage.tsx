/** Decisions that were made, newest first, by what one looks for. The filters stand in the address. */

import { Button } from "@mantine/core";
import { useCallback, useMemo, useState } from "react";
import { searchDecisions } from "../api/decisions.ts";
import { formatMoment } from "../format/time.ts";
import { Empty } from "../parts/Empty.tsx";
import { Loaded } from "../parts/Loaded.tsx";
import { PageHead } from "../parts/PageHead.tsx";
import { Panel } from "../parts/Panel.tsx";
import { Problem } from "../parts/Problem.tsx";
import { useAction } from "../parts/use-action.ts";
import { useResource } from "../parts/use-resource.ts";
import { replaceRoute } from "../route/use-route.ts";
import { DecisionRows } from "./DecisionRows.tsx";
import { FilterBar } from "./FilterBar.tsx";
import { filterOf, formOf, queryOf } from "./filter.ts";
import type { DecisionPage } from "../api/decisions.ts";
import classes from "./Decisions.module.css";

const PAGE_ROWS = 50;

export function DecisionsPage({ query }: { query: string }) {
  return (
    <>
      <PageHead title="Decisions" />
      <FilterBar key={query} form={formOf(query)} onSearch={(form) => { replaceRoute({ page: "decisions", query: queryOf(form) }); }} />
      <Found key={`found ${query}`} query={query} />
    </>
  );
}

function Found({ query }: { query: string }) {
  const filter = useMemo(() => filterOf(formOf(query)), [query]);
  const { resource, reload } = useResource(useCallback((signal: AbortSignal) => searchDecisions(filter, PAGE_ROWS, null, signal), [filter]));
  const [older, setOlder] = useState<readonly DecisionPage[]>([]);
  const more = useAction();
  return (
    <Panel title="Found" tools={resource.state === "ready" && <span className={classes.complete}>Complete since {formatMoment(resource.value.complete_since_ms)}</span>}>
      <Loaded resource={resource} reload={reload} what="decisions">
        {(first) => {
          const decisions = [first, ...older].flatMap((page) => page.decisions);
          const next = (older.at(-1) ?? first).next;
          if (decisions.length === 0) return <Empty title="No decision fits.">Widen the search, or clear it.</Empty>;
          return (
            <>
              <DecisionRows decisions={decisions} />
              <Problem error={more.error} />
              {next !== null && (
                <Button
                  className={classes.more}
                  size="xs"
                  variant="default"
                  loading={more.busy}
                  onClick={() => {
                    void more.run(async () => {
                      const page = await searchDecisions(filter, PAGE_ROWS, next);
                      setOlder((before) => [...before, page]);
                    });
                  }}
                >
                  Show older ones
                </Button>
              )}
            </>
          );
        }}
      </Loaded>
    </Panel>
  );
}
