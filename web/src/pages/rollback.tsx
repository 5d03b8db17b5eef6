// Going back: what it would do is asked from the server before anybody agrees to it.
import { type Signal, signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { type WayBack, get, post, send } from "../api";
import type { Question } from "../ask";
import { useLoad } from "../live";
import { plural } from "../parts";
import { go, quote, to } from "../router";
import { duration, span } from "../time";

interface Preview { id?: string; already?: boolean; version?: number; from?: number; to: number; n_nodes: number; aborting?: boolean; way_back?: WayBack;
  forecast?: { takes_ms: number; low_point: number; complete: boolean; outcome: string }; operations?: { action: string }[] }

function Words({ seen }: { seen: Preview }) {
  const nodes = (n: number) => `${plural(n, "node")} ${n === 1 ? "goes" : "go"}`;
  if (seen.already) return <p>Version {seen.version} is live already.</p>;
  if (seen.aborting) return <p>{seen.id} is under way: it is aborted. {seen.way_back?.n_nodes ? `${nodes(seen.way_back.n_nodes)} back to ${seen.from ? `version ${seen.from}` : "nothing"}` : "No node has to change"}{seen.way_back?.eta && `, about ${duration(seen.way_back.eta)}`}.</p>;
  const isLoadFree = !(seen.operations ?? []).some((o) => o.action === "load");
  return <p>{nodes(seen.n_nodes)} {seen.from && <>from version <b>{seen.from}</b> </>}to version <b>{seen.to}</b>
    {seen.forecast && <>: about {span(seen.forecast.takes_ms)}, never fewer than {seen.forecast.low_point} serving{isLoadFree && ", nothing has to be loaded"}</>}. {seen.from && `Version ${seen.from} stays in the registry.`}</p>;
}

const queue = (model: string, env: string) => `/environments/${quote(env)}/targets/${quote(model)}/queue`;
export const takeOut = (model: string, env: string, id: string, reason = "") => send("DELETE", `${queue(model, env)}/${quote(id)}?reason=${quote(reason)}`);

// What waits begins as soon as this ends. Unless the box is cleared, it is taken out of the queue first.
export function Next({ model, env, but }: { model: string; env: string; but?: string }) {
  const list = useLoad(() => get<{ items: { id: string; to: number }[] }>(queue(model, env)), 5000, queue(model, env));
  const items = (list.data?.items ?? []).filter((one) => one.id !== but);
  if (items.length === 0) return null;
  return <div class="note warn"><p>{items.map((one, i) => <>{i > 0 && ", "}<b>{one.id}</b> (version {one.to})</>)} {items.length === 1 ? "waits and will start right after." : "wait; the first will start right after."}</p>
    <label class="check"><input type="checkbox" name="dequeue" value={items.map((one) => one.id).join(" ")} defaultChecked />{items.length === 1 ? "Take it out of the queue too" : "Take them out of the queue too"}</label></div>;
}
export async function takeOutNext(model: string, env: string, f: Record<string, string>) {
  for (const id of (f.dequeue ?? "").split(" ").filter(Boolean)) await takeOut(model, env, id, f.reason);
}

function Consequence({ model, env, blocked }: { model: string; env: string; blocked: Signal<boolean> }) {
  const [version, setVersion] = useState("");
  const [seen, set] = useState<Preview | undefined>();
  const [fault, setFault] = useState("");
  useEffect(() => {
    let isOld = false;
    blocked.value = true;
    const timer = setTimeout(() => {
      post<Preview>("/rollouts", { model, environment: env, kind: "rollback", dry_run: true, ...(version && { version }) }).then(
        (answer) => { if (!isOld) { set(answer); setFault(""); blocked.value = Boolean(answer.already); } }, (error) => { if (!isOld) { set(undefined); setFault((error as Error).message); } });
    }, version ? 300 : 0);
    return () => { isOld = true; clearTimeout(timer); };
  }, [version]);
  const active = version && /abort it/.test(fault) ? /\br-\d+(-\d+)?\b/.exec(fault)?.[0] : undefined;
  return <>
    <div role="status">{fault ? <p class="note bad">{fault}</p> : seen ? <Words seen={seen} /> : <p class="soft">Looking what it would do…</p>}</div>
    {active && <p><button type="button" onClick={() => setVersion("")}>Abort {active} instead</button></p>}
    <Next model={model} env={env} />
    <label class="field">To version (empty: the one that was live before)
      <input name="version" inputMode="numeric" pattern="[0-9]*" value={version} autocomplete="off" onInput={(event) => { setFault(""); set(undefined); setVersion(event.currentTarget.value); }} /></label>
  </>;
}

export function rollBack(model: string, env: string): Question {
  const blocked = signal(true);
  return { title: `Roll back ${model} in ${env}`, verb: "Roll back", danger: true, blocked,
    text: <Consequence model={model} env={env} blocked={blocked} />,
    act: async (f) => {
      await takeOutNext(model, env, f);
      const made = await post<{ id?: string }>("/rollouts", { model, environment: env, kind: "rollback", ...(f.version && { version: f.version }), ...(f.reason && { reason: f.reason }) });
      if (made.id) go(to.rollout(made.id));
    } };
}
// Where there is something to go back to, or something under way that can be aborted.
export const canGoBack = (t: { live?: number; back_to?: number; rollout?: string }) => t.rollout !== undefined || (t.live !== undefined && t.back_to !== undefined);
