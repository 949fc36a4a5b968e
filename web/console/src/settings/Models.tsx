/** The models that judge now. */

import { Table } from "@mantine/core";
import { useCallback } from "react";
import { fetchModels } from "../api/settings.ts";
import { shortHash } from "../format/words.ts";
import { Empty } from "../parts/Empty.tsx";
import { Loaded } from "../parts/Loaded.tsx";
import { Panel } from "../parts/Panel.tsx";
import { ScrollTable } from "../parts/ScrollTable.tsx";
import { useResource } from "../parts/use-resource.ts";
import classes from "./Settings.module.css";

export function Models() {
  const { resource, reload } = useResource(useCallback((signal: AbortSignal) => fetchModels(signal), []));
  return (
    <Panel title="Models live">
      <Loaded resource={resource} reload={reload} what="the models">
        {(models) =>
          models.length === 0 ? (
            <Empty title="No model is live.">Nothing is judged until one is promoted: ductus-batch promote.</Empty>
          ) : (
            <ScrollTable label="Models live" columns={["Modality", "Version", "SHA-256", "#Dimensions"]} minWidth={560}>
              {models.map(({ id, version, sha256, dimensions }) => (
                <Table.Tr key={id}>
                  <Table.Td>{id}</Table.Td>
                  <Table.Td>{version}</Table.Td>
                  <Table.Td className={classes.mono} title={sha256}>
                    {shortHash(sha256)}
                  </Table.Td>
                  <Table.Td data-number="true">{dimensions}</Table.Td>
                </Table.Tr>
              ))}
            </ScrollTable>
          )
        }
      </Loaded>
    </Panel>
  );
}
