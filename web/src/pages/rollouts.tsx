// All rollouts, newest first.
import { type List, type Rollout, get } from "../api";
import { useLoad } from "../live";
import { Choice, Empty, Head, Loaded, Pages } from "../parts";
import { environment, query, quote, withQuery } from "../router";
import { RolloutRows } from "./common";

export function Rollouts() {
  const cursor = query("cursor"), model = query("model"), active = query("active"), env = environment.value;
  const api = `/rollouts?limit=50${model && `&model=${quote(model)}`}${env && `&env=${quote(env)}`}${active && (active === "queued" ? "&queued=true" : "&active=true")}${cursor && `&cursor=${quote(cursor)}`}`;
  const list = useLoad(() => get<List<Rollout>>(api), 4000, api);
  return <>
    <Head title={`Rollouts${model && ` of ${model}`}${env && ` in ${env}`}`} cli={`mreg rollout list${model && ` --model ${model}`}${env && ` --env ${env}`}`} api={api}>
      <Choice label="Which rollouts" name="active" items={[["", "All"], ["true", "Active"], ["queued", "Waiting"]]} /></Head>
    <Loaded of={list}>{(data) => data.items.length === 0
      ? active ? <p class="lede">{active === "queued" ? "No rollout waits for its turn." : "No rollout is active."} <a href={withQuery({ active: "", cursor: "" })}>Show all</a></p> : <Empty text="No rollout yet. Promote a version:" command="mreg promote fraud@1 production --watch" />
      : <><RolloutRows label="Rollouts" items={data.items} isList /><Pages next={data.next} /></>}</Loaded>
  </>;
}
