/** A dialog for as long as it is rendered; the focus returns to where it was, or to the page where that is gone. */

import { Modal } from "@mantine/core";
import { useEffect, useState, type ReactNode } from "react";

interface DialogProps {
  title: string;
  /** Null where it must be answered. */
  onClose: (() => void) | null;
  children: ReactNode;
}

export function Dialog({ title, onClose, children }: DialogProps) {
  const [opener] = useState(() => document.activeElement);
  useEffect(
    () => () => {
      const target = opener instanceof HTMLElement && opener.isConnected ? opener : document.querySelector<HTMLElement>("h1");
      target?.focus({ preventScroll: true });
    },
    [opener],
  );
  const closable = onClose !== null;
  return (
    <Modal
      opened
      onClose={() => { onClose?.(); }}
      title={title}
      centered
      returnFocus={false}
      withCloseButton={closable}
      closeOnEscape={closable}
      closeOnClickOutside={closable}
      closeButtonProps={{ "aria-label": "Close" }}
      transitionProps={{ duration: 0 }}
    >
      {children}
    </Modal>
  );
}
