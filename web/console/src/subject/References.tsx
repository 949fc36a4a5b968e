/** The references of a subject, and how far they are. */

import { Button, Table } from "@mantine/core";
import { useState } from "react";
import { dropReferences, type ReferenceSet } from "../api/subjects.ts";
import { formatMoment } from "../format/time.ts";
import { Confirm } from "../parts/Confirm.tsx";
import { Empty } from "../parts/Empty.tsx";
import { ScrollTable } from "../parts/ScrollTable.tsx";
import { useAction } from "../parts/use-action.ts";
import classes from "./Subject.module.css";

const COLUMNS = ["Modality", "Device", "Maturity", "State", "#Windows", "#Version", "Model", "Changed", "Actions"];

interface ReferencesProps {
  tenant: string;
  subject: string;
  references: readonly ReferenceSet[];
  onChange: () => void;
}

export function References({ tenant, subject, references, onChange }: ReferencesProps) {
  const [dropping, setDropping] = useState<ReferenceSet | null>(null);
  const action = useAction();
  if (references.length === 0) return <Empty title="No references yet.">They grow by enrolment, and while the subject works and is trusted.</Empty>;
  return (
    <>
      <ScrollTable label="References" columns={COLUMNS} minWidth={820}>
        {references.map((set) => (
          <Table.Tr key={`${set.modality} ${set.device} ${set.model}`}>
            <Table.Td>{set.modality}</Table.Td>
            <Table.Td>{set.device}</Table.Td>
            <Table.Td>
              <Maturity value={set.maturity} of={`${set.modality} on ${set.device}`} />
            </Table.Td>
            <Table.Td>{set.mature ? "compared with" : `${set.windows_missing} more windows first`}</Table.Td>
            <Table.Td data-number="true">{set.windows}</Table.Td>
            <Table.Td data-number="true">{set.version}</Table.Td>
            <Table.Td>{set.model}</Table.Td>
            <Table.Td>{formatMoment(set.updated_us / 1000)}</Table.Td>
            <Table.Td>
              <Button size="compact-sm" variant="default" aria-label={`Drop the references of ${set.modality} on ${set.device}`} onClick={() => { setDropping(set); }}>
                Drop…
              </Button>
            </Table.Td>
          </Table.Tr>
        ))}
      </ScrollTable>
      {dropping !== null && (
        <Confirm
          title="Drop these references?"
          verb="Drop"
          action={action}
          onConfirm={() => dropReferences(tenant, subject, dropping)}
          onClose={() => {
            setDropping(null);
            onChange();
          }}
        >
          {subject} has to enrol again for {dropping.modality} on {dropping.device}. Until then those windows are not judged. Use it for a lost
          device, or after somebody else enrolled.
        </Confirm>
      )}
    </>
  );
}

function Maturity({ value, of }: { value: number; of: string }) {
  return (
    <span className={classes.maturity}>
      <progress max={100} value={value} aria-label={`Maturity of ${of}`} />
      {value}
    </span>
  );
}
