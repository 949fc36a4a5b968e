/** Everything that is known of one session: course, reasons, and each decision with the numbers behind it. */

import { Drawer } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import type { Thresholds } from "../format/risk.ts";
import type { SessionView } from "../live/state.ts";
import { SessionDetail } from "./SessionDetail.tsx";
import classes from "./SessionDrawer.module.css";

interface SessionDrawerProps {
  session: SessionView | undefined;
  thresholds: Thresholds;
  onClose: () => void;
}

export function SessionDrawer({ session, thresholds, onClose }: SessionDrawerProps) {
  const narrow = useMediaQuery("(max-width: 1100px)", false);
  return (
    <Drawer
      opened={session !== undefined}
      onClose={onClose}
      position="right"
      size={narrow ? "100%" : 980}
      title={
        <>
          <span className={classes.title}>{session?.label}</span>
          <span className={classes.claim}>
            {session?.subject == null ? "nobody claimed" : `claims to be ${session.subject}`} · session {session?.id}
          </span>
        </>
      }
      closeButtonProps={{ "aria-label": "Close" }}
      overlayProps={{ backgroundOpacity: 0.35 }}
      transitionProps={{ duration: 140 }}
      classNames={{ content: classes.content, header: classes.header, body: classes.body }}
    >
      {session !== undefined && <SessionDetail key={session.id} session={session} thresholds={thresholds} />}
    </Drawer>
  );
}
