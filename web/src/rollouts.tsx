// Rollouts: the list, and one with its sentence, steps, evidence, nodes and legal actions.
import { useMemo, useRef, useState } from "preact/hooks";
import { get, me, post, type Change, type Gate, type List, type Rollout, type RolloutNode, type Step } from "./api";
import { Changes, RolloutRows } from "./overview";
import { Ago, Badge, Empty, Loaded, Table, plural, useLoad } from "./parts";
import { query, quote } from "./router";

export function Rollouts() {
  const cursor = query("cursor"), model = query("model"), active = query("active");
  const filter = `${model && `&model=${quote(model)}`}${active && "&active=true"}`;
  const list = useLoad(() => get<List<Rollout>>(`/rollouts?limit=50${filter}${cursor && `&cursor=${quote(cursor)}`}`), 3000, `rollouts?${filter}${cursor}`);
  const to = (more: string) => `/rollouts?${model && `model=${quote(model)}&`}${more}`;
  return <>
    <div class="row"><h1>Rollouts{model && ` of ${model}`}</h1>
      <nav class="choice" aria-label="Which rollouts">
        <a href={to("")} aria-current={active ? undefined : "true"}>All</a>
        <a href={to("active=true")} aria-current={active ? "true" : undefined}>Active only</a>
      </nav></div>
    <h2>Newest first</h2>
    <Loaded of={list}>{(data) => data.items.length === 0
      ? active ? <p class="lede">No rollout is active.</p> : <Empty text="No rollout yet. Promote a version:" command="mreg promote fraud@1 production --watch" />
      : <>
        <RolloutRows label="Rollouts" items={data.items} isList />
        {data.next && <p><a href={to(`${active && "active=true&"}cursor=${quote(data.next)}`)}>Older rollouts</a></p>}
      </>}</Loaded>
  </>;
}

// Which verbs make sense in which phase, and what each will do.
const ACTIONS: { verb: string; label: string; phases: string[]; tone?: string; what: (r: Rollout) => string }[] = [
  { verb: "pause", label: "Pause", phases: ["running", "finalizing"], what: () => "Nodes stay as they are until somebody resumes." },
  { verb: "resume", label: "Resume", phases: ["paused"], what: () => "The rollout goes on where it is." },
  { verb: "promote", label: "End this step now", phases: ["running", "paused"], what: (r) => `Step ${r.step} of ${r.n_steps} counts as passed without waiting for more evidence.` },
  { verb: "abort", label: "Abort and go back", phases: ["submitted", "queued", "running", "paused", "finalizing"], tone: "danger",
    what: (r) => r.from ? `All nodes go back to version ${r.from}. Version ${r.to} stays in the registry.` : `Version ${r.to} is taken off the nodes again.` },
];

