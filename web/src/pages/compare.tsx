// Two versions side by side: metrics, parameters, lineage, files with what is shared.
import { type List, type Version, asOf, get } from "../api";
import { Shares } from "../charts";
import { useLoad } from "../live";
import { Head, Loaded, Table, bytes, sh } from "../parts";
import { at, go, query, quote, then, to, withQuery } from "../router";
import { At } from "../time";
import { Who } from "../who";

type Map = Record<string, string>;
function Differences({ title, a, b }: { title: string; a?: Map; b?: Map }) {
  const names = [...new Set([...Object.keys(a ?? {}), ...Object.keys(b ?? {})])].sort();
  if (names.length === 0) return null;
  return <><h2>{title}</h2><Table caption={title} heads={["Name", "Before", "After", "Difference"]}>
    {names.map((name) => {
      const x = a?.[name], y = b?.[name], d = Number(y) - Number(x);
      const words = x === undefined ? "new" : y === undefined ? "gone" : x === y ? "same" : Number.isNaN(d) ? "changed" : `${d > 0 ? "+" : "−"}${Number(Math.abs(d).toPrecision(4))}`;
      return <tr key={name} class={x === y ? "soft" : ""}><td>{name}</td><td class="mono">{x ?? "–"}</td><td class="mono">{y ?? "–"}</td><td class="nums">{words}</td></tr>;
    })}</Table></>;
}

// Which two: any of the newest ones, or what an older address names.
function Pick({ name, a, b }: { name: string; a: string; b: string }) {
  const list = useLoad(() => get<List<Version>>(asOf(`/models/${quote(name)}/versions?limit=50`)), 60_000, `pick/${name}/${at.value}`);
  const numbers = [...new Set([...(list.data?.items ?? []).map((v) => String(v.version)), a, b])].filter(Boolean).sort((x, y) => Number(y) - Number(x));
  const field = (label: string, key: "a" | "b", now: string) => <label>{label} <select value={now} onChange={(event) => go(withQuery({ [key]: event.currentTarget.value }))}>{!now && <option value="">…</option>}{numbers.map((n) => <option key={n} value={n}>{n}</option>)}</select></label>;
  return <>{field("before", "a", a)} {field("after", "b", b)}</>;
}

export function Compare({ name }: { name: string }) {
  return query("a") && query("b") ? <Two name={name} /> : <>
    <Head crumbs={[["Models", then("/models")], [name, then(to.model(name))]]} title="Compare two versions" cli={sh`mreg diff ${name}@1 ${name}@2`} api={`/models/${quote(name)}/versions`} />
    <p class="lede">Pick two here, or mark two in the <a href={to.model(name)}>list of versions</a>.</p>
    <p class="actions"><Pick name={name} a={query("a")} b={query("b")} /></p></>;
}

function Two({ name }: { name: string }) {
  const a = query("a"), b = query("b"), base = `/models/${quote(name)}/versions/`;
  const page = useLoad(async () => ({ a: await get<Version>(asOf(base + quote(a))), b: await get<Version>(asOf(base + quote(b))) }), 60_000, `compare/${name}/${a}/${b}/${at.value}`);
  return <Loaded of={page}>{({ a: x, b: y }) => {
    const before = new Map((x.files ?? []).map((f) => [f.path, f])), after = new Map((y.files ?? []).map((f) => [f.path, f]));
    const stored = new Set((x.files ?? []).map((f) => f.sha256));
    const paths = [...new Set([...before.keys(), ...after.keys()])].sort();
    const shared = (y.files ?? []).filter((f) => stored.has(f.sha256)).reduce((sum, f) => sum + f.size, 0);
    const state = (path: string) => !before.has(path) ? "added" : !after.has(path) ? "removed" : before.get(path)!.sha256 === after.get(path)!.sha256 ? "same" : "changed";
    return <>
      <Head crumbs={[["Models", then("/models")], [name, then(to.model(name))]]} title={<>version <a href={then(to.version(name, x.version))}>{x.version}</a> and <a href={then(to.version(name, y.version))}>{y.version}</a></>}
        cli={sh`mreg diff ${name}@${x.version} ${name}@${y.version}`} api={base + y.version}>
        <Pick name={name} a={a} b={b} /><a class="button" href={withQuery({ a: b, b: a })}>Turn round</a></Head>
      <p class="lede">Pushed <At at={x.created} /> by <Who actor={x.created_by} />, and <At at={y.created} /> by <Who actor={y.created_by} />.</p>
      {x.content === y.content && <p class="note good">Both have the same content.</p>}
      <div class="sides"><div><Differences title="Metrics" a={x.metrics} b={y.metrics} /><Differences title="Parameters" a={x.params} b={y.params} /></div>
        <div><Differences title="Lineage" a={x.lineage} b={y.lineage} /></div></div>
      <h2>Files <small>{bytes(shared)} of {bytes(y.size)} are stored once for both</small></h2>
      <Shares label="Bytes" unit={bytes} parts={[{ name: "shared", n: shared, kind: "accent" }, { name: `only in version ${y.version}`, n: y.size - shared, kind: "old" }]} />
      <Table caption="Files" heads={["Path", "State", ["Before"], ["After"]]}>
        {paths.map((path) => <tr key={path} class={state(path) === "same" ? "soft" : ""}><td class="mono">{path}</td>
          <td><span class={state(path) === "added" ? "plus" : state(path) === "removed" ? "minus" : ""}>{({ added: "+ added", removed: "− removed", changed: "~ changed", same: "same" } as Map)[state(path)]}</span></td>
          <td class="num">{before.has(path) ? bytes(before.get(path)!.size) : "–"}</td><td class="num">{after.has(path) ? bytes(after.get(path)!.size) : "–"}</td></tr>)}
      </Table>
    </>;
  }}</Loaded>;
}
