// What needs somebody, what moves, what is live where, what happened last.
import { get, type Change, type Environment, type List, type Rollout, type Target } from "./api";
import { Ago, Badge, Empty, Loaded, Table, useLoad } from "./parts";
import { quote } from "./router";

export function Changes({ items }: { items: Change[] }) {
  if (items.length === 0) return <p class="lede">Nothing has happened yet.</p>;
  return <Table caption="History" heads={["When", "Who", "What", "Why"]}>
    {items.map((c) => <tr key={c.seq}>
      <td class="tight"><Ago at={c.time} /></td><td class="tight">{c.actor}</td><td>{c.message}</td><td>{c.reason ?? ""}</td>
    </tr>)}
  </Table>;
}

async function loadAll() {
  const [environments, active, history] = await Promise.all([get<List<Environment>>("/environments"),
    get<List<Rollout>>("/rollouts?active=true"), get<List<Change>>("/history?limit=15")]);
  const targets = (await Promise.all(environments.items.map((env) =>
    get<List<Target>>(`/environments/${quote(env.name)}/targets`)))).flatMap((list) => list.items);
  return { environments: environments.items, active: active.items, history: history.items, targets };
}

const needsSomebody = (r: Rollout) => ["paused", "rollback-stuck", "halted"].includes(r.phase);

function RolloutRows({ items }: { items: Rollout[] }) {
  return <Table caption="Rollouts" heads={["Rollout", "Model", "Environment", "State", "What it waits for"]}>
    {items.map((r) => <tr key={r.id}>
      <td><a href={`/rollouts/${r.id}`}>{r.id}</a></td>
      <td class="tight">{r.model} {r.from ?? "–"} → {r.to}</td><td>{r.environment}</td><td><Badge text={r.phase} /></td><td>{r.waiting ?? r.outcome ?? ""}</td>
    </tr>)}
  </Table>;
}

export function Overview() {
  const page = useLoad(loadAll, 3000, "overview");
  return <>
    <h1>Overview</h1>
    <Loaded of={page}>{({ active, targets, history, environments }) => {
      const waiting = active.filter(needsSomebody), moving = active.filter((r) => !needsSomebody(r));
      return <>
        <h2>Needs you</h2>
        {waiting.length ? <RolloutRows items={waiting} /> : <p class="lede">Nothing waits for a person.</p>}
        {moving.length > 0 && <><h2>Moving now</h2><RolloutRows items={moving} /></>}
        <h2>Live</h2>
        {environments.length === 0 ? <Empty text="No environment yet. Make one, then add its nodes:" command="mreg env create production" />
          : targets.length === 0 ? <Empty text="Nothing is live yet. Promote a version:" command="mreg promote fraud@1 production --watch" />
          : <Table caption="Live versions" heads={["Model", "Environment", ["Live"], "Nodes", "Rollout"]}>
            {targets.map((t) => <tr key={t.environment + t.model}>
              <td><a href={`/models/${quote(t.model)}`}>{t.model}</a></td><td>{t.environment}</td>
              <td class="num">{t.live ?? "–"}</td><td><NodeCounts target={t} /></td>
              <td>{t.rollout ? <a href={`/rollouts/${t.rollout}`}>{t.rollout}</a> : "–"}</td>
            </tr>)}
          </Table>}
        <h2>Latest</h2>
        <Changes items={history} />
      </>;
    }}</Loaded>
  </>;
}

function NodeCounts({ target }: { target: Target }) {
  const counts = new Map<string, number>();
  for (const node of target.nodes) counts.set(node.state, (counts.get(node.state) ?? 0) + 1);
  return <span class="badges">{[...counts].map(([state, n]) =>
    <Badge key={state} text={`${n} ${state}`} tone={{ ok: "good", behind: "warn", moving: "accent", unreachable: "bad" }[state]} />)}</span>;
}
