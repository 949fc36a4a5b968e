/** The demo's mailbox: what the gateway would have sent by e-mail. */

import { Button, Drawer } from "@mantine/core";
import type { Mail } from "../api/identity.ts";
import { formatClock } from "../format/time.ts";
import { Empty } from "../parts/Empty.tsx";
import { hrefOf } from "../route/route.ts";
import { approvalOf, codeOf } from "./mail-parts.ts";
import classes from "./Account.module.css";

interface MailboxProps {
  mails: readonly Mail[];
  opened: boolean;
  onClose: () => void;
  /** A code is to be filled in. */
  onCode: (code: string) => void;
}

export function Mailbox({ mails, opened, onClose, onCode }: MailboxProps) {
  return (
    <Drawer
      opened={opened}
      onClose={onClose}
      position="right"
      size={420}
      zIndex={300}
      title="Mailbox of this demonstration"
      closeButtonProps={{ "aria-label": "Close the mailbox" }}
      transitionProps={{ duration: 0 }}
      data-ductus-ignore
    >
      <p className={classes.soft}>No mail leaves this machine. What would be sent stands here.</p>
      {mails.length === 0 ? (
        <Empty title="No mail yet." />
      ) : (
        <ul className={classes.mails}>
          {mails.map((mail) => (
            <MailItem key={`${mail.sent_at_ms} ${mail.to} ${mail.subject}`} mail={mail} onCode={onCode} onClose={onClose} />
          ))}
        </ul>
      )}
    </Drawer>
  );
}

function MailItem({ mail, onCode, onClose }: { mail: Mail; onCode: (code: string) => void; onClose: () => void }) {
  const code = codeOf(mail.text);
  const approval = approvalOf(mail.text);
  return (
    <li className={classes.mail}>
      <h3>{mail.subject}</h3>
      <p className={classes.soft}>
        to {mail.to}, {formatClock(mail.sent_at_ms * 1000)}
      </p>
      <p className={classes.mailText}>{mail.text}</p>
      {code !== null && (
        <Button size="compact-sm" variant="default" onClick={() => { onCode(code); }}>
          Use the code {code}
        </Button>
      )}
      {approval !== null && (
        <Button component="a" size="compact-sm" variant="default" href={hrefOf({ page: "approve", token: approval })} onClick={onClose}>
          Open the approval
        </Button>
      )}
    </li>
  );
}
