// Models, and one model with its versions and what is live where.
import type { ComponentChildren } from "preact";
import { get, type Change, type List, type Model, type Rollout, type Target, type Version } from "./api";
import { Ago, Badge, Badges, Empty, Loaded, Table, bytes, decode, plural, useLoad } from "./parts";
import { go, query, quote } from "./router";
import { Changes, Spread } from "./overview";

export function Models() {
  const q = query("q"), cursor = query("cursor");
  const list = useLoad(() => get<List<Model>>(`/models?q=${quote(q)}${cursor && `&cursor=${quote(cursor)}`}`), 5000, `models?${q}&${cursor}`);
  return <>
    <div class="row"><h1>Models</h1>
      <form class="inline" role="search" onSubmit={(event) => {
        event.preventDefault();
        go(`/models?q=${quote(String(new FormData(event.currentTarget).get("q") ?? ""))}`);
      }}><input type="search" name="q" defaultValue={q} aria-label="Name begins with" placeholder="Name begins with" /><button>Find</button></form>
    </div>
    <h2>{q ? `Names that begin with “${q}”` : "All models"}</h2>
    <Loaded of={list}>{(data) => data.items.length === 0
      ? <Empty text={q ? "No model has such a name." : "No model has been pushed yet. Push one:"} command={q ? "mreg list" : "mreg push fraud ./out"} />
      : <>
        <Table caption="Models" heads={["Model", "Live", "Aliases", "Versions", "Updated"]}>
          {data.items.map((m) => <tr key={m.name}>
            <td><a href={`/models/${quote(m.name)}`}>{m.name}</a>{m.description && <p class="under">{m.description}</p>}</td>
            <td>{Object.keys(m.live).length ? <Badges items={decode(m.live)} tone="good" /> : <span class="soft">nowhere</span>}</td>
            <td><Badges items={decode(m.aliases)} /></td>
            <td class="nums">{m.n_versions}</td>
            <td class="tight"><Ago at={m.updated} /></td>
          </tr>)}
        </Table>
        {data.next && <p><a href={`/models?q=${quote(q)}&cursor=${quote(data.next)}`}>Next page</a></p>}
      </>}</Loaded>
  </>;
}

// Where a model is: its targets in the environments where it is live or was rolled out lately.
async function places(name: string, live: Record<string, number>) {
  const rollouts = (await get<List<Rollout>>(`/rollouts?model=${quote(name)}&limit=10`)).items;
  const names = [...new Set([...Object.keys(live), ...rollouts.map((r) => r.environment)])].sort();
  const targets = await Promise.all(names.map((env) => get<Target>(`/environments/${quote(env)}/targets/${quote(name)}`)));
  return { targets, rollouts };
}

function Places({ targets, rollouts }: { targets: Target[]; rollouts: Rollout[] }) {
  return <ul class="panel rows places" aria-label="Where it is live">
    {targets.map((t) => {
      const last = rollouts.find((r) => r.environment === t.environment);
      return <li key={t.environment}>
        <a href={`/nodes/${quote(t.environment)}`}>{t.environment}</a><b>{t.live ? `version ${t.live}` : "not live"}</b><Spread target={t} />
        {last && <span class="says"><a href={`/rollouts/${last.id}`}>{last.id}</a> <Badge text={last.phase} /> {last.outcome ?? last.waiting}</span>}
      </li>;
    })}
  </ul>;
}

// The versions' columns that have something to say, in order: head, cell's class, cell.
type Column = [string | [string], string, (v: Version) => ComponentChildren];
const columns = (base: string, items: Version[]): Column[] => [
  ["Version", "nums", (v) => <a href={`${base}/versions/${v.version}`}>{v.version}</a>],
  ["Live", "", (v) => <Badges items={v.live} tone="good" />],
  ...(items.some((v) => v.aliases.length) ? [["Aliases", "", (v) => <Badges items={v.aliases} />] as Column] : []),
  ["Pushed", "tight", (v) => <Ago at={v.created} />],
  ...(items.some((v) => decode(v.metrics).length) ? [["Metrics", "nums", (v) => decode(v.metrics).join(", ")] as Column] : []),
  ["Format", "tight", (v) => v.format],
  [["Size"], "num tight", (v) => bytes(v.size)],
  ["By", "tight", (v) => v.created_by],
];

