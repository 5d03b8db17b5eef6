// Windows in which no rollout goes forward, and the stop of the line.
import { type List, get, may, post, send } from "../api";
import { useAsk } from "../ask";
import { useLoad } from "../live";
import { Badge, Loaded, Table } from "../parts";
import { quote } from "../router";
import { At, moment, zoneName } from "../time";
import { Who } from "../who";

interface Freeze { id: string; type: string; environment?: string; model?: string; from?: string; until?: string; weekly?: string; reason?: string; actor?: string; state: string;
  holds_until?: string; next?: string }

const typedIn = (text: string) => moment(text.slice(0, 10), text.slice(11)).toISOString(); // of a field for day and time

export function Freezes({ environment }: { environment: string }) {
  const list = useLoad(() => get<List<Freeze>>(`/freezes?env=${quote(environment)}`), 10_000, `freezes/${environment}`);
  const [dialog, ask] = useAsk(list.again);
  const lift = (f: Freeze) => ask({ title: f.type === "stop" ? "Let the line go on" : "Lift this freeze", verb: f.type === "stop" ? "Go on" : "Lift", text: <p>Rollouts that wait for it go on.</p>, needsReason: true,
    act: (v) => f.type === "stop" ? send("PUT", "/stop-line", { on: false, ...(f.environment && { environment: f.environment }), reason: v.reason }) : send("DELETE", `/freezes/${quote(f.id)}?reason=${quote(v.reason ?? "")}`) });
  return <Loaded of={list}>{({ items }) => <>
    {items.length === 0 ? <p class="lede">None: rollouts may start at any time.</p> : <Table caption="Freezes" heads={["What", "When", "Why", "By", ""]}>
      {items.map((f) => <tr key={f.id}><td>{f.type === "stop" ? `the line is stopped${f.environment ? "" : " everywhere"}` : f.model ?? "all models"} <Badge text={f.state} tone={f.holds_until || f.type === "stop" ? "warn" : ""} /></td>
        <td>{f.weekly ? <>{f.weekly} UTC</> : <><At at={f.from} /> to {f.until ? <At at={f.until} /> : "further notice"}</>}</td><td class="fill">{f.reason}</td><td><Who actor={f.actor} /></td>
        <td class="num">{may(f.type === "stop" ? "deploy" : "approve") && <button class="quiet" onClick={() => lift(f)}>{f.type === "stop" ? "Go on…" : "Lift…"}</button>}</td></tr>)}</Table>}
    <div class="actions">
      {may("approve") && <button onClick={() => ask({ title: `Freeze ${environment}`, verb: "Freeze", needsReason: true,
        text: <p>No rollout goes forward meanwhile. Rollbacks always run.</p>,
        fields: <><label class="field">From, {zoneName()} (empty: now)<input type="datetime-local" name="from" /></label><label class="field">Until, {zoneName()}<input type="datetime-local" name="until" required /></label></>,
        act: (v) => post("/freezes", { environment, ...(v.from && { from: typedIn(v.from) }), until: typedIn(v.until!), reason: v.reason }) })}>Freeze…</button>}
      {may("deploy") && !items.some((f) => f.type === "stop") && <button class="danger" onClick={() => ask({ title: `Stop the line in ${environment}`, verb: "Stop", danger: true, needsReason: true, text: <p>No rollout goes forward until somebody lets it. Rollbacks always run.</p>,
        act: (v) => send("PUT", "/stop-line", { on: true, environment, reason: v.reason }) })}>Stop the line…</button>}
    </div>
    {dialog}
  </>}</Loaded>;
}
