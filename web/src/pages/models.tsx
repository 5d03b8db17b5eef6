// All models, by pages.
import { type Model, asOf, many, may } from "../api";
import { useLoad } from "../live";
import { inShort, versionHits } from "../palette";
import { Badge, Badges, Chips, Command, Empty, Head, Loaded, Pages, Table, decode, sh } from "../parts";
import { at, go, query, quote, then, to, withQuery } from "../router";
import { Ago, exact } from "../time";

export function Models() {
  const q = query("q"), cursor = query("cursor");
  const api = asOf(`/models?limit=50${q && `&q=${quote(q)}`}${cursor && `&cursor=${quote(cursor)}`}`);
  const list = useLoad(async () => {
    const [models, versions] = await Promise.all([many<Model>(api), at.value ? [] : versionHits(q)]);
    return { ...models, versions };
  }, 5000, api);
  return <>
    <Head title="Models" cli={q ? sh`mreg search ${q}` : sh`mreg list${["--at", at.value]}`} api={api}>
      <form class="inline" role="search" onSubmit={(event) => {
        event.preventDefault();
        go(withQuery({ q: String(new FormData(event.currentTarget).get("q") ?? ""), cursor: "" }));
      }}><input type="search" name="q" defaultValue={q} aria-label="Name begins with" placeholder="Name begins with" /><button>Find</button></form>
    </Head>
    {at.value && <p class="note">Models that were there then; <a href={`/?at=${quote(at.value)}`}>what every node served then</a>.</p>}
    <Loaded of={list}>{(data) => <>
      {data.versions.length > 0 && <ul class="panel rows needs" aria-label="Versions found">{data.versions.map((v) => <li key={v.model}><Badge text="version" /><a href={to.version(v.model, v.version)}>{v.model} {v.version}</a></li>)}</ul>}
      {data.items.length === 0
      ? data.next ? <><p class="lede">None of those looked at.</p><Pages next={data.next} /></> : data.versions.length > 0 ? null : at.value ? <p class="lede">There was no{q && " such"} model on {exact(at.value)}.</p> : <Empty text={q ? `No model's name begins with “${q}”.` : may("push") ? "No model has been pushed yet. Push one:" : "No model has been pushed yet. A pusher pushes one:"} command={q ? sh`mreg search ${q}` : "mreg push fraud ./out"} />
      : <>
        <Table caption="Models" heads={["Model", "Live", "Aliases", "Tags", ["Versions"], "Updated"]}>
          {data.items.map((m) => <tr key={m.name}>
            <td class="fill"><a href={then(to.model(m.name))}>{m.name}</a>{m.description && <p class="under">{inShort(m.description)}</p>}</td>
            <td>{Object.keys(m.live).length ? <Badges items={decode(m.live)} tone="good" /> : <span class="soft">nowhere</span>}</td>
            <td><Badges items={decode(m.aliases)} /></td><td><Chips map={m.tags} /></td>
            <td class="num">{m.n_versions}</td>
            <td class="tight"><Ago at={m.updated} /></td>
          </tr>)}
        </Table>
        <Pages next={data.next} />
        {!at.value && <div class="more soft">{may("push") ? "Push another version, or a new model, from a terminal:" : "A pusher pushes another version, or a new model, from a terminal:"}<Command text="mreg push MODEL ./FOLDER" /></div>}
      </>}</>}</Loaded>
  </>;
}
