// One rollout: the sentence on top, clocks, legal actions, steps, evidence, nodes, the way back, the time line.
import { useEffect, useMemo, useState } from "preact/hooks";
import { type Change, type List, type Rollout, type RolloutNode, type Step, type Target, get, may, maybe, me, post } from "../api";
import { type Question, useAsk } from "../ask";
import { ShareBar, Shares } from "../charts";
import { Late } from "../lazy";
import { useLoad } from "../live";
import { Head, Loaded, count, plural, sh } from "../parts";
import { query, quote, to, withQuery } from "../router";
import { Ago, Took, clock, duration, span } from "../time";
import { Who } from "../who";
import { COMMANDS, goneFor, latest, linked } from "./common";
import { Analysis, Gates } from "./evidence";
import { Next, RollBack, about, noWayBack, takeOutNext } from "./rollback";
import { Clocks, Headline, Unblock, begun } from "./waits";
import { RouteTable } from "./routes";

type Verb = { verb: string; needs?: "approve"; phases: string[]; tone?: string; reason?: boolean; when?: (r: Rollout) => string; what: (r: Rollout) => string; fields?: boolean };
const FORWARD = ["running", "paused"];
// To end a last step that no node serves would take the rollout back.
const nothingThere = (r: Rollout) => r.step === r.n_steps && (r.nodes ?? []).length > 0 && !r.nodes!.some((n) => n.version === r.to) ? `no node serves version ${r.to} yet` : "";
// What may be done in which phase, and what it will do. `when` says why not now, "" if it may.
const VERBS: Verb[] = [
  { verb: "approve", needs: "approve", tone: "strong", phases: ["queued", "running", "paused"], reason: true,
    when: (r) => !waitsForApproval(r) ? "nothing waits for an approval" : r.actor === me.value?.actor ? "somebody else has to" : "", what: (r) => `Version ${r.to} may go on.` },
  { verb: "resume", tone: "strong", phases: ["paused"], what: () => "The rollout goes on where it is." },
  { verb: "pause", phases: ["running"], what: () => "Nodes stay as they are until somebody resumes." },
  { verb: "promote", phases: FORWARD, when: nothingThere, what: (r) => `Step ${r.step} of ${r.n_steps} counts as passed without waiting for more evidence.` },
  { verb: "promote-full", phases: FORWARD, reason: true, when: nothingThere, what: () => "All steps follow without baking and without evidence. Failing gates still end it." },
  { verb: "extend", phases: FORWARD, fields: true, when: (r) => ["bake", "gate"].includes(r.step_phase ?? "") ? "" : "no step is baking", what: () => "The present step bakes longer." },
  { verb: "reject", needs: "approve", tone: "danger", phases: ["queued", "running", "paused"], reason: true, when: (r) => waitsForApproval(r) ? "" : "nothing waits for an approval", what: () => "The rollout ends; what it brought goes back." },
  { verb: "halt", tone: "danger", phases: [...FORWARD, "rolling-back", "rollback-stuck"], reason: true,
    what: () => "Nothing is touched any more: the fleet stays mixed until somebody decides." },
  { verb: "abort", tone: "danger", phases: ["submitted", "running", "paused", "finalizing"],
    what: (r) => r.from ? `All nodes go back to version ${r.from}. Version ${r.to} stays in the registry.` : `Version ${r.to} is taken off the nodes again.` },
];
const waitsForApproval = (r: Rollout) => (r.pauses ?? []).some((p) => p.reason === "approval") || /approval/.test(r.waiting ?? "");
// What an approver may let a rollout pass over.
const PASSABLE: Record<string, [string, string]> = { freeze: ["freeze", "the freeze"], stop: ["stop", "the stopped line"], "failure-budget": ["budget", "the spent failure budget"], dependency: ["dependency", "what it depends on"] };
const ENDING = ["abort", "reject"]; // what waits comes next
const MAIN = ["approve", "resume", "pause", "promote", "reject", "abort"];

function Way({ rollout: r }: { rollout: Rollout }) {
  const plan = r.way_back;
  if (!plan || plan.n_nodes === 0 || !r.from) return null; // to nothing is no way back
  return <p class="note">Going back now: {plural(plan.n_nodes, "node")}{plan.eta && `, ${about(plan.eta)}`}{plan.low_point !== undefined && <>, never fewer than {plan.low_point} serving</>}{plan.needs_load === false && ", no load needed"}.
    {plan.order && plan.order.length > 0 && <> Newest first: {plan.order.slice(0, 8).join(", ")}{plan.order.length > 8 && " …"}.</>}</p>;
}

