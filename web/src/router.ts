// Paths to pages: all state is in the URL.
import { signal } from "@preact/signals";

export const path = signal(location.pathname + location.search);

export function go(to: string) {
  history.pushState(null, "", to);
  path.value = location.pathname + location.search;
  document.getElementById("main")?.focus({ preventScroll: true });
  scrollTo(0, 0);
}

addEventListener("popstate", () => { path.value = location.pathname + location.search; });
addEventListener("click", (event) => {
  const link = (event.target as Element).closest?.("a");
  if (!link || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.origin !== location.origin || link.hasAttribute("download") || link.pathname.startsWith("/api/")) return;
  event.preventDefault();
  go(link.pathname + link.search);
});

// segments of the current path, decoded: "/models/team%2Ffraud" -> ["models", "team/fraud"]
export function segments(): string[] {
  return path.value.split("?")[0]!.split("/").filter(Boolean).map(decodeURIComponent);
}
export const query = (name: string) => new URLSearchParams(path.value.split("?")[1] ?? "").get(name) ?? "";
export const quote = encodeURIComponent;
