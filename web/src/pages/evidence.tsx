// What the gates saw: verdict, counts of both arms, and where the evidence stands between PASS and FAIL.
import type { ComponentChildren } from "preact";
import { type Gate, type Rollout, get } from "../api";
import { type Line, LineChart } from "../charts";
import { useLoad } from "../live";
import { Badge, plural } from "../parts";
import { quote } from "../router";
import { At } from "../time";
import { gateName } from "./common";

export const percent = (part?: number, whole?: number) => !whole ? "–" : `${(100 * (part ?? 0) / whole).toFixed((part ?? 0) / whole < 0.0995 && part ? 2 : 1)} %`;

// From PASS through neutral to FAIL: a needle on the log evidence of both tests; hatched while nothing is known.
function Scale({ gate }: { gate: Gate }) {
  const fail = gate.log_e_fail ?? 1, pass = gate.log_pass_at ?? fail;
  const toFail = Math.max(0, Math.min(1, (gate.log_e ?? 0) / fail)), toPass = Math.max(0, Math.min(1, (gate.log_pass ?? 0) / pass));
  const x = 50 + 50 * (gate.verdict === "fail" ? 1 : gate.verdict === "pass" ? -1 : toFail >= toPass ? toFail : -toPass);
  const words = gate.verdict === "insufficient" ? "not enough evidence yet" : gate.verdict;
  return <svg class="scale" viewBox="0 0 100 22" preserveAspectRatio="none" role="img" aria-label={`${gateName(gate)}: ${words}; ${Math.round(100 * toPass)} % of the way to pass, ${Math.round(100 * toFail)} % of the way to fail`}>
    <rect class="fill-line" x="0" y="7" width="100" height="8" rx="1" />
    {gate.verdict === "pass" && <rect class="fill-good" x="0" y="7" width="50" height="8" />}
    {gate.verdict === "fail" && <rect class="fill-bad" x="50" y="7" width="50" height="8" />}
    {["insufficient", "no-data", "error"].includes(gate.verdict) && [4, 16, 28, 40, 52, 64, 76, 88].map((at) => <line key={at} class="grid" x1={at} y1="15" x2={at + 5} y2="7" />)}
    {gate.verdict !== "pass" && toPass > 0 && <rect class="fill-good" x={50 - 50 * toPass} y="9" width={50 * toPass} height="4" />}
    {gate.verdict !== "fail" && toFail > 0 && <rect class="fill-warn" x="50" y="9" width={50 * toFail} height="4" />}
    <line class="axis" x1="50" y1="4" x2="50" y2="18" /><rect class="text-main" x={Math.min(99, Math.max(0, x - 0.5))} y="3" width="1" height="16" />
  </svg>;
}

// Progress to the number of requests that the gate wants.
function Need({ gate, needs }: { gate: Gate; needs: number }) {
  const n = Math.min(needs, gate.n_requests ?? 0);
  return <svg class="scale" viewBox="0 0 100 22" preserveAspectRatio="none" role="img" aria-label={`${n} of ${needs} requests`}>
    <rect class="fill-line" x="0" y="7" width="100" height="8" /><rect class={gate.verdict === "fail" ? "fill-bad" : n >= needs ? "fill-good" : "fill-warn"} x="0" y="7" width={100 * n / needs} height="8" /></svg>;
}

function Arms({ gate }: { gate: Gate }) {
  if (gate.n_requests === undefined || gate.kind === "latency") return null; // a latency gate counts no failures
  return <p class="nums">new {gate.n_failures ?? 0}/{gate.n_requests} <span class="soft">({percent(gate.n_failures, gate.n_requests)})</span>
    {gate.n_base_requests !== undefined && <>, old {gate.n_base_failures ?? 0}/{gate.n_base_requests} <span class="soft">({percent(gate.n_base_failures, gate.n_base_requests)})</span></>}</p>;
}

function needs(gate: Gate): string {
  const words: string[] = [];
  if (gate.n_to_pass) words.push(`${gate.n_to_pass} more clean requests to pass`);
  if (gate.n_to_fail) words.push(`${gate.n_to_fail} more failures to fail`);
  return words.length && !["pass", "fail"].includes(gate.verdict) ? `needs ${words.join(", or ")}` : "";
}

// Health is of the nodes that have the new version, and there may be none yet.
function healthText(r: Rollout, gate: Gate): string {
  if (gate.kind !== "health") return gate.text;
  if (!(r.nodes ?? []).some((n) => n.version === r.to)) return r.ended ? `no node served version ${r.to} at its end` : `no node serves version ${r.to} yet`;
  return gate.verdict === "pass" ? gate.text : "not every node with the new version is ready";
}

export function Gates({ rollout }: { rollout: Rollout }) {
  const gates = rollout.gates ?? [];
  const minimum = (gate: Gate) => rollout.strategy?.gates?.find((g) => g.kind === gate.kind && (!g.name || g.name === gate.name))?.min_requests;
  return <>{rollout.control && <p class="soft">Baseline: {rollout.control.baseline}</p>}<ul class="gates">{gates.map((gate, i) => <li class="gate" key={gate.name ?? i}>
    <div class="head"><h3>{gateName(gate)}</h3><span class="badges">{gate.report_only && <Badge text="report only" />}<Badge text={gate.verdict} /></span></div>
    {gate.log_e_fail !== undefined ? <Scale gate={gate} /> : gate.n_requests !== undefined && minimum(gate) ? <Need gate={gate} needs={minimum(gate)!} /> : null}
    <p>{healthText(rollout, gate)}</p>
    <Arms gate={gate} />
    {needs(gate) && <p class="soft">{needs(gate)}</p>}
    {minimum(gate) && gate.n_requests !== undefined && gate.n_requests < minimum(gate)! && <p class="soft nums">{gate.n_requests} of {minimum(gate)}</p>}
    {(gate.phi ?? 1) > 1 && <p class="soft">errors come in bursts here: evidence counts {gate.phi!.toFixed(1)} times less</p>}
  </li>)}</ul></>;
}