function Actions({ rollout, done }: { rollout: Rollout; done: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [verb, setVerb] = useState("");
  const [fault, setFault] = useState("");
  const legal = ACTIONS.filter((a) => a.phases.includes(rollout.phase));
  const chosen = ACTIONS.find((a) => a.verb === verb);
  if (legal.length === 0 || !["deployer", "admin"].includes(me.value?.role ?? "")) return null;
  const send = async (reason: string) => {
    try {
      await post(`/rollouts/${rollout.id}/commands`, { verb, ...(reason && { reason }), expected_step: rollout.step });
      dialog.current?.close();
      document.getElementById("main")?.focus(); // the button that was pressed may be gone
      done();
    } catch (error) { setFault((error as Error).message); }
  };
  return <>
    <div class="actions">{legal.map((a) => <button key={a.verb} class={a.tone} onClick={() => { setVerb(a.verb); setFault(""); dialog.current?.showModal(); }}>{a.label}</button>)}</div>
    <dialog ref={dialog} aria-labelledby="dialog-title">
      <form method="dialog" onSubmit={(event) => { event.preventDefault(); void send(String(new FormData(event.currentTarget).get("reason") ?? "")); }}>
        <h1 id="dialog-title">{chosen?.label}</h1>
        <p>{chosen?.what(rollout)}</p>
        {fault && <p class="note bad" role="alert">{fault}</p>}
        <label for="reason">Reason (goes into the history)</label>
        <input id="reason" name="reason" maxLength={1000} />
        <div class="actions"><button class={chosen?.tone ?? "strong"}>{chosen?.label}</button>
          <button type="button" onClick={() => dialog.current?.close()}>Leave it</button></div>
      </form>
    </dialog>
  </>;
}

// How many requests the strategy's gate of this kind asks for.
const minimum = (r: Rollout, kind: string) => r.strategy?.gates?.find((g) => g.kind === kind)?.min_requests;

function GateRow({ gate, needs }: { gate: Gate; needs?: number }) {
  const n = gate.n_requests;
  return <tr>
    <td class="tight">{gate.kind}</td><td><Badge text={gate.verdict} /></td><td class="wide">{gate.text}</td>
    <td class="tight">{n === undefined ? <span class="soft">not counted</span> : needs && n < needs
      ? <><meter min={0} max={needs} value={n} aria-label={`requests for ${gate.kind}`} /> {n} of {needs}</> : n}</td>
  </tr>;
}

// What a step is at, as a mark and in words.
const STEP_WORDS: Record<string, string> = { pending: "to come", apply: "changing nodes", settle: "settling", bake: "baking", gate: "judging", done: "done" };
function stepState(step: Step, isCurrent: boolean): { style: string; text: string } {
  if (step.verdict === "fail") return { style: "failed", text: "✕ failed" };
  if (step.phase === "done") return { style: "done", text: "✓ done" };
  const words = STEP_WORDS[step.phase] ?? step.phase;
  return isCurrent ? { style: "open", text: `▸ ${words}` } : { style: "", text: words };
}

function StepCard({ step, number, isCurrent }: { step: Step; number: number; isCurrent: boolean }) {
  const { style, text } = stepState(step, isCurrent);
  return <li class={style} aria-current={isCurrent ? "step" : undefined}>
    <b><span>{number}. {plural(step.n_nodes, "node")}</span><span>{text}</span></b>
    <small>{/^0/.test(step.bake) ? "no bake" : `bake ${step.bake}`}
      {step.ended ? <>, ended <Ago at={step.ended} /></> : step.started && <>, began <Ago at={step.started} /></>}</small>
  </li>;
}

function NodeCell({ node, to }: { node: RolloutNode; to: number }) {
  const style = ["failed", "unreachable"].includes(node.state) ? "bad" : node.version === to ? "new" : "";
  const version = node.version ? `v${node.version}` : "–";
  return <li class={`cell ${style}`}>
    <b><span>{node.node}</span><span>{version}{node.wanted && node.wanted !== node.version ? ` → v${node.wanted}` : ""}</span></b>
    <small>{node.state}{(node.attempt ?? 0) > 1 && node.state !== "serving" && `, attempt ${node.attempt}`}{node.text ? `: ${node.text}` : ""}</small>
  </li>;
}

// The rollout at each poll; its history only when the rollout has moved.
function loader(id: string) {
  let seen = -1, events: Change[] = [];
  return async () => {
    const rollout = await get<Rollout>(`/rollouts/${quote(id)}`);
    if (rollout.revision !== seen) events = (await get<List<Change>>(`/changes?object=${quote(id)}&limit=100`)).items.slice().reverse();
    seen = rollout.revision;
    return { rollout, events };
  };
}

export function RolloutPage({ id }: { id: string }) {
  const load = useMemo(() => loader(id), [id]);
  const page = useLoad(load, 1000, id);
  return <Loaded of={page}>{({ rollout: r, events }) => {
    const steps = r.steps ?? [], nodes = r.nodes ?? [];
    return <>
      <div class="row"><h1>{r.id}: <a href={`/models/${quote(r.model)}`}>{r.model}</a> {r.from ?? "nothing"} → {r.to} in <a href={`/nodes/${quote(r.environment)}`}>{r.environment}</a></h1><Badge text={r.phase} /></div>
      <p class="sentence">{r.outcome ?? r.waiting}</p>
      <p class="unseen" role="status">{r.phase}{!r.ended && r.step > 0 && `, step ${r.step} of ${r.n_steps}: ${STEP_WORDS[r.step_phase ?? ""] ?? ""}`}</p>
      {(r.pauses ?? []).filter((p) => !r.waiting?.includes(p.text)).map((p) => <p class="note warn" key={p.reason}>Paused ({p.reason}) <Ago at={p.since} />: {p.text}</p>)}
      {r.unblock && !r.ended && <p class={r.phase === "running" ? "note" : "note warn"}>{r.unblock}</p>}
      <Actions rollout={r} done={page.again} />
      {steps.length > 0 && <><h2>Steps</h2>
        <ol class="rail">{steps.map((s, i) => <StepCard key={i} step={s} number={i + 1} isCurrent={i + 1 === r.step && !r.ended} />)}</ol></>}
      {(r.gates ?? []).length > 0 && <><h2>Evidence</h2>
        <Table caption="Gates" heads={["Gate", "Verdict", "What was seen", "Requests"]}>{r.gates!.map((g, i) => <GateRow key={i} gate={g} needs={minimum(r, g.kind)} />)}</Table></>}
      <h2>Nodes: {nodes.filter((n) => n.version === r.to).length} of {nodes.length} on version {r.to}</h2>
      <ul class="strip">{nodes.map((n) => <NodeCell key={n.node} node={n} to={r.to} />)}</ul>
      <h2>About</h2>
      <dl class="facts">
        <dt>Kind</dt><dd>{r.kind}, {r.strategy?.strategy}</dd>
        <dt>Started</dt><dd><Ago at={r.created} /> by {r.actor}{r.reason && `: “${r.reason}”`}</dd>
        {r.ended && <><dt>Ended</dt><dd><Ago at={r.ended} /></dd></>}
        <dt>Terminal</dt><dd><code>mreg rollout watch {r.id}</code></dd>
      </dl>
      <h2>History</h2>
      <Changes items={events} />
    </>;
  }}</Loaded>;
}
