// Who set what holds now: of a model, value by value; and of any list of changes, the last one about each thing.
import type { ComponentChildren } from "preact";
import { type Change, type List, type Model, type Rollout, type Summary, type Target, asOf, get, many, maybe } from "../api";
import { useLoad } from "../live";
import { Fault, Loaded, Table } from "../parts";
import { at, quote, then, to } from "../router";
import { Ago, At } from "../time";
import { Who } from "../who";
import { linked } from "./common";

// What a row is about. Rows of aliases name the model; which alias is in the message.
const thing = (c: Change) => c.kind.startsWith("alias.") ? `alias ${/\S+@\S+/.exec(c.message)?.[0] ?? c.object}` : `${c.kind.split(".")[0]} ${c.object}`;

export function blame(items: Change[]): Change[] {
  const seen = new Set<string>();
  return items.filter((c) => {
    const key = thing(c);
    if (seen.has(key) || c.kind.startsWith("rollout.")) return false;
    seen.add(key);
    return !/\.(delete|remove|revoke)/.test(c.kind);
  });
}

interface Alias { alias: string; version: number; since: string; by: string }
interface Row { what: string; value: ComponentChildren; since?: string; by?: string; how: ComponentChildren; reason?: string }

async function load(name: string) {
  const [aliases, rollouts, history, targets] = await Promise.all([at.value ? { items: [] } : get<List<Alias>>(`/models/${quote(name)}/aliases?limit=500`),
    many<Rollout>(asOf(`/rollouts?model=${quote(name)}&limit=200`), 200), get<List<Change>>(asOf(`/history?model=${quote(name)}&limit=500`)), liveNow(name, "")]);
  return { targets, aliases: aliases.items, rollouts: rollouts.items, history: history.items };
}

function rowsOf(model: Model, { targets: now, aliases, rollouts, history }: Awaited<ReturnType<typeof load>>): Row[] {
  const version = (n: number) => <a href={then(to.version(model.name, n))}>version {n}</a>;
  const last = (kind: string, object: string) => history.find((c) => c.kind.startsWith(kind + ".") && c.object === object);
  const live = Object.entries(model.live).map(([env, n]): Row => {
    const t = now.find((one) => one.environment === env && one.live === n), r = rollouts.find((one) => t?.live_rollout ? one.id === t.live_rollout : one.environment === env && one.to === n && one.phase === "succeeded");
    return { what: `live in ${env}`, value: version(n), since: r?.ended, by: r?.actor, reason: r?.reason, how: r ? <>rollout <a class="inline" href={then(to.rollout(r.id))}>{r.id}</a></> : "" };
  });
  const named = Object.entries(model.aliases).map(([alias, n]): Row => {
    const now = aliases.find((a) => a.alias === alias && a.version === n), row = history.find((c) => thing(c) === `alias ${model.name}@${alias}`) ?? history.find((c) => c.kind === "version.publish" && c.message.includes(`version ${n} `));
    return { what: `alias ${alias}`, value: version(n), since: now?.since ?? row?.time, by: now?.by ?? row?.actor, reason: row?.reason, how: row ? linked(row.message) : "" };
  });
  const about = last("model", model.name), targets = blame(history.filter((c) => c.kind.startsWith("target.")));
  return [...live, ...named, ...(about ? [{ what: "card and tags", value: <a href={then(`${to.model(model.name)}/card`)}>card</a>, since: about.time, by: about.actor, reason: about.reason, how: linked(about.message) }] : []),
    ...targets.map((c): Row => ({ what: `target ${c.object}`, value: "policy, name", since: c.time, by: c.actor, reason: c.reason, how: linked(c.message) }))];
}

export function ModelBlame({ model }: { model: Model }) {
  const page = useLoad(() => load(model.name), 10_000, `blame/${model.name}/${at.value}`);
  return <Loaded of={page}>{(data) => { const rows = rowsOf(model, data); return rows.length === 0 ? <p class="lede">Nothing is set yet: no alias, no card, live nowhere.</p>
    : <Table caption="Who set what holds" heads={["What", "Is", "Set by", "When", "How"]}>
      {rows.map((row) => <tr key={row.what}><td class="tight">{row.what}</td><td class="tight">{row.value}</td><td class="tight">{row.by ? <Who actor={row.by} /> : "–"}</td><td class="tight"><Ago at={row.since} /></td><td class="fill">{row.how}{row.reason && <p class="under">“{row.reason}”</p>}</td></tr>)}</Table>; }}</Loaded>;
}

// The live version of each model and environment, with the rollout that brought it; as it is now, not as of a time.
async function liveNow(model: string, env: string): Promise<Target[]> {
  if (at.value) return [];
  const names = env ? [env] : (await get<List<{ name: string }>>("/environments")).items.map((one) => one.name);
  const all = await Promise.all(names.map((name) => model ? maybe(get<Target>(`/environments/${quote(name)}/targets/${quote(model)}`)).then((t) => t ? [{ ...t, environment: name }] : [])
    : get<Summary>(`/environments/${quote(name)}/summary`).then((s) => s.targets.map((t) => ({ ...t, environment: name, nodes: [] })))));
  return all.flat().filter((t) => t.live !== undefined);
}

export function BlameRows({ items, model, env }: { items: Change[]; model: string; env: string }) {
  const live = useLoad(() => liveNow(model, env), 10_000, `live/${model}/${env}/${at.value}`);
  return <><Fault of={live} /><Table caption="Who set what holds" heads={["What", "Since", "By", "How"]}>
    {(live.data ?? []).map((t) => <tr key={t.environment + t.model}><td>live: <a class="inline" href={to.model(t.model)}>{t.model}</a> <a class="inline" href={to.version(t.model, t.live!)}>{t.live}</a> in {t.environment}</td><td class="tight"><At at={t.live_since} /></td><td class="tight"><Who actor={t.live_by} /></td>
      <td class="fill">{t.live_rollout ? <>rollout <a class="inline" href={to.rollout(t.live_rollout)}>{t.live_rollout}</a></> : "adopted"}{t.live_reason && <p class="under">“{t.live_reason}”</p>}</td></tr>)}
    {blame(items).map((c) => <tr key={c.seq}><td>{thing(c)}</td><td class="tight"><At at={c.time} /></td><td class="tight"><Who actor={c.actor} /></td><td class="fill">{linked(c.message)}{c.reason && <p class="under">“{c.reason}”</p>}</td></tr>)}</Table></>;
}
