// Environments in their order, and one: what runs there, its nodes, its policy, its routers.
import { useState } from "preact/hooks";
import { type Environment, type List, type Rollout, type Summary, type TargetTally, asOf, get, many, may, send } from "../api";
import { useAsk } from "../ask";
import { ShareBar } from "../charts";
import { useLoad } from "../live";
import { Command, Empty, Head, Loaded, Table, Tabs, count, plural, sh } from "../parts";
import { at, quote, then, to } from "../router";
import { Ago, duration } from "../time";
import { BroughtBy, Spread } from "./common";
import { Freezes } from "./freezes";
import { WholePolicy } from "./policy";
import { Quarantine, Queue } from "./queue";
import { RollBack } from "./rollback";
import { Routers } from "./routers";
import { ServedThen } from "./then";

type Policy = Record<string, unknown>;
export function Environments() {
  const api = asOf("/environments"), list = useLoad(() => get<List<Environment & { freezes?: string[] }>>(api), 5000, api);
  return <>
    <Head title="Environments" cli={at.value ? sh`mreg api GET ${api}` : "mreg env list"} api={api} />
    <Loaded of={list}>{({ items }) => items.length === 0 ? <Empty text="No environment yet. Make one, then add its nodes:" command="mreg env create production" />
      : <Table caption="Environments" heads={["Name", "Strategy", "Gates", "Approvals", "Nodes", "Freezes", "Made"]}>
        {items.map((e) => <tr key={e.name}><td><a href={then(to.env(e.name))}>{e.name}</a></td>
          <td>{String(e.policy.strategy ?? "rolling (default)")}</td>
          <td>{((e.policy.gates as { kind: string }[] | undefined) ?? []).map((g) => g.kind).join(", ") || "default"}</td>
          <td>{e.policy.approvals ? plural(Number(e.policy.approvals), "person").replace("persons", "people") : "none"}</td>
          <td><a href={then(to.nodes(e.name))}>{plural(e.n_nodes, "node")}</a></td><td>{at.value ? "not kept" : e.freezes?.length ? <a href={`${to.env(e.name)}/policy`}>frozen now</a> : "none now"}</td><td class="tight"><Ago at={e.created} /></td></tr>)}
      </Table>}</Loaded>
  </>;
}

// The members that most people look for, in words; the JSON beside has all.
function words(policy: Policy): [string, string][] {
  const rows: [string, string][] = [["Strategy", String(policy.strategy ?? "rolling (default)")]];
  const steps = policy.steps as { nodes?: number; percent?: number; weight?: string; bake?: string; approvals?: number }[] | undefined;
  if (steps) rows.push(["Steps", steps.map((s) => `${s.weight !== undefined ? `${s.weight} % of traffic` : s.nodes !== undefined ? plural(s.nodes, "node") : `${s.percent} % of nodes`}${s.bake && !/^0/.test(s.bake) ? ` for ${duration(s.bake)}` : ""}${s.approvals ? `, ${plural(s.approvals, "approval")}` : ""}`).join(", then ")]);
  if (policy.gates) rows.push(["Gates", (policy.gates as Policy[]).map((g) => `${g.kind}${g.max !== undefined ? ` ≤ ${g.max}` : g.max_ms !== undefined ? ` ≤ ${g.max_ms} ms` : g.ratio !== undefined ? ` ≤ ${g.ratio} × old` : ""}`).join(", ") || "none"]);
  if (policy.approvals) rows.push(["Approvals", `${policy.approvals} before anything is touched`]);
  const budget = policy.failure_budget as { failures: number; window: string } | undefined;
  if (budget) rows.push(["Failure budget", `${budget.failures} in ${duration(budget.window)}`]);
  const before = policy.requires as { environment: string; soak?: string } | undefined;
  if (before) rows.push(["Live before in", `${before.environment}${before.soak ? ` for ${duration(before.soak)}` : ""}`]);
  if (policy.max_unavailable !== undefined) rows.push(["At a time", `${policy.max_unavailable} unavailable`]);
  if (policy.queue) rows.push(["Queue", String(policy.queue)]);
  return rows;
}

function PolicyOf({ environment, changed }: { environment: Environment; changed: () => void }) {
  const [text, setText] = useState<string | undefined>();
  const [fault, setFault] = useState("");
  const [dialog, ask] = useAsk(changed);
  const shown = JSON.stringify(environment.policy, null, 2);
  if (text === undefined) return <>
    <dl class="facts">{words(environment.policy).map(([name, what]) => <><dt key={name}>{name}</dt><dd>{what}</dd></>)}</dl>
    {environment.effective_policy && <><h3>What holds</h3><WholePolicy whole={environment.effective_policy} set={environment.policy} /></>}
    <h3>What was set, as JSON</h3><pre class="panel pad" tabIndex={0} role="region" aria-label="Policy as JSON"><code>{shown}</code></pre>
    {may("admin") && !at.value && <p class="more"><button onClick={() => setText(shown)}>Edit…</button></p>}</>;
  return <form onSubmit={(event) => {
    event.preventDefault();
    let policy: unknown;
    try { policy = JSON.parse(text); setFault(""); } catch (error) { setFault((error as Error).message); return; }
    ask({ title: `Change the policy of ${environment.name}`, verb: "Change", text: <p>Rollouts that run keep the policy they began with.</p>,
      act: async (f) => { await send("PATCH", `/environments/${quote(environment.name)}`, { policy, ...(f.reason && { reason: f.reason }) }); setText(undefined); } });
  }}>
    <label class="field">Policy as JSON: only what differs from the default<textarea class="mono" rows={18} value={text} spellcheck={false} onInput={(event) => setText(event.currentTarget.value)} /></label>
    {fault && <p class="note bad" role="alert">{fault}</p>}
    <div class="actions"><button class="strong">Change…</button><button type="button" onClick={() => setText(undefined)}>Leave it</button></div>
    {dialog}
  </form>;
}