function Actions({ rollout: r, ask }: { rollout: Rollout; ask: (q: Question) => void }) {
  const [all, setAll] = useState(false);
  if (r.ended || !may("deploy")) return null;
  const legal = VERBS.filter((v) => (!v.needs || may(v.needs)) && v.phases.includes(r.phase) && (all || MAIN.includes(v.verb)) && (all || !v.when?.(r)));
  const passable = (r.pauses ?? []).map((p) => p.reason).filter((reason) => PASSABLE[reason]);
  const open = (v: Verb) => ask({ title: COMMANDS[v.verb]!, verb: COMMANDS[v.verb]!, danger: v.tone === "danger", needsReason: v.reason,
    gone: () => { const step = r.step; return goneFor(r, (now) => v.phases.includes(now.phase) && !now.ended) || (v.when && goneFor(r, (now) => !v.when!(now), (now) => `Not any more: ${v.when!(now)}.`)) || (v.verb === "promote" || v.verb === "extend" ? goneFor(r, (now) => now.step === step, (now) => `Step ${step} is over: ${now.id} is at step ${now.step} now.`) : ""); },
    text: <><p>{v.what(r)}</p>{v.verb === "abort" && <Way rollout={r} />}{ENDING.includes(v.verb) && <Next model={r.model} env={r.environment} but={r.id} />}</>,
    fields: v.fields && <label class="field">By<select name="for"><option value="5m">5 minutes</option><option value="30m">30 minutes</option><option value="2h">2 hours</option></select></label>,
    act: async (f) => { await takeOutNext(r.model, r.environment, f); return post(`/rollouts/${quote(r.id)}/commands`, { verb: v.verb, ...(f.for && { for: f.for }), ...(f.reason && { reason: f.reason }), ...(r.step > 0 && { expected_step: r.step }) }); } });
  return <div class="actions">
    {legal.map((v) => { const why = v.when?.(r) ?? ""; return <button key={v.verb} class={why ? "" : v.tone} disabled={why !== ""} title={why} onClick={() => open(v)}>{COMMANDS[v.verb]}…{why && <span class="unseen"> ({why})</span>}</button>; })}
    {passable.length > 0 && may("approve") && <button onClick={() => ask({ title: "Pass over what holds it", verb: "Pass over", danger: true, gone: () => goneFor(r, (now) => !now.ended), needsReason: true, text: <p>{r.id} goes on in spite of {passable.map((reason) => PASSABLE[reason]![1]).join(" and ")}.</p>,
      act: (f) => post(`/rollouts/${quote(r.id)}/overrides`, { override: passable.map((reason) => PASSABLE[reason]![0]), reason: f.reason }) })}>Pass over…</button>}
    <button class="quiet" aria-expanded={all} onClick={() => setAll(!all)}>{all ? "Fewer" : "More…"}</button>
  </div>;
}

// What a step is at, as a mark and in words.
const MOVING = ["waiting", "placing", "switching", "loading", "observing", "golden", "rolling-back", "draining", "routing", "reloading"];
const STEP_WORDS: Record<string, string> = { pending: "to come", apply: "changing nodes", settle: "settling", bake: "baking", gate: "judging", done: "done" };
function stepState(step: Step, isCurrent: boolean, ended?: string): { style: string; text: string } {
  if (step.verdict === "fail") return { style: "failed", text: "✕ failed" };
  if (step.phase === "done" && step.promoted && step.verdict !== "pass") return { style: "", text: "ended by hand" };
  if (step.phase === "done" && step.verdict && !["pass", "none"].includes(step.verdict)) return { style: "", text: step.verdict === "insufficient" ? "done, too little evidence" : `done, ${step.verdict}` };
  if (step.phase === "done") return { style: "done", text: "✓ done" };
  if (ended) return step.started ? { style: "failed", text: "✕ stopped" } : { style: "", text: "not begun" };
  const words = STEP_WORDS[step.phase] ?? step.phase;
  return isCurrent ? { style: "open", text: `▸ ${words}` } : { style: "", text: words };
}

