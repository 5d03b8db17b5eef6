// One model: its card, where it is live, its versions with their metrics, aliases, history and who set what.
import { type Change, type List, type Model, type Rollout, type Target, type Version, asOf, get, many, may, maybe } from "../api";
import { useAsk } from "../ask";
import { useLoad } from "../live";
import { Markdown } from "../markdown";
import { Badge, Chips, Command, Empty, Head, Loaded, Tabs, plural, sh } from "../parts";
import { at, query, quote, then, to } from "../router";
import { Ago, At, exact } from "../time";
import { Aliases } from "./aliases";
import { ModelBlame } from "./blame";
import { BroughtBy, Changes, Sentence, Spread } from "./common";
import { LineageOf, LiveWhen } from "./family";
import { Quarantine, Queue } from "./queue";
import { RollBack } from "./rollback";
import { type ServedRow, Served, servedThen } from "./then";
import { Metrics, Versions } from "./versions";

// Where a model is: its targets in the environments where it is live or was rolled out lately, and who waits there.
async function places(name: string, live: Record<string, number>) {
  const [rollouts, queued] = await Promise.all([many<Rollout>(`/rollouts?model=${quote(name)}&limit=20`), many<Rollout>(`/rollouts?model=${quote(name)}&queued=true&limit=50`, 50)]);
  const names = [...new Set([...Object.keys(live), ...rollouts.items.map((r) => r.environment)])].sort();
  const targets = (await Promise.all(names.map((env) => maybe(get<Target>(`/environments/${quote(env)}/targets/${quote(name)}`))))).filter((t) => t !== undefined);
  return { targets, rollouts: rollouts.items, waits: [...new Set(queued.items.map((r) => r.environment))] };
}

function Places({ targets, rollouts, changed }: { targets: Target[]; rollouts: Rollout[]; changed: () => void }) {
  const [dialog, ask] = useAsk(changed);
  return <><ul class="panel rows places" aria-label="Where it is live">
    {targets.map((t) => {
      const last = rollouts.find((r) => r.environment === t.environment && r.phase !== "queued");
      return <li key={t.environment}>
        <a href={to.env(t.environment)}>{t.environment}</a><span><b>{t.live ? <a href={to.version(t.model, t.live)}>version {t.live}</a> : <span class="soft">not live</span>}</b> <small><BroughtBy by={t} /></small></span><Spread target={t} />
        <span class="says">{last && last.id !== t.live_rollout && <>{last.ended && "last: "}<a href={to.rollout(last.id)}>{last.id}</a> <Badge text={last.phase} /> <Sentence text={last.outcome ?? last.waiting} /></>}</span>
        <span class="tight">{may("deploy") && <RollBack target={t} env={t.environment} ask={ask} />}</span>
      </li>;
    })}
  </ul>{dialog}</>;
}

function Now({ model, versions, changed, targets, rollouts, waits }: { model: Model; versions: List<Version>; changed: () => void } & Awaited<ReturnType<typeof places>>) {
  return <>
    <h2>Live</h2>
    {targets.length ? <><Places targets={targets} rollouts={rollouts} changed={changed} /><p class="more"><a href={`/rollouts?model=${quote(model.name)}`}>All rollouts of {model.name}</a></p></>
      : <Empty text={may("deploy") ? "Live nowhere. Promote a version:" : "Live nowhere. A deployer promotes a version:"} command={sh`mreg promote ${model.name}@${model.latest ?? 1} production --watch`} />}
    {waits.map((env) => <Queue key={env} env={env} model={model.name} />)}
    {targets.map((t) => <Quarantine key={t.environment} env={t.environment} model={model.name} />)}
    <Versions name={model.name} versions={versions} />
    <Metrics items={versions.items} />
  </>;
}

