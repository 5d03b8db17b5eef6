// Nodes and rollouts as they were: what the journal keeps of them, and which of it that is not. Nothing can be changed here.
import type { ComponentChildren } from "preact";
import { type Environment, type Gate, type List, type Rollout, asOf, get, many } from "../api";
import { useLoad } from "../live";
import { Badge, Chips, Choice, Head, Loaded, Table, count, plural, sh } from "../parts";
import { at, go, query, quote, then, to, withQuery } from "../router";
import { At, exact } from "../time";
import { Said, Who } from "../who";
import { gateName } from "./common";
import { StepCard, Timeline, feed } from "./rollout";

interface PastNode { name: string; environment: string; driver: string; admin_url: string; infer_url?: string; metrics_url?: string; root?: string; delivery?: string; labels: Record<string, string>; created?: string;
  state?: string; serving: { model: string; serve_as: string; version: number; since: string }[]; restarted?: string; lease?: { lasts: string; by?: string }; cordon?: { kind: string; by?: string; reason?: string; since: string } }
type PastRollout = Omit<Rollout, "pauses"> & { pauses?: { reason: string }[]; n_nodes?: number; failed_nodes?: { node: string; text?: string }[]; unknown: string[] };

const Unkept = ({ children }: { children: ComponentChildren }) => <p class="note">{children}</p>;
const NODES = <Unkept>Which nodes could be reached, and what they were busy with, is not kept: here is what was recorded of them and what each was seen serving.</Unkept>;

const STATES: Record<string, [string, string]> = { serving: ["seen", "good"], none: ["seen, served nothing", ""], unobserved: ["not to be seen", "warn"] };
function States({ node }: { node: PastNode }) {
  const [text, tone] = STATES[node.state ?? ""] ?? ["never seen serving", ""];
  return <span class="badges"><Badge text={text} tone={tone} />{node.cordon && <Badge text={node.cordon.kind === "cordon" ? "cordoned" : "draining"} tone="warn" />}</span>;
}
const Serves = ({ node }: { node: PastNode }) => node.serving.length === 0 ? <span class="soft">nothing</span>
  : <span class="badges">{node.serving.map((s) => <Badge key={s.serve_as} text={`${s.model} ${s.version}`} tone={node.state === "unobserved" ? "warn" : "good"} />)}</span>;

function Room({ environment: env, nodes, isAlone }: { environment: Environment; nodes: List<PastNode>; isAlone: boolean }) {
  const hasLabels = nodes.items.some((n) => Object.keys(n.labels).length > 0);
  return <section>
    <h2>{!isAlone && <><a href={then(to.nodes(env.name))}>{env.name}</a>: </>}{plural(env.n_nodes, "node")}</h2>
    {nodes.items.length === 0 ? <p class="lede">{env.n_nodes === 0 ? "There was no node yet." : "None of them."}</p>
      : <Table caption={`Nodes of ${env.name} then`} heads={["Node", "State", "Served", ...(hasLabels ? ["Labels"] : []), "Driver", "Address"]}>{nodes.items.map((n) => <tr key={n.name}>
        <td class="tight"><a href={then(to.node(env.name, n.name))}>{n.name}</a></td><td><States node={n} /></td><td><Serves node={n} /></td>
        {hasLabels && <td><Chips map={n.labels} /></td>}<td>{n.driver}</td><td class="mono">{n.admin_url}</td></tr>)}</Table>}
    {nodes.next && <p class="more">{isAlone ? <a href={withQuery({ cursor: nodes.next })}>Next page</a> : <a href={then(to.nodes(env.name))}>All {count(env.n_nodes)} in {env.name}</a>}</p>}
  </section>;
}

export function PastNodes({ only }: { only?: string }) {
  const page = useLoad(async () => {
    const words = new URLSearchParams({ limit: only ? "100" : "25" });
    for (const field of ["label", "q", ...(only ? ["cursor"] : [])]) if (query(field)) words.set(field, query(field));
    if (query("state") === "cordoned") words.set("state", "cordoned");
    const environments = only ? [await get<Environment>(asOf(`/environments/${quote(only)}`))] : (await get<List<Environment>>(asOf("/environments"))).items;
    return Promise.all(environments.map(async (environment) => ({ environment, nodes: await many<PastNode>(asOf(`/environments/${quote(environment.name)}/nodes?${words}`)) })));
  }, 60_000, `past/${only ?? ""}/${["at", "state", "label", "q", "cursor"].map(query).join("/")}`);
  return <>
    <Head crumbs={only ? [["Nodes", then("/nodes")]] : undefined} title={only ? `Nodes of ${only}` : "Nodes"} cli={only ? sh`mreg node list ${only} --at ${at.value}` : sh`mreg status --at ${at.value}`} api={asOf(only ? `/environments/${quote(only)}/nodes` : "/environments")} />
    {NODES}
    <div class="head"><Choice label="Which" name="state" items={[["", "All"], ["cordoned", "Cordoned"]]} />
      <form class="inline" role="search" onSubmit={(event) => { event.preventDefault(); go(withQuery({ q: String(new FormData(event.currentTarget).get("q") ?? ""), cursor: "" })); }}>
        <input type="search" name="q" defaultValue={query("q")} aria-label="Part of the name" placeholder="Part of the name" /><button>Find</button></form></div>
    <Loaded of={page}>{(rooms) => rooms.length === 0 ? <p class="lede">There was no environment on {exact(at.value)}.</p>
      : <>{rooms.map((room) => <Room key={room.environment.name} {...room} isAlone={only !== undefined} />)}</>}</Loaded>
  </>;
}

