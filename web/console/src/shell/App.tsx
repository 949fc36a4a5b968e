/** Which of three faces the page shows: the end user's, the question for a key, or the console. */

import { useSyncExternalStore } from "react";
import { AccessPage } from "../access/AccessPage.tsx";
import { AccountPage } from "../account/AccountPage.tsx";
import { ApprovePage } from "../account/ApprovePage.tsx";
import { credential } from "../api/credential.ts";
import { useRoute } from "../route/use-route.ts";
import { Console } from "./Console.tsx";

export function App() {
  const route = useRoute();
  const access = useSyncExternalStore(credential.subscribe, credential.get);
  if (route.page === "account") return <AccountPage />;
  if (route.page === "approve") return <ApprovePage key={route.token} token={route.token} />;
  if (access.asked) return <AccessPage wrong={access.wrong} />;
  // Another key may be another tenant's: everything that was known goes with the old one.
  return <Console key={access.key ?? ""} route={route} hasKey={access.key !== null} />;
}
