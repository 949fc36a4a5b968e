/** Learning: the user types, the line makes references, and when there are enough, it can begin to watch. */

import { Button, Progress } from "@mantine/core";
import { useCallback, useRef, useState } from "react";
import { setMode, type SignedIn } from "../api/identity.ts";
import { fetchOwnSubject } from "../api/subjects.ts";
import { Panel } from "../parts/Panel.tsx";
import { Problem } from "../parts/Problem.tsx";
import { useAction } from "../parts/use-action.ts";
import { useResource } from "../parts/use-resource.ts";
import { TypingField } from "../tryit/TypingField.tsx";
import { useCapture } from "../tryit/use-capture.ts";
import { newSession } from "./new-session.ts";
import { progressOf } from "./progress.ts";
import { asUser, signIn } from "./sign-in.ts";
import classes from "./Account.module.css";

const READ_EVERY_MS = 1_500;

export function EnrolPanel({ who, onChange }: { who: SignedIn; onChange: () => void }) {
  const { user, tenant } = who;
  const field = useRef<HTMLDivElement>(null);
  const [session, setSession] = useState<string | null>(null);
  const capture = useCapture(field, { tenant, subject: user, session, purpose: "enrol", token: signIn.token });
  const load = useCallback((signal: AbortSignal) => asUser((token) => fetchOwnSubject(token, user, signal)), [user]);
  const { resource } = useResource(load, READ_EVERY_MS);
  const action = useAction();
  const { percent, done } = progressOf(resource.state === "ready" ? resource.value : null);

  const begin = async (): Promise<void> => {
    // What is guarded takes no enrolment any more: not its last batch either.
    const guard = async (): Promise<void> => {
      await capture.end();
      await asUser((token) => setMode(token, "auth"));
    };
    if (await action.run(guard)) onChange();
  };
  return (
    <div className={classes.columns}>
      <Panel title="Type, so that we learn your rhythm" hint="Times and classes of keys are sent, never what you type. Mistakes are welcome.">
        <TypingField captured={field} enabled={session !== null} trouble={capture.trouble} />
      </Panel>
      <Panel title="How far it is">
        {session === null ? (
          <>
            <p className={classes.text}>We learn how long you hold keys and how quickly one follows another. You can delete it all with your account.</p>
            <Button onClick={() => { setSession(newSession()); }}>I agree, begin</Button>
          </>
        ) : (
          <div className={classes.progress}>
            <Progress value={percent} size="md" radius="xl" aria-label="Learning your rhythm" />
            <p className={`${classes.text ?? ""} number`} role="status">
              {done ? "We know your rhythm." : `${percent} % learned · ${capture.presses} key presses`}
            </p>
          </div>
        )}
        {done && (
          <>
            <p className={classes.text}>From now on we can notice when somebody else types in your place.</p>
            <Problem error={action.error} />
            <Button loading={action.busy} onClick={() => void begin()}>
              Go to work
            </Button>
          </>
        )}
      </Panel>
    </div>
  );
}
