// A model's versions as rows, two to compare, and their metrics as pictures.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { List, Version } from "../api";
import { Trend } from "../charts";
import { Badges, Chips, type Head as Column, Pages, Table, bytes, decode } from "../parts";
import { go, to } from "../router";
import { Ago } from "../time";
import { Who } from "../who";

// The columns that have something to say: head, cell's class, cell.
type Cell = [Column, string, (v: Version) => ComponentChildren];
const columns = (model: string, items: Version[]): Cell[] => [
  ["Version", "nums", (v) => <a href={to.version(model, v.version)}>{v.version}</a>],
  ...(items.some((v) => v.live.length) ? [["Live", "", (v) => <Badges items={v.live} tone="good" />] as Cell] : []),
  ...(items.some((v) => v.aliases.length) ? [["Aliases", "", (v) => <Badges items={v.aliases} />] as Cell] : []),
  ...(items.some((v) => decode(v.metrics).length) ? [["Metrics", "fill", (v) => <Chips map={v.metrics} />] as Cell] : []),
  ["Format", "tight", (v) => v.format],
  [["Size"], "num tight", (v) => bytes(v.size)],
  ["Pushed", "pushed", (v) => <><Ago at={v.created} /> <span class="soft">by <Who actor={v.created_by} /></span></>],
];

export function Versions({ name, versions }: { name: string; versions: List<Version> }) {
  const [marked, mark] = useState<number[]>([]);
  const list = columns(name, versions.items), [a, b] = [...marked].sort((x, y) => x - y);
  const toggle = (n: number) => mark(marked.includes(n) ? marked.filter((m) => m !== n) : [...marked, n].slice(-2));
  return <>
    <div class="head"><h2>Versions</h2>
      {versions.items.length > 1 && <button disabled={marked.length !== 2} title={marked.length === 2 ? "" : "Mark two versions first"} onClick={() => go(`${to.model(name)}/compare?a=${a}&b=${b}`)}>{marked.length === 2 ? `Compare ${a} with ${b}` : "Compare two marked"}</button>}</div>
    <Table caption="Versions" heads={["Mark", ...list.map((c) => c[0])]}>
      {versions.items.map((v) => <tr key={v.version} class={marked.includes(v.version) ? "marked" : ""}>
        <td class="mark"><input type="checkbox" aria-label={`Mark version ${v.version}`} checked={marked.includes(v.version)} onChange={() => toggle(v.version)} /></td>
        {list.map(([head, style, cell]) => <td key={String(head)} class={style}>{cell(v)}</td>)}</tr>)}
    </Table>
    <Pages next={versions.next} />
  </>;
}

export function Metrics({ items }: { items: Version[] }) {
  const numbers = (name: string) => items.filter((v) => v.metrics[name] !== undefined && !Number.isNaN(Number(v.metrics[name])));
  const names = [...new Set(items.flatMap((v) => Object.keys(v.metrics)))].filter((name) => numbers(name).length > 1).slice(0, 6);
  if (names.length === 0) return null;
  return <><h2>Metrics over versions <small>filled: live</small></h2><div class="charts">{names.map((name) =>
    <Trend key={name} label={name} items={numbers(name).slice(0, 40).reverse().map((v) => ({ name: String(v.version), value: Number(v.metrics[name]), strong: v.live.length > 0 }))} />)}</div></>;
}
