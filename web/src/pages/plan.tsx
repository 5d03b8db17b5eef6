// The plan of a rollout before it begins: what changes, where and when, how low, how long, and what will hold it. Applying it
// works only while nothing that it depends on has changed.
import { type Environment, type List, type Node, get, may, post } from "../api";
import { useAsk } from "../ask";
import { useLoad } from "../live";
import { Head, Loaded, Table, bytes, decode, plural } from "../parts";
import { go, query, quote, to, withQuery } from "../router";
import { At, duration, span } from "../time";
import { Said } from "../who";

interface Side { version: number; content: string; size: number; n_files: number; format: string; metrics: Record<string, string> }
interface PlanStep { n_nodes: number; bake: string; weight_bp?: number; wave?: string; approvals?: number; begin_ms: number; end_ms: number;
  evidence?: { wanted: number; requests_per_second: number; needs_ms?: number; is_enough: boolean } }
interface Plan { plan?: string; already?: boolean; id?: string; model: string; environment: string; from?: number; to: number; n_nodes: number; generation: number;
  diff?: { from?: Side; to?: Side; files?: { same: number; changed: number; new: number; gone: number } } & Record<string, unknown>;
  steps: PlanStep[]; operations: { at_ms: number; node?: string; action: string; version?: number; takes_ms: number; step: number }[]; n_operations: number;
  forecast: { complete: boolean; outcome: string; takes_ms: number; low_point: number; low_at_ms: number; requests_per_second: number; measured: string[] };
  rollback: { n_nodes: number; takes_ms: number; low_point: number; needs_load: boolean };
  freezes?: { id: string; type: string; reason: string; holds: boolean; begins?: string; until?: string }[]; approvals?: number; behind?: string; strategy?: { strategy: string } }

// When each step begins and ends, as bars under each other.
function When({ plan }: { plan: Plan }) {
  const steps = plan.steps.slice(0, 24), total = Math.max(plan.forecast.takes_ms, ...steps.map((s) => s.end_ms), 1);
  if (steps.length < 2) return null;
  const x = (ms: number) => 60 + 540 * ms / total, tall = steps.length * 20;
  return <div class="panel pad scroll" tabIndex={0} role="region" aria-label="When">
    <svg class="chart" width="660" height={tall + 18} viewBox={`0 0 660 ${tall + 18}`} role="img" aria-label={`Time of the steps: ${steps.map((s, i) => `step ${i + 1} from ${span(s.begin_ms)} to ${span(s.end_ms)}`).join(", ")}`}>
      {[0, 0.25, 0.5, 0.75, 1].map((part) => <g key={part}><line class="grid" x1={x(part * total)} x2={x(part * total)} y1="0" y2={tall} /><text x={x(part * total)} y={tall + 14} text-anchor="middle">{span(part * total)}</text></g>)}
      {steps.map((s, i) => <g key={i}><text x="0" y={i * 20 + 14}>step {i + 1}</text><rect class="fill-accent" x={x(s.begin_ms)} y={i * 20 + 4} width={Math.max(2, x(s.end_ms) - x(s.begin_ms))} height="12" rx="2" /></g>)}
    </svg></div>;
}

function Steps({ plan }: { plan: Plan }) {
  return <><h2>Steps</h2><ol class="rail">{plan.steps.slice(0, 24).map((s, i) => <li key={i}>
    <b><span>{i + 1}. {plural(s.n_nodes, "node")}{s.weight_bp !== undefined && `, ${s.weight_bp / 100} % of traffic`}{s.wave && `, ${s.wave}`}</span><span>{span(s.end_ms - s.begin_ms)}</span></b>
    <small>from {span(s.begin_ms)}; {/^0/.test(s.bake) ? "no bake" : `bake ${duration(s.bake)}`}{s.approvals ? `, ${plural(s.approvals, "approval")}` : ""}</small>
    {s.evidence && <small>{s.evidence.is_enough ? "enough evidence" : "evidence will be thin"}: wants {plural(s.evidence.wanted, "request")}{s.evidence.needs_ms !== undefined && `, ${span(s.evidence.needs_ms)} at ${s.evidence.requests_per_second.toPrecision(2)} a second`}</small>}
  </li>)}</ol><When plan={plan} /></>;
}

