// What a rollout waits for, what ends the wait, and its clocks: in sentences, for those who may do something and those who may not.
import type { ComponentChildren } from "preact";
import { type Rollout, get, may } from "../api";
import type { Question } from "../ask";
import { useLoad } from "../live";
import { quote, to } from "../router";
import { Ago, Countdown, Took, clock, duration } from "../time";
import { Said } from "../who";
import { takeOut } from "./rollback";

// The server's sentences name commands of the terminal; here the buttons do the same.
const WORDS: [RegExp, string][] = [
  [/mreg rollout promote \S+ ends this step now/, "“End this step now” goes on at once"], [/mreg rollout resume \S+/, "resume it"], [/promote to go on without/, "end this step to go on without"], [/extend to bake longer/, "bake longer"],
  [/an approver passes over (them|it): mreg rollout override.*/, "an approver may pass over $1"], [/an approver other than the asker: mreg rollout approve \S+/, "an approver other than the asker has to approve it"],
  [/mreg rollout abort \S+ takes it out/, "aborting takes it out"], [/mreg node uncordon \S+ \S+/, "uncordon it"], [/mreg node remove \S+ [^\s,;]+/, "remove it from the environment"], [/abort r-[\d-]+ rolls back/, "aborting it rolls back"],
  [/ ?\(the role \w+ may\)/g, ""],
];
const ROLE: [RegExp, string][] = [[/resume|end this step|ends? this step|bake longer|abort|uncordon/i, "A deployer may."]];

function Linked({ text, rollout: r }: { text: string; rollout: Rollout }) {
  const nodes = new Set((r.nodes ?? []).map((n) => n.node));
  return <>{text.split(/(\br-\d+(?:-\d+)?\b|\bnode [\w.-]*\w)/).map((part, i): ComponentChildren => {
    if (i % 2 === 0) return <Said key={i} text={part} />;
    if (part.startsWith("node ")) return nodes.has(part.slice(5)) ? <span key={i}>node <a href={to.node(r.environment, part.slice(5))}>{part.slice(5)}</a></span> : part;
    return part === r.id ? part : <a key={i} href={to.rollout(part)}>{part}</a>;
  })}</>;
}

export function Unblock({ rollout: r, ask }: { rollout: Rollout; ask: (q: Question) => void }) {
  const behind = r.phase === "queued" ? /\br-\d+(-\d+)?\b/.exec((r.waiting ?? "").replace(r.id, ""))?.[0] : undefined;
  const isTurn = r.phase === "queued" && /\(turn\)|in the queue behind/.test(r.waiting ?? "");
  const out = r.phase === "queued" && may("deploy") && <> <button onClick={() => ask({ title: `Take ${r.id} out of the queue`, verb: "Take out", danger: true, text: <p>It ends as cancelled. Nothing was touched for it.</p>, act: (f) => takeOut(r.model, r.environment, r.id, f.reason) })}>Take out of the queue</button></>;
  if (r.ended || (!r.unblock && !isTurn)) return null;
  if (isTurn) return <p class="note warn">Waits for {behind ? <a href={to.rollout(behind)}>{behind}</a> : <>those before it in <a href={to.env(r.environment)}>{r.environment}</a></>}; then it begins by itself.{out || " A deployer may take it out of the queue."}</p>;
  let text = r.unblock!;
  for (const [from, into] of WORDS) text = text.replace(from, into);
  const role = may("deploy") ? "" : ROLE.find(([words]) => words.test(text))?.[1] ?? "";
  return <p class={r.phase === "running" ? "note" : "note warn"}><Linked text={`${text[0]!.toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`} rollout={r} />{role && ` ${role}`}{out}</p>;
}

// When the version was asked last, if that is long ago: a bake then waits for nothing.
interface Seen { gates: { series?: { time: string; canary?: number }[] }[] }
const LONG_MS = 60_000;
function Silence({ rollout: r }: { rollout: Rollout }) {
  const page = useLoad(() => get<Seen>(`/rollouts/${quote(r.id)}/analysis?points=120`), 5000, `analysis/${r.id}`);
  const counted = (page.data?.gates ?? []).flatMap((g) => g.series ?? []).filter((p) => p.canary !== undefined), asked = counted.filter((p) => p.canary! > 0).map((p) => p.time).sort();
  const since = r.steps?.[r.step - 1]?.started, last = asked[asked.length - 1];
  if (!page.data || Date.now() - Date.parse(last ?? since ?? "") < LONG_MS) return null;
  return <li class="warn">no requests {last ? <>since <b>{clock(last)}</b></> : "yet"}</li>;
}

export function Clocks({ rollout: r }: { rollout: Rollout }) {
  const plan = r.way_back, now = Date.now(), end = r.deadline && Date.parse(r.deadline), until = r.bake_until && Date.parse(r.bake_until);
  const isCut = end && until && until > end; // the step ends before
  const bakes = r.phase === "running" && ["bake", "gate"].includes(r.step_phase ?? "") && (r.gates ?? []).some((g) => g.n_requests !== undefined);
  return <ul class="clocks">
    <li>{r.ended ? "took" : "for"} <b><Took from={r.created} until={r.ended} /></b></li>
    {!r.ended && until && !isCut && (until > now ? <li>evidence is awaited for <Countdown until={r.bake_until!} /></li> : <li>evidence was awaited until <b>{clock(until)}</b></li>)}
    {!r.ended && end && (end > now ? <li>step has to end in <Countdown until={r.deadline!} />{isCut && ", evidence is awaited until then"}</li> : <li class="warn">step had to end <b><Ago at={r.deadline} /></b></li>)}
    {bakes && <Silence rollout={r} />}
    {!r.ended && plan?.eta && <li>a rollback now takes about <b>{duration(plan.eta)}</b></li>}
  </ul>;
}