export function StepCard({ step, number, isCurrent, ended, until = ended }: { step: Step; number: number; isCurrent: boolean; ended?: string; until?: string }) {
  const { style, text } = stepState(step, isCurrent, ended);
  return <li class={style} aria-current={isCurrent ? "step" : undefined}>
    <b><span>{number}. {plural(step.n_nodes, "node")}{step.weight && `, ${step.weight} % of traffic`}{step.wave && `, ${step.wave}`}</span><span>{text}</span></b>
    {step.bake !== undefined && <small>planned: {/^0/.test(step.bake) ? "no bake" : `bake ${duration(step.bake)}`}{step.max_bake && !/^0/.test(step.max_bake) && step.max_bake !== step.bake && `, up to ${duration(step.max_bake)}`}
      {step.approvals ? `, ${plural(step.approvals, "approval")}` : ""}{step.mirrored ? ", mirrored traffic" : ""}</small>}
    {step.started && <small>{step.ended ?? ended ? "took " : "so far "}<Took from={step.started} until={step.ended ?? until} />{step.verdict && step.phase !== "done" && `, ${step.verdict}`}</small>}
  </li>;
}

const GLYPH: Record<string, string> = { serving: "✓", failed: "✕", unreachable: "✕", "rolling-back": "↩", old: "·", "left-out": "–" };
function NodeCell({ node, to: version, environment, dense, ended }: { node: RolloutNode; to: number; environment: string; dense: boolean; ended?: boolean }) {
  const style = ["failed", "unreachable"].includes(node.state) ? "bad" : node.version === version ? "new" : MOVING.includes(node.state) ? "move" : "";
  const state = node.state === "old" ? node.version ? "as before" : "without it" : ended && node.state === "serving" ? "served" : node.state;
  const words = `${state}${(node.attempt ?? 0) > 1 && MOVING.includes(node.state) ? `, attempt ${node.attempt}` : ""}${node.text ? `: ${node.text}` : ""}`;
  return <li class={`cell ${style}`} title={`${node.node}: ${words}`}>
    <b><a href={to.node(environment, node.node)}>{node.node}</a><span>{node.version ? `v${node.version}` : "–"}{node.wanted && node.wanted !== node.version ? ` → v${node.wanted}` : ""}</span></b>
    <small>{GLYPH[node.state] ?? "▸"} {dense ? state : words}{(node.restarts ?? 0) > 0 && `, ${plural(node.restarts!, "restart")}`}</small>
  </li>;
}

// After its end: what it left, and what is there now.
function Since({ rollout: r, target: t }: { rollout: Rollout; target?: Target }) {
  if (!r.ended) return null;
  return <small>at its end, <Ago at={r.ended} />{t?.live !== undefined && <>; now <a href={to.model(r.model)}>version {t.live}</a> is live{t.live_rollout === r.id ? ", brought by it" : t.live_rollout && <>, brought by <a href={to.rollout(t.live_rollout)}>{t.live_rollout}</a></>}</>}{t && t.live === undefined && "; now nothing is live"}</small>;
}

function Strip({ rollout: r, target }: { rollout: Rollout; target?: Target }) {
  const nodes = r.nodes ?? [], dense = nodes.length > 60;
  const done = nodes.filter((n) => n.version === r.to).length, isMoving = (n: RolloutNode) => MOVING.includes(n.state) && r.phase !== "paused", moving = nodes.filter(isMoving).length;
  const held = r.phase === "paused" ? nodes.filter((n) => MOVING.includes(n.state)).length : 0;
  if (nodes.length === 0) return null; // it waits in the queue, or ended there
  return <>
    <h2>Nodes: {done} of {nodes.length} on version {r.to} <Since rollout={r} target={target} /></h2>
    <div class="split"><ShareBar label="Nodes" parts={[{ name: `version ${r.to}`, n: done, kind: "new" }, { name: "moving", n: nodes.filter((n) => isMoving(n) && n.version !== r.to).length, kind: "warn" },
      { name: "as before", n: nodes.filter((n) => n.version !== r.to && !isMoving(n)).length, kind: "line" }]} />
      {!r.ended && <small class="soft">{moving > 0 ? `${plural(moving, "node")} at work` : held > 0 ? `paused: ${plural(held, "node")} ${held === 1 ? "stands" : "stand"} on the way` : "no node at work"}</small>}</div>
    <ul aria-label="Nodes" class={`strip${dense ? " dense" : ""}`}>{nodes.map((n) => <NodeCell key={n.node} node={n} to={r.to} environment={r.environment} dense={dense} ended={r.ended !== undefined} />)}</ul>
  </>;
}

