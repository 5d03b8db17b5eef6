// All rollouts, newest first.
import { type List, type Rollout, asOf, get } from "../api";
import { useLoad } from "../live";
import { Choice, Empty, Head, Loaded, Pages } from "../parts";
import { at, environment, query, quote, withQuery } from "../router";
import { stamp } from "../time";
import { RolloutRows, waits } from "./common";

export function Rollouts() {
  const cursor = query("cursor"), model = query("model"), active = query("active"), isWaiting = active === "queued", env = environment.value;
  const api = asOf(`/rollouts?limit=${isWaiting ? 200 : 50}${model && `&model=${quote(model)}`}${env && `&env=${quote(env)}`}${active && "&active=true"}${cursor && `&cursor=${quote(cursor)}`}`);
  const queued = useLoad(() => isWaiting ? get<List<Rollout>>(api.replace("active=", "queued=")) : Promise.resolve(undefined), 4000, `queued/${isWaiting && api}`);
  const list = useLoad(() => get<List<Rollout>>(api), 4000, api);
  return <>
    <Head title={`Rollouts${model && ` of ${model}`}${env && ` in ${env}`}`} cli={`mreg rollout list${model && ` --model ${model}`}${env && ` --env ${env}`}${at.value && ` --at ${at.value}`}`} api={api}>
      <Choice label="Which rollouts" name="active" items={[["", "All"], ["true", "Active"], ["queued", "Waiting"]]} /></Head>
    {at.value && <p class="note">Each as at its last move before that time; what it was waiting for is not kept.</p>}
    <Loaded of={list}>{(all) => {
      const data = isWaiting ? { ...all, items: [...all.items, ...(queued.data?.items ?? [])].filter((r, i, rows) => waits(r) && rows.findIndex((one) => one.id === r.id) === i).sort((a, b) => a.created < b.created ? 1 : -1) } : all;
      return data.items.length === 0 && at.value ? <><p class="lede">{active ? "No rollout was in that state" : "There was no rollout"} on {stamp(at.value)}{data.next ? ", of those looked at" : ""}.</p><Pages next={data.next} /></>
      : data.items.length === 0
      ? active ? <p class="lede">{active === "queued" ? "No rollout waits." : "No rollout is active."} <a href={withQuery({ active: "", cursor: "" })}>Show all</a></p> : <Empty text="No rollout yet. Promote a version:" command="mreg promote fraud@1 production --watch" />
      : <><RolloutRows label="Rollouts" items={data.items} isList /><Pages next={data.next} /></>;
    }}</Loaded>
  </>;
}
