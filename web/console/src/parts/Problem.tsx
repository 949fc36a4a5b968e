/** What went wrong with what the person just did. */

import { Alert } from "@mantine/core";
import { IconAlertCircle } from "@tabler/icons-react";
import type { ApiError } from "../api/http.ts";
import { sayError } from "../format/error.ts";

export function Problem({ error }: { error: ApiError | null }) {
  if (error === null) return null;
  return (
    <Alert my="sm" color="red" variant="light" role="alert" icon={<IconAlertCircle size={18} aria-hidden />}>
      {sayError(error)}
    </Alert>
  );
}
