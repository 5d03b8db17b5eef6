// Pieces that every page uses: what is loading or failed, badges, tables, commands to copy.
import { Component, type ComponentChildren } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { Problem } from "./api";
import type { Load } from "./live";
import { path, query, then, withQuery } from "./router";

const isMissing = (error?: Error) => error instanceof Problem && (error.status === 404 || error.status === 403);
// What could not be loaded; a part of a page that has nothing to say otherwise draws this, so that a fault is no "none".
export function Fault({ of: { error, again } }: { of: Load<unknown> }) {
  return error ? <p class="note bad" role="alert">{error instanceof TypeError ? "The server cannot be reached; what you see may be old." : error.message}
    {error instanceof Problem && error.request && <small> (request {error.request})</small>}{" "}
    {isMissing(error) ? <a href="/">Back to the overview</a> : <button class="quiet" type="button" onClick={again}>Try again</button>}</p> : null;
}
export function Loaded<T>(props: { of: Load<T>; children: (data: T) => ComponentChildren }) {
  const { data, error } = props.of, missing = isMissing(error);
  return <>
    {missing && <h1>{(error as Problem).status === 404 ? "Nothing here" : "No access"}</h1>}
    <Fault of={props.of} />
    {data !== undefined && !missing ? props.children(data) : !error && <p class="lede" role="status">Loading…</p>}
  </>;
}

// A fault of the page itself is told in its place, until another address is shown.
export class Guard extends Component<{ children: ComponentChildren }, { fault?: Error; on?: string }> {
  static getDerivedStateFromError = (fault: Error) => ({ fault, on: path.peek() });
  render() {
    const { fault, on } = this.state;
    return fault && on === path.value ? <p class="note bad" role="alert">This page has a fault: {fault.message}. <button class="quiet" onClick={() => location.reload()}>Reload</button></p> : this.props.children;
  }
}

export function bytes(n: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let i = 0;
  while (n >= 1000 && i < units.length - 1) { n /= 1000; i++; }
  return `${i && n < 100 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}
export const count = (n: number) => n.toLocaleString("en");
export const plural = (n: number, word: string) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;
export const decode = (map?: Record<string, string | number>) => Object.entries(map ?? {}).map(([k, v]) => `${k} ${v}`);

// Tone of a state; its mark says the same without colour.
const TONES: Record<string, string> = { succeeded: "good", running: "accent", finalizing: "accent", submitted: "accent", queued: "warn", paused: "warn",
  "rolling-back": "bad", "rolled-back": "bad", "rollback-stuck": "bad", halted: "bad", rejected: "bad", cancelled: "", superseded: "",
  pass: "good", fail: "bad", insufficient: "warn", "no-data": "warn", error: "warn", none: "",
  reachable: "good", ok: "good", behind: "warn", moving: "accent", unreachable: "bad", cordoned: "warn", delivered: "good", failed: "bad", pending: "warn", disabled: "bad" };
const MARKS: Record<string, string> = { good: "✓", bad: "✕", warn: "!", accent: "▸" };
export const toneOf = (text: string) => TONES[text] ?? "";
export function Badge({ text, tone = toneOf(text) }: { text: string; tone?: string }) {
  return <span class={`badge ${tone}`}>{MARKS[tone] && <span aria-hidden="true">{MARKS[tone]}</span>}{text}</span>;
}
export const Badges = ({ items, tone = "" }: { items: string[]; tone?: string }) =>
  <span class="badges">{items.map((text) => <Badge key={text} text={text} tone={tone} />)}</span>;
export const Chips = ({ map }: { map?: Record<string, string | number> }) =>
  <span class="badges">{decode(map).map((text) => <span class="chip" key={text}>{text}</span>)}</span>;

export type Head = string | [string]; // [name]: a column of numbers
// On a narrow screen a row is a block: each cell is told by its column's name, which the style sheet shows.
function label(table: HTMLTableElement | null) {
  const heads = [...table?.tHead?.rows[0]?.cells ?? []].map((cell) => cell.querySelector(".unseen") ? "" : cell.textContent ?? "");
  for (const row of table?.tBodies[0]?.rows ?? [])
    [...row.cells].forEach((cell, i) => { if (cell.dataset.head !== heads[i]) cell.dataset.head = heads[i] ?? ""; });
}
export function Table(props: { caption: string; heads: Head[]; children: ComponentChildren }) {
  const table = useRef<HTMLTableElement>(null);
  useLayoutEffect(() => label(table.current));
  return <div class="panel scroll" tabIndex={0} role="region" aria-label={props.caption}>
    <table ref={table}>
      <caption>{props.caption}</caption>
      <thead><tr>{props.heads.map((head) => Array.isArray(head)
        ? <th key={head[0]} scope="col" class="num">{head[0]}</th> : <th key={head} scope="col">{head || <span class="unseen">Actions</span>}</th>)}</tr></thead>
      <tbody>{props.children}</tbody>
    </table>
  </div>;
}

async function copy(text: string): Promise<boolean> {
  try { await navigator.clipboard.writeText(text); return true; } catch { /* no permission or no secure context */ }
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}
export function Copy({ text, label = "Copy", title }: { text: string; label?: string; title?: string }) {
  const [done, set] = useState("");
  return <button type="button" class="quiet" title={title ?? text} onClick={async () => { set(await copy(text) ? "Copied" : "Not copied"); setTimeout(() => set(""), 1500); }}>
    <span aria-live="polite">{done || label}</span></button>;
}
export const Command = ({ text }: { text: string }) => <div class="cmd"><code>{text}</code><Copy text={text} title="Copy this command" /></div>;
// A command line: what is put in are words, quoted where a shell would read more into them; [option, word] only if there is a word.
const shell = (word: string) => /^[\w.:=@/+-]+$/.test(word) ? word : `'${word.replace(/'/g, "'\\''")}'`;
export const sh = (text: TemplateStringsArray, ...words: (string | number | [string, string])[]) => String.raw({ raw: text }, ...words.map((word) =>
  !Array.isArray(word) ? shell(String(word)) : word[1] && ` ${word[0]} ${shell(word[1])}`));