// What stands in the way, at the top of the page and once more before anybody agrees.
function Warnings({ plan, lost }: { plan: Plan; lost: Node[] }) {
  return <>
    {lost.length > 0 && <p class="note bad">{lost.map((n, i) => <>{i > 0 && ", "}<a href={to.node(n.environment, n.name)}>{n.name}</a></>)} cannot be reached now{lost.length === 1 && lost[0]!.since && <>, since <At at={lost[0]!.since} /></>}{lost.length === 1 && lost[0]!.detail && `: ${lost[0]!.detail}`}.</p>}
    {(plan.freezes ?? []).map((f) => <p class="note warn" key={f.id}>{f.holds ? "Frozen now" : <>Will be frozen from <At at={f.begins} /></>}{f.until && <> until <At at={f.until} /></>}: {f.reason}</p>)}
    {!plan.forecast.complete && <p class="note warn">As things are, it would not end by itself: <Said text={ahead(plan.forecast.outcome)} /></p>}
  </>;
}
// The forecast's moments lie ahead: nothing is "since" then.
const ahead = (text: string) => text.replace(/\bsince (\d{4}-\d\d-\d\dT[\d:.]+Z)/g, (whole, time: string) => Date.parse(time) > Date.now() ? `from ${time} on` : whole);

function Holds({ plan }: { plan: Plan }) {
  return <>
    {plan.approvals ? <p class="note">{plural(plan.approvals, "approval")} by other people {plan.approvals === 1 ? "is" : "are"} needed before anything is touched.</p> : null}
    {plan.behind && <p class="note">It waits behind <a href={to.rollout(plan.behind)}>{plan.behind}</a>.</p>}
    {plan.steps.some((s) => s.evidence && !s.evidence.is_enough) && <p class="note">With the traffic of the last hour ({plan.forecast.requests_per_second.toPrecision(2)} requests a second) the gates will not see enough to judge: the rollout then does what its policy says for thin evidence.</p>}
  </>;
}

function Changes({ plan, name }: { plan: Plan; name: string }) {
  const { from, to: into, files } = plan.diff ?? {};
  if (!into) return null;
  return <><h2>What changes {plan.from && <small><a href={`${to.model(name)}/compare?a=${plan.from}&b=${plan.to}`}>compare {plan.from} with {plan.to}</a></small>}</h2><dl class="facts">
    {from && <><dt>Size</dt><dd>{bytes(from.size)} → {bytes(into.size)}</dd></>}
    <dt>Metrics</dt><dd>{from && <>{decode(from.metrics).join(", ") || "none"} → </>}{decode(into.metrics).join(", ") || "none"}</dd>
    {files && from && <><dt>Files</dt><dd>{files.same} the same, {files.changed} changed, {files.new} new, {files.gone} gone</dd></>}
  </dl></>;
}

function Calls({ plan }: { plan: Plan }) {
  if (plan.n_operations === 0) return null;
  return <details><summary>{plural(plan.n_operations, "call")} to the nodes, one by one <small class="soft">({plan.forecast.measured.length ? `times of ${plan.forecast.measured.join(", ")} are measured` : "times are typical ones: none was measured here yet"})</small></summary>
    <Table caption="Calls" heads={["At", "Node", "What", "Version", "Takes", "Step"]}>
      {plan.operations.slice(0, 200).map((o, i) => <tr key={i}><td class="nums tight">{span(o.at_ms)}</td><td>{o.node ? <a href={to.node(plan.environment, o.node)}>{o.node}</a> : "router"}</td><td>{o.action}</td><td class="nums">{o.version || "–"}</td><td class="nums">{o.takes_ms < 1000 ? `${o.takes_ms} ms` : span(o.takes_ms)}</td><td class="nums">{o.step || "–"}</td></tr>)}</Table>
    {plan.n_operations > 200 && <p class="more">and {plan.n_operations - 200} more</p>}</details>;
}

