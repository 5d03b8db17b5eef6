// One route through a router: which share of a model's requests each node gets.
import { Badge, Table, count } from "../parts";
import { to } from "../router";

export interface RouteNode { node: string; known?: boolean; share?: string; wanted?: string; weight?: number; up?: boolean; mirrored?: boolean; sessions?: number; requests?: number; errors?: number }

export function RouteTable({ nodes, environment, label }: { nodes: RouteNode[]; environment: string; label: string }) {
  const n = (value?: number) => value !== undefined ? count(value) : "–";
  return <Table caption={label} heads={["Node", ["Share"], ["Wanted"], "State", ["Sessions"], ["Requests"], ["Errors"]]}>
    {nodes.slice(0, 50).map((node) => <tr key={node.node}><td><a href={to.node(environment, node.node)}>{node.node}</a></td><td class="num">{node.share !== undefined ? `${node.share} %` : "–"}</td><td class="num">{node.wanted !== undefined ? `${node.wanted} %` : "–"}</td>
      <td><span class="badges"><Badge text={node.known === false ? "not in the backend" : node.up ? "up" : "down"} tone={node.known === false ? "warn" : node.up ? "good" : "bad"} />{node.mirrored && <Badge text="mirrored" tone="accent" />}</span></td>
      <td class="num">{n(node.sessions)}</td><td class="num">{n(node.requests)}</td><td class="num">{n(node.errors)}</td></tr>)}</Table>;
}
