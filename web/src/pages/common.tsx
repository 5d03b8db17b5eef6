// Pieces that several pages share: history rows, rollout rows, where versions are.
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { signal } from "@preact/signals";
import type { Brought, Change, Rollout, Target, TargetTally } from "../api";
import { Badge, Table, plural } from "../parts";
import { then, to } from "../router";
import { Ago, Left } from "../time";
import { Said, Who } from "../who";

// What a command to a rollout is called on its button; history tells it by the same words.
export const COMMANDS: Record<string, string> = { approve: "Approve", resume: "Resume", pause: "Pause", promote: "End this step now", "promote-full": "Skip all waiting", extend: "Bake longer", reject: "Reject", halt: "Halt as it is", abort: "Abort and go back" };
const asButton = (message: string) => message.replace(/^([a-z-]+) rollout (?=r-\d)/, (whole, verb: string) => COMMANDS[verb] ? `“${COMMANDS[verb]}” for ` : whole);

// A rollout's name in a message leads to the rollout; who did it has a name.
export const linked = (message: string): ComponentChildren[] => asButton(message).split(/(\br-\d+(?:-\d+)?\b|(?<=: |\bby )[tu]-\d+\b)/).map((part, i) =>
  i % 2 && !part.startsWith("r") ? <Who key={i} actor={part} /> : i % 2 ? <a key={i} class="inline" href={then(to.rollout(part))}>{part}</a> : part);

// A sentence of the server's about what goes on: the time that is left in it runs on until the next sentence comes.
const MS: Record<string, number> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000 };
export function Sentence({ text = "" }: { text?: string }) {
  const since = useMemo(() => Date.now(), [text]);
  return <>{text.split(/\b((?:\d+[dhms] ?)+)\bleft\b/).map((part, i) => i % 2 === 0 ? <Said key={i} text={part} />
    : <Left key={i} until={since + [...part.matchAll(/(\d+)([dhms])/g)].reduce((sum, [, n, unit]) => sum + Number(n) * MS[unit!]!, 0)} />)}</>;
}

// The rollout that is on the page, as it was seen last: a dialog that is open over it tells when it has moved on.
export const latest = signal<Rollout | undefined>(undefined);
export function goneFor(asked: Rollout, isLegal: (now: Rollout) => boolean, why = (now: Rollout) => now.ended ? `${now.id} has ended meanwhile: ${now.outcome ?? now.phase}.` : `${now.id} has moved on meanwhile: it is ${now.phase} now.`): string {
  const now = latest.value?.id === asked.id ? latest.value : asked;
  return isLegal(now) ? "" : why(now);
}

// isPart: there are more, further back.
export function Changes({ items, isPart }: { items: Change[]; isPart?: boolean }) {
  if (items.length === 0) return <p class="lede">{isPart ? "Nothing among the latest changes." : "Nothing has happened yet."}</p>;
  return <Table caption="History" heads={["When", "Who", "What"]}>
    {items.map((c) => <tr key={c.seq}>
      <td class="tight soft"><Ago at={c.time} /></td><td class="tight"><Who actor={c.actor} /></td><td class="fill">{linked(c.message)}
        {c.reason && <p class="under">“{c.reason}”</p>}</td>
    </tr>)}
  </Table>;
}

// Stands until a person does something: so say the overview, the filter and the count in the side bar. What is queued waits for its turn only.
export const needsSomebody = (r: Rollout) => ["paused", "rollback-stuck"].includes(r.phase);

// What put the live version there, when and by whom.
export function BroughtBy({ by: t }: { by: Brought }) {
  return <>{t.live_since && <>since <Ago at={t.live_since} /></>}{t.live_by && <> by <Who actor={t.live_by} /></>}{t.live_rollout && <> (<a class="inline" href={to.rollout(t.live_rollout)}>{t.live_rollout}</a>)</>}</>;
}

// One row per rollout; on a narrow screen the sentence takes the next line.
export function RolloutRows({ label, items, isList }: { label: string; items: Rollout[]; isList?: boolean }) {
  return <ul class="panel rows" aria-label={label}>
    {items.map((r) => <li key={r.id}>
      <a href={then(to.rollout(r.id))}>{r.id}</a>
      <span><a href={then(to.model(r.model))}>{r.model}</a> <span class="nums tight">{r.from ?? "–"} → {r.to}</span></span>
      <span>{r.environment}</span><span><Badge text={r.phase} /></span>
      <span class="says"><Sentence text={r.outcome ?? r.waiting ?? r.cause} /></span>
      <small><Ago at={r.created} />{isList && <> by <Who actor={r.actor} /></>}</small>
    </li>)}
  </ul>;
}

// How many nodes have which version of a target's model, in words.
type Count = { what: string; n: number; tone: string };
function toneOf(version: number | undefined, live: number | undefined): string {
  return !version ? (live ? "warn" : "") : version === live ? "good" : "accent";
}
function spreadOf(target: TargetTally): Count[] {
  const counts: Count[] = target.versions.map((v) => ({ what: v.version ? `on ${v.version}` : "without it", n: v.n_nodes, tone: toneOf(v.version, target.live) }));
  if (target.n_unreachable) counts.push({ what: "unreachable", n: target.n_unreachable, tone: "bad" });
  return counts;
}
function countsOf(target: Target): Count[] {
  const counts = new Map<string, Count>();
  for (const node of target.nodes) {
    const lost = node.state === "unreachable", late = Boolean(node.version) && !node.ready;
    const what = lost ? "unreachable" : (node.version ? `on ${node.version}` : "without it") + (late ? ", not ready" : "");
    const tone = lost ? "bad" : late ? "warn" : toneOf(node.version, target.live);
    counts.set(what, { what, tone, n: (counts.get(what)?.n ?? 0) + 1 });
  }
  return [...counts.values()];
}
export function Spread({ target }: { target: Target | TargetTally }) {
  const counts = "nodes" in target ? countsOf(target) : spreadOf(target);
  return <span class="badges">{counts.length === 0 && "no node"}{counts.map(({ what, n, tone }) => <Badge key={what} text={`${plural(n, "node")} ${what}`} tone={tone} />)}</span>;
}

// Which gate stands where on the way from PASS to FAIL: see pages/evidence.tsx.
export const gateName = (gate: { kind: string; name?: string }) => gate.name && gate.name !== gate.kind ? `${gate.name} (${gate.kind})` : gate.kind;
