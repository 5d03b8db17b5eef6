// All models, by pages.
import { type List, type Model, get } from "../api";
import { useLoad } from "../live";
import { Badges, Chips, Empty, Head, Loaded, Pages, Table, decode } from "../parts";
import { at, go, query, quote, then, to, withQuery } from "../router";
import { Ago } from "../time";

// The first line of a card that is no heading, without its marks.
function inShort(card: string): string {
  const lines = card.split("\n").map((line) => line.trim()).filter(Boolean), line = lines.find((one) => !one.startsWith("#")) ?? lines[0] ?? "";
  const text = line.replace(/^[#>*\-\s]+/, "").replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[*`]/g, "");
  return text.length > 140 ? text.slice(0, 139) + "…" : text;
}

export function Models() {
  const q = query("q"), cursor = query("cursor");
  const api = `/models?limit=50${q && `&q=${quote(q)}`}${cursor && `&cursor=${quote(cursor)}`}`;
  const list = useLoad(() => get<List<Model>>(api), 5000, api);
  return <>
    <Head title="Models" cli={q ? `mreg search ${q}` : "mreg list"} api={api}>
      <form class="inline" role="search" onSubmit={(event) => {
        event.preventDefault();
        go(withQuery({ q: String(new FormData(event.currentTarget).get("q") ?? ""), cursor: "" }));
      }}><input type="search" name="q" defaultValue={q} aria-label="Name begins with" placeholder="Name begins with" /><button>Find</button></form>
    </Head>
    {at.value && <p class="note">The list is of today. A model that you open is shown as it was then; <a href={`/?at=${quote(at.value)}`}>what every node served then</a>.</p>}
    <Loaded of={list}>{(data) => data.items.length === 0
      ? <Empty text={q ? `No model's name begins with “${q}”.` : "No model has been pushed yet. Push one:"} command={q ? `mreg search ${q}` : "mreg push fraud ./out"} />
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
      </>}</Loaded>
  </>;
}
