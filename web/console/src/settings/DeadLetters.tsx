/** What a webhook did not take, after all tries. */

import { Button, Table } from "@mantine/core";
import { useCallback } from "react";
import { fetchDeadLetters, retryDelivery, type Webhook } from "../api/settings.ts";
import { shortHash } from "../format/words.ts";
import { Empty } from "../parts/Empty.tsx";
import { Loaded } from "../parts/Loaded.tsx";
import { Problem } from "../parts/Problem.tsx";
import { ScrollTable } from "../parts/ScrollTable.tsx";
import { useAction } from "../parts/use-action.ts";
import { useResource } from "../parts/use-resource.ts";
import { hrefOf } from "../route/route.ts";
import partClasses from "../parts/parts.module.css";

export function DeadLetters({ hook }: { hook: Webhook }) {
  const { resource, reload } = useResource(useCallback((signal: AbortSignal) => fetchDeadLetters(hook.id, signal), [hook.id]));
  const retry = useAction();
  return (
    <>
      <Problem error={retry.error} />
      <Loaded resource={resource} reload={reload} what="the dead letters">
        {(letters) =>
          letters.length === 0 ? (
            <Empty title="No dead letters.">All that was due has been taken.</Empty>
          ) : (
            <ScrollTable label={`Dead letters of ${hook.url}`} columns={["Event", "Decision", "#Tries", "#Status", "Error", "Actions"]} minWidth={560}>
              {letters.map((letter) => (
                <Table.Tr key={letter.delivery}>
                  <Table.Td>{letter.event}</Table.Td>
                  <Table.Td>
                    <a className={partClasses.link} href={hrefOf({ page: "decision", id: letter.decision })}>
                      {shortHash(letter.decision)}
                    </a>
                  </Table.Td>
                  <Table.Td data-number="true">{letter.attempts}</Table.Td>
                  <Table.Td data-number="true">{letter.last_status ?? "–"}</Table.Td>
                  <Table.Td>{letter.last_error ?? "–"}</Table.Td>
                  <Table.Td>
                    <Button
                      size="compact-sm"
                      variant="default"
                      aria-label={`Send ${letter.event} of decision ${shortHash(letter.decision)} again`}
                      disabled={retry.busy}
                      onClick={() => { void retry.run(() => retryDelivery(hook.id, letter.delivery)).then(reload); }}
                    >
                      Send again
                    </Button>
                  </Table.Td>
                </Table.Tr>
              ))}
            </ScrollTable>
          )
        }
      </Loaded>
    </>
  );
}