// What the page shows, for the terminal.
export function CopyAs({ cli, api, body }: { cli?: string; api?: string; body?: unknown }) {
  const url = api !== undefined && sh`curl -H "Authorization: Bearer $MREG_TOKEN"${["--json", body ? JSON.stringify(body) : ""]} ${`${location.origin}/api/v1${api}`}`;
  return <span class="copyas">{cli && <Copy text={cli} label="Copy as CLI" />}{url && <Copy text={url} label="Copy as curl" />}</span>;
}

export function Empty({ text, command }: { text: string; command?: string }) {
  return <div class="panel empty"><p>{text}</p>{command && <Command text={command} />}</div>;
}

// The top of a page: where it is, its name, what may be done.
export function Head(props: { crumbs?: [string, string][]; title: ComponentChildren; badge?: string; cli?: string; api?: string; body?: unknown; children?: ComponentChildren }) {
  return <div class="head">
    <div>
      {props.crumbs && <p class="crumbs">{props.crumbs.map(([text, href], i) => <span key={href}>{i > 0 && " / "}<a href={href}>{text}</a></span>)}</p>}
      <h1>{props.title} {props.badge && <Badge text={props.badge} />}</h1>
    </div>
    <div class="badges">{props.children}<CopyAs cli={props.cli} api={props.api} body={props.body} /></div>
  </div>;
}

// Where a bar is wider than the screen, what is picked is in sight.
function useBar() {
  const ref = useRef<HTMLElement>(null);
  useLayoutEffect(() => {
    const bar = ref.current, picked = bar?.querySelector<HTMLElement>("[aria-current]");
    if (bar && picked && bar.scrollWidth > bar.clientWidth) bar.scrollLeft = picked.offsetLeft - bar.offsetLeft - (bar.clientWidth - picked.offsetWidth) / 2;
  }, [path.value]);
  return ref;
}

// Choices that live in the query: the first one is the default and leaves no word in the URL.
export function Choice({ label, name, items }: { label: string; name: string; items: [string, string][] }) {
  const now = query(name) || items[0]![0], bar = useBar();
  return <nav class="choice" aria-label={label} ref={bar}>{items.map(([value, text], i) =>
    <a key={value} href={withQuery({ [name]: i === 0 ? "" : value, cursor: "" })} aria-current={now === value ? "true" : undefined}>{text}</a>)}</nav>;
}
export function Tabs({ base, items }: { base: string; items: [string, string, number?][] }) {
  const here = path.value.split("?")[0], bar = useBar();
  return <nav class="tabs" aria-label="Parts of this page" ref={bar}>{items.map(([end, text, n]) =>
    <a key={end} href={then(base + end)} aria-current={here === base + end ? "page" : undefined}>{text}{n !== undefined && <small class="soft"> {n}</small>}</a>)}</nav>;
}
export const Pages = ({ next, first }: { next?: string; first?: boolean }) => <p class="more">
  {!first && query("cursor") && <><a href={withQuery({ cursor: "" })}>First page</a> </>}
  {next && <a href={withQuery({ cursor: next })}>Next page</a>}</p>;
