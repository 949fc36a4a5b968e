/** The receipt of an erasure, and how far it is. */

import { useCallback } from "react";
import { CopyButton, Button } from "@mantine/core";
import { fetchErasure, type Erasure } from "../api/subjects.ts";
import { formatMoment } from "../format/time.ts";
import { Facts, type Fact } from "../parts/Facts.tsx";
import { Panel } from "../parts/Panel.tsx";
import { useResource } from "../parts/use-resource.ts";
import classes from "./Subject.module.css";

const READ_EVERY_MS = 2_000;

const STATES: Readonly<Record<Erasure["state"], string>> = {
  asked: "Asked for; it begins in a moment",
  running: "Running",
  done: "Done",
  failed: "Failed. It can be asked for again",
};

export function Receipt({ asked }: { asked: Erasure }) {
  const load = useCallback((signal: AbortSignal) => fetchErasure(asked.receipt, signal), [asked.receipt]);
  const { resource } = useResource(load, READ_EVERY_MS);
  const erasure = resource.state === "ready" ? resource.value : asked;
  const facts: Fact[] = [
    ["State", <b key="state" role="status" data-state={erasure.state} className={classes.state}>{STATES[erasure.state]}</b>],
    ["Receipt", <code key="receipt">{erasure.receipt}</code>],
    ["Asked for", formatMoment(erasure.asked_at_ms)],
  ];
  if (erasure.changed_at_ms !== undefined) facts.push(["Changed", formatMoment(erasure.changed_at_ms)]);
  if (erasure.detail != null) facts.push(["What became of it", <span key="detail" className={classes.detail}>{sayDetail(erasure.detail)}</span>]);
  return (
    <Panel
      title="Erasure"
      hint="Keep the receipt: it proves what was erased, and nothing else here will remember the subject."
      tools={
        <CopyButton value={erasure.receipt}>
          {({ copied, copy }) => (
            <Button size="compact-sm" variant="default" onClick={copy}>
              {copied ? "Copied" : "Copy the receipt"}
            </Button>
          )}
        </CopyButton>
      }
    >
      <Facts facts={facts} />
    </Panel>
  );
}

/** The form of the detail is the eraser's; whatever it is, it is shown as text. */
function sayDetail(detail: unknown): string {
  if (typeof detail === "string") return detail;
  if (typeof detail !== "object" || detail === null || Array.isArray(detail)) return JSON.stringify(detail);
  return Object.entries(detail)
    .map(([name, value]) => `${name.replaceAll("_", " ")}: ${Array.isArray(value) ? value.join(", ") : JSON.stringify(value)}`)
    .join("\n");
}
