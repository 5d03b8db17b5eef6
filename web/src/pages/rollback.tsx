// Going back: what it would do is asked from the server before anybody agrees to it.
import { type Signal, signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Rollout, type Target, type WayBack, get, many, post, send } from "../api";
import type { Question } from "../ask";
import { useLoad } from "../live";
import { Fault, plural } from "../parts";
import { go, quote, to } from "../router";
import { duration, span, stamp } from "../time";
import { Said } from "../who";

interface Preview { id?: string; already?: boolean; version?: number; from?: number; to: number; n_nodes: number; aborting?: boolean; way_back?: WayBack;
  forecast?: { takes_ms: number; low_point: number; complete: boolean; outcome: string }; operations?: { action: string }[] }

export const about = (eta: string) => /^\d+ ?ms$/.test(eta) ? "less than a second" : `about ${duration(eta)}`;
function Words({ seen }: { seen: Preview }) {
  const nodes = (n: number) => `${plural(n, "node")} ${n === 1 ? "goes" : "go"}`;
  if (seen.already) return <p>Version {seen.version} is live already.</p>;
  if (seen.aborting) return <><p><b>{seen.id}</b> brings version {seen.to} just now: rolling back aborts it. {seen.from ? <>Version <b>{seen.from}</b>, which is live, stays.</> : "Nothing was live before it, so nothing is live after it."} {seen.way_back?.n_nodes ? `${nodes(seen.way_back.n_nodes)} back to ${seen.from ? `version ${seen.from}` : "nothing"}` : "No node has to change"}{seen.way_back?.n_nodes && seen.way_back.eta ? `, ${about(seen.way_back.eta)}` : ""}.</p>
    {seen.from && <p class="soft">To go further back, to a version that was live before version {seen.from}, do this first, and roll back once more when {seen.id} has ended.</p>}</>;
  const isLoadFree = !(seen.operations ?? []).some((o) => o.action === "load");
  return <p>{nodes(seen.n_nodes)} {seen.from && seen.from !== seen.to && <>from version <b>{seen.from}</b> </>}to version <b>{seen.to}</b>
    {seen.forecast && <>: about {span(seen.forecast.takes_ms)}, never fewer than {seen.forecast.low_point} serving{isLoadFree && ", nothing has to be loaded"}</>}. {seen.from === seen.to ? "It is live; a halt left nodes as they were." : seen.from && `Version ${seen.from} stays in the registry.`}</p>;
}

const queue = (model: string, env: string) => `/environments/${quote(env)}/targets/${quote(model)}/queue`;
export const takeOut = (model: string, env: string, id: string, reason = "") => send("DELETE", `${queue(model, env)}/${quote(id)}?reason=${quote(reason)}`);

// What waits begins as soon as this ends. Unless the box is cleared, it is taken out of the queue first.
export function Next({ model, env, but }: { model: string; env: string; but?: string }) {
  const list = useLoad(() => get<{ items: { id: string; to: number }[] }>(queue(model, env)), 5000, queue(model, env));
  const items = (list.data?.items ?? []).filter((one) => one.id !== but);
  if (items.length === 0) return <Fault of={list} />;
  return <div class="note warn"><p>{items.map((one, i) => <>{i > 0 && ", "}<b>{one.id}</b> (version {one.to})</>)} {items.length === 1 ? "waits and will start right after." : "wait; the first will start right after."}</p>
    <label class="check"><input type="checkbox" name="dequeue" value={items.map((one) => one.id).join(" ")} defaultChecked />{items.length === 1 ? "Take it out of the queue too" : "Take them out of the queue too"}</label></div>;
}
export async function takeOutNext(model: string, env: string, f: Record<string, string>) {
  for (const id of (f.dequeue ?? "").split(" ").filter(Boolean)) await takeOut(model, env, id, f.reason);
}

// The versions that were live there before, newest first: no other may be gone back to.
interface Choice { version: number; text: string }
async function wereLive(model: string, env: string): Promise<{ before?: number; live?: number; choices: Choice[] }> {
  const [target, list] = await Promise.all([get<Target>(`/environments/${quote(env)}/targets/${quote(model)}`), many<Rollout>(`/rollouts?model=${quote(model)}&env=${quote(env)}&limit=200`, 200)]);
  const done = list.items.filter((r) => r.phase === "succeeded" && r.ended && r.to !== target.live).sort((a, b) => a.ended! < b.ended! ? 1 : -1);
  return { before: target.back_to, live: target.live, choices: [...new Map([...done].reverse().map((r) => [r.to, r])).values()].reverse().map((r) => ({ version: r.to, text: `version ${r.to}, live from ${stamp(r.ended!)} (${r.id})` })) };
}

function Consequence({ model, env, blocked }: { model: string; env: string; blocked: Signal<boolean> }) {
  const [version, setVersion] = useState("");
  const ask = { model, environment: env, kind: "rollback", dry_run: true, ...(version && { version }) };
  const { data: seen, error } = useLoad(() => post<Preview>("/rollouts", ask), 5000, `back/${model}/${env}/${version}`); // again and again: another may roll out meanwhile
  const were = useLoad(() => wereLive(model, env), 15_000, `were/${model}/${env}`).data;
  useEffect(() => { blocked.value = !seen || Boolean(error) || Boolean(seen.already); }, [seen, error]);
  const active = version && /abort it/.test(error?.message ?? "") ? /\br-\d+(-\d+)?\b/.exec(error!.message)?.[0] : undefined;
  const hasChoice = useRef(false);
  if (seen) hasChoice.current = !seen.aborting; // and so while another answer is awaited
  const others = (were?.choices ?? []).filter((one) => one.version !== were!.before);
  return <>
    <div role="status">{error ? <p class="note bad"><Said text={pageFault(error)} /></p> : seen ? <Words seen={seen} /> : <p class="soft">Looking what it would do…</p>}</div>
    {active && <p><button type="button" onClick={() => setVersion("")}>Abort {active} instead</button></p>}
    <Next model={model} env={env} />
    {hasChoice.current && were && <label class="field">To version
      <select name="version" value={version} onChange={(event) => setVersion(event.currentTarget.value)}>
        <option value="">{were.before && were.before === were.live ? `the one that is live: version ${were.before}` : were.before ? `the one that was live before: version ${were.before}` : "the one that was live before"}</option>
        {others.map((one) => <option key={one.version} value={String(one.version)}>{one.text}</option>)}</select></label>}
  </>;
}
const pageFault = (error: Error) => error instanceof TypeError ? "The server cannot be reached." : error.message;

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
// Why nothing can be rolled back there, "" if it can: there is something to go back to, or something under way that can be aborted.
interface Place { live?: number; back_to?: number; rollout?: string }
export const noWayBack = (t: Place) => t.rollout !== undefined ? "" : t.live === undefined ? "nothing is live here" : t.back_to === undefined ? `no other version was live here before version ${t.live}` : "";
export function RollBack({ target: t, env, why = noWayBack(t), style = "quiet", ask }: { target: Place & { model: string }; env: string; why?: string; style?: string; ask: (q: Question) => void }) {
  return <button class={why ? style.replace("danger", "") : style} disabled={why !== ""} title={why} onClick={() => ask(rollBack(t.model, env))}>Roll back…{why && <span class="unseen"> ({why})</span>}</button>;
}
