// Paths to pages: all state is in the URL.
import { computed, signal } from "@preact/signals";

export const path = signal(location.pathname + location.search);
const sync = () => { path.value = location.pathname + location.search; };

export function go(to: string, replaces = false) {
  history[replaces ? "replaceState" : "pushState"](null, "", to);
  const before = path.value.split("?")[0];
  sync();
  if (path.value.split("?")[0] === before) return;
  document.getElementById("main")?.focus({ preventScroll: true });
  scrollTo(0, 0);
}

addEventListener("popstate", sync);
addEventListener("click", (event) => {
  const link = (event.target as Element).closest?.("a");
  if (link instanceof SVGAElement && event.button === 0 && !event.metaKey && !event.ctrlKey) { event.preventDefault(); go(link.href.baseVal); return; }
  if (!(link instanceof HTMLAnchorElement) || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (link.origin !== location.origin || link.hasAttribute("download") || link.target || /^\/(api|history\.git)\//.test(link.pathname)) return;
  event.preventDefault();
  go(link.pathname + link.search);
});

// Segments of the current path, decoded: "/models/team%2Ffraud" -> ["models", "team/fraud"].
export function segments(): string[] {
  return path.value.split("?")[0]!.split("/").filter(Boolean).map((part) => { try { return decodeURIComponent(part); } catch { return part; } });
}
export const query = (name: string) => new URLSearchParams(path.value.split("?")[1] ?? "").get(name) ?? "";
export const quote = encodeURIComponent;

// The same page with some words of the query changed; "" removes one.
export function withQuery(changes: Record<string, string>): string {
  const [room, words] = path.value.split("?") as [string, string?];
  const params = new URLSearchParams(words ?? "");
  for (const [name, value] of Object.entries(changes)) { if (value) params.set(name, value); else params.delete(name); }
  const text = params.toString();
  return text ? `${room}?${text}` : room;
}

// The time that the page shows, "" for now; and the environment that was picked, "" for all.
// In whole seconds it means the end of that second: what happened within it has happened. As the server has it, a day
// alone is its end, and without an offset it is UTC.
const WHOLE: [RegExp, string][] = [[/^\d{4}-\d\d-\d\d$/, "$&T23:59:59"], [/(T\d\d:\d\d)(?=Z$|[+-]\d\d:?\d\d$|$)/, "$1:00"],
  [/(T\d\d:\d\d:\d\d)(?=Z$|[+-]\d\d:?\d\d$|$)/, "$1.999"], [/T[\d:.]+$/, "$&Z"]];
export const at = computed(() => WHOLE.reduce((time, [part, whole]) => time.replace(part, whole), query("at")));
export const environment = computed(() => query("env"));
// Links keep the time, as it was written, so that a walk through the past stays there.
export const then = (href: string) => at.value ? `${href}${href.includes("?") ? "&" : "?"}at=${quote(query("at"))}` : href;
export const to = {
  model: (name: string) => `/models/${quote(name)}`,
  version: (name: string, n: number | string) => `/models/${quote(name)}/versions/${quote(String(n))}`,
  rollout: (id: string) => `/rollouts/${quote(id)}`,
  env: (name: string) => `/environments/${quote(name)}`,
  nodes: (env: string) => `/nodes/${quote(env)}`,
  node: (env: string, name: string) => `/nodes/${quote(env)}/${quote(name)}`,
};
