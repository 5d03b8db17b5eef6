// The journal, newest first, with filters; every row is a signed git commit. Also who set each thing that holds now.
import { useMemo } from "preact/hooks";
import { type Change, asOf, get, many, may, me, names } from "../api";
import { ShareBar } from "../charts";
import { useLoad } from "../live";
import { Choice, Command, Copy, Head, Loaded, Table, count, sh } from "../parts";
import { at, environment, go, query, quote, to, withQuery } from "../router";
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

// That nobody has changed the past: what the registry itself says, and how anybody can see it without trusting it.
function Check({ last }: { last?: Change }) {
  const root = useLoad(() => get<{ key_id: string; domain: string }>(""), 60_000, "root");
  const stored = useLoad(() => may("audit") ? get<{ history: { rows: number; published: number } }>("/storage") : Promise.resolve(undefined), 15_000, "storage");
  const h = stored.data?.history, late = h ? h.rows - h.published : 0;
  return <div class="cols"><div>
    <h2>What it says of itself</h2>
    {h && <><p>{late <= 0 ? `All ${count(h.rows)} rows of the journal are signed commits.` : `${count(h.published)} of ${count(h.rows)} rows are signed commits; ${count(late)} to go.`}</p>
      <ShareBar label="Rows" parts={[{ name: "signed", n: h.published, kind: "good" }, { name: "to go", n: late, kind: "warn" }]} /></>}
    <dl class="facts"><dt>Signed with</dt><dd><code>{root.data?.key_id ?? "…"}</code> {root.data && <Copy text={root.data.key_id} label="copy" />}</dd>
      <dt>As</dt><dd>registry@{root.data?.domain ?? "…"}</dd>
      {last?.commit && <><dt>Newest row here</dt><dd>number {last.seq}, commit <code>{last.commit}</code> <Copy text={last.commit} label="copy" /></dd></>}
      <dt>Keys of all times</dt><dd><a href="/api/v1/trust/allowed_signers" download="allowed_signers">allowed_signers</a></dd></dl>
    <p class="more soft">Each commit names its parent, so the newest one vouches for all before it: write it down somewhere else, and nobody can change the past without being seen.</p>
  </div><div>
    <h2>Check it with git, without trusting this server</h2>
    <ol class="panel first">
      <li><div>Get the keys once, over a way that you trust<Command text={`curl -o allowed_signers ${location.origin}/api/v1/trust/allowed_signers`} /></div></li>
      <li><div>Fetch the history<Command text={`git clone ${location.origin.replace("//", "//git:$MREG_TOKEN@")}/history.git`} /></div></li>
      <li><div>Objects are whole and fit together<Command text="git -C history fsck --full --strict" /></div></li>
      <li><div>Every commit is signed by a key of the registry: this prints nothing<Command text="git -C history -c gpg.ssh.allowedSignersFile=$PWD/allowed_signers log --format='%G? %H' | grep -v '^G'" /></div></li>
      {last?.commit && <li><div>And ends in the commit that is shown here, or has it in its past<Command text={`git -C history merge-base --is-ancestor ${last.commit} main && echo yes`} /></div></li>}
    </ol>
  </div></div>;
}

// By id, or by any part of the name.
const isBy = (c: Change, who: string) => /^[tu]-\d+$/.test(who) ? c.actor === who : (c.actor === me.value?.actor ? `you ${me.value.name}` : names.value[c.actor] ?? c.actor).toLowerCase().includes(who.toLowerCase());

export function History() {
  const model = query("model"), kind = query("kind"), actor = query("actor"), cursor = query("cursor"), view = query("view"), env = environment.value;
  const api = asOf(`/history?limit=${kind || actor || view === "blame" ? 500 : 100}${model && `&model=${quote(model)}`}${env && `&env=${quote(env)}`}${cursor && `&cursor=${quote(cursor)}`}`);
  const list = useLoad(() => many<Change>(api), 5000, api);
  const items = useMemo(() => {
    const rows = (list.data?.items ?? []).filter((c) => (!kind || c.kind.startsWith(kind + ".")) && (!actor || isBy(c, actor)));
    return rows;
  }, [list.data, kind, actor, names.value]);
  const chosen = model || env ? ` of ${[model, env].filter(Boolean).join(" in ")}` : "";
  return <>
    <Head title={`History${chosen}`} cli={sh`mreg history${["", model]}${["--at", at.value]}`} api={api}><Export items={items} /></Head>
    <div class="head">
      <div class="badges">{view !== "check" && <Choice label="What" name="kind" items={KINDS} />}<Choice label="View" name="view" items={[["", "Log"], ["blame", "Who set what holds"], ["check", "Check it"]]} /></div>
      {view !== "check" && <form class="inline" role="search" onSubmit={(event) => {
        event.preventDefault();
        const form = new FormData(event.currentTarget);
        go(withQuery({ model: String(form.get("model") ?? ""), actor: String(form.get("actor") ?? ""), cursor: "" }));
      }}><input name="model" defaultValue={model} placeholder="Model" aria-label="Model" /><input name="actor" defaultValue={actor} placeholder="Who: name or id" aria-label="Who" size={12} /><button>Filter</button></form>}
    </div>
    <Loaded of={list}>{(data) => <>
      {items.length === 0 ? <p class="lede">No such row{data.next ? " among these: look further back" : ""}.</p>
        : view === "check" ? <Check last={list.data?.items[0]} /> : view === "blame" ? <BlameRows items={items} model={model} env={env} /> : <Table caption="History" heads={["Number", "When", "Who", "Kind", "What", "Commit"]}>
          {items.map((c) => <tr key={c.seq}>
            <td class="nums soft">{c.seq}</td><td class="tight"><a href={withQuery({ at: c.time, cursor: "" })} title="Show how it was then">{stamp(c.time)}</a></td>
            <td class="tight"><a href={withQuery({ actor: c.actor, cursor: "" })}><Who actor={c.actor} /></a></td><td class="tight soft">{c.kind}</td>
            <td class="fill">{linked(c.message)}{c.reason && <p class="under">“{c.reason}”</p>}</td>
            <td class="mono tight">{c.commit ? <>{c.commit.slice(0, 10)} <Copy text={c.commit} label="copy" /></> : <span class="soft">soon</span>}</td>
          </tr>)}
        </Table>}
      {data.next && view !== "check" && <p class="more"><a href={withQuery({ cursor: data.next })}>Further back</a></p>}
      <p class="under">Every row is a signed commit: <code>git clone {location.origin}/history.git</code>. <a href={to.model("")}>Models</a> show their own part.</p>
    </>}</Loaded>
  </>;
}
