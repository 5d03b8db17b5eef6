// What nodes served at some time, and how a model was then.
import { type List, type Rollout, asOf, many } from "../api";
import { useLoad } from "../live";
import { Loaded, Pages, Table } from "../parts";
import { at, query, quote, then, to } from "../router";
import { At, exact } from "../time";
import { Who } from "../who";

export interface ServedRow { environment: string; node: string; model: string; serve_as?: string; version?: number; since?: string; state: string; rollout?: Rollout }
const STATES: Record<string, string> = { serving: "served", unobserved: "not seen then", none: "none" };

// With each row the rollout that gave the node its version: the newest one before with that version, forward or back.
export async function servedThen(where: string): Promise<List<ServedRow>> {
  const cursor = query("cursor");
  const [served, rollouts] = await Promise.all([many<ServedRow>(asOf(`/serving?limit=500${where}${cursor && `&cursor=${quote(cursor)}`}`), 500), many<Rollout>(asOf(`/rollouts?limit=200${where}`), 200)]);
  const brings = (row: ServedRow) => rollouts.items.find((r) => r.environment === row.environment && r.model === row.model && (!row.since || r.created <= row.since) && (r.to === row.version || (r.from === row.version && /roll/.test(r.phase))));
  return { ...served, items: served.items.map((row) => ({ ...row, rollout: row.version ? brings(row) : undefined })) };
}

export function ServedThen({ env }: { env: string }) {
  const page = useLoad(() => servedThen(env && `&env=${quote(env)}`), 60_000, `then/${at.value}/${env}/${query("cursor")}`);
  return <Loaded of={page}>{(served) => <Served {...served} />}</Loaded>;
}
export function Served({ items, next }: List<ServedRow>) {
  return <>
    {items.length === 0 ? <p class="lede">{next || query("cursor") ? "None of the nodes of this page was" : "No node was"} known to serve anything on {exact(at.value)}.</p> : <Table caption="What each node served then" heads={["Environment", "Node", "Model", "Version", "Since", "By", "Rollout", "State"]}>
      {items.map((row) => <tr key={row.environment + row.node + row.model}>
        <td><a href={then(to.env(row.environment))}>{row.environment}</a></td><td><a href={then(to.node(row.environment, row.node))}>{row.node}</a></td><td><a href={then(to.model(row.model))}>{row.model}</a></td>
        <td class="nums">{row.version ? <a href={then(to.version(row.model, row.version))}>{row.version}</a> : "–"}</td><td class="tight"><At at={row.since} /></td><td class="tight">{row.rollout ? <Who actor={row.rollout.actor} /> : "–"}</td><td class="tight">{row.rollout ? <a href={then(to.rollout(row.rollout.id))}>{row.rollout.id}</a> : "–"}</td><td>{STATES[row.state] ?? row.state}</td>
      </tr>)}</Table>}
    <Pages next={next} />
  </>;
}
