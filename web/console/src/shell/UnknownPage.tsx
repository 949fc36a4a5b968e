/** An address that leads nowhere. */

import { Empty } from "../parts/Empty.tsx";
import { PageHead } from "../parts/PageHead.tsx";

export function UnknownPage() {
  return (
    <>
      <PageHead title="No such page" />
      <Empty title="This address leads nowhere.">Choose a page from the menu.</Empty>
    </>
  );
}
