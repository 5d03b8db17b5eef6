// Judging a rollout again with other settings of its gates: what the verdicts would have been, and when. Changes nothing.
// The settings are in the address (?judge=error-ratio.ratio=1.3&judge=…), so an answer can be sent to somebody.
import { useEffect, useState } from "preact/hooks";
import { Problem, type Rollout, post } from "../api";
import { Badge, CopyAs, Table, count, sh } from "../parts";
import { go, path, quote, withQuery } from "../router";
import { At, span } from "../time";
import { percent } from "./evidence";
import { gateName } from "./common";

type Setting = [gate: string, member: string, value: string];
interface Side { requests: number; bad: number; rate?: number }
interface Judged { gate: number; kind: string; name?: string; was: string; verdict: string; failed?: string; passed?: string; canary?: Side; baseline?: Side; n_values?: number; restarts?: number; merged?: { until: string } }
interface Strategy { kind: string; name?: string; [member: string]: unknown }

// Which members of which kinds of gates can be judged otherwise afterwards.
const MEMBERS: Record<string, string[]> = { "error-ratio": ["ratio", "floor", "max", "alpha"], "slow-ratio": ["ratio", "floor", "max", "alpha"], promql: ["max", "min", "for"], metric: ["max", "min", "for"] };
const nameOf = (g: { kind: string; name?: string }) => g.name || g.kind;
const judged = (rollout: Rollout) => ((rollout.strategy?.gates ?? []) as Strategy[]).filter((g) => MEMBERS[g.kind]);

function asked(): Setting[] {
  return new URLSearchParams(path.value.split("?")[1] ?? "").getAll("judge").flatMap((text) => {
    const equals = text.indexOf("="), point = text.lastIndexOf(".", equals);
    return equals > point && point > 0 ? [[text.slice(0, point), text.slice(point + 1, equals), text.slice(equals + 1)] as Setting] : [];
  });
}
function address(settings: Setting[]): string {
  const [room, words] = withQuery({ judge: "" }).split("?") as [string, string?];
  const params = new URLSearchParams(words ?? "");
  for (const [gate, member, value] of settings.length ? settings : [["", "", ""] as Setting]) params.append("judge", gate ? `${gate}.${member}=${value}` : "again");
  return `${room}?${params}`;
}
function bodyOf(settings: Setting[]) {
  const gates: Record<string, Record<string, string>> = {};
  for (const [gate, member, value] of settings) (gates[gate] ??= {})[member] = value;
  return settings.length ? { gates } : {};
}

function Moment({ gate, begun }: { gate: Judged; begun?: string }) {
  const at = gate.verdict === "fail" ? gate.failed : gate.passed;
  return at ? <><At at={at} />{begun && <small class="soft"> after {span(Date.parse(at) - Date.parse(begun))}</small>}</> : <span class="soft">never</span>;
}
const Arm = ({ side }: { side?: Side }) => <>{side ? side.requests ? <>{count(side.bad)}/{count(side.requests)} <small class="soft">({percent(side.bad, side.requests)})</small></> : <span class="soft">no requests</span> : ""}</>;

function Answer({ rollout, settings }: { rollout: Rollout; settings: Setting[] }) {
  const [page, set] = useState<{ data?: { gates: Judged[] }; error?: Error }>({});
  const [turn, setTurn] = useState(0);
  useEffect(() => { // once, not at each change: it is work for the server
    let isStale = false;
    set({});
    post<{ gates: Judged[] }>(`/rollouts/${quote(rollout.id)}/analysis/replay`, bodyOf(settings)).then((data) => { if (!isStale) set({ data }); }, (error: Error) => { if (!isStale) set({ error }); });
    return () => { isStale = true; };
  }, [rollout.id, rollout.ended, JSON.stringify(settings), turn]);
  const begun = rollout.steps?.find((s) => s.started)?.started;
  if (page.error) return <p class="note bad" role="alert">{page.error instanceof Problem && page.error.pointer && `${page.error.pointer.split("/").slice(-1)[0]}: `}{page.error.message}</p>;
  if (!page.data) return <p class="lede" role="status">Loading…</p>;
  const turned = page.data.gates.filter((g) => g.verdict !== g.was);
  return <>
    <p class="sentence" role="status">{turned.length === 0 ? "No verdict would have been another." : turned.map((g) => `${gateName(g)} would have been ${g.verdict} instead of ${g.was}`).join("; ") + "."}</p>
    <Table caption="Judged again" heads={["Gate", "Was", "Would be", "When", "New version", "Old version"]}>{page.data.gates.map((g) => <tr key={g.gate}>
      <td>{gateName(g)}{settings.filter(([gate]) => gate === nameOf(g)).map(([, member, value]) => <small class="soft nums" key={member}> {member} {value}</small>)}</td>
      <td><Badge text={g.was} /></td><td><Badge text={g.verdict} /></td><td class="tight"><Moment gate={g} begun={begun} /></td>
      <td class="nums">{g.n_values !== undefined ? `${count(g.n_values)} values` : <Arm side={g.canary} />}</td><td class="nums"><Arm side={g.baseline} /></td></tr>)}</Table>
    {page.data.gates.some((g) => g.restarts) && <p class="under">Somebody resumed after a failure: evidence begins anew there.</p>}
    {page.data.gates.some((g) => g.merged) && <p class="under">Older intervals were added up: moments among these are coarser.</p>}
    {!rollout.ended && <p class="under">Of what was seen until now; <button class="quiet" onClick={() => setTurn(turn + 1)}>look again</button></p>}
  </>;
}

export function Replay({ rollout }: { rollout: Rollout }) {
  const settings = asked(), valueOf = (gate: string, member: string) => settings.find(([g, m]) => g === gate && m === member)?.[2];
  const cli = sh`mreg analysis replay ${rollout.id}` + settings.map(([gate, member, value]) => sh`${["--set", `${gate}.${member}=${value}`]}`).join("");
  return <section class="panel pad again" aria-label="Judge again">
    <div class="head"><h3>Judge again with other settings</h3><span class="badges"><CopyAs cli={cli} api={`/rollouts/${rollout.id}/analysis/replay`} body={bodyOf(settings)} /><a class="button quiet" href={withQuery({ judge: "" })}>Close</a></span></div>
    <p class="under">The same requests, judged otherwise. Nothing is changed by it. Empty: as it was.</p>
    <form key={rollout.id} onSubmit={(event) => {
      event.preventDefault();
      const entries = [...new FormData(event.currentTarget)].map(([k, v]) => [k, String(v).trim()] as const).filter(([, v]) => v !== "");
      go(address(entries.map(([k, v]) => { const point = k.lastIndexOf("."); return [k.slice(0, point), k.slice(point + 1), v] as Setting; })), true);
    }}>{judged(rollout).map((g) => <fieldset key={nameOf(g)}><legend>{gateName(g)}</legend><div class="inline">{MEMBERS[g.kind]!.map((member) => <label class="field" key={member}>{member}
      <input name={`${nameOf(g)}.${member}`} size={8} autocomplete="off" inputMode={member === "for" ? "text" : "decimal"} defaultValue={valueOf(nameOf(g), member) ?? ""} placeholder={g[member] === undefined ? "none" : String(g[member])} /></label>)}</div></fieldset>)}
      <div class="actions"><button class="strong">Judge again</button></div></form>
    <Answer rollout={rollout} settings={settings} />
  </section>;
}
