/** Keys, one a row; ended ones last. */

import { Button, Table } from "@mantine/core";
import type { Key } from "../api/settings.ts";
import { formatMoment } from "../format/time.ts";
import { Empty } from "../parts/Empty.tsx";
import { ScrollTable } from "../parts/ScrollTable.tsx";
import classes from "./Settings.module.css";

interface KeyRowsProps {
  keys: readonly Key[];
  onAsk: (what: "rotate" | "revoke", key: Key) => void;
}

export function KeyRows({ keys, onAsk }: KeyRowsProps) {
  if (keys.length === 0) return <Empty title="No keys yet." />;
  const sorted = keys.toSorted((a, b) => Number(isEnded(a)) - Number(isEnded(b)) || b.created_at_ms - a.created_at_ms);
  return (
    <ScrollTable label="Application keys" columns={["Label", "Id", "Scopes", "Made", "State", "Actions"]} minWidth={680}>
      {sorted.map((key) => (
        <Table.Tr key={key.id} data-ended={isEnded(key)} className={classes.key}>
          <Table.Td>{key.label}</Table.Td>
          <Table.Td className={classes.mono}>{key.id}</Table.Td>
          <Table.Td>{key.scopes.join(", ")}</Table.Td>
          <Table.Td>{formatMoment(key.created_at_ms)}</Table.Td>
          <Table.Td>{stateOf(key)}</Table.Td>
          <Table.Td>
            {!isEnded(key) && (
              <span className={classes.buttons}>
                <Button size="compact-sm" variant="default" aria-label={`New secret for ${key.label}`} onClick={() => { onAsk("rotate", key); }}>
                  New secret…
                </Button>
                <Button size="compact-sm" variant="default" aria-label={`End ${key.label}`} onClick={() => { onAsk("revoke", key); }}>
                  End…
                </Button>
              </span>
            )}
          </Table.Td>
        </Table.Tr>
      ))}
    </ScrollTable>
  );
}

function isEnded(key: Key): boolean {
  return key.revoked_at_ms != null || (key.expires_at_ms != null && key.expires_at_ms <= Date.now());
}

function stateOf(key: Key): string {
  if (key.revoked_at_ms != null) return `ended ${formatMoment(key.revoked_at_ms)}`;
  if (isEnded(key)) return "expired";
  if (key.old_secret_until_ms != null && key.old_secret_until_ms > Date.now()) return `two secrets until ${formatMoment(key.old_secret_until_ms)}`;
  return key.expires_at_ms == null ? "in force" : `until ${formatMoment(key.expires_at_ms)}`;
}
