/** A secret that is shown once. */

import { Alert, Button, CopyButton } from "@mantine/core";
import { IconCheck, IconCopy } from "@tabler/icons-react";
import classes from "./parts.module.css";

interface SecretProps {
  title: string;
  secret: string;
  onClose: () => void;
}

export function Secret({ title, secret, onClose }: SecretProps) {
  return (
    <Alert color="indigo" variant="light" title={title} role="status" my="sm">
      <p className={classes.said}>Copy it now. It is not shown again.</p>
      <code className={classes.secret}>{secret}</code>
      <div className={classes.buttons}>
        <CopyButton value={secret}>
          {({ copied, copy }) => (
            <Button size="xs" variant="default" onClick={copy} leftSection={copied ? <IconCheck size={14} aria-hidden /> : <IconCopy size={14} aria-hidden />}>
              {copied ? "Copied" : "Copy"}
            </Button>
          )}
        </CopyButton>
        <Button size="xs" variant="default" onClick={onClose}>
          I have it
        </Button>
      </div>
    </Alert>
  );
}
