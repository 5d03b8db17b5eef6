// Going back: what it would do is asked from the server before anybody agrees to it.
import { useEffect, useState } from "preact/hooks";
import { post } from "../api";
import type { Question } from "../ask";
import { plural } from "../parts";
import { go, to } from "../router";
import { span } from "../time";

interface Preview { already?: boolean; from?: number; to: number; n_nodes: number; plan?: string; aborting?: boolean;
  forecast?: { takes_ms: number; low_point: number; complete: boolean; outcome: string }; operations?: { action: string }[] }

function Consequence({ model, env, active }: { model: string; env: string; active?: string }) {
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
  const loads = (seen?.operations ?? []).filter((o) => o.action === "load").length;
  return <>
    {active && <p class="note warn">{active} is active: it is aborted, and its nodes go back first.</p>}
    <div role="status" aria-live="polite">{fault ? <p class="note bad">{fault}</p> : !seen ? <p class="soft">Looking what it would do…</p> : seen.already ? <p>Version {seen.to} is live already.</p>
      : <p>{plural(seen.n_nodes, "node")} {seen.n_nodes === 1 ? "goes" : "go"} {seen.from ? <>from version <b>{seen.from}</b> </> : ""}to version <b>{seen.to}</b>
        {seen.forecast && <>: about {span(seen.forecast.takes_ms)}, never fewer than {seen.forecast.low_point} serving{loads === 0 && ", nothing has to be loaded"}</>}. {seen.from && `Version ${seen.from} stays in the registry.`}</p>}</div>
    <label class="field">To version (empty: the one that was live before)
      <input name="version" inputMode="numeric" pattern="[0-9]*" value={version} autocomplete="off" onInput={(event) => setVersion(event.currentTarget.value)} /></label>
  </>;
}

export const rollBack = (model: string, env: string, active?: string): Question => ({ title: `Roll back ${model} in ${env}`, verb: "Roll back", danger: true,
  text: <Consequence model={model} env={env} active={active} />,
  act: async (f) => {
    const made = await post<{ id?: string }>("/rollouts", { model, environment: env, kind: "rollback", ...(f.version && { version: f.version }), ...(f.reason && { reason: f.reason }) });
    if (made.id) go(to.rollout(made.id));
  } });
