// Pieces that every page uses: loading by polling, times, badges, tables.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { Problem } from "./api";

// Loads now and then again: every `ms` while the page is seen, each minute while hidden, slower after errors.
export function useLoad<T>(load: () => Promise<T>, ms: number, key: string): { data?: T; error?: Error; again: () => void } {
  const [state, set] = useState<{ key: string; data?: T; error?: Error }>({ key });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let timer = 0, failures = 0, stopped = false, running = false;
    const tick = async () => {
      if (running) return;
      running = true;
      try {
        const data = await load();
        failures = 0;
        if (!stopped) set({ key, data });
      } catch (error) {
        failures++;
        if (!stopped) set((old) => ({ key, data: old.key === key ? old.data : undefined, error: error as Error }));
      }
      running = false;
      if (stopped) return;
      const base = document.hidden ? 60_000 : Math.min(ms * 2 ** failures, 60_000);
      timer = window.setTimeout(tick, base * (0.9 + Math.random() * 0.2));
    };
    const seen = () => { if (!document.hidden) { clearTimeout(timer); void tick(); } };
    document.addEventListener("visibilitychange", seen);
    void tick();
    return () => { stopped = true; clearTimeout(timer); document.removeEventListener("visibilitychange", seen); };
  }, [key, turn]);
  const fresh = state.key === key ? state : { data: undefined, error: undefined };
  return { data: fresh.data, error: fresh.error, again: () => setTurn((n) => n + 1) };
}

export function Loaded<T>(props: { of: { data?: T; error?: Error; again: () => void }; children: (data: T) => ComponentChildren }) {
  const { data, error, again } = props.of;
  const missing = error instanceof Problem && (error.status === 404 || error.status === 403);
  return <>
    {missing && <h1>{error.status === 404 ? "Nothing here" : "No access"}</h1>}
    {error && <p class="note bad" role="alert">{error.message} {missing ? <a href="/">Back to the overview</a> : <button onClick={again}>Try again</button>}</p>}
    {data !== undefined && !missing ? props.children(data) : !error && <p class="lede" role="status">Loading…</p>}
  </>;
}

const UNITS: [number, string][] = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
// "3 min ago", or with `span` the bare "3 min".
export function Ago({ at, span }: { at?: string; span?: boolean }) {
  if (!at) return <>–</>;
  const seconds = Math.max(0, (Date.now() - Date.parse(at)) / 1000);
  const unit = UNITS.find(([n]) => seconds >= n);
  return <time dateTime={at} title={new Date(at).toLocaleString()}>{unit ? `${Math.floor(seconds / unit[0])} ${unit[1]}${span ? "" : " ago"}` : span ? "0 s" : "now"}</time>;
}

export function bytes(n: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let i = 0;
  while (n >= 1000 && i < units.length - 1) { n /= 1000; i++; }
  return `${i && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

const TONES: Record<string, string> = { succeeded: "good", running: "accent", finalizing: "accent", paused: "warn",
  "rolling-back": "bad", "rolled-back": "bad", "rollback-stuck": "bad", halted: "bad", rejected: "bad", cancelled: "warn",
  pass: "good", fail: "bad", insufficient: "warn", "no-data": "warn", error: "warn",
  reachable: "good", ok: "good", behind: "warn", moving: "accent", unreachable: "bad" };
export function Badge({ text, tone }: { text: string; tone?: string }) {
  return <span class={`badge ${tone ?? TONES[text] ?? ""}`}>{text}</span>;
}
export const Badges = ({ items, tone }: { items: string[]; tone?: string }) =>
  <span class="badges">{items.map((text) => <Badge key={text} text={text} tone={tone} />)}</span>;

export function Table(props: { caption: string; heads: (string | [string])[]; children: ComponentChildren }) {
  return <div class="panel scroll" tabIndex={0} role="region" aria-label={props.caption}>
    <table>
      <caption>{props.caption}</caption>
      <thead><tr>{props.heads.map((head) => Array.isArray(head)
        ? <th key={head[0]} scope="col" class="num">{head[0]}</th> : <th key={head} scope="col">{head}</th>)}</tr></thead>
      <tbody>{props.children}</tbody>
    </table>
  </div>;
}

export function Empty({ text, command }: { text: string; command: string }) {
  return <div class="panel empty">{text}<code>{command}</code></div>;
}

export const plural = (n: number, word: string) => `${n} ${word}${n === 1 ? "" : "s"}`;
export const decode = (map?: Record<string, string | number>) => Object.entries(map ?? {}).map(([k, v]) => `${k} ${v}`);