export function PastNodePage({ environment, name }: { environment: string; name: string }) {
  const api = asOf(`/environments/${quote(environment)}/nodes/${quote(name)}`);
  const page = useLoad(() => get<PastNode>(api), 60_000, api);
  return <Loaded of={page}>{(n) => <>
    <Head crumbs={[["Nodes", then("/nodes")], [environment, then(to.nodes(environment))]]} title={n.name} cli={sh`mreg api GET ${api}`} api={api} />
    <p class="lede"><States node={n} /> <Chips map={n.labels} /></p>
    {n.cordon && <p class="note warn">{n.cordon.kind === "cordon" ? "Cordoned" : "Draining"} since <At at={n.cordon.since} />{n.cordon.by && <> by <Who actor={n.cordon.by} /></>}{n.cordon.reason && `: “${n.cordon.reason}”`}.</p>}
    {NODES}
    {n.serving.length > 0 && <Table caption="What it served then" heads={["Model", "As", "Version", "Since"]}>{n.serving.map((s) => <tr key={s.serve_as}>
      <td><a href={then(to.model(s.model))}>{s.model}</a></td><td class="mono">{s.serve_as}</td><td class="nums"><a href={then(to.version(s.model, s.version))}>{s.version}</a></td><td class="tight"><At at={s.since} /></td></tr>)}</Table>}
    <h2>Its record then</h2>
    <dl class="facts">
      <dt>Driver</dt><dd>{n.driver}</dd><dt>Address</dt><dd class="mono">{n.admin_url}</dd>
      {n.infer_url && n.infer_url !== n.admin_url && <><dt>Inference</dt><dd class="mono">{n.infer_url}</dd></>}
      {n.root && <><dt>Folder</dt><dd class="mono">{n.root}</dd></>}
      <dt>Added</dt><dd><At at={n.created} /></dd>
      {n.restarted && <><dt>Last restart in service</dt><dd><At at={n.restarted} /></dd></>}
      {n.lease && <><dt>Lease</dt><dd>{n.lease.lasts}{n.lease.by && <>, by <Who actor={n.lease.by} /></>}</dd></>}
    </dl>
  </>}</Loaded>;
}

function PastGates({ gates }: { gates: Gate[] }) {
  return <ul class="gates">{gates.map((gate, i) => <li class="gate" key={i}><div class="head"><h3>{gateName(gate)}</h3><Badge text={gate.verdict} /></div>{gate.text && <p>{gate.text}</p>}
    {gate.n_requests !== undefined && gate.kind !== "latency" && <p class="nums soft">{gate.n_failures ?? 0} of {plural(gate.n_requests, "request")} failed</p>}</li>)}</ul>;
}

export function PastRolloutPage({ id }: { id: string }) {
  const api = asOf(`/rollouts/${quote(id)}`);
  const page = useLoad(async () => {
    const [rollout, changes] = await Promise.all([get<PastRollout>(api), feed(id)()]);
    return { rollout, events: changes.filter((c) => c.time <= (rollout.updated ?? "")) };
  }, 60_000, api);
  return <Loaded of={page}>{({ rollout: r, events }) => <>
    <Head crumbs={[["Rollouts", then("/rollouts")], [r.model, then(to.model(r.model))]]} badge={r.phase} cli={sh`mreg api GET ${api}`} api={api}
      title={<>{r.id}: {r.model} {r.from ? <a href={then(to.version(r.model, r.from))}>{r.from}</a> : "–"} → <a href={then(to.version(r.model, r.to))}>{r.to}</a> in <a href={then(to.env(r.environment))}>{r.environment}</a></>}>
      <a class="button" href={to.rollout(id)}>As it is now</a></Head>
    <p class="sentence"><Said text={r.outcome ?? r.cause ?? (r.pauses?.length ? `paused: ${r.pauses.map((p) => p.reason).join(", ")}` : r.n_steps && r.step ? `step ${r.step} of ${r.n_steps}` : r.phase)} /></p>
    <Unkept>As at its last move, <At at={r.updated} />. Kept is what moved; not which node did what when, nor what it was waiting for.</Unkept>
    {(r.steps ?? []).length > 0 && <><h2>Steps that had begun</h2><ol class="rail">{r.steps!.slice(0, 40).map((s, i) => <StepCard key={i} step={s} number={i + 1} isCurrent={i + 1 === r.step && !r.ended} ended={r.ended} until={r.updated} />)}</ol></>}
    {(r.gates ?? []).length > 0 && <><h2>Evidence at that move</h2><PastGates gates={r.gates!} /></>}
    {(r.failed_nodes ?? []).length > 0 && <><h2>Nodes that had failed</h2><ul class="remarks">{r.failed_nodes!.map((n) => <li key={n.node}><a class="inline" href={then(to.node(r.environment, n.node))}>{n.node}</a>{n.text && `: ${n.text}`}</li>)}</ul></>}
    <div class="cols"><div><h2>Time line until then</h2><Timeline items={events} /></div><div><h2>About</h2><dl class="facts">
      <dt>Kind</dt><dd>{r.kind}, {r.strategy?.strategy}</dd>
      <dt>Asked for</dt><dd><At at={r.created} /> by <Who actor={r.actor} />{r.reason && `: “${r.reason}”`}</dd>
      {r.n_nodes !== undefined && <><dt>Nodes</dt><dd>{count(r.n_nodes)}</dd></>}
      {r.ended && <><dt>Ended</dt><dd><At at={r.ended} /></dd></>}
      {(r.approvals ?? []).length > 0 && <><dt>Approved by</dt><dd>{r.approvals!.map((a, i) => <>{i > 0 && ", "}<Who actor={a.actor} /></>)}</dd></>}
      {r.overrides?.length && <><dt>Passes over</dt><dd>{r.overrides.join(", ")}</dd></>}
    </dl></div></div>
  </>}</Loaded>;
}
