// What nodes served at some time, and how a model was then.
import { Table, count } from "../parts";
import { at, then, to } from "../router";
import { At, stamp } from "../time";

export interface ServedRow { environment: string; node: string; model: string; serve_as?: string; version?: number; since?: string; state: string }
const STATES: Record<string, string> = { serving: "served", unobserved: "not seen then", none: "none" };

export function Served({ items, isPart }: { items: ServedRow[]; isPart?: boolean }) {
  if (items.length === 0) return <p class="lede">No node was known to serve anything on {stamp(at.value)}.</p>;
  return <>
    <Table caption="What each node served then" heads={["Environment", "Node", "Model", "Version", "Since", "State"]}>
      {items.map((row) => <tr key={row.environment + row.node + row.model}>
        <td>{row.environment}</td><td>{row.node}</td><td><a href={then(to.model(row.model))}>{row.model}</a></td>
        <td class="nums">{row.version ? <a href={then(to.version(row.model, row.version))}>{row.version}</a> : "–"}</td><td class="tight"><At at={row.since} /></td><td>{STATES[row.state] ?? row.state}</td>
      </tr>)}</Table>
    {isPart && <p class="more">Only the first {count(items.length)}: pick an environment above.</p>}
  </>;
}
