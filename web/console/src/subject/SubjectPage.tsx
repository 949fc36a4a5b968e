/** One subject: what it is compared with, on which devices, in which sessions, and how it is erased. */

import { useCallback, useState } from "react";
import { Button } from "@mantine/core";
import { IconTrash } from "@tabler/icons-react";
import { searchDecisions } from "../api/decisions.ts";
import { fetchSubject, type Erasure } from "../api/subjects.ts";
import { Loaded } from "../parts/Loaded.tsx";
import { PageHead } from "../parts/PageHead.tsx";
import { Panel } from "../parts/Panel.tsx";
import { useResource } from "../parts/use-resource.ts";
import { EraseDialog } from "./EraseDialog.tsx";
import { PastSessions } from "./PastSessions.tsx";
import { Receipt } from "./Receipt.tsx";
import { References } from "./References.tsx";
import { sessionsOf } from "./subject-sessions.ts";
import classes from "./Subject.module.css";

/** Decisions from which the history of sessions is made. */
const HISTORY_MAX = 500;
const READ_EVERY_MS = 10_000;

interface SubjectPageProps {
  id: string;
  tenant: string;
}

export function SubjectPage({ id, tenant }: SubjectPageProps) {
  const known = useResource(useCallback((signal: AbortSignal) => fetchSubject(tenant, id, signal), [tenant, id]), READ_EVERY_MS);
  const history = useResource(useCallback((signal: AbortSignal) => searchDecisions({ subject: id }, HISTORY_MAX, null, signal), [id]));
  const [erasing, setErasing] = useState(false);
  const [erasure, setErasure] = useState<Erasure | null>(null);

  return (
    <>
      <PageHead kind="Subject" title={id}>
        <Button color="red" variant="outline" size="xs" leftSection={<IconTrash size={14} aria-hidden />} onClick={() => { setErasing(true); }}>
          Erase this subject…
        </Button>
      </PageHead>
      <div className={classes.stack}>
        {erasure !== null && <Receipt asked={erasure} />}
        <Panel title="References" hint="What this person’s windows are compared with, one set a device class. From 50 on, a set is compared with.">
          <Loaded resource={known.resource} reload={known.reload} what="the subject">
            {({ references }) => <References tenant={tenant} subject={id} references={references} onChange={known.reload} />}
          </Loaded>
        </Panel>
        <Panel title="Sessions">
          <Loaded resource={history.resource} reload={history.reload} what="the subject’s sessions">
            {(page) => <PastSessions subject={id} sessions={sessionsOf(page.decisions)} since_ms={page.complete_since_ms} cut={page.next !== null} />}
          </Loaded>
        </Panel>
      </div>
      {erasing && (
        <EraseDialog
          tenant={tenant}
          subject={id}
          onErased={setErasure}
          onClose={() => { setErasing(false); }}
        />
      )}
    </>
  );
}
