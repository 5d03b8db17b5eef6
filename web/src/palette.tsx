// Search and rooms in one box: "/" or Ctrl-K opens it; arrows and Enter go; nothing here changes state.
import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { type List, get, may, maybe } from "./api";
import { go, then, to } from "./router";

export const paletteOpen = signal(false);
interface Hit { kind: string; name: string; text?: string; environment?: string; model?: string; version?: number }
interface Row { label: string; kind: string; href?: string; fill?: string } // fill: what is put into the box instead

export const ROOMS: [string, string, string][] = [["/", "Overview", "o"], ["/models", "Models", "m"], ["/rollouts", "Rollouts", "r"], ["/nodes", "Nodes", "n"],
  ["/approvals", "Approvals", "a"], ["/history", "History", "h"], ["/environments", "Environments", "e"], ["/admin", "Admin", "d"], ["/help", "Help and API", "?"]];

export const mayEnter = (room: string) => room !== "/admin" || may("audit");

// What can be asked for besides words, and values of it.
const PHASES = ["running", "paused", "queued", "rolling-back", "rolled-back", "rollback-stuck", "halted", "succeeded", "cancelled"];
const FIELDS: [string, string, string[]][] = [["env:", "nodes and rollouts of an environment", []], ["state:", "rollouts in a phase", PHASES], ["by:", "rollouts that somebody asked for", []], ["digest:", "versions with this content", []]];

function suggestions(text: string): Row[] {
  const before = text.slice(0, text.lastIndexOf(" ") + 1), word = text.slice(before.length).toLowerCase();
  if (!word) return [];
  const field = FIELDS.find(([name]) => word.startsWith(name));
  if (field) return field[2].filter((value) => value.startsWith(word.slice(field[0].length)) && value !== word.slice(field[0].length)).map((value) => ({ label: field[0] + value, kind: "phase", fill: `${before}${field[0]}${value}` }));
  return FIELDS.filter(([name]) => name.startsWith(word)).map(([name, what]) => ({ label: name, kind: what, fill: before + name }));
}