// What the router was told and what it was seen doing, which may differ for a moment.
function Traffic({ rollout: r }: { rollout: Rollout }) {
  const wanted = r.weight_bp !== undefined ? `${r.weight_bp / 100} % wanted for version ${r.to}` : "", isNew = new Set((r.nodes ?? []).filter((n) => n.version === r.to).map((n) => n.node));
  if (r.ended || (!wanted && !r.traffic?.length)) return null;
  return <>{(r.traffic ?? []).map((t) => {
    const set = t.nodes.filter((n) => isNew.has(n.node)).reduce((sum, n) => sum + Number(n.share ?? 0), 0);
    return <section key={t.router}><h2>Traffic <small>{+set.toFixed(2)} % really set{wanted && `, ${wanted}`}</small></h2>
      <Shares label="Traffic" unit={(n) => `${+n.toFixed(2)} %`} parts={[{ name: `version ${r.to}`, n: set, kind: "new" }, { name: r.from ? `version ${r.from}` : "others", n: 100 - set, kind: "old" }]} />
      <details><summary>Node by node</summary><RouteTable nodes={t.nodes} environment={r.environment} label={`Traffic through ${t.router}`} /></details></section>;
  })}{!r.traffic?.length && <p class="note">{wanted}; the router was not read back yet.</p>}</>;
}

const LATEST = 200; // rows of a time line that are drawn
export function Timeline({ items }: { items: Change[] }) {
  return <><ol class="times">{items.slice(0, LATEST).map((c) => <li key={c.seq} class={c.kind === "rollout.command" || c.kind === "rollout.submit" ? "person" : /roll(ed|ing).back|failed|stuck/.test(c.message) ? "bad" : /succeeded/.test(c.message) ? "good" : ""}>
    <time dateTime={c.time} title={c.time}>{clock(c.time)}</time><span>{linked(c.message)} {c.actor !== "mregd" && <span class="soft">by <Who actor={c.actor} /></span>}{c.reason && <p class="under">“{c.reason}”</p>}</span></li>)}</ol>{items.length > LATEST && <p class="more">and {count(items.length - LATEST)} before</p>}</>;
}

// All that happened to something, newest first; each look asks only for what came after the one before.
const FEED = 500;
export function feed(object: string): () => Promise<Change[]> {
  let since = "0", rows: Change[] = [];
  return async () => {
    const from = since, more: Change[] = [];
    let page: List<Change> = { items: [], next: from };
    do {
      page = await get<List<Change>>(`/changes?object=${quote(object)}&limit=${FEED}&since=${page.next}`);
      more.push(...page.items);
    } while (page.items.length === FEED);
    if (since === from) { since = page.next!; rows = [...more.reverse(), ...rows]; } // unless another look was faster
    return rows;
  };
}

// The rollout at each look; its history only when the rollout has moved.
function loader(id: string) {
  const look = feed(id);
  let seen = -1, events: Change[] = [], last: { rollout: Rollout; events: Change[]; target?: Target } | undefined;
  return async () => {
    const rollout = await get<Rollout>(`/rollouts/${quote(id)}`);
    const target = rollout.ended ? await maybe(get<Target>(`/environments/${quote(rollout.environment)}/targets/${quote(rollout.model)}`)) : undefined;
    if (last?.rollout === rollout && last.target === target) return last;
    if (rollout.revision !== seen) events = await look();
    seen = rollout.revision;
    last = { rollout, events, target };
    return last;
  };
}

