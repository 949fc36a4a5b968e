/** Asks before something that cannot be undone; where much is lost, its name has to be typed. */

import { Button, Group, TextInput } from "@mantine/core";
import { useState, type ReactNode } from "react";
import { Dialog } from "./Dialog.tsx";
import { Problem } from "./Problem.tsx";
import type { Action } from "./use-action.ts";
import classes from "./parts.module.css";

interface ConfirmProps {
  title: string;
  /** What the button does: a verb. */
  verb: string;
  /** Has to be typed first. */
  typed?: string;
  action: Action;
  onConfirm: () => Promise<unknown>;
  onClose: () => void;
  children: ReactNode;
}

export function Confirm({ title, verb, typed, action, onConfirm, onClose, children }: ConfirmProps) {
  const [text, setText] = useState("");
  const confirm = async (): Promise<void> => {
    if (await action.run(onConfirm)) onClose();
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void confirm();
        }}
      >
        <div className={classes.said}>{children}</div>
        {typed !== undefined && (
          <TextInput
            data-autofocus
            label={`Type “${typed}” to confirm`}
            value={text}
            autoComplete="off"
            onChange={(event) => { setText(event.currentTarget.value); }}
          />
        )}
        <Problem error={action.error} />
        <Group justify="flex-end" mt="md">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" color="red" loading={action.busy} disabled={typed !== undefined && text !== typed}>
            {verb}
          </Button>
        </Group>
      </form>
    </Dialog>
  );
}