// As it was: names on versions, which was live where, and what nodes served.
function Named({ model, names, none }: { model: Model; names: Record<string, number>; none: string }) {
  const rows = Object.entries(names);
  return rows.length === 0 ? <p class="lede">{none} on {exact(at.value)}.</p>
    : <dl class="facts">{rows.map(([name, n]) => <><dt key={name}>{name}</dt><dd><a href={then(to.version(model.name, n))}>version {n}</a></dd></>)}</dl>;
}
const AliasesThen = ({ model, names }: { model: Model; names: Record<string, number> }) => <><h2>Aliases then</h2><Named model={model} names={names} none="There was no alias" /></>;
function Then({ model, served }: { model: Model; served: List<ServedRow> }) {
  const early = [...new Set(served.items.filter((row) => row.version && row.version !== model.live[row.environment]).map((row) => `version ${row.version} in ${row.environment}`))];
  return <>
    <h2>Live then</h2><Named model={model} names={model.live} none="No version was live" />
    {early.length > 0 && <p class="note">On nodes without being live: {early.join(", ")}. A version is live when its rollout has ended well; until then it is being rolled out.</p>}
    <AliasesThen model={model} names={model.aliases} />
    <h2>What each node served</h2><Served {...served} />
  </>;
}

export function ModelPage({ name, part }: { name: string; part: string }) {
  const base = `/models/${quote(name)}`, cursor = query("cursor");
  const page = useLoad(async () => {
    const [model, versions, history, served] = await Promise.all([get<Model>(asOf(base)),
      get<List<Version>>(asOf(`${base}/versions?limit=50${at.value ? "" : cursor && `&cursor=${quote(cursor)}`}`)), get<List<Change>>(asOf(`/history?model=${quote(name)}&limit=${part === "history" ? 100 : 12}`)),
      at.value ? servedThen(`&model=${quote(name)}`) : { items: [] }]);
    return { model, versions, history: history.items, served, ...(at.value ? { targets: [], rollouts: [], waits: [] } : await places(name, model.live)) };
  }, 5000, `${base}?${cursor}&${part}&${query("at")}`);
  return <Loaded of={page}>{({ model, versions, history, served, ...now }) => { const named = { ...model.live, ...model.aliases }; return <>
    <Head crumbs={[["Models", then("/models")]]} title={model.name} cli={sh`mreg show ${model.name}${["--at", at.value]}`} api={asOf(base)}>
      {may("deploy") && model.latest !== undefined && !at.value && <a class="button strong" href={`${to.version(model.name, model.latest)}/promote`}>Promote {model.latest}…</a>}</Head>
    <p class="lede">{plural(model.n_versions, "version")}, last pushed <Ago at={model.updated} /> <Chips map={model.tags} /></p>
    <Tabs base={base} items={[["", "Versions", model.n_versions], ["/aliases", "Aliases", Object.keys(named).length], ["/card", "Card"], ["/lineage", "Lineage"], ["/history", "History"], ["/blame", "Who set what"]]} />
    {part === "aliases" && (at.value ? <AliasesThen model={model} names={named} /> : <Aliases model={model} changed={page.again} />)}
    {part === "card" && (model.description ? <div class="panel pad card"><Markdown text={model.description} /></div> : at.value ? <p class="lede">There was no description on {exact(at.value)}.</p> : <Empty text="No description yet. Markdown is shown here:" command={sh`mreg model edit ${name} --description "$(cat card.md)"`} />)}
    {part === "lineage" && <LineageOf name={name} versions={versions.items} />}
    {part === "history" && <><LiveWhen name={name} /><h2>What happened</h2><Changes items={history} /><p class="more"><a href={then(`/history?model=${quote(name)}`)}>More, with filters</a></p></>}
    {part === "blame" && <ModelBlame model={model} />}
    {part === "" && (at.value ? <Then model={model} served={served} /> : <>
      <div class="sides"><div><Now model={model} versions={versions} changed={page.again} {...now} /></div><div>
      <h2>History</h2><Changes items={history} />
      <h2>About</h2>
      <dl class="facts"><dt>Created</dt><dd><At at={model.created} /></dd>
        <dt>Push</dt><dd><Command text={sh`mreg push ${model.name} ./out`} />{!may("push") && <p class="under">Your role may not push; a pusher may.</p>}</dd>
        <dt>Pull</dt><dd><Command text={sh`mreg pull ${model.name} ./${model.name.split("/").pop()!}`} /></dd></dl></div></div>
    </>)}
  </>; }}</Loaded>;
}