const JUDGED = ["error-ratio", "slow-ratio", "promql", "metric"]; // gates that can be judged again
export function RolloutPage({ id }: { id: string }) {
  const load = useMemo(() => loader(id), [id]);
  const page = useLoad(load, 1500, id, ({ rollout }) => !rollout.ended); // phases and times within a step come without an event
  useEffect(() => { latest.value = page.data?.rollout; }, [page.data]);
  const [dialog, ask] = useAsk(page.again);
  return <Loaded of={page}>{({ rollout: r, events, target }) => {
    const steps = r.steps ?? [], start = begun(r);
    return <>
      <Head crumbs={[["Rollouts", "/rollouts"], [r.model, to.model(r.model)]]} badge={r.phase} cli={sh`mreg rollout watch ${r.id}`} api={`/rollouts/${r.id}`}
        title={<>{r.id}: {r.model} {r.from ? <a href={to.version(r.model, r.from)}>{r.from}</a> : "–"} → <a href={to.version(r.model, r.to)}>{r.to}</a> in <a href={to.env(r.environment)}>{r.environment}</a></>}>
        {r.from && <a class="button" href={`${to.model(r.model)}/compare?a=${r.from}&b=${r.to}`}>Compare</a>}
        {r.phase === "succeeded" && target && may("deploy") && <RollBack target={target} env={r.environment} style="danger" ask={ask} why={target.live !== r.to ? `version ${r.to} is not live any more` : noWayBack(target)} />}</Head>
      <Headline rollout={r} />
      <p class="unseen" role="status">{r.phase}{!r.ended && r.step > 0 && `, step ${r.step} of ${r.n_steps}: ${STEP_WORDS[r.step_phase ?? ""] ?? ""}`}</p>
      <Clocks rollout={r} />
      {(r.pauses ?? []).filter((p) => !r.waiting?.includes(p.text)).map((p) => <p class="note warn" key={p.reason}>Paused ({p.reason}) <Ago at={p.since} />: {p.text}</p>)}
      <Unblock rollout={r} ask={ask} />
      <Actions rollout={r} ask={ask} />
      {steps.length > 0 && <><h2>Steps</h2>
        <ol class="rail">{steps.slice(0, 40).map((s, i) => <StepCard key={i} step={s} number={i + 1} isCurrent={i + 1 === r.step && !r.ended} ended={r.ended} />)}</ol>
        {steps.length > 40 && <p class="more">and {steps.length - 40} more steps</p>}</>}
      <Traffic rollout={r} />
      <div class={(r.gates ?? []).length > 0 ? "sides" : ""}><div>{(r.gates ?? []).length > 0 && <><h2>Evidence</h2><Gates rollout={r} />
        {r.gates!.some((g) => JUDGED.includes(g.kind)) && (query("judge") ? <Late show={(late) => <late.Replay rollout={r} />} /> : <p class="more"><a href={withQuery({ judge: "again" })}>Judge again with other settings…</a></p>)}
        {r.gates!.some((g) => g.n_requests !== undefined) && <Analysis rollout={r} />}</>}</div>
      <div><Strip rollout={r} target={target} /></div></div>
      <div class="cols"><div><h2>Time line</h2><Timeline items={events} /></div>
        <div><h2>About</h2>
          <dl class="facts">
            <dt>Kind</dt><dd>{r.kind}, {r.strategy?.strategy}</dd>
            <dt>Asked for</dt><dd><Ago at={r.created} /> by <Who actor={r.actor} />{r.reason && `: “${r.reason}”`}</dd>
            {(r.queue_position ?? 0) > 0 && <><dt>In the queue</dt><dd>place {r.queue_position}</dd></>}
            {start && Date.parse(start) - Date.parse(r.created) >= 2000 && <><dt>Began</dt><dd><Ago at={start} />, {span(Date.parse(start) - Date.parse(r.created))} later</dd></>}
            {r.ended && <><dt>Ended</dt><dd><Ago at={r.ended} />{start ? `, after ${span(Date.parse(r.ended) - Date.parse(start))}` : "; it had not begun"}</dd></>}
            {(r.approvals ?? []).length > 0 && <><dt>Approved by</dt><dd>{r.approvals!.map((a, i) => <>{i > 0 && ", "}<Who actor={a.actor} /></>)}</dd></>}
            {r.overrides?.length && <><dt>Passes over</dt><dd>{r.overrides.join(", ")}</dd></>}
            {r.fault && r.fault !== "user" && <><dt>By the fault of</dt><dd>{({ version: "the version: it is in quarantine here", infrastructure: "nodes, not the version" } as Record<string, string>)[r.fault] ?? r.fault}</dd></>}
            {r.in_flight?.length && <><dt>Beside it</dt><dd>{r.in_flight.map((o) => <><a key={o.id} href={to.rollout(o.id)}>{o.id}</a> ({o.model} {o.to}, {o.phase}) </>)}</dd></>}
            {r.set && <><dt>Moves with</dt><dd>{r.set}</dd></>}
            <dt>In a terminal</dt><dd><code>mreg rollout watch {r.id}</code></dd>
          </dl>
          {!r.ended && <Way rollout={r} />}
        </div></div>
      {dialog}
    </>;
  }}</Loaded>;
}
