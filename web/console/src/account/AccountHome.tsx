/** Signed in: learning or working, one's own account, and the way out. */

import { Button, SegmentedControl } from "@mantine/core";
import { useCallback, useState, type ReactNode } from "react";
import { fetchMe, signOut, type Me, type SignedIn } from "../api/identity.ts";
import { Loaded } from "../parts/Loaded.tsx";
import { Problem } from "../parts/Problem.tsx";
import { useAction } from "../parts/use-action.ts";
import { useResource } from "../parts/use-resource.ts";
import { Simple } from "../shell/Simple.tsx";
import type { FaceProps } from "./AccountPage.tsx";
import { EnrolPanel } from "./EnrolPanel.tsx";
import { SecurityPanel } from "./SecurityPanel.tsx";
import { asUser, signIn } from "./sign-in.ts";
import { WorkPanel } from "./WorkPanel.tsx";
import classes from "./Account.module.css";

/** How soon a step-up is noticed where the monitor did not tell. */
const READ_EVERY_MS = 3_000;

type View = "work" | "account";

interface AccountHomeProps extends FaceProps {
  who: SignedIn;
  tools: ReactNode;
}

export function AccountHome({ who, tools, ...face }: AccountHomeProps) {
  const [view, setView] = useState<View>("work");
  const { resource, reload } = useResource(useCallback((signal: AbortSignal) => asUser((token) => fetchMe(token, signal)), []), READ_EVERY_MS);
  const leaving = useAction();
  const leave = (): Promise<boolean> =>
    leaving.run(async () => {
      await asUser(signOut);
      signIn.left("You are signed out.");
    });

  return (
    <Simple
      wide
      title="Your workplace"
      tools={
        <>
          {tools}
          <Button variant="default" size="sm" loading={leaving.busy} onClick={() => void leave()}>
            Sign out
          </Button>
        </>
      }
    >
      <Problem error={leaving.error} />
      <Loaded resource={resource} reload={reload} what="your account">
        {(me) => (
          <>
            <div className={classes.who}>
              <p className={classes.soft}>
                Signed in as <b>{me.email}</b>
              </p>
              <SegmentedControl
                size="xs"
                aria-label="View"
                value={view}
                onChange={(value) => { setView(value); }}
                data={[
                  { value: "work", label: "Work" },
                  { value: "account", label: "Account" },
                ]}
              />
            </div>
            {view === "account" ? <SecurityPanel me={me} face={face} /> : <Mode me={me} who={who} onChange={reload} face={face} />}
          </>
        )}
      </Loaded>
    </Simple>
  );
}

interface ModeProps {
  me: Me;
  who: SignedIn;
  /** Something of the account has changed, or may have. */
  onChange: () => void;
  face: FaceProps;
}

function Mode({ me, who, onChange, face }: ModeProps) {
  return me.mode === "train" ? <EnrolPanel who={who} onChange={onChange} /> : <WorkPanel me={me} who={who} onChange={onChange} face={face} />;
}
