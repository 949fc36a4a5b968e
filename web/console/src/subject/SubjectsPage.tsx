/** Leads to a subject: by name, or from those that are in a session. */

import { Button, Table, TextInput } from "@mantine/core";
import { useState } from "react";
import { formatClock } from "../format/time.ts";
import type { LiveState } from "../live/state.ts";
import { Empty } from "../parts/Empty.tsx";
import { SessionLink, SubjectLink } from "../parts/links.tsx";
import { PageHead } from "../parts/PageHead.tsx";
import { Panel } from "../parts/Panel.tsx";
import { RiskMeter } from "../parts/RiskMeter.tsx";
import { ScrollTable } from "../parts/ScrollTable.tsx";
import { go } from "../route/use-route.ts";
import { latestOfSubjects } from "./latest.ts";
import classes from "./Subject.module.css";

export function SubjectsPage({ line }: { line: LiveState }) {
  const [name, setName] = useState("");
  const subjects = latestOfSubjects(line.sessions);
  return (
    <>
      <PageHead title="Subjects" />
      <form
        className={classes.find}
        role="search"
        aria-label="Subjects"
        onSubmit={(event) => {
          event.preventDefault();
          if (name.trim() !== "") go({ page: "subject", id: name.trim() });
        }}
      >
        <TextInput label="Subject" description="The pseudonym under which the application sends events." value={name} onChange={(event) => { setName(event.currentTarget.value); }} />
        <Button type="submit">Open</Button>
      </form>
      <Panel title="In a session lately">
        {subjects.length === 0 ? (
          <Empty title="Nobody yet.">A subject stands here from the first decision of a session of theirs.</Empty>
        ) : (
          <ScrollTable label="Subjects in a session lately" columns={["Subject", "Risk", "Session", "Modality", "Latest"]} minWidth={560}>
            {subjects.map(({ subject, session, verdict }) => (
              <Table.Tr key={subject}>
                <Table.Td>
                  <SubjectLink id={subject} />
                </Table.Td>
                <Table.Td>
                  <RiskMeter risk={verdict.risk} action={verdict.action} />
                </Table.Td>
                <Table.Td>
                  <SessionLink id={session.id} label={session.label} />
                </Table.Td>
                <Table.Td>{session.modality}</Table.Td>
                <Table.Td>{formatClock(verdict.time_us)}</Table.Td>
              </Table.Tr>
            ))}
          </ScrollTable>
        )}
      </Panel>
    </>
  );
}