interface Point { time: string; canary?: number; canary_bad?: number; baseline?: number; baseline_bad?: number; value?: number; log_e?: number }
interface Merged { intervals?: number; values?: number; into: number; rough?: number; until: string }
interface Judged { name?: string; kind: string; cause?: string; source?: string; limit?: number | string; log_e_fail?: number; series?: Point[]; merged?: Merged;
  slower_than?: { value: number; unit: string; of: string }; before?: { since: string } }
interface Report { gates: Judged[]; nodes?: { node: string; side: string; since?: string; away?: string }[] }

// Rates over time, each point the share of the last few intervals, so that one request is no spike of 100 %.
function rates(series: Point[], n: (p: Point) => number, bad: (p: Point) => number): [number, number][] {
  return series.flatMap((point, k) => {
    const window = series.slice(Math.max(0, k - 5), k + 1), all = window.reduce((sum, p) => sum + n(p), 0);
    return all ? [[Date.parse(point.time), window.reduce((sum, p) => sum + bad(p), 0) / all] as [number, number]] : [];
  });
}

function chartOf(rollout: Rollout, gate: Judged) {
  const series = gate.series ?? [], isValue = series.some((p) => p.value !== undefined), title = gateName(gate);
  if (series.length < 2) return [];
  const lines: Line[] = isValue ? [{ name: `version ${rollout.to}`, kind: "new", points: series.flatMap((p) => p.value === undefined ? [] : [[Date.parse(p.time), p.value] as [number, number]]) }]
    : [{ name: `version ${rollout.to}`, kind: "new", points: rates(series, (p) => p.canary ?? 0, (p) => p.canary_bad ?? 0) },
      ...(rollout.from ? [{ name: `version ${rollout.from}`, kind: "old" as const, points: rates(series, (p) => p.baseline ?? 0, (p) => p.baseline_bad ?? 0) }] : [])];
  return [<LineChart key={title} title={`${title}: ${isValue ? "value" : gate.kind === "slow-ratio" ? "share of slow requests" : "share of failed requests"}`} lines={lines} least={isValue ? 1 : 0.01}
    limit={isValue && gate.limit !== undefined ? Number(gate.limit) : undefined} unit={(v) => isValue ? String(+v.toPrecision(3)) : `${+(v * 100).toPrecision(2)} %`} />];
}

// What else is to know about the numbers: where they come from, what was added up, who is not counted now.
function remarks(rollout: Rollout, report: Report): ComponentChildren[] {
  const away = (report.nodes ?? []).filter((n) => n.away), side = (n: { side: string }) => `version ${n.side === "canary" ? rollout.to : rollout.from ?? "–"}`;
  return [
    ...away.map((n) => <>{n.node} counts for {side(n)}, but has not served it since <At at={n.away} />: what it answers meanwhile is left out.</>),
    ...report.gates.flatMap((g) => g.merged ? [<>{gateName(g)}: {plural(g.merged.intervals ?? g.merged.values ?? 0, g.merged.values ? "value" : "interval")} up to <At at={g.merged.until} /> {g.merged.into === 1 ? "is" : "are"} merged into {g.merged.into.toLocaleString("en")}
      {g.merged.rough ? `, ${g.merged.rough.toLocaleString("en")} of them roughly: when within one something happened is not known any more` : "; no evidence changed by that"}.</>] : []),
    ...report.gates.flatMap((g) => g.slower_than ? [<>{gateName(g)}: slow is what takes more than {+g.slower_than.value.toPrecision(3)} {g.slower_than.unit} ({g.slower_than.of}).</>] : []),
    ...report.gates.flatMap((g) => g.source === "router" ? [<>{gateName(g)} is counted at the router.</>] : []),
    ...report.gates.flatMap((g) => g.before ? [<>{gateName(g)} also knows version {rollout.from} from <At at={g.before.since} /> on, before this rollout.</>] : []),
    ...report.gates.flatMap((g) => g.cause && !rollout.gates?.some((one) => one.text.includes(g.cause!)) ? [<>{gateName(g)}: {g.cause}</>] : []),
  ];
}

// New against old over time, and the judge's remarks.
export function Analysis({ rollout }: { rollout: Rollout }) {
  const page = useLoad(() => get<Report>(`/rollouts/${quote(rollout.id)}/analysis?points=120`), rollout.ended ? 60_000 : 5000, `analysis/${rollout.id}`);
  if (page.error) return <p class="note" role="alert">{page.error.message}</p>;
  if (!page.data) return null;
  const drawn = page.data.gates.flatMap((gate) => chartOf(rollout, gate)), said = remarks(rollout, page.data);
  return <>
    <h2>Over time <small>version {rollout.to}{rollout.from && ` against version ${rollout.from}`}</small></h2>
    {drawn.length ? <div class="charts">{drawn}</div> : <p class="lede">No samples yet: these pictures need requests to the nodes.</p>}
    {said.length > 0 && <ul class="remarks">{said.map((one, i) => <li key={i}>{one}</li>)}</ul>}
  </>;
}