// The first line of a card that is no heading, without its marks; the server may have cut it anywhere.
export function inShort(card: string): string {
  const lines = card.split("\n").map((line) => line.trim()).filter(Boolean), line = lines.find((one) => !one.startsWith("#")) ?? lines[0] ?? "";
  const text = line.replace(/^[#>*\-\s]+/, "").replace(/\[([^\]]*)\]\([^)]*(\)|$)/g, "$1").replace(/[*`]/g, "");
  return text.length > 140 ? text.slice(0, 139) + "…" : text;
}

function rowOf(hit: Hit): Row {
  const text = hit.kind === "rollout" ? hit.text?.replace(/ (nothing|\d+) to (?=\d+ in )/, (_, from: string) => ` ${from === "0" ? "nothing" : from} → `) : hit.text && inShort(hit.text);
  const label = text ? `${hit.name}: ${text}` : hit.name;
  switch (hit.kind) {
    case "version": return { label, kind: "version", href: to.version(hit.model ?? hit.name, hit.version ?? 1) };
    case "rollout": return { label, kind: "rollout", href: to.rollout(hit.name) };
    case "node": return { label: `${hit.environment}/${label}`, kind: "node", href: to.node(hit.environment ?? "", hit.name) };
    case "token": case "user": return { label, kind: hit.kind === "user" ? "person" : "token", href: `/history?actor=${encodeURIComponent(hit.name)}` };
    case "environment": return { label, kind: "environment", href: to.env(hit.name) };
    case "alias": return { label, kind: "alias", href: to.version(hit.model ?? "", hit.version ?? 1) };
    case "model": return { label, kind: "model", href: to.model(hit.name) };
    default: return { label, kind: hit.kind };
  }
}

// "fraud 3", "fraud@3" and "fraud/3" mean a version: of the model with that name, and of others that have it.
export async function versionHits(words: string): Promise<{ model: string; version: number }[]> {
  const [, name, n] = /^(\S.*?)[\s@/:]+v?(\d{1,9})$/.exec(words.trim()) ?? [];
  if (!name || !n) return [];
  const found = (await get<List<Hit>>(`/search?q=${encodeURIComponent(name)}&limit=20`)).items.filter((hit) => hit.kind === "model").map((hit) => hit.name);
  const models = found.sort((a, b) => Number(b === name) - Number(a === name)).slice(0, 3);
  const all = await Promise.all(models.map((model) => maybe(get<{ version: number }>(`/models/${encodeURIComponent(model)}/versions/${n}`).then(() => ({ model, version: Number(n) })))));
  return all.filter((one) => one !== undefined);
}

function useHits(text: string): { hits: Row[]; hint: string; isOld: boolean } {
  const [found, set] = useState<{ of: string; hits: Row[]; hint: string }>({ of: "", hits: [], hint: "" });
  const words = text.trim();
  useEffect(() => {
    if (!words || FIELDS.some(([name]) => words.endsWith(name))) { set({ of: words, hits: [], hint: "" }); return; }
    let isLate = false;
    const timer = setTimeout(() => {
      Promise.all([versionHits(words), get<List<Hit>>(`/search?q=${encodeURIComponent(words)}&limit=20`)]).then(([versions, list]) => {
        const first = versions.map((v): Row => ({ label: `${v.model} ${v.version}`, kind: "version", href: to.version(v.model, v.version) }));
        if (!isLate) set({ of: words, hits: [...first, ...list.items.map(rowOf)], hint: "" });
      },
        (error) => { if (!isLate) set({ of: words, hits: [], hint: (error as Error).message }); });
    }, 120);
    return () => { isLate = true; clearTimeout(timer); };
  }, [words]);
  return { ...found, isOld: found.of !== words };
}

export function Palette() {
  const dialog = useRef<HTMLDialogElement>(null), box = useRef<HTMLInputElement>(null);
  const [text, setText] = useState("");
  const [mark, setMark] = useState(0);
  const { hits, hint, isOld } = useHits(text);
  const open = paletteOpen.value;
  useLayoutEffect(() => { // before the next key: what is typed at once belongs into the box
    if (open) { dialog.current?.showModal(); box.current?.focus(); } else { dialog.current?.close(); setText(""); setMark(0); }
  }, [open]);
  useEffect(() => { setMark(0); dialog.current?.querySelector("ul")?.scrollTo(0, 0); }, [text]);
  const rooms: Row[] = ROOMS.filter(([href, label]) => mayEnter(href) && label.toLowerCase().includes(text.trim().toLowerCase())).map(([href, label]) => ({ href, label, kind: "page" }));
  const rows = open ? [...rooms, ...suggestions(text), ...hits] : [];
  const pick = (row?: Row) => {
    if (row?.fill) { setText(row.fill); box.current?.focus(); }
    if (row?.href) { paletteOpen.value = false; go(then(row.href)); }
  };
  const move = (by: number) => {
    const next = (mark + by + rows.length) % Math.max(1, rows.length);
    setMark(next);
    document.getElementById(`hit-${next}`)?.scrollIntoView({ block: "nearest" });
  };
  return <dialog ref={dialog} class="palette" aria-label="Search" onCancel={() => { paletteOpen.value = false; }} onClose={() => { if (!dialog.current?.open) paletteOpen.value = false; /* not opened again meanwhile */ }}>
    <input ref={box} value={text} role="combobox" aria-expanded="true" aria-controls="hits" aria-autocomplete="list" aria-label="Search models, versions, rollouts, nodes" aria-activedescendant={rows.length ? `hit-${mark}` : undefined}
      placeholder="Search, or go to a page" autocomplete="off" spellcheck={false} maxLength={200} onInput={(event) => setText(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === "ArrowDown" || event.key === "ArrowUp") { event.preventDefault(); move(event.key === "ArrowDown" ? 1 : -1); }
        if (event.key === "Enter") { event.preventDefault(); pick(rows[mark]); }
        if (event.key === "Tab" && !event.shiftKey && rows[mark]?.fill) { event.preventDefault(); pick(rows[mark]); }
      }} />
    <ul id="hits" role="listbox" aria-label="Found">{rows.map((row, i) =>
      <li key={row.kind + row.label} id={`hit-${i}`} role="option" aria-selected={i === mark} onClick={() => pick(row)}><span>{row.label}</span><small>{row.kind}</small></li>)}</ul>
    <p role="status">{hint || <>{text.trim() && rows.length === 0 && !isOld && <b>Nothing found. </b>}Part of a name, <code>r-12</code>, a digest, or <code>env:production</code> <code>state:paused</code> <code>by:t-2</code></>}</p>
  </dialog>;
}
