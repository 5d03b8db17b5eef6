// What nodes served at some time, and how a model was then.
import { type List, type Rollout, asOf, get } from "../api";
import { Table, count } from "../parts";
import { at, then, to } from "../router";
import { At, stamp } from "../time";
import { Who } from "../who";

export interface ServedRow { environment: string; node: string; model: string; serve_as?: string; version?: number; since?: string; state: string; rollout?: Rollout }
const STATES: Record<string, string> = { serving: "served", unobserved: "not seen then", none: "none" };

// With each row the rollout that gave the node its version: the newest one before with that version, forward or back.
export async function servedThen(where: string): Promise<List<ServedRow>> {
  const [served, rollouts] = await Promise.all([get<List<ServedRow>>(asOf(`/serving?limit=500${where}`)), get<List<Rollout>>(asOf(`/rollouts?limit=200${where}`)).catch(() => ({ items: [] as Rollout[] }))]);
  const brings = (row: ServedRow) => rollouts.items.find((r) => r.environment === row.environment && r.model === row.model && (!row.since || r.created <= row.since) && (r.to === row.version || (r.from === row.version && /roll/.test(r.phase))));
  return { ...served, items: served.items.map((row) => ({ ...row, rollout: row.version ? brings(row) : undefined })) };
}

export function Served({ items, isPart }: { items: ServedRow[]; isPart?: boolean }) {
  if (items.length === 0) return <p class="lede">No node was known to serve anything on {stamp(at.value)}.</p>;
  return <>
    <Table caption="What each node served then" heads={["Environment", "Node", "Model", "Version", "Since", "By", "Rollout", "State"]}>
      {items.map((row) => <tr key={row.environment + row.node + row.model}>
        <td>{row.environment}</td><td>{row.node}</td><td><a href={then(to.model(row.model))}>{row.model}</a></td>
        <td class="nums">{row.version ? <a href={then(to.version(row.model, row.version))}>{row.version}</a> : "–"}</td><td class="tight"><At at={row.since} /></td><td class="tight">{row.rollout ? <Who actor={row.rollout.actor} /> : "–"}</td><td class="tight">{row.rollout ? <a href={then(to.rollout(row.rollout.id))}>{row.rollout.id}</a> : "–"}</td><td>{STATES[row.state] ?? row.state}</td>
      </tr>)}</Table>
    {isPart && <p class="more">Only the first {count(items.length)}: pick an environment above.</p>}
  </>;
}
