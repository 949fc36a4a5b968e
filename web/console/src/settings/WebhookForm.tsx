/** A new webhook: where, in which form, and what of. */

import { Button, Checkbox, Radio, TextInput } from "@mantine/core";
import { useState } from "react";
import { makeWebhook, WEBHOOK_EVENTS, type WebhookMade, type WebhookWish } from "../api/settings.ts";
import { ACTION_LABELS } from "../format/words.ts";
import { Dialog } from "../parts/Dialog.tsx";
import { Problem } from "../parts/Problem.tsx";
import { useAction } from "../parts/use-action.ts";
import classes from "./Settings.module.css";

interface WebhookFormProps {
  onMade: (made: WebhookMade) => void;
  onClose: () => void;
}

export function WebhookForm({ onMade, onClose }: WebhookFormProps) {
  const [wish, setWish] = useState<WebhookWish>({ url: "", format: "standard", events: ["step_up", "terminate"] });
  const action = useAction();
  const make = async (): Promise<void> => {
    if (await action.run(async () => { onMade(await makeWebhook({ ...wish, url: wish.url.trim() })); })) onClose();
  };
  return (
    <Dialog title="Add a webhook" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void make();
        }}
      >
        <TextInput data-autofocus label="Address" description="It must begin with https." type="url" value={wish.url} onChange={(event) => { setWish({ ...wish, url: event.currentTarget.value }); }} />
        <Radio.Group mt="md" label="Form" value={wish.format} onChange={(format) => { setWish({ ...wish, format: format }); }}>
          <div className={classes.scopes}>
            <Radio value="standard" label="Standard Webhooks: JSON with a signature" />
            <Radio value="set" label="Security event token: a signed JWT" />
          </div>
        </Radio.Group>
        <Checkbox.Group mt="md" label="When the action becomes" value={wish.events} onChange={(events) => { setWish({ ...wish, events: events }); }}>
          <div className={classes.scopes}>
            {WEBHOOK_EVENTS.map((event) => (
              <Checkbox key={event} value={event} label={ACTION_LABELS[event]} />
            ))}
          </div>
        </Checkbox.Group>
        <Problem error={action.error} />
        <Button type="submit" mt="md" fullWidth loading={action.busy} disabled={wish.url.trim() === "" || wish.events.length === 0}>
          Add the webhook
        </Button>
      </form>
    </Dialog>
  );
}
