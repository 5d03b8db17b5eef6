// All rollouts, newest first.
import { type Rollout, asOf, many, may } from "../api";
import { useLoad } from "../live";
import { Choice, Empty, Head, Loaded, Pages, sh } from "../parts";
import { at, environment, query, quote, withQuery } from "../router";
import { exact } from "../time";
import { RolloutRows, needsSomebody } from "./common";

export function Rollouts() {
  const cursor = query("cursor"), model = query("model"), active = query("active"), isPicked = active === "stuck", env = environment.value;
  const api = asOf(`/rollouts?limit=${isPicked ? 200 : 50}${model && `&model=${quote(model)}`}${env && `&env=${quote(env)}`}${active && (active === "queued" ? "&queued=true" : "&active=true")}${cursor && `&cursor=${quote(cursor)}`}`);
  const list = useLoad(async () => {
    const all = await many<Rollout>(api, isPicked ? 200 : 1);
    return isPicked ? { ...all, items: all.items.filter(needsSomebody) } : all;
  }, 4000, `${api}/${active}`);
  return <>
    <Head title={`Rollouts${model && ` of ${model}`}${env && ` in ${env}`}`} cli={sh`mreg rollout list${["--model", model]}${["--env", env]}${["--at", at.value]}`} api={api}>
      <Choice label="Which rollouts" name="active" items={[["", "All"], ["true", "Active"], ["stuck", "Need somebody"], ["queued", "Queued"]]} /></Head>
    {at.value && <p class="note">Each as at its last move before that time; what it was waiting for is not kept.</p>}
    <Loaded of={list}>{(data) => data.items.length === 0 && (at.value || data.next)
      ? <><p class="lede">{active ? "No rollout was in that state" : "There was no rollout"}{at.value && ` on ${exact(at.value)}`}{data.next ? ", of those looked at" : ""}.</p><Pages next={data.next} /></>
      : data.items.length === 0
      ? active ? <p class="lede">{active === "queued" ? "No rollout waits for its turn." : active === "stuck" ? "No rollout needs somebody." : "No rollout is active."} <a href={withQuery({ active: "", cursor: "" })}>Show all</a></p> : <Empty text={may("deploy") ? "No rollout yet. Promote a version:" : "No rollout yet. A deployer promotes a version:"} command={may("deploy") ? "mreg promote fraud@1 production --watch" : undefined} />
      : <><RolloutRows label="Rollouts" items={data.items} isList /><Pages next={data.next} /></>}</Loaded>
  </>;
}
