// What needs somebody, what moves, what is live where, what happened last.
import type { ComponentChildren } from "preact";
import { get, type Change, type Environment, type List, type Rollout, type Target } from "./api";
import { nodesOf } from "./nodes";
import { Ago, Badge, Empty, Loaded, Table, plural, useLoad } from "./parts";
import { quote } from "./router";

// A rollout's name in a message leads to the rollout.
const linked = (message: string): ComponentChildren[] => message.split(/\b(r-\d+)\b/).map((part, i) =>
  i % 2 ? <a key={i} href={`/rollouts/${part}`}>{part}</a> : part);

export function Changes({ items }: { items: Change[] }) {
  if (items.length === 0) return <p class="lede">Nothing has happened yet.</p>;
  return <Table caption="History" heads={["When", "Who", "What"]}>
    {items.map((c) => <tr key={c.seq}>
      <td class="tight soft"><Ago at={c.time} /></td><td class="tight">{c.actor}</td><td class="text">{linked(c.message)}
        {c.reason && <p class="under">“{c.reason}”</p>}</td>
    </tr>)}
  </Table>;
}

async function loadAll() {
  const [environments, active, history] = await Promise.all([get<List<Environment>>("/environments"),
    get<List<Rollout>>("/rollouts?active=true"), get<List<Change>>("/history?limit=15")]);
  const rooms = await Promise.all(environments.items.map(async ({ name }) => ({ name, nodes: await nodesOf(name),
    targets: (await get<List<Target>>(`/environments/${quote(name)}/targets`)).items })));
  return { rooms, active: active.items, history: history.items };
}

const needsSomebody = (r: Rollout) => ["paused", "rollback-stuck", "halted"].includes(r.phase);

// One row per rollout; on a narrow screen the sentence takes the next line.
export function RolloutRows({ label, items, isList }: { label: string; items: Rollout[]; isList?: boolean }) {
  return <ul class="panel rows" aria-label={label}>
    {items.map((r) => <li key={r.id}>
      <a href={`/rollouts/${r.id}`}>{r.id}</a>
      <span class="what"><a href={`/models/${quote(r.model)}`}>{r.model}</a> {r.from ?? "–"} → {r.to}</span>
      <span>{r.environment}</span><Badge text={r.phase} />
      <span class="says">{r.outcome ?? r.waiting}</span>
      <small><Ago at={r.created} />{isList && ` by ${r.actor}`}</small>
    </li>)}
  </ul>;
}

export function Overview() {
  const page = useLoad(loadAll, 3000, "overview");
  return <>
    <h1>Overview</h1>
    <Loaded of={page}>{({ active, rooms, history }) => {
      const waiting = active.filter(needsSomebody), moving = active.filter((r) => !needsSomebody(r));
      const targets = rooms.flatMap((room) => room.targets).filter((t) => t.live ?? t.rollout), lost = rooms.flatMap((room) => room.nodes).filter((n) => !n.reachable);
      return <>
        <h2>Needs you</h2>
        {waiting.length > 0 && <RolloutRows label="Rollouts that need you" items={waiting} />}
        {lost.map((n) => <p class="note bad" key={n.environment + n.name}>
          <a href={`/nodes/${quote(n.environment)}`}>{n.name}</a> in {n.environment} cannot be reached{n.since && <> for <Ago at={n.since} span /></>}{n.detail && `: ${n.detail}`}</p>)}
        {waiting.length + lost.length === 0 && <p class="lede">Nothing waits for a person.</p>}
        {moving.length > 0 && <><h2>Moving now</h2><RolloutRows label="Rollouts that move" items={moving} /></>}
        <h2>Live</h2>
        {rooms.length === 0 ? <Empty text="No environment yet. Make one, then add its nodes:" command="mreg env create production" />
          : targets.length === 0 ? <Empty text="Nothing is live yet. Promote a version:" command="mreg promote fraud@1 production --watch" />
          : <Table caption="Live versions" heads={["Model", "Environment", "Version", "On the nodes", "Rollout"]}>
            {targets.map((t) => <tr key={t.environment + t.model}>
              <td><a href={`/models/${quote(t.model)}`}>{t.model}</a></td><td><a href={`/nodes/${quote(t.environment)}`}>{t.environment}</a></td>
              <td class="nums">{t.live ?? "none"}</td><td><Spread target={t} /></td>
              <td>{t.rollout ? <a href={`/rollouts/${t.rollout}`}>{t.rollout}</a> : "–"}</td>
            </tr>)}
          </Table>}
        {rooms.length > 0 && <><h2>Nodes</h2>
          <Table caption="Nodes by environment" heads={["Environment", "Nodes", "State"]}>
            {rooms.map(({ name, nodes }) => {
              const n = nodes.filter((node) => node.reachable).length;
              return <tr key={name}>
                <td><a href={`/nodes/${quote(name)}`}>{name}</a></td><td class="nums">{nodes.length}</td>
                <td><span class="badges">{n > 0 && <Badge text={`${n} reachable`} tone="good" />}{n < nodes.length && <Badge text={`${nodes.length - n} unreachable`} tone="bad" />}</span></td>
              </tr>;
            })}
          </Table></>}
        <h2>Latest</h2>
        <Changes items={history} />
      </>;
    }}</Loaded>
  </>;
}

// How many nodes have which version of a target's model, in words.
export function Spread({ target }: { target: Target }) {
  const counts = new Map<string, { n: number; tone: string }>();
  for (const node of target.nodes) {
    const lost = node.state === "unreachable";
    const what = lost ? "unreachable" : (node.version ? `on ${node.version}` : "without it") + (node.version && !node.ready ? ", not ready" : "");
    const tone = lost ? "bad" : !node.version ? (target.live ? "warn" : "") : !node.ready ? "warn" : node.version === target.live ? "good" : "accent";
    counts.set(what, { n: (counts.get(what)?.n ?? 0) + 1, tone });
  }
  return <span class="badges">{counts.size === 0 && "no node"}{[...counts].map(([what, { n, tone }]) => <Badge key={what} text={`${plural(n, "node")} ${what}`} tone={tone} />)}</span>;
}
