// All models, by pages.
import { type List, type Model, asOf, get } from "../api";
import { useLoad } from "../live";
import { versionHits } from "../palette";
import { Badge, Badges, Chips, Command, Empty, Head, Loaded, Pages, Table, decode } from "../parts";
import { at, go, query, quote, then, to, withQuery } from "../router";
import { Ago, stamp } from "../time";

// The first line of a card that is no heading, without its marks.
function inShort(card: string): string {
  const lines = card.split("\n").map((line) => line.trim()).filter(Boolean), line = lines.find((one) => !one.startsWith("#")) ?? lines[0] ?? "";
  const text = line.replace(/^[#>*\-\s]+/, "").replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[*`]/g, "");
  return text.length > 140 ? text.slice(0, 139) + "…" : text;
}

export function Models() {
  const q = query("q"), cursor = query("cursor");
  const api = asOf(`/models?limit=50${q && `&q=${quote(q)}`}${cursor && `&cursor=${quote(cursor)}`}`);
  const list = useLoad(() => get<List<Model>>(api), 5000, api);
  const versions = useLoad(() => at.value ? Promise.resolve([]) : versionHits(q), 60_000, `versions/${q}/${at.value}`);
  return <>
    <Head title="Models" cli={q ? `mreg search ${q}` : `mreg list${at.value && ` --at ${at.value}`}`} api={api}>
      <form class="inline" role="search" onSubmit={(event) => {
        event.preventDefault();
        go(withQuery({ q: String(new FormData(event.currentTarget).get("q") ?? ""), cursor: "" }));
      }}><input type="search" name="q" defaultValue={q} aria-label="Name begins with" placeholder="Name begins with" /><button>Find</button></form>
    </Head>
    {at.value && <p class="note">Models that were there then; <a href={`/?at=${quote(at.value)}`}>what every node served then</a>.</p>}
    {(versions.data ?? []).length > 0 && <ul class="panel rows needs" aria-label="Versions found">{versions.data!.map((v) => <li key={v.model}><Badge text="version" /><a href={to.version(v.model, v.version)}>{v.model} {v.version}</a></li>)}</ul>}
    <Loaded of={list}>{(data) => data.items.length === 0
      ? (versions.data ?? []).length > 0 ? null : at.value ? <p class="lede">There was no{q && " such"} model on {stamp(at.value)}.</p> : <Empty text={q ? `No model's name begins with “${q}”.` : "No model has been pushed yet. Push one:"} command={q ? `mreg search ${q}` : "mreg push fraud ./out"} />
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
        {!at.value && <div class="more soft">Push another version, or a new model, from a terminal:<Command text="mreg push MODEL ./FOLDER" /></div>}
      </>}</Loaded>
  </>;
}
