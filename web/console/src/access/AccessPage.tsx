/** The gateway asks who is there: an application key is pasted. */

import { Button, Checkbox, PasswordInput } from "@mantine/core";
import { useState } from "react";
import { credential } from "../api/credential.ts";
import { Simple } from "../shell/Simple.tsx";

export function AccessPage({ wrong }: { wrong: boolean }) {
  const [key, setKey] = useState("");
  const [keep, setKeep] = useState(false);
  return (
    <Simple title="Who is there?" lead="This gateway shows its console to whoever has an application key.">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          credential.use(key.trim(), keep);
        }}
      >
        <PasswordInput
          label="Application key"
          description="It begins with dk_. Watching needs the scope monitor, settings the scope admin."
          value={key}
          autoFocus
          autoComplete="off"
          spellCheck={false}
          error={wrong ? "The gateway does not accept this key." : undefined}
          visibilityToggleButtonProps={{ "aria-label": "Show the key", tabIndex: 0 }}
          onChange={(event) => { setKey(event.currentTarget.value); }}
        />
        <Checkbox
          mt="md"
          label="Keep it until this tab is closed"
          description="Otherwise it is gone when the page is loaded again."
          checked={keep}
          onChange={(event) => { setKeep(event.currentTarget.checked); }}
        />
        <Button type="submit" mt="lg" fullWidth disabled={key.trim() === ""}>
          Open the console
        </Button>
      </form>
    </Simple>
  );
}
