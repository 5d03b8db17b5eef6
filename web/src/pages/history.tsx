// The journal, newest first, with filters; every row is a signed git commit. Also who set each thing that holds now.
import { useMemo } from "preact/hooks";
import { type Change, type List, asOf, get } from "../api";
import { useLoad } from "../live";
import { Choice, Copy, Head, Loaded, Table } from "../parts";
import { environment, go, query, quote, to, withQuery } from "../router";
import { stamp } from "../time";
import { Who } from "../who";
import { BlameRows } from "./blame";
import { linked } from "./common";

const KINDS: [string, string][] = [["", "Everything"], ["rollout", "Rollouts"], ["version", "Versions"], ["alias", "Aliases"], ["node", "Nodes"], ["env", "Environments"], ["target", "Targets"], ["token", "Access"]];

function csv(items: Change[]): string {
  const cell = (text = "") => `"${text.replace(/^([=+\-@\t\r])/, "'$1").replace(/"/g, '""')}"`;
  return [["seq", "time", "actor", "kind", "object", "message", "reason", "commit"].join(","),
    ...items.map((c) => [String(c.seq), c.time, c.actor, c.kind, c.object, c.message, c.reason, c.commit].map(cell).join(","))].join("\r\n");
}
function Export({ items }: { items: Change[] }) {
  const save = (name: string, type: string, text: string) => {
    const url = URL.createObjectURL(new Blob([text], { type }));
    const link = document.createElement("a");
    link.href = url;
    link.download = name;
    link.target = "_self";
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
  };
  return <><button class="quiet" onClick={() => save("history.ndjson", "application/x-ndjson", items.map((c) => JSON.stringify(c)).join("\n") + "\n")}>NDJSON</button>
    <button class="quiet" onClick={() => save("history.csv", "text/csv", csv(items))}>CSV</button></>;
}

export function History() {
  const model = query("model"), kind = query("kind"), actor = query("actor"), cursor = query("cursor"), view = query("view"), env = environment.value;
  const api = asOf(`/history?limit=${kind || actor || view === "blame" ? 500 : 100}${model && `&model=${quote(model)}`}${env && `&env=${quote(env)}`}${cursor && `&before=${quote(cursor)}`}`);
  const list = useLoad(() => get<List<Change>>(api), 5000, api);
  const items = useMemo(() => {
    const rows = (list.data?.items ?? []).filter((c) => (!kind || c.kind.startsWith(kind + ".")) && (!actor || c.actor === actor));
    return rows;
  }, [list.data, kind, actor]);
  const chosen = model || env ? ` of ${[model, env].filter(Boolean).join(" in ")}` : "";
  return <>
    <Head title={`History${chosen}`} cli={`mreg history${model && ` ${model}`}${query("at") && ` --at ${query("at")}`}`} api={api}><Export items={items} /></Head>
    <div class="head">
      <div class="badges"><Choice label="What" name="kind" items={KINDS} /><Choice label="View" name="view" items={[["", "Log"], ["blame", "Who set what holds"]]} /></div>
      <form class="inline" role="search" onSubmit={(event) => {
        event.preventDefault();
        const form = new FormData(event.currentTarget);
        go(withQuery({ model: String(form.get("model") ?? ""), actor: String(form.get("actor") ?? ""), cursor: "" }));
      }}><input name="model" defaultValue={model} placeholder="Model" aria-label="Model" /><input name="actor" defaultValue={actor} placeholder="Who" aria-label="Who" size={8} /><button>Filter</button></form>
    </div>
    <Loaded of={list}>{(data) => <>
      {items.length === 0 ? <p class="lede">No such row{data.next ? " among these: look further back" : ""}.</p>
        : view === "blame" ? <BlameRows items={items} /> : <Table caption="History" heads={["Number", "When", "Who", "Kind", "What", "Commit"]}>
          {items.map((c) => <tr key={c.seq}>
            <td class="nums soft">{c.seq}</td><td class="tight"><a href={withQuery({ at: c.time, cursor: "" })} title="Show how it was then">{stamp(c.time)}</a></td>
            <td class="tight"><a href={withQuery({ actor: c.actor, cursor: "" })}><Who actor={c.actor} /></a></td><td class="tight soft">{c.kind}</td>
            <td class="fill">{linked(c.message)}{c.reason && <p class="under">“{c.reason}”</p>}</td>
            <td class="mono tight">{c.commit ? <>{c.commit.slice(0, 10)} <Copy text={c.commit} label="copy" /></> : <span class="soft">soon</span>}</td>
          </tr>)}
        </Table>}
      {data.next && <p class="more"><a href={withQuery({ cursor: data.next })}>Further back</a></p>}
      <p class="under">Every row is a signed commit: <code>git clone {location.origin}/history.git</code>. <a href={to.model("")}>Models</a> show their own part.</p>
    </>}</Loaded>
  </>;
}
