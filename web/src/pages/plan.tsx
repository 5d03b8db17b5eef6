// The plan of a rollout before it begins: what changes, where and when, how low, how long, and what will hold it. Applying it
// works only while nothing that it depends on has changed.
import { useState } from "preact/hooks";
import { type Environment, type List, type Node, Problem, type Rollout, type Target, get, may, maybe, post } from "../api";
import { useAsk } from "../ask";
import { useLoad } from "../live";
import { Command, Fault, Head, Loaded, Table, bytes, decode, plural, sh } from "../parts";
import { go, query, quote, to, withQuery } from "../router";
import { At, duration, span } from "../time";
import { Said } from "../who";
import { linked } from "./common";

interface Side { version: number; content: string; size: number; n_files: number; format: string; metrics: Record<string, string> }
interface PlanStep { n_nodes: number; bake: string; weight_bp?: number; wave?: string; approvals?: number; begin_ms: number; end_ms: number;
  evidence?: { wanted: number; requests_per_second: number; needs_ms?: number; is_enough: boolean } }
interface Plan { plan?: string; already?: boolean; id?: string; model: string; environment: string; from?: number; to: number; n_nodes: number; generation: number;
  diff?: { from?: Side; to?: Side; files?: { same: number; changed: number; new: number; gone: number } } & Record<string, unknown>;
  steps: PlanStep[]; operations: { at_ms: number; node?: string; action: string; version?: number; takes_ms: number; step: number }[]; n_operations: number;
  forecast: { complete: boolean; outcome: string; takes_ms: number; low_point: number; low_at_ms: number; stops_step?: number; stops_ms?: number; requests_per_second: number; measured: string[] };
  rollback: { n_nodes: number; takes_ms: number; low_point: number; needs_load: boolean };
  phase?: string; freezes?: { id: string; type: string; reason: string; holds: boolean; begins?: string; until?: string }[]; approvals?: number; behind?: string; strategy?: { strategy: string } }

// When it would stand still for somebody, in ms since its begin; the steps after that are foreseen as if somebody had answered at once.
const stopOf = ({ forecast: f }: Plan) => f.stops_step ? f.stops_ms : undefined;

// When each step begins and ends, as bars under each other.
function When({ plan }: { plan: Plan }) {
  const stop = stopOf(plan) ?? Infinity, steps = plan.steps.slice(0, 24).filter((s) => s.begin_ms < stop).map((s) => ({ ...s, end_ms: Math.min(s.end_ms, stop) }));
  if (plan.steps.length < 2 || steps.length === 0) return null;
  const total = Math.max(...steps.map((s) => s.end_ms), stop === Infinity ? plan.forecast.takes_ms : 1, 1);
  const W = innerWidth < 700 ? 330 : 660, x = (ms: number) => 60 + (W - 100) * ms / total, tall = steps.length * 20, parts = W < 400 ? [0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1]; // text keeps its size
  return <div class="panel pad scroll when" tabIndex={0} role="region" aria-label="When">
    <svg class="chart" width={W} height={tall + 18} viewBox={`0 0 ${W} ${tall + 18}`} role="img" aria-label={`Time of the steps: ${steps.map((s, i) => `step ${i + 1} from ${span(s.begin_ms)} to ${span(s.end_ms)}`).join(", ")}`}>
      {parts.map((part) => <g key={part}><line class="grid" x1={x(part * total)} x2={x(part * total)} y1="0" y2={tall} /><text x={x(part * total)} y={tall + 14} text-anchor="middle">{span(part * total)}</text></g>)}
      {steps.map((s, i) => <g key={i}><text x="0" y={i * 20 + 14}>step {i + 1}</text><rect class="fill-accent" x={x(s.begin_ms)} y={i * 20 + 4} width={Math.max(2, x(s.end_ms) - x(s.begin_ms))} height="12" rx="2" /></g>)}
    </svg>{stop !== Infinity && <p class="under">Then it stands still until somebody answers.</p>}</div>;
}

function Steps({ plan }: { plan: Plan }) {
  const stop = stopOf(plan) ?? Infinity;
  return <><h2>Steps</h2><ol class="rail">{plan.steps.slice(0, 24).map((s, i) => <li key={i}>
    <b><span>{i + 1}. {plural(s.n_nodes, "node")}{s.weight_bp !== undefined && `, ${s.weight_bp / 100} % of traffic`}{s.wave && `, ${s.wave}`}</span><span>{s.begin_ms >= stop ? "" : s.end_ms >= stop && stop !== Infinity ? `pauses after ${span(stop - s.begin_ms)}` : span(s.end_ms - s.begin_ms)}</span></b>
    <small>{s.begin_ms >= stop ? "once somebody has answered" : `from ${span(s.begin_ms)}`}; {/^0/.test(s.bake) ? "no bake" : `bake ${duration(s.bake)}`}{s.approvals ? `, ${plural(s.approvals, "approval")}` : ""}</small>
    {s.evidence && <small>{s.evidence.is_enough ? "enough evidence" : "evidence will be thin"}: wants {plural(s.evidence.wanted, "request")}{s.evidence.needs_ms !== undefined && `, ${span(s.evidence.needs_ms)} at ${s.evidence.requests_per_second.toPrecision(2)} a second`}</small>}
  </li>)}</ol><When plan={plan} /></>;
}

