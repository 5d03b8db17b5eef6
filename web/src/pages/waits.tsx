// What a rollout waits for, what ends the wait, and its clocks: in sentences, for those who may do something and those who may not.
import type { ComponentChildren } from "preact";
import { type Rollout, get, may, names } from "../api";
import type { Question } from "../ask";
import { useLoad } from "../live";
import { quote, to } from "../router";
import { Ago, At, Countdown, Took, clock, span } from "../time";
import { Said, Who } from "../who";
import { Sentence, goneFor } from "./common";
import { about, takeOut } from "./rollback";

// The server's sentences name commands of the terminal; here the buttons do the same. What a command does ("mreg rollout
// abort r-5 rolls back") comes before what somebody is asked to do ("mreg rollout resume r-5, promote to go on without").
const WORDS: [RegExp, string][] = [
  [/mreg rollout promote r-[\d-]+ ends this step now/, "“End this step now” goes on at once"], [/mreg rollout halt r-[\d-]+ (?=leaves)/, "“Halt as it is” "], [/(mreg rollout )?abort r-[\d-]+ (?=rolls back|takes it out)/, "aborting it "],
  [/an approver passes over (them|it): mreg rollout override r-[\d-]+ \S+ --reason WHY/, "an approver may pass over $1"], [/an approver other than the asker: mreg rollout approve r-[\d-]+/, "an approver other than the asker has to approve it"],
  [/mreg rollout resume r-[\d-]+/, "resume it"], [/\bpromote to go on without/, "end this step to go on without"], [/\bextend to bake longer/, "bake longer"],
  [/mreg node uncordon \S+ \S+/, "uncordon it"], [/mreg node remove \S+ [^\s,;]+/, "remove it from the environment"], [/ ?\(the role \w+ may\)/, ""],
];
export const pageWords = (text: string) => WORDS.reduce((said, [from, into]) => said.replace(from, into), text);
const ROLE: [RegExp, string][] = [[/resume|end this step|ends? this step|bake longer|abort|halt|uncordon/i, "A deployer may."]];

function Linked({ text, rollout: r }: { text: string; rollout: Rollout }) {
  const nodes = new Set((r.nodes ?? []).map((n) => n.node));
  return <>{text.split(/(\br-\d+(?:-\d+)?\b|\bnode [\w.-]*\w)/).map((part, i): ComponentChildren => {
    if (i % 2 === 0) return <Said key={i} text={part} />;
    if (part.startsWith("node ")) return nodes.has(part.slice(5)) ? <span key={i}>node <a href={to.node(r.environment, part.slice(5))}>{part.slice(5)}</a></span> : part;
    return part === r.id ? part : <a key={i} href={to.rollout(part)}>{part}</a>;
  })}</>;
}

// The pause of a person: who it was, why, and what may be done about it; the server's word for it is "resume" alone.
// The server's text begins with who it was, by id or by name.
function whyOf({ text, actor = "" }: { text: string; actor?: string }): string {
  for (const who of [actor, names.value[actor]]) if (who && (text.startsWith(`${who}: `) || text === `paused by ${who}`)) return text.slice(text.startsWith("paused by ") ? text.length : who.length + 2);
  return text;
}
export const byHand = (r: Rollout) => r.phase === "paused" ? r.pauses?.find((p) => p.reason === "user") : undefined;
export function Headline({ rollout: r }: { rollout: Rollout }) {
  const pause = byHand(r), why = pause && whyOf(pause);
  if (!pause) return <p class="sentence"><Sentence text={r.outcome ?? r.waiting} /></p>;
  return <><p class="sentence">Paused since <At at={pause.since} /> by <Who actor={pause.actor} />{r.step > 0 && `, in step ${r.step} of ${r.n_steps}`}.</p>
    <p class="sentence why">{why ? `“${why}”` : "No reason was given."}</p></>;
}

export function Unblock({ rollout: r, ask }: { rollout: Rollout; ask: (q: Question) => void }) {
  const behind = r.phase === "queued" ? /\br-\d+(-\d+)?\b/.exec((r.waiting ?? "").replace(r.id, ""))?.[0] : undefined;
  const isTurn = r.phase === "queued" && /\(turn\)|in the queue behind/.test(r.waiting ?? "");
  const out = r.phase === "queued" && may("deploy") && <> <button onClick={() => ask({ title: `Take ${r.id} out of the queue`, verb: "Take out", danger: true, gone: () => goneFor(r, (now) => now.phase === "queued"), text: <p>It ends as cancelled. Nothing was touched for it.</p>, act: (f) => takeOut(r.model, r.environment, r.id, f.reason) })}>Take out of the queue…</button></>;
  if (r.ended || (!r.unblock && !isTurn)) return null;
  if (isTurn) return <p class="note warn">Waits for {behind ? <a href={to.rollout(behind)}>{behind}</a> : <>those before it in <a href={to.env(r.environment)}>{r.environment}</a></>}; then it begins by itself.{out || " A deployer may take it out of the queue."}</p>;
  const text = byHand(r) ? `${whyOf(byHand(r)!) ? "when that is settled, " : ""}resume it; or end this step now to go on to the next, or abort it to go back` : pageWords(r.unblock!);
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

// When it began to do something; before that it waited in the queue.
export const begun = (r: Rollout) => r.steps?.find((s) => s.started)?.started;
// Pauses that stop the clocks; after the others the step begins anew.
const STANDING = ["user", "freeze", "stop", "failure-budget", "dependency", "approval"];

export function Clocks({ rollout: r }: { rollout: Rollout }) {
  const plan = r.way_back, now = Date.now(), end = r.deadline && Date.parse(r.deadline), until = r.bake_until && Date.parse(r.bake_until);
  const isCut = end && until && until > end; // the step ends before
  const bakes = r.phase === "running" && ["bake", "gate"].includes(r.step_phase ?? "") && (r.gates ?? []).some((g) => g.n_requests !== undefined);
  const start = begun(r), isQueued = r.phase === "queued", since = (r.pauses ?? []).map((p) => p.since).sort()[0], stands = r.phase === "paused" && since !== undefined;
  const queue = start && Date.parse(start) - Date.parse(r.created) >= 2000;
  return <ul class="clocks">
    <li>{!start && (r.ended || isQueued) ? r.ended ? "waited" : "waits for" : r.ended ? "took" : "for"} <b><Took from={start ?? r.created} until={r.ended} /></b></li>
    {queue && <li>waited <b><Took from={r.created} until={start} /></b> before it began</li>}
    {stands && <li>paused for <b><Took from={since} /></b></li>}
    {stands && end && (r.pauses!.every((p) => STANDING.includes(p.reason)) ? <li>its clocks stand: the step has <b>{span(end - Date.parse(since))}</b> left when it goes on</li> : <li>resumed, the step begins its time anew</li>)}
    {!r.ended && !stands && until && !isCut && (until > now ? <li>evidence is awaited for <Countdown until={r.bake_until!} /></li> : <li>evidence was awaited until <b>{clock(until)}</b></li>)}
    {!r.ended && !stands && end && (end > now ? <li>step has to end in <Countdown until={r.deadline!} />{isCut && ", evidence is awaited until then"}</li> : <li class="warn">step had to end <b><Ago at={r.deadline} /></b></li>)}
    {bakes && <Silence rollout={r} />}
    {!r.ended && !isQueued && plan?.eta && plan.n_nodes > 0 && <li>a rollback now takes <b>{about(plan.eta)}</b></li>}
  </ul>;
}
