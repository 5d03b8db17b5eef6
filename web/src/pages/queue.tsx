// Who waits for a target, in which order; and versions that failed by their own fault.
import { type List, get, may, send } from "../api";
import { useAsk } from "../ask";
import { useLoad } from "../live";
import { Badge, Fault, Table } from "../parts";
import { quote, to } from "../router";
import { Ago } from "../time";
import { Said, Who } from "../who";

interface Waiting { id: string; position?: number; from?: number; to: number; kind: string; phase: string; hotfix?: boolean; actor: string; reason?: string; created: string; waiting?: string }
interface QueueOf { environment: string; model: string; generation: number; policy: string; active?: Waiting; items: Waiting[] }
const POLICIES: Record<string, string> = { coalesce: "only the newest waits", replace: "a new one ends the active one", queue: "all wait in order", reject: "none waits: a second one is refused" };

export function Queue({ env, model }: { env: string; model: string }) {
  const base = `/environments/${quote(env)}/targets/${quote(model)}/queue`;
  const list = useLoad(() => get<QueueOf>(base), 5000, base);
  const [dialog, ask] = useAsk(list.again);
  const q = list.data;
  if (!q || q.items.length === 0) return <><Fault of={list} />{dialog}</>;
  return <>
    <h2>Waiting for {model} in {env} <small>{POLICIES[q.policy] ?? q.policy}</small></h2>
    <Table caption={`Queue of ${model} in ${env}`} heads={["Place", "Rollout", "Version", "Asked for", "Why", ""]}>
      {q.items.map((r, i) => <tr key={r.id}><td class="nums">{i + 1}</td><td class="tight"><a href={to.rollout(r.id)}>{r.id}</a> {r.hotfix && <Badge text="hotfix" tone="warn" />}</td><td class="nums tight">{r.from ?? "–"} → <a class="inline" href={to.version(model, r.to)}>{r.to}</a></td>
        <td class="tight"><Ago at={r.created} /> by <Who actor={r.actor} /></td><td class="fill"><Said text={r.waiting} />{r.reason && <p class="under">“{r.reason}”</p>}</td>
        <td class="num tight">{may("deploy") && <>{i > 0 && <button class="quiet" onClick={() => ask({ title: `Move ${r.id} up`, verb: "Move up", text: <p>It takes its turn before {q.items[i - 1]!.id}.</p>,
          act: (f) => { const order = q.items.map((one) => one.id); order.splice(i - 1, 0, ...order.splice(i, 1)); return send("PATCH", base, { order, expected_generation: q.generation, ...(f.reason && { reason: f.reason }) }); } })}>Move up…</button>}
          <button class="quiet" onClick={() => ask({ title: `Take ${r.id} out of the queue`, verb: "Take out", danger: true, text: <p>It ends as cancelled. Nothing was touched for it.</p>, act: (f) => send("DELETE", `${base}/${quote(r.id)}?reason=${quote(f.reason ?? "")}`) })}>Take out…</button></>}</td></tr>)}</Table>
    {!q.active && may("deploy") && <p class="more"><button onClick={() => ask({ title: `Start the next one in ${env}`, verb: "Start", text: <p>After a halt nothing begins by itself: {q.items[0]!.id} would begin now.</p>, act: (f) => send("POST", `${base}/start`, { ...(f.reason && { reason: f.reason }) }) })}>Start the next one…</button></p>}
    {dialog}
  </>;
}
interface Bad { environment: string; model: string; version: number; rollout: string; cause: string; since: string }
export function Quarantine({ env, model }: { env: string; model?: string }) {
  const list = useLoad(() => get<List<Bad>>(`/environments/${quote(env)}/quarantine`), 15_000, `quarantine/${env}`);
  const [dialog, ask] = useAsk(list.again);
  const items = (list.data?.items ?? []).filter((b) => !model || b.model === model);
  if (items.length === 0) return <><Fault of={list} />{dialog}</>;
  return <>
    <h2>In quarantine <small>failed by their own fault in {env}: they are not rolled out there again until somebody lifts it</small></h2>
    <Table caption={`Quarantine of ${env}`} heads={[...(model ? [] : ["Model"]), "Version", "Since", "Why", ""]}>
      {items.map((b) => <tr key={b.model + b.version}>{!model && <td><a href={to.model(b.model)}>{b.model}</a></td>}<td class="nums"><a href={to.version(b.model, b.version)}>{b.version}</a></td><td class="tight"><Ago at={b.since} /></td>
        <td class="fill">{b.cause} (<a class="inline" href={to.rollout(b.rollout)}>{b.rollout}</a>)</td>
        <td class="num">{may("approve") && <button class="quiet" onClick={() => ask({ title: `Lift the quarantine of ${b.model} ${b.version}`, verb: "Lift", needsReason: true, text: <p>It can be rolled out to {env} again. It failed there: {b.cause}.</p>,
          act: (f) => send("DELETE", `/environments/${quote(env)}/targets/${quote(b.model)}/quarantine/${b.version}?reason=${quote(f.reason ?? "")}`) })}>Lift…</button>}</td></tr>)}</Table>
    {dialog}
  </>;
}
