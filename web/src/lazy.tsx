// Pages and parts of pages that few people open: their script comes when it is wanted.
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

type LatePages = typeof import("./late");
let loaded: LatePages | undefined;
// Something of late.tsx; the first takes a moment.
export function Late({ show }: { show: (pages: LatePages) => JSX.Element }) {
  const [pages, set] = useState(loaded);
  const [fault, setFault] = useState(false);
  useEffect(() => { if (!pages) import("./late").then((all) => { loaded = all; set(all); }, () => setFault(true)); }, []);
  if (fault) return <p class="note bad" role="alert">This part could not be loaded. Reload it once the server is back.</p>;
  return pages ? show(pages) : <p class="lede" role="status">Loading…</p>;
}
