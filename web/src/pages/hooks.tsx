// Webhooks: where changes are sent, how that fares, every delivery, and sending one again.
import { useState } from "preact/hooks";
import { type List, get, post, send } from "../api";
import { type Question, useAsk } from "../ask";
import { useLoad } from "../live";
import { Badge, Empty, Loaded, Table } from "../parts";
import { go, query, quote, withQuery } from "../router";
import { Ago, At, clock } from "../time";
import { Secret } from "./access";

interface Hook { id: string; name: string; url: string; kinds?: string[]; models?: string; environment?: string; format: string; enabled: boolean; why?: string; old_valid_until?: string;
  failing_since?: string; n_pending?: number; last_delivered?: string; last_status?: number; last_detail?: string }
interface Delivery { number: number; seq?: number; kind: string; origin: string; state: string; attempts: number; next?: string; status?: number; took_ms?: number; detail?: string; created: string }

const answer = (d: Delivery) => d.status ? `${d.status}${d.took_ms !== undefined ? ` in ${d.took_ms} ms` : ""}` : d.attempts ? "no answer" : "";

// What became of a test event, once it was tried.
async function outcome(hook: string, number: number): Promise<string> {
  for (let i = 0; i < 60; i++) {
    const d = (await get<List<Delivery>>(`/webhooks/${quote(hook)}/deliveries`)).items.find((one) => one.number === number);
    if (d?.state === "delivered") return `The test event was delivered: ${answer(d)}.`;
    if (d && d.attempts > 0) return `The test event could not be delivered: ${d.detail || answer(d)}${d.next ? ". It is tried again." : "."}`;
    await new Promise((done) => setTimeout(done, 500));
  }
  return "The test event has not been tried yet.";
}

function Deliveries({ hook }: { hook: Hook }) {
  const base = `/webhooks/${quote(hook.id)}/deliveries`;
  const list = useLoad(() => get<List<Delivery>>(base), 4000, base);
  const [fault, setFault] = useState("");
  const again = (d: Delivery) => post(`${base}/${d.number}/redeliver`).then(list.again, (error) => setFault((error as Error).message));
  return <><h2>Deliveries of {hook.name} <small><a href={withQuery({ hook: "" })}>close</a></small></h2>{fault && <p class="note bad" role="alert">{fault}</p>}
    <Loaded of={list}>{({ items }) => items.length === 0 ? <p class="lede">None yet. “Test” sends one.</p> : <Table caption="Deliveries" heads={["Event", "When", "State", "Tries", "Answer", ""]}>
      {items.map((d) => <tr key={d.number}><td class="tight">{d.kind} {d.seq} {d.origin !== "event" && <small class="soft">{d.origin}</small>}</td><td class="tight"><Ago at={d.created} /></td><td><Badge text={d.state} /></td><td class="nums tight">{d.attempts}{d.next && <span class="soft">, {Date.parse(d.next) > Date.now() ? <>next at <time title={d.next} dateTime={d.next}>{clock(d.next)}</time></> : items.some((one) => one.number < d.number && one.next && Date.parse(one.next) > Date.now()) ? "after the one before" : "at once"}</span>}</td>
        <td class="fill">{answer(d)}{d.detail && <p class="under">{d.detail}</p>}</td><td class="num tight"><button class="quiet" onClick={() => void again(d)}>Send again</button></td></tr>)}</Table>}</Loaded></>;
}

const Fields = ({ hook }: { hook?: Hook }) => <>
  <label class="field">Name<input name="name" required maxLength={100} defaultValue={hook?.name} /></label>
  <label class="field">URL<input name="url" type="url" required defaultValue={hook?.url} /></label>
  <label class="field">Kinds (by comma; empty: all)<input name="kinds" placeholder="rollout.*" defaultValue={hook?.kinds?.join(", ")} /></label>
  <label class="field">Models (globs, by comma)<input name="models" defaultValue={hook?.models ?? "*"} /></label></>;
const kindsOf = (text = "") => text.split(",").map((kind) => kind.trim()).filter(Boolean);

