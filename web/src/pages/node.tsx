// One node with all that is known of it.
import { type Node, type Probe, get, may, post } from "../api";
import { useAsk } from "../ask";
import { useLoad } from "../live";
import { Badge, Chips, Head, Loaded, Table, bytes, sh } from "../parts";
import { quote, to } from "../router";
import { Ago, At } from "../time";
import { Who } from "../who";
import { States } from "./nodes";

function ProbeReport({ probe: p }: { probe: Probe }) {
  const problems = (p.problems ?? []).map((one) => typeof one === "string" ? one : [one.gate, one.text, one.fix].filter(Boolean).join(": "));
  return <><h2>Last check {p.probed && <small><Ago at={p.probed} /></small>}</h2>
    {problems.length === 0 ? <p class="note good">No problem was found.</p> : problems.map((text) => <p class="note warn" key={text}>{text}</p>)}
    <dl class="facts">
      {p.server && <><dt>Server</dt><dd>{p.server.name} {p.server.version}</dd></>}
      {p.control && <><dt>Model control</dt><dd>{p.control}</dd></>}
      {p.root && <><dt>Files</dt><dd>{p.root.free_bytes !== undefined && `${bytes(p.root.free_bytes)} free`}{p.root.writable === false && ", not writable"}{p.root.same_filesystem === false && ", on another file system"}</dd></>}
      {p.metrics && <><dt>Metrics</dt><dd>{p.metrics.found ? "found" : "none"}{p.metrics.counts_requests ? ", requests are counted" : ""}</dd></>}
    </dl></>;
}

function Cordon({ node: n }: { node: Node }) {
  if (!n.cordon) return null;
  return <p class="note warn">{n.cordon.kind === "cordon" ? "Cordoned" : n.cordon.is_drained ? "Drained" : "Draining"} <Ago at={n.cordon.since} /> by <Who actor={n.cordon.by} />{n.cordon.reason && `: “${n.cordon.reason}”`}.
    {n.cordon.waiting && ` Waits: ${n.cordon.waiting}.`} {n.cordon.note}</p>;
}

// Which try of the same thing it is: rows are newest first, and the ones before it that failed count.
type Operation = NonNullable<Node["operations"]>[number];
function tryOf(all: Operation[], i: number): number {
  const o = all[i]!, older = all.slice(i + 1).filter((one) => one.action === o.action && one.model === o.model && one.version === o.version && one.rollout === o.rollout), n = older.findIndex((one) => one.state !== "failed");
  return 1 + (n < 0 ? older.length : n);
}

function Operations({ node: n }: { node: Node }) {
  if (!n.operations?.length) return null;
  return <><h2>Last operations</h2><Table caption="Operations" heads={["When", "What", "For", "Outcome"]}>
    {n.operations.map((o, i) => <tr key={i}><td class="tight"><Ago at={o.started} /></td><td class="tight">{o.action} {o.model} {o.version || ""}</td><td class="tight">{o.rollout ? <a href={to.rollout(o.rollout)}>{o.rollout}</a> : "repair"}</td>
      <td class="fill"><Badge text={o.state} tone={o.state === "done" ? "good" : o.state === "failed" ? "bad" : "warn"} />{tryOf(n.operations!, i) > 1 && <small class="soft"> try {tryOf(n.operations!, i)}</small>}{o.text && <p class="under">{o.text}</p>}</td></tr>)}</Table></>;
}

export function NodePage({ environment, name }: { environment: string; name: string }) {
  const base = `/environments/${quote(environment)}/nodes/${quote(name)}`;
  const page = useLoad(() => get<Node>(base), 4000, base);
  const [dialog, ask] = useAsk(page.again);
  const command = (verb: string, title: string, text: string) => ask({ title: `${title} ${name}`, verb: title, text: <p>{text}</p>, needsReason: verb !== "uncordon", act: (f) => post(`${base}/${verb}`, { ...(f.reason && { reason: f.reason }) }) });
  return <Loaded of={page}>{(n) => <>
    <Head crumbs={[["Nodes", "/nodes"], [environment, to.nodes(environment)]]} title={<>{n.name} <States node={n} /></>} cli={sh`mreg node show ${environment} ${name}`} api={base} />
    {!n.reachable && n.detail && <p class="note bad">{n.detail}</p>}
    <Cordon node={n} />
    {n.busy && <p class="note">Busy: {n.busy}</p>}
    {may("deploy") && <div class="actions">
      {n.cordon ? <button onClick={() => command("uncordon", "Uncordon", "It takes part in rollouts again and gets today's versions.")}>Uncordon…</button>
        : <button onClick={() => command("cordon", "Cordon", "It keeps what it serves; nothing new is given to it.")}>Cordon…</button>}
      {n.cordon?.kind !== "drain" && <button class="danger" onClick={() => command("drain", "Drain", "It is cordoned and taken out of the router's traffic.")}>Drain…</button>}
      <button class="quiet" onClick={() => ask({ title: `Check ${name}`, verb: "Check it now", noReason: true, text: <p>The server looks at the node and its folder; nothing is changed.</p>, act: () => post(`${base}/check`, {}) })}>Check now…</button>
    </div>}
    <div class="cols aside"><div>
      <h2>Serves</h2>
      {n.serving.length + (n.unmanaged ?? []).length === 0 ? <p class="lede">Nothing.</p> : <Table caption="Serves" heads={["Model", "Served as", "Version", "Ready"]}>
        {n.serving.map((s) => <tr key={s.serve_as + s.version}><td><a href={to.model(s.model)}>{s.model}</a></td><td class="mono">{s.serve_as}</td><td class="nums">{s.version ? <a href={to.version(s.model, s.version)}>{s.version}</a> : "–"}</td><td>{s.ready ? "yes" : "no"}</td></tr>)}
        {(n.unmanaged ?? []).map((u) => <tr key={u}><td>{u}</td><td class="mono">{u}</td><td>–</td><td>not from mreg</td></tr>)}</Table>}
      {(n.drifted ?? []).map((d) => <p class="note warn" key={d.model}>Files of {d.model} differ from what was placed, since <Ago at={d.since} />: {d.text}</p>)}
      <Operations node={n} />
    </div><div>
      <h2>About</h2>
      <dl class="facts">
        <dt>Driver</dt><dd>{n.driver}</dd><dt>Admin</dt><dd class="mono">{n.admin_url}</dd>{n.infer_url && n.infer_url !== n.admin_url && <><dt>Inference</dt><dd class="mono">{n.infer_url}</dd></>}
        {n.metrics_url && <><dt>Metrics</dt><dd class="mono">{n.metrics_url}</dd></>}{n.root && <><dt>Files</dt><dd class="mono">{n.root}</dd></>}
        {Object.keys(n.labels ?? {}).length > 0 && <><dt>Labels</dt><dd><Chips map={n.labels} /></dd></>}
        <dt>Seen</dt><dd>{n.seen ? <Ago at={n.seen} /> : "never"}</dd>{n.since && <><dt>{n.reachable ? "Reachable" : "Lost"}</dt><dd>since <At at={n.since} /></dd></>}
        {n.restarts !== undefined && n.restarts > 0 && <><dt>Restarts</dt><dd>{n.restarts}, last <Ago at={n.restarted} /></dd></>}{n.lease && <><dt>Lease</dt><dd>{n.lease.lasts}, until <At at={n.lease.ends} />, by <Who actor={n.lease.by} /></dd></>}
      </dl>
      {n.probe && <ProbeReport probe={n.probe} />}
    </div></div>
    {dialog}
  </>}</Loaded>;
}
