// Models, and one model with its versions and what is live where.
import { get, type Change, type List, type Model, type Version } from "./api";
import { Ago, Badges, Empty, Loaded, Table, bytes, decode, useLoad } from "./parts";
import { go, query, quote } from "./router";
import { Changes } from "./overview";

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
        <Table caption="Models" heads={["Model", "Live", "Aliases", ["Versions"], "Updated"]}>
          {data.items.map((m) => <tr key={m.name}>
            <td><a href={`/models/${quote(m.name)}`}>{m.name}</a></td>
            <td><Badges items={decode(m.live)} tone="good" /></td>
            <td><Badges items={decode(m.aliases)} /></td>
            <td class="num">{m.n_versions}</td>
            <td class="tight"><Ago at={m.updated} /></td>
          </tr>)}
        </Table>
        {data.next && <p><a href={`/models?q=${quote(q)}&cursor=${quote(data.next)}`}>Next page</a></p>}
      </>}</Loaded>
  </>;
}

export function ModelPage({ name }: { name: string }) {
  const base = `/models/${quote(name)}`, cursor = query("cursor");
  const page = useLoad(async () => {
    const [model, versions, history] = await Promise.all([get<Model>(base),
      get<List<Version>>(`${base}/versions${cursor && `?cursor=${quote(cursor)}`}`), get<List<Change>>(`/history?model=${quote(name)}&limit=12`)]);
    return { model, versions, history };
  }, 5000, `${base}?${cursor}`);
  return <Loaded of={page}>{({ model, versions, history }) => <>
    <h1>{model.name}</h1>
    {model.description && <p class="lede">{model.description}</p>}
    <dl class="facts">
      <dt>Live</dt><dd>{Object.keys(model.live).length ? <Badges items={decode(model.live)} tone="good" /> : "nowhere"}</dd>
      <dt>Aliases</dt><dd>{Object.keys(model.aliases).length ? <Badges items={decode(model.aliases)} /> : "none"}</dd>
      <dt>Pull</dt><dd><code>mreg pull {model.name}</code></dd>
    </dl>
    <h2>Versions</h2>
    <Table caption="Versions" heads={[["Version"], "Pushed", "Format", ["Size"], "Metrics", "Aliases", "Live", "By"]}>
      {versions.items.map((v) => <tr key={v.version}>
        <td class="num"><a href={`${base}/versions/${v.version}`}>{v.version}</a></td>
        <td class="tight"><Ago at={v.created} /></td><td>{v.format}</td><td class="num tight">{bytes(v.size)}</td>
        <td>{decode(v.metrics).join(", ") || "–"}</td><td><Badges items={v.aliases} /></td>
        <td><Badges items={v.live} tone="good" /></td><td class="tight">{v.created_by}</td>
      </tr>)}
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
      <dt>Format</dt><dd>{v.format}, {bytes(v.size)} in {v.n_files} files</dd>
      <dt>Pushed</dt><dd><Ago at={v.created} /> by {v.created_by}</dd>
      <dt>Live in</dt><dd>{v.live.length ? <Badges items={v.live} tone="good" /> : "no environment"}</dd>
      <dt>Aliases</dt><dd>{v.aliases.length ? <Badges items={v.aliases} /> : "none"}</dd>
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