function questions(h: Hook, tell: (secret: string) => void): Record<"edit" | "rotate" | "turn" | "remove", Question> {
  const path = `/webhooks/${quote(h.id)}`, reason = (f: Record<string, string>) => f.reason ? { reason: f.reason } : {};
  return {
    edit: { title: `Change ${h.name}`, verb: "Change", text: <p>What was sent stays sent; what comes next goes to the new address.</p>, fields: <Fields hook={h} />,
      act: (f) => send("PATCH", path, { name: f.name, url: f.url, kinds: kindsOf(f.kinds), models: f.models || "*", ...reason(f) }) },
    rotate: { title: `New secret for ${h.name}`, verb: "Rotate", text: <p>Deliveries are signed with both secrets until the old one ends.</p>, fields: <label class="field">The old one stays valid for<input name="overlap" defaultValue="24h" /></label>,
      act: async (f) => { const made = await post<{ secret?: string }>(`${path}/rotate`, { ...(f.overlap && { overlap: f.overlap }), ...reason(f) }); tell(made.secret ?? ""); } },
    turn: { title: h.enabled ? `Turn ${h.name} off` : `Turn ${h.name} on`, verb: h.enabled ? "Turn off" : "Turn on", text: <p>{h.enabled ? "Nothing is sent until it is turned on." : "It goes on with what has happened since it stopped."}</p>,
      act: (f) => send("PATCH", path, { enabled: !h.enabled, ...reason(f) }) },
    remove: { title: `Remove ${h.name}`, verb: "Remove", danger: true, text: <p>What is not delivered yet is dropped.</p>, act: (f) => send("DELETE", `${path}?reason=${quote(f.reason ?? "")}`) },
  };
}

export function Hooks() {
  const list = useLoad(() => get<List<Hook>>("/webhooks?limit=200"), 10_000, "hooks");
  const [secret, setSecret] = useState("");
  const [said, setSaid] = useState("");
  const [dialog, ask] = useAsk(list.again);
  const ping = async (h: Hook) => {
    try {
      const made = await post<{ number?: number; delivery?: number }>(`/webhooks/${quote(h.id)}/ping`);
      setSaid(`A test event is on its way to ${h.url}.`);
      go(withQuery({ hook: h.id }));
      setSaid(await outcome(h.id, made.number ?? made.delivery ?? 0));
    } catch (error) { setSaid((error as Error).message); }
  };
  const create = () => ask({ title: "New webhook", verb: "Make it", text: <p>Every change that matches is sent as a signed CloudEvent.</p>, fields: <Fields />,
    act: async (f) => { const kinds = kindsOf(f.kinds), made = await post<{ secret?: string }>("/webhooks", { name: f.name, url: f.url, ...(kinds.length && { kinds }), models: f.models || "*", ...(f.reason && { reason: f.reason }) }); setSecret(made.secret ?? ""); } });
  return <Loaded of={list}>{({ items }) => {
    const open = items.find((h) => h.id === query("hook"));
    return <>
      <Secret what="The signing secret" text={secret} />
      {said && <p class="note" role="status">{said}</p>}
      <div class="actions"><button class="strong" onClick={create}>New webhook…</button></div>
      {items.length === 0 ? <Empty text="No webhook: nobody is told of changes." command="mreg webhook add chat URL --kind 'rollout.*'" /> : <Table caption="Webhooks" heads={["Name", "URL", "Sends", "State", "Last delivered", ""]}>
        {items.map((h) => { const q = questions(h, setSecret); return <tr key={h.id}><td class="tight">{h.name} <small class="soft mono">{h.id}</small></td><td class="fill"><span class="mono">{h.url}</span>{(h.why ?? h.last_detail) && (h.failing_since || !h.enabled) && <p class="under minus">{h.why ?? h.last_detail}</p>}</td><td>{h.kinds?.join(", ") || "all kinds"}{h.models && h.models !== "*" && ` of ${h.models}`}{h.environment && ` in ${h.environment}`}</td>
          <td><Badge text={!h.enabled ? "off" : h.failing_since ? "failing" : "active"} tone={!h.enabled ? "warn" : h.failing_since ? "bad" : "good"} />{(h.n_pending ?? 0) > 0 && <small class="soft"> {h.n_pending} pending</small>}
            {h.old_valid_until && <p class="under">old secret valid until <At at={h.old_valid_until} /></p>}</td><td class="tight">{h.last_delivered ? <Ago at={h.last_delivered} /> : "never"}</td>
          <td class="num many"><a class="button quiet" href={withQuery({ hook: h.id })}>Deliveries</a><button class="quiet" onClick={() => void ping(h)}>Test</button><button class="quiet" onClick={() => ask(q.edit)}>Edit…</button>
            {h.format === "standard" && <button class="quiet" onClick={() => ask(q.rotate)}>Rotate…</button>}<button class="quiet" onClick={() => ask(q.turn)}>{h.enabled ? "Off…" : "On…"}</button><button class="quiet" onClick={() => ask(q.remove)}>Remove…</button></td></tr>; })}</Table>}
      {open && <Deliveries hook={open} />}{dialog}</>;
  }}</Loaded>;
}
