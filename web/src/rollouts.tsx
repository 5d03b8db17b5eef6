// Rollouts: the list, and one with its sentence, steps, evidence, nodes and legal actions.
import { useRef, useState } from "preact/hooks";
import { get, post, type Gate, type List, type Rollout } from "./api";
import { Ago, Badge, Empty, Loaded, Table, useLoad } from "./parts";
import { query, quote } from "./router";

export function Rollouts() {
  const cursor = query("cursor");
  const list = useLoad(() => get<List<Rollout>>(`/rollouts${cursor && `?cursor=${quote(cursor)}`}`), 3000, `rollouts?${cursor}`);
  return <>
    <h1>Rollouts</h1>
    <h2>Newest first</h2>
    <Loaded of={list}>{(data) => data.items.length === 0
      ? <Empty text="No rollout yet. Promote a version:" command="mreg promote fraud@1 production --watch" />
      : <>
        <Table caption="Rollouts" heads={["Rollout", "Model", "Versions", "Environment", "State", "Started", "By", "Outcome"]}>
          {data.items.map((r) => <tr key={r.id}>
            <td><a href={`/rollouts/${r.id}`}>{r.id}</a></td><td><a href={`/models/${quote(r.model)}`}>{r.model}</a></td>
            <td class="tight">{r.from ?? "–"} → {r.to}</td><td>{r.environment}</td><td><Badge text={r.phase} /></td>
            <td class="tight"><Ago at={r.created} /></td><td class="tight">{r.actor}</td><td>{r.outcome ?? r.waiting ?? ""}</td>
          </tr>)}
        </Table>
        {data.next && <p><a href={`/rollouts?cursor=${quote(data.next)}`}>Older rollouts</a></p>}
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
  if (legal.length === 0) return null;
  const send = async (reason: string) => {
    try {
      await post(`/rollouts/${rollout.id}/commands`, { verb, ...(reason && { reason }), expected_step: rollout.step });
      dialog.current?.close();
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

function GateRow({ gate }: { gate: Gate }) {
  const wanted = (gate.n_requests ?? 0) + (gate.needs ?? 0);
  return <tr>
    <td class="tight">{gate.kind}</td><td><Badge text={gate.verdict} /></td>
    <td>{gate.text}</td>
    <td class="tight">{gate.n_requests !== undefined && <><meter min={0} max={Math.max(1, wanted)} value={gate.n_requests} aria-label={`evidence for ${gate.kind}`} /> {gate.n_requests} requests{gate.needs ? `, needs ${gate.needs} more` : ""}</>}</td>
  </tr>;
}

export function RolloutPage({ id }: { id: string }) {
  const page = useLoad(() => get<Rollout>(`/rollouts/${quote(id)}`), 1000, id);
  return <Loaded of={page}>{(r) => <>
    <div class="row"><h1>{r.id}: <a href={`/models/${quote(r.model)}`}>{r.model}</a> {r.from ?? "nothing"} → {r.to} in {r.environment}</h1><Badge text={r.phase} /></div>
    <p class="sentence" role="status">{r.outcome ?? r.waiting}</p>
    {r.unblock && !r.ended && <p class="note warn">{r.unblock}</p>}
    {(r.pauses ?? []).map((p) => <p class="note warn" key={p.reason}>Paused ({p.reason}) <Ago at={p.since} />: {p.text}</p>)}
    <Actions rollout={r} done={page.again} />
    {(r.steps ?? []).length > 0 && <>
      <h2>Steps</h2>
      <ol class="rail">{r.steps!.map((s, i) => <li key={i} class={s.phase === "done" ? "done" : s.verdict === "fail" ? "failed" : i + 1 === r.step && !r.ended ? "open" : ""}>
        <b>{i + 1}. {s.n_nodes} {s.n_nodes === 1 ? "node" : "nodes"}</b>
        <small>bake {s.bake} · {s.phase}{s.started && <> · <Ago at={s.started} /></>}</small>
      </li>)}</ol></>}
    {(r.gates ?? []).length > 0 && <><h2>Evidence</h2><Table caption="Gates" heads={["Gate", "Verdict", "What was seen", "Evidence"]}>{r.gates!.map((g) => <GateRow key={g.kind} gate={g} />)}</Table></>}
    <h2>Nodes</h2>
    <div class="strip">{(r.nodes ?? []).map((n) => <div key={n.node} class={`cell ${["failed", "unreachable"].includes(n.state) ? "bad" : n.version === r.to ? "new" : ""}`}>
      <b><span>{n.node}</span><span>{n.version ? `v${n.version}` : "–"}</span></b>
      <small>{n.state}{n.text ? `: ${n.text}` : ""}</small>
    </div>)}</div>
    <h2>About</h2>
    <dl class="facts">
      <dt>Started</dt><dd><Ago at={r.created} /> by {r.actor}{r.reason && `, “${r.reason}”`}</dd>
      {r.ended && <><dt>Ended</dt><dd><Ago at={r.ended} /></dd></>}
      <dt>Terminal</dt><dd><code>mreg rollout watch {r.id}</code></dd>
    </dl>
  </>}</Loaded>;
}
