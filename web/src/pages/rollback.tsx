// Going back: what it would do is asked from the server before anybody agrees to it.
import { useEffect, useState } from "preact/hooks";
import { type WayBack, post } from "../api";
import type { Question } from "../ask";
import { plural } from "../parts";
import { go, to } from "../router";
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

function Consequence({ model, env }: { model: string; env: string }) {
  const [version, setVersion] = useState("");
  const [seen, set] = useState<Preview | undefined>();
  const [fault, setFault] = useState("");
  useEffect(() => {
    let isOld = false;
    const timer = setTimeout(() => {
      post<Preview>("/rollouts", { model, environment: env, kind: "rollback", dry_run: true, ...(version && { version }) }).then(
        (answer) => { if (!isOld) { set(answer); setFault(""); } }, (error) => { if (!isOld) { set(undefined); setFault((error as Error).message); } });
    }, version ? 300 : 0);
    return () => { isOld = true; clearTimeout(timer); };
  }, [version]);
  return <>
    <div role="status">{fault ? <p class="note bad">{fault}</p> : seen ? <Words seen={seen} /> : <p class="soft">Looking what it would do…</p>}</div>
    <label class="field">To version (empty: the one that was live before)
      <input name="version" inputMode="numeric" pattern="[0-9]*" value={version} autocomplete="off" onInput={(event) => setVersion(event.currentTarget.value)} /></label>
  </>;
}

export const rollBack = (model: string, env: string): Question => ({ title: `Roll back ${model} in ${env}`, verb: "Roll back", danger: true,
  text: <Consequence model={model} env={env} />,
  act: async (f) => {
    const made = await post<{ id?: string }>("/rollouts", { model, environment: env, kind: "rollback", ...(f.version && { version: f.version }), ...(f.reason && { reason: f.reason }) });
    if (made.id) go(to.rollout(made.id));
  } });