function Apply({ plan, lost, name, number, env }: { plan: Plan; lost: Node[]; name: string; number: string; env: string }) {
  const [dialog, ask] = useAsk(() => undefined);
  if (!may("deploy") || !plan.plan) return null;
  return <div class="actions"><button class="strong" onClick={() => ask({ title: `Promote version ${number} to ${env}`, verb: "Apply this plan",
    text: <><Warnings plan={plan} lost={lost} /><p>{plural(plan.n_nodes, "node")} {plan.from ? `go from version ${plan.from} to version ${plan.to}` : `get version ${plan.to}`}. It is applied only if nothing has changed since the plan was made.</p></>,
    act: async (f) => {
      const made = await post<{ id?: string }>("/rollouts", { model: name, version: number, environment: env, plan: plan.plan, ...(f.reason && { reason: f.reason }) });
      if (made.id) go(to.rollout(made.id));
    } })}>Apply this plan…</button>{dialog}</div>;
}

export function PlanPage({ name, number }: { name: string; number: string }) {
  const environments = useLoad(() => get<List<Environment>>("/environments"), 60_000, "envs");
  const names = (environments.data?.items ?? []).map((e) => e.name), env = query("to") || names[0] || "";
  const page = useLoad(() => env ? post<Plan>("/rollouts", { model: name, version: number, environment: env, dry_run: true }) : Promise.resolve(undefined), 30_000, `plan/${name}/${number}/${env}`);
  const lost = useLoad(() => env ? get<List<Node>>(`/environments/${quote(env)}/nodes?state=unreachable&limit=8`) : Promise.resolve({ items: [] }), 10_000, `lost/${env}`);
  return <>
    <Head crumbs={[["Models", "/models"], [name, to.model(name)], [`version ${number}`, to.version(name, number)]]} title={`Promote version ${number}`} cli={`mreg promote ${name}@${number} ${env} --dry-run`} api="/rollouts" body={{ model: name, version: number, environment: env, dry_run: true }}>
      <label>to <select value={env} onChange={(event) => go(withQuery({ to: event.currentTarget.value }))}>{names.map((n) => <option key={n}>{n}</option>)}</select></label></Head>
    {!may("deploy") ? <p class="lede">Your role may not roll out. A deployer's does.</p> : !environments.data ? <Loaded of={environments}>{() => null}</Loaded> : names.length === 0 ? <p class="lede">There is no environment yet.</p> : <Loaded of={page}>{(plan) => plan === undefined ? null : plan.already ? (plan.id ? <p class="note">This very rollout was asked for already: <a href={to.rollout(plan.id)}>{plan.id}</a>.</p> : <p class="note good">Version {number} is live in {env} already.</p>) : <>
      <Warnings plan={plan} lost={lost.data?.items ?? []} />
      <p class="sentence">{plan.from ? `Version ${plan.from} gives way to version ${plan.to}` : `Version ${plan.to} is the first`} on {plural(plan.n_nodes, "node")}, {plan.strategy?.strategy}: about {span(plan.forecast.takes_ms)}, never fewer than {plan.forecast.low_point} of {plan.n_nodes} serving.
        Going back would take {plan.rollback.takes_ms < 1000 ? "less than a second" : `about ${span(plan.rollback.takes_ms)}`}{plan.rollback.needs_load ? "" : ", without loading anything"}.</p>
      <Holds plan={plan} />
      <Apply plan={plan} lost={lost.data?.items ?? []} name={name} number={number} env={env} />
      <Steps plan={plan} />
      <Changes plan={plan} name={name} />
      <Calls plan={plan} />
    </>}</Loaded>}
  </>;
}