export function ModelPage({ name }: { name: string }) {
  const base = `/models/${quote(name)}`, cursor = query("cursor");
  const page = useLoad(async () => {
    const [model, versions, history] = await Promise.all([get<Model>(base),
      get<List<Version>>(`${base}/versions${cursor && `?cursor=${quote(cursor)}`}`), get<List<Change>>(`/history?model=${quote(name)}&limit=12`)]);
    return { model, versions, history, ...(await places(name, model.live)) };
  }, 5000, `${base}?${cursor}`);
  return <Loaded of={page}>{({ model, versions, history, targets, rollouts }) => <>
    <h1>{model.name}</h1>
    {model.description && <p class="lede">{model.description}</p>}
    <dl class="facts">
      <dt>Aliases</dt><dd>{Object.keys(model.aliases).length ? <Badges items={decode(model.aliases)} /> : "none"}</dd>
      {Object.keys(model.tags).length > 0 && <><dt>Tags</dt><dd><Badges items={decode(model.tags)} /></dd></>}
      <dt>Pull</dt><dd><code>mreg pull {model.name} ./{model.name.split("/").pop()}</code></dd>
    </dl>
    <h2>Live</h2>
    {targets.length ? <><Places targets={targets} rollouts={rollouts} /><p class="more"><a href={`/rollouts?model=${quote(name)}`}>All rollouts of {model.name}</a></p></>
      : <Empty text="Live nowhere. Promote a version:" command={`mreg promote ${model.name}@${model.latest ?? 1} production --watch`} />}
    <h2>Versions</h2>
    <Table caption="Versions" heads={columns(base, versions.items).map((c) => c[0])}>
      {versions.items.map((v) => <tr key={v.version}>{columns(base, versions.items).map(([head, style, cell]) => <td key={head} class={style}>{cell(v)}</td>)}</tr>)}
    </Table>
    {versions.next && <p><a href={`${base}?cursor=${quote(versions.next)}`}>Older versions</a></p>}
    <h2>History</h2>
    <Changes items={history.items} />
  </>}</Loaded>;
}

export function VersionPage({ name, number }: { name: string; number: string }) {
  const base = `/models/${quote(name)}/versions/${quote(number)}`;
  const page = useLoad(() => get<Version>(base), 10_000, base);
  const pairs = (map?: Record<string, string>) => Object.entries(map ?? {}).map(([k, v]) => <><dt key={k}>{k}</dt><dd>{v}</dd></>);
  return <Loaded of={page}>{(v) => <>
    <h1><a href={`/models/${quote(name)}`}>{v.model}</a> version {v.version}</h1>
    {v.description && <p class="lede">{v.description}</p>}
    <dl class="facts">
      <dt>Content</dt><dd><code>{v.content}</code></dd>
      <dt>Format</dt><dd>{v.format}, {bytes(v.size)} in {plural(v.n_files, "file")}</dd>
      <dt>Pushed</dt><dd><Ago at={v.created} /> by {v.created_by}</dd>
      <dt>Live in</dt><dd>{v.live.length ? <Badges items={v.live} tone="good" /> : "no environment"}</dd>
      <dt>Aliases</dt><dd>{v.aliases.length ? <Badges items={v.aliases} /> : "none"}</dd>
      <dt>Pull</dt><dd><code>mreg pull {v.model}@{v.version} ./{v.model.split("/").pop()}</code></dd>
      <dt>Promote</dt><dd><code>mreg promote {v.model}@{v.version} ENVIRONMENT --watch</code></dd>
    </dl>
    {Object.keys(v.metrics).length > 0 && <><h2>Metrics</h2><dl class="facts">{pairs(v.metrics)}</dl></>}
    {Object.keys(v.params ?? {}).length > 0 && <><h2>Parameters</h2><dl class="facts">{pairs(v.params)}</dl></>}
    {Object.keys(v.lineage ?? {}).length > 0 && <><h2>Lineage</h2><dl class="facts">{pairs(v.lineage)}</dl></>}
    <h2>Files</h2>
    <Table caption="Files" heads={["Path", ["Size"], "SHA-256"]}>
      {(v.files ?? []).map((f) => <tr key={f.path}><td class="mono">{f.path}</td><td class="num tight">{bytes(f.size)}</td><td class="mono">{f.sha256.slice(0, 16)}…</td></tr>)}
    </Table>
  </>}</Loaded>;
}