// What stands in the way, at the top of the page and once more before anybody agrees.
function Warnings({ plan, lost }: { plan: Plan; lost: Node[] }) {
  return <>
    {lost.length > 0 && <p class="note bad">{lost.map((n, i) => <>{i > 0 && ", "}<a href={to.node(n.environment, n.name)}>{n.name}</a></>)} cannot be reached now{lost.length === 1 && lost[0]!.since && <>, since <At at={lost[0]!.since} /></>}{lost.length === 1 && lost[0]!.detail && `: ${lost[0]!.detail}`}.</p>}
    {(plan.freezes ?? []).map((f) => <p class="note warn" key={f.id}>{f.holds ? "Frozen now" : <>Will be frozen from <At at={f.begins} /></>}{f.until && <> until <At at={f.until} /></>}: {f.reason}</p>)}
    {(!plan.forecast.complete || plan.forecast.stops_step) && <p class="note warn">As things are, it would not end by itself: <Said text={ahead(plan.forecast.outcome)} />.</p>}
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

// A refusal in words of this page: what would help, and who may; no "try again" where that cannot help.
interface Passed { env: string; override: string[]; reason: string }
function Refused({ error, name, env, pass, again }: { error: Problem; name: string; env: string; pass: (by: Passed) => void; again: () => void }) {
  const isBad = /in quarantine/.test(error.message), cannot = /cannot be served/.test(error.message), isEmpty = /has no nodes/.test(error.message), isHalted = /a halt left nodes/.test(error.message);
  return <>
    <p class="note bad" role="alert">{linked(error.message.replace(/; --override .*$/, "").replace(/; add (\S+) to the version$/, "; $1 would say how").replace(/; add one first$/, ""))}.{!isBad && !cannot && !isEmpty && !isHalted && <> <button class="quiet" type="button" onClick={again}>Look again</button></>}</p>
    {cannot && <><p>No environment can serve it as it is. Push a version that has what is missing; this one stays as it was pushed.{!may("push") && " A pusher may."}</p><Command text={sh`mreg push ${name} ./FOLDER`} /></>}
    {isHalted && <p>“Roll back…” is on the page of <a href={to.model(name)}>{name}</a>; what was halted is among <a href={`/rollouts?model=${quote(name)}`}>its rollouts</a>.</p>}
    {isEmpty && <p><a href={to.nodes(env)}>Nodes of {env}</a>: an admin adds the first one.</p>}
    {isBad && <p>It failed here before by its own fault. {may("approve") ? <>You may lift the quarantine under <a href={to.env(env)}>{env}</a> once what failed is settled, or pass over it this once:</> : <>An approver may lift the quarantine under <a href={to.env(env)}>{env}</a>, or roll it out in spite of it.</>}</p>}
    {isBad && may("approve") && <form class="inline" onSubmit={(event) => { event.preventDefault(); pass({ env, override: ["quarantine"], reason: String(new FormData(event.currentTarget).get("why") ?? "") }); }}>
      <label class="field">Reason; it goes into the history<input name="why" required maxLength={1000} autocomplete="off" size={50} /></label><button class="danger">Plan it in spite of the quarantine</button></form>}
  </>;
}

function Apply({ plan, lost, name, number, env, passed }: { plan: Plan; lost: Node[]; name: string; number: string; env: string; passed?: Passed }) {
  const [dialog, ask] = useAsk(() => undefined);
  if (!may("deploy") || !plan.plan) return null;
  return <div class="actions"><button class="strong" onClick={() => ask({ title: `Promote version ${number} to ${env}`, verb: "Apply this plan",
    text: <><Warnings plan={plan} lost={lost} />{passed && <p class="note warn">In spite of the quarantine: “{passed.reason}”</p>}<p>{plural(plan.n_nodes, "node")} {plan.from ? `go from version ${plan.from} to version ${plan.to}` : `get version ${plan.to}`}. It is applied only if nothing has changed since the plan was made.</p></>,
    act: async (f) => {
      const made = await post<{ id?: string }>("/rollouts", { model: name, version: number, environment: env, plan: plan.plan, ...(f.reason && { reason: f.reason }), ...(passed && { override: passed.override, reason: f.reason || passed.reason }) });
      if (made.id) go(to.rollout(made.id));
    } })}>Apply this plan…</button>{dialog}</div>;
}

// What is under way there: the version may be on its way, or live while another comes.
async function underWay(name: string, env: string): Promise<Rollout | undefined> {
  const target = await maybe(get<Target>(`/environments/${quote(env)}/targets/${quote(name)}`));
  return target?.rollout ? get<Rollout>(`/rollouts/${quote(target.rollout)}`) : undefined;
}

function Planned({ plan, active, lost, name, number, env, passed }: { plan: Plan; active?: Rollout; lost: Node[]; name: string; number: string; env: string; passed?: Passed }) {
  const now = active && <><a href={to.rollout(active.id)}>{active.id}</a> ({active.phase})</>;
  if (plan.already) return plan.id ? <p class="note">Version {number} {plan.phase === "queued" ? <>was asked for already and waits for its turn in {env}</> : <>is being rolled out to {env} right now</>}: <a href={to.rollout(plan.id)}>{plan.id}</a>.</p>
    : <p class="note good">Version {number} is live in {env} already: there is nothing to do.</p>;
  if (plan.from === plan.to) return <p class="note">Version {number} is live in {env} already{active && <>, and {now} brings version {active.to} just now. To stay on version {number}, abort {active.id}: another rollout is not needed</>}.</p>;
  const stop = stopOf(plan);
  return <>
    {active && active.to === plan.to && <p class="note warn">Version {number} is being rolled out to {env} right now: {now}. This plan would ask for it once more, after that.</p>}
    <Warnings plan={plan} lost={lost} />
    {passed && <p class="note warn">In spite of the quarantine: “{passed.reason}”</p>}
    <p class="sentence">{plan.from ? `Version ${plan.from} gives way to version ${plan.to}` : `Version ${plan.to} is the first`} on {plural(plan.n_nodes, "node")}, {plan.strategy?.strategy}: {stop === undefined ? `about ${span(plan.forecast.takes_ms)}` : `it pauses after about ${span(stop)}`}{plan.from && <>, never fewer than {plan.forecast.low_point} of {plan.n_nodes} serving</>}.
      Going back would take {plan.rollback.takes_ms < 1000 ? "less than a second" : `about ${span(plan.rollback.takes_ms)}`}{plan.rollback.needs_load ? "" : ", without loading anything"}.</p>
    <Holds plan={plan} />
    <Apply plan={plan} lost={lost} name={name} number={number} env={env} passed={passed} />
    <Steps plan={plan} />
    <Changes plan={plan} name={name} />
    <Calls plan={plan} />
  </>;
}

export function PlanPage({ name, number }: { name: string; number: string }) {
  const environments = useLoad(() => get<List<Environment>>("/environments"), 60_000, "envs");
  const names = (environments.data?.items ?? []).map((e) => e.name), env = query("to") || names[0] || "", isKnown = names.includes(env);
  const [any, pass] = useState<Passed | undefined>(), passed = any?.env === env ? any : undefined;
  const body = { model: name, version: number, environment: env, dry_run: true, ...(passed && { override: passed.override, reason: passed.reason }) };
  const page = useLoad(async () => {
    if (!isKnown || !may("deploy")) return undefined;
    const [plan, active] = await Promise.all([post<Plan>("/rollouts", body), underWay(name, env)]);
    return { plan, active };
  }, 30_000, `plan/${name}/${number}/${env}/${isKnown}/${passed?.reason ?? ""}`);
  const lost = useLoad(() => isKnown ? get<List<Node>>(`/environments/${quote(env)}/nodes?state=unreachable&limit=8`) : Promise.resolve({ items: [] }), 10_000, `lost/${env}/${isKnown}`);
  const isRefused = page.error instanceof Problem && [400, 409, 422].includes(page.error.status);
  return <>
    <Head crumbs={[["Models", "/models"], [name, to.model(name)], [`version ${number}`, to.version(name, number)]]} title={`Promote version ${number}`} cli={sh`mreg promote ${name}@${number} ${env} --dry-run`} api="/rollouts" body={body}>
      <label>to <select value={env} onChange={(event) => go(withQuery({ to: event.currentTarget.value }))}>{environments.data && !isKnown && env && <option value={env} disabled>{env} (there is none)</option>}{names.map((n) => <option key={n}>{n}</option>)}</select></label></Head>
    {!may("deploy") ? <p class="lede">Your role may not roll out; a deployer may.</p> : !environments.data ? <Loaded of={environments}>{() => null}</Loaded> : names.length === 0 ? <p class="lede">There is no environment yet; an admin makes one.</p>
    : !isKnown ? <p class="note bad" role="alert">There is no environment “{env}”. Pick one above.</p>
    : isRefused ? <Refused error={page.error as Problem} name={name} env={env} pass={pass} again={page.again} />
    : <Loaded of={page}>{(seen) => seen === undefined ? null : <><Fault of={lost} /><Planned {...seen} lost={lost.data?.items ?? []} name={name} number={number} env={env} passed={passed} /></>}</Loaded>}
  </>;
}
