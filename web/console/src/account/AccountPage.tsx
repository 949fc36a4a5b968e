/** The end user's page: somebody registers, lets the line learn their rhythm, works under its eye, and proves themselves. */

import { Button, Loader } from "@mantine/core";
import { IconMail } from "@tabler/icons-react";
import { useCallback, useEffect, useState, useSyncExternalStore } from "react";
import { fetchMailbox, type SignedIn } from "../api/identity.ts";
import { Empty } from "../parts/Empty.tsx";
import { useResource } from "../parts/use-resource.ts";
import { Simple } from "../shell/Simple.tsx";
import { AccountHome } from "./AccountHome.tsx";
import { ENTRY_TITLES, EntryForms, type Entry } from "./EntryForms.tsx";
import { Mailbox } from "./Mailbox.tsx";
import { signIn } from "./sign-in.ts";
import classes from "./Account.module.css";

const MAIL_EVERY_MS = 2_000;

export function AccountPage() {
  const [code, setCode] = useState("");
  const [opened, setOpened] = useState(false);
  const mailbox = useResource(useCallback((signal: AbortSignal) => fetchMailbox(signal), []), MAIL_EVERY_MS);
  const mails = mailbox.resource.state === "ready" ? mailbox.resource.value : undefined;
  const onMailbox = mails === undefined ? null : (): void => { setOpened(true); };

  useEffect(() => {
    void signIn.resume();
  }, []);

  return (
    <>
      <Face code={code} onUsed={() => { setCode(""); }} onMailbox={onMailbox} />
      <Mailbox
        mails={mails ?? []}
        opened={opened}
        onClose={() => { setOpened(false); }}
        onCode={(found) => {
          setCode(found);
          setOpened(false);
        }}
      />
    </>
  );
}

export interface FaceProps {
  /** A code taken over from the mailbox. */
  code: string;
  /** The code did its work: the next question has another one. */
  onUsed: () => void;
  /** Opens the demo's mailbox; null where there is none. */
  onMailbox: (() => void) | null;
}

/** Signed in or not. */
function Face({ code, onUsed, onMailbox }: FaceProps) {
  const current = useSyncExternalStore(signIn.subscribe, signIn.get);
  const [entry, setEntry] = useState<Entry>("in");
  const entered = (who: SignedIn): void => {
    // Whoever signs out later comes back to signing in, not to registering.
    setEntry("in");
    onUsed();
    signIn.entered(who);
  };
  const tools = onMailbox !== null && (
    <Button variant="default" size="sm" leftSection={<IconMail size={16} aria-hidden />} onClick={onMailbox}>
      Mailbox
    </Button>
  );
  switch (current.state) {
    case "unknown":
      return (
        <Simple key="in" title="Sign in">
          <p className={classes.soft} role="status">
            <Loader size="xs" type="dots" color="gray" aria-hidden /> One moment…
          </p>
        </Simple>
      );
    case "off":
      return (
        <Simple title="Sign in">
          <Empty title="Nobody signs in here.">
            This gateway runs without accounts. Switch on <code>identity.enabled</code> to try them.
          </Empty>
        </Simple>
      );
    case "out":
      return (
        // Another form is another page: its heading takes the focus.
        <Simple key={entry} title={ENTRY_TITLES[entry]} lead={entry === "in" ? (current.why ?? undefined) : undefined} tools={tools}>
          <EntryForms entry={entry} onEntry={setEntry} code={code} onSignedIn={entered} onMailbox={onMailbox} />
        </Simple>
      );
    case "in":
      return <AccountHome who={current.who} code={code} onUsed={onUsed} onMailbox={onMailbox} tools={tools} />;
  }
}
