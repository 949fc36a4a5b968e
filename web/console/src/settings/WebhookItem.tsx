/** One webhook: what it hears, a test, and its dead letters. */

import { Button } from "@mantine/core";
import { useState } from "react";
import { dropWebhook, testWebhook, type Webhook } from "../api/settings.ts";
import { ACTION_LABELS } from "../format/words.ts";
import { Confirm } from "../parts/Confirm.tsx";
import { Problem } from "../parts/Problem.tsx";
import { useAction } from "../parts/use-action.ts";
import { DeadLetters } from "./DeadLetters.tsx";
import classes from "./Settings.module.css";

export function WebhookItem({ hook, onDropped }: { hook: Webhook; onDropped: () => void }) {
  const [dropping, setDropping] = useState(false);
  const [tested, setTested] = useState(false);
  const [letters, setLetters] = useState(false);
  const dropAction = useAction();
  const test = useAction();
  return (
    <li className={classes.hook}>
      <div className={classes.hookHead}>
        <div className={classes.hookNames}>
          <h3 className={classes.url}>{hook.url}</h3>
          <p className={classes.soft}>
            {hook.events.map((event) => ACTION_LABELS[event]).join(", ")} · {hook.format === "set" ? "security event token" : "Standard Webhooks"}
          </p>
        </div>
        <span className={classes.buttons}>
          <Button size="compact-sm" variant="default" aria-expanded={letters} onClick={() => { setLetters(!letters); }}>
            Dead letters
          </Button>
          <Button
            size="compact-sm"
            variant="default"
            loading={test.busy}
            onClick={() => {
              setTested(false);
              void test.run(() => testWebhook(hook.id)).then(setTested);
            }}
          >
            Send a test
          </Button>
          <Button size="compact-sm" variant="default" aria-label={`Remove ${hook.url}`} onClick={() => { setDropping(true); }}>
            Remove…
          </Button>
        </span>
      </div>
      <div role="status">{tested && <p className={classes.soft}>A test is on its way.</p>}</div>
      <Problem error={test.error} />
      {letters && <DeadLetters hook={hook} />}
      {dropping && (
        <Confirm
          title="Remove this webhook?"
          verb="Remove"
          action={dropAction}
          onConfirm={() => dropWebhook(hook.id)}
          onClose={() => {
            setDropping(false);
            onDropped();
          }}
        >
          {hook.url} is told nothing any more, and its dead letters go too.
        </Confirm>
      )}
    </li>
  );
}
