// Routers: the share of traffic that each node really gets, beside the one that is wanted.
import { type List, get } from "../api";
import { Shares } from "../charts";
import { useLoad } from "../live";
import { Badge, Empty, Loaded, sh } from "../parts";
import { quote, to } from "../router";
import { Ago } from "../time";
import { type RouteNode, RouteTable } from "./routes";

interface Route { model: string; serve_as: string; backend: string; state: string; seen?: string; nodes: RouteNode[] }
interface Router { name: string; driver: string; address: string; reachable: boolean; since?: string; seen?: string; detail?: string; routes: Route[] }

export function Routers({ environment }: { environment: string }) {
  const list = useLoad(() => get<List<Router>>(`/environments/${quote(environment)}/routers`), 5000, `routers/${environment}`);
  return <Loaded of={list}>{({ items }) => items.length === 0
    ? <Empty text="No router: nodes share their traffic as clients choose, and steps move nodes, not percents. Add one:" command={sh`mreg router add ${environment} lb --driver haproxy --address unix:/run/haproxy/admin.sock`} />
    : <>{items.map((r) => <section key={r.name}>
      <h2>{r.name} <small>{r.driver}, <span class="mono">{r.address}</span></small> <Badge text={r.reachable ? "reachable" : "unreachable"} /></h2>
      {!r.reachable && r.detail && <p class="note bad">{r.detail}</p>}
      {r.routes.length === 0 && <p class="lede">It has no traffic of a model yet.</p>}
      {r.routes.map((route) => <div key={route.model + route.backend}>
        <h3><a href={to.model(route.model)}>{route.model}</a> <small class="soft">backend <span class="mono">{route.backend}</span>, {route.state}, seen <Ago at={route.seen} /></small></h3>
        <Shares label={`Traffic of ${route.model}`} unit={(n) => `${n} %`} parts={route.nodes.filter((n) => n.known).slice(0, 12).map((n, i) => ({ name: n.node, n: Number(n.share ?? 0), kind: i % 2 ? "old" : "accent" }))} />
        <RouteTable nodes={route.nodes} environment={environment} label={`Shares of ${route.model}`} />
      </div>)}
    </section>)}</>}</Loaded>;
}
