// One version: what it is, who says so, where it comes from, where it runs and ran, its files.
import { type Change, type Environment, type List, type Summary, type Version, asOf, get, may, maybe } from "../api";
import { Shares } from "../charts";
import { type Place, Lineage } from "../lineage";
import { useLoad } from "../live";
import { Markdown } from "../markdown";
import { Badges, Chips, Command, Copy, Head, Loaded, Table, Tabs, bytes, plural, sh } from "../parts";
import { at, query, quote, then, to } from "../router";
import { Ago, At } from "../time";
import { Who } from "../who";
import { Changes } from "./common";
import { Verify } from "./verify";

function difference(before: string, after: string): string {
  const d = Number(after) - Number(before);
  return Number.isNaN(d) || d === 0 ? "" : ` (${d > 0 ? "+" : "−"}${Number(Math.abs(d).toPrecision(3))})`;
}

function Pairs({ title, map, against }: { title: string; map?: Record<string, string>; against?: Record<string, string> }) {
  const rows = Object.entries(map ?? {});
  if (rows.length === 0) return null;
  return <section><h2>{title}</h2><dl class="facts">{rows.map(([k, v]) => <>
    <dt key={k}>{k}</dt><dd>{/^https?:\/\//.test(v) ? <a href={v} rel="noopener noreferrer" target="_blank">{v}</a> : v}
      {against?.[k] !== undefined && against[k] !== v && <small class="soft"> was {against[k]}{difference(against[k]!, v)}</small>}</dd></>)}</dl></section>;
}

function Signed({ base, version }: { base: string; version: Version }) {
  const name = `${version.model}@${version.version}`, command = sh`mreg verify ${name} ./${version.model.split("/").pop()!}`;
  const file = (end: string, text: string) => <a href={`/api/v1${base}/${end}`} download={end.replace(".sig", ".json.sig").replace(/^(manifest|statement)$/, "$1.json")}>{text}</a>;
  return <section><h2>Signatures</h2>
    <p>The registry signed what this version is ({file("manifest", "manifest")}, {file("manifest.sig", "signature")}) and who published it ({file("statement", "statement")}, {file("statement.sig", "signature")}). Stock tools check both with the <a href="/api/v1/trust/allowed_signers" download="allowed_signers">allowed signers</a>; the server need not be trusted.</p>
    <Command text={command} />
    <Verify version={version} command={command} />
  </section>;
}

function Files({ v, base }: { v: Version; base: string }) {
  const files = v.files ?? [], large = [...files].sort((a, b) => b.size - a.size).slice(0, 5), rest = v.size - large.reduce((sum, f) => sum + f.size, 0);
  return <>
    {files.length > 1 && <Shares label="Size by file" unit={bytes} parts={[...large.map((f, i) => ({ name: f.path, n: f.size, kind: i % 2 ? "old" : "accent" })), { name: "others", n: rest, kind: "line" }]} />}
    <Table caption="Files" heads={["Path", ["Size"], "SHA-256", ""]}>
      {files.map((f) => <tr key={f.path}><td class="mono fill">{f.path}</td><td class="num tight">{bytes(f.size)}</td><td class="mono tight" title={f.sha256}>{f.sha256.slice(0, 16)}… <Copy text={f.sha256} label="copy" title="Copy the whole digest" /></td>
        <td class="num"><a href={`/api/v1${base}/files/${quote(f.path)}`} download={f.path.split("/").pop()}>Download</a></td></tr>)}
    </Table></>;
}

// Where nodes serve it now.
async function placesOf(name: string, version: Version): Promise<Place[]> {
  if (at.value) return version.live.map((environment) => ({ environment, text: "was live" }));
  const environments = (await get<List<Environment>>("/environments")).items.slice(0, 12);
  const all = await Promise.all(environments.map(async (env) => {
    const target = (await get<Summary>(`/environments/${quote(env.name)}/summary`)).targets.find((t) => t.model === name);
    const n = target?.versions.find((v) => v.version === version.version)?.n_nodes ?? 0, isLive = version.live.includes(env.name);
    return n || isLive ? [{ environment: env.name, text: `${isLive ? "live, " : ""}on ${plural(n, "node")}` }] : [];
  }));
  return all.flat();
}

async function load(name: string, number: string) {
  const base = `/models/${quote(name)}/versions/${quote(number)}`;
  const version = await get<Version>(asOf(base));
  const parent = /^\d+$/.test(version.lineage?.parent ?? "") ? Number(version.lineage!.parent) : version.version - 1;
  const [before, history, places] = await Promise.all([
    parent > 0 ? maybe(get<Version>(asOf(`/models/${quote(name)}/versions/${parent}`))) : undefined,
    get<List<Change>>(asOf(`/history?model=${quote(name)}&limit=200`)), placesOf(name, version)]);
  const mine = new RegExp(`\\b(version |→ ?|to |serving ${name.replace(/[^\w]/g, ".")} )${version.version}\\b`);
  return { version, before, places, history: history.items.filter((c) => mine.test(c.message)), isPart: history.next !== undefined };
}

export function VersionPage({ name, number, part }: { name: string; number: string; part: string }) {
  const base = `/models/${quote(name)}/versions/${quote(number)}`;
  const page = useLoad(() => load(name, number), 10_000, `${base}${query("at")}`);
  return <Loaded of={page}>{({ version: v, before, places, history, isPart }) => <>
    <Head crumbs={[["Models", then("/models")], [v.model, then(to.model(v.model))]]} title={`version ${v.version}`} cli={sh`mreg show ${v.model}@${v.version}${["--at", at.value]}`} api={asOf(base)}>
      {before && <a class="button" href={then(`${to.model(name)}/compare?a=${before.version}&b=${v.version}`)}>Compare with {before.version}</a>}
      {may("deploy") && !at.value && <a class="button strong" href={`${to.version(name, v.version)}/promote`}>Promote…</a>}
    </Head>
    <p class="lede">{v.live.length > 0 && <Badges items={v.live.map((e) => at.value ? `was live in ${e}` : `live in ${e}`)} tone="good" />} <Badges items={v.aliases} /> <Chips map={v.tags} />{" "}
      pushed <Ago at={v.created} /> by <Who actor={v.created_by} />, {bytes(v.size)} in {plural(v.n_files, "file")}</p>
    <Tabs base={to.version(name, number)} items={[["", "What it is"], ["/files", "Files", v.n_files], ["/history", "History"]]} />
    {part === "files" ? <Files v={v} base={base} />
    : part === "history" ? <><Changes items={history} isPart={isPart} /><p class="more"><a href={then(`/history?model=${quote(name)}`)}>Everything of {name}</a></p></>
    : <><div class="cols"><div>
      {v.description && <><h2>Description</h2><div class="panel pad card"><Markdown text={v.description} /></div></>}
      <h2>Content</h2>
      <dl class="facts">
        <dt>Digest</dt><dd><code>{v.content}</code> <Copy text={v.content} label="copy" title="Copy the digest" /></dd>
        <dt>Format</dt><dd>{v.format}</dd>
        <dt>Pushed</dt><dd><At at={v.created} /></dd>
      </dl>
      <Command text={sh`mreg pull ${v.model}@${v.version} ./${v.model.split("/").pop()!}`} />
      <Signed key={v.content + v.version} base={base} version={v} />
    </div><div>
      <Pairs title="Metrics" map={v.metrics} against={before?.metrics} />
      <Pairs title="Parameters" map={v.params} against={before?.params} />
      <Pairs title="Lineage" map={v.lineage} />
    </div></div>
    <Lineage model={v.model} version={v.version} lineage={v.lineage} places={places} before={before?.version} /></>}
  </>}</Loaded>;
}