function Targets({ name }: { name: string }) {
  const page = useLoad(async () => {
    const [summary, queued] = await Promise.all([get<Summary>(`/environments/${quote(name)}/summary`), many<Rollout>(`/rollouts?env=${quote(name)}&queued=true&limit=200`, 200)]);
    return { summary, waits: [...new Set(queued.items.map((r) => r.model))] };
  }, 5000, `targets/${name}`);
  const [dialog, ask] = useAsk(page.again);
  const row = (t: TargetTally) => <tr key={t.model}>
    <td><a href={to.model(t.model)}>{t.model}</a>{t.serve_as !== t.model && <small class="soft mono"> as {t.serve_as}</small>}</td>
    <td class="nums">{t.live ? <a href={to.version(t.model, t.live)}>{t.live}</a> : <span class="soft tight">none yet</span>}</td><td class="tight" title={t.live_reason}><BroughtBy by={t} /></td><td class="fill"><Spread target={t} /></td><td class="tight">{t.rollout && <a href={to.rollout(t.rollout)}>{t.rollout}</a>}</td>
    <td class="num tight">{may("deploy") && <RollBack target={t} env={name} ask={ask} />}</td></tr>;
  return <Loaded of={page}>{({ summary, waits }) => <>
    {summary.targets.length === 0 ? <p class="lede">No model was ever rolled out here.{may("deploy") ? " Promote a version:" : " A deployer promotes a version."}</p>
      : <Table caption={`What runs in ${name}`} heads={["Model", "Live", "Brought", "On the nodes", "Rollout", ""]}>{summary.targets.map(row)}</Table>}
    {waits.map((model) => <Queue key={model} env={name} model={model} />)}
    <Quarantine env={name} />
    <h2>Nodes <small><a href={to.nodes(name)}>all {count(summary.n_nodes)}</a></small></h2>
    <ShareBar label={`Nodes of ${name}`} parts={[{ name: "reachable", n: summary.n_nodes - summary.n_unreachable, kind: "good" }, { name: "unreachable", n: summary.n_unreachable, kind: "bad" }]} />
    <p class="more soft">{count(summary.n_nodes - summary.n_unreachable)} reachable, {count(summary.n_unreachable)} unreachable, {count(summary.n_cordoned)} cordoned.
      {summary.labels.map((label) => <> <a key={label} href={`${to.nodes(name)}?by=${quote(label)}`}>By {label}</a></>)}</p>
    {dialog}
  </>}</Loaded>;
}

export function EnvironmentPage({ name, part }: { name: string; part: string }) {
  const base = asOf(`/environments/${quote(name)}`);
  const page = useLoad(() => get<Environment & { freezes?: string[] }>(base), 10_000, base);
  return <Loaded of={page}>{(env) => at.value ? <>
    <Head crumbs={[["Environments", then("/environments")]]} title={env.name} cli={sh`mreg api GET ${base}`} api={base}><a class="button" href={then(to.nodes(name))}>{plural(env.n_nodes, "node")}</a></Head>
    <p class="note">Freezes, routers and what waited are not kept: here are its policy and what its nodes served.</p>
    <Tabs base={to.env(name)} items={[["", "What ran"], ["/policy", "Policy"]]} />
    {part === "policy" ? <><h2>Policy then</h2><PolicyOf environment={env} changed={page.again} /></> : <ServedThen env={name} />}
  </> : <>
    <Head crumbs={[["Environments", "/environments"]]} title={env.name} cli={part === "policy" ? sh`mreg env show ${env.name} --effective` : sh`mreg target list ${env.name}`} api={base}><a class="button" href={`/?env=${quote(name)}`}>Overview</a><a class="button" href={to.nodes(name)}>{plural(env.n_nodes, "node")}</a></Head>
    {(env.freezes ?? []).length > 0 && part !== "policy" && <p class="note warn">Nothing goes forward here now: <a href={`${to.env(name)}/policy`}>frozen</a>. Rollbacks always run.</p>}
    <Tabs base={to.env(name)} items={[["", "What runs"], ["/policy", "Policy and freezes"], ["/routers", "Routers"]]} />
    {part === "policy" ? <div class="cols"><div><h2>Policy</h2><PolicyOf environment={env} changed={page.again} /></div><div><h2>Freezes</h2><Freezes environment={name} /></div></div>
      : part === "routers" ? <Routers environment={name} /> : <><Targets name={name} />{may("deploy") && <Command text={sh`mreg promote MODEL@VERSION ${name} --watch`} />}</>}
  </>}</Loaded>;
}
