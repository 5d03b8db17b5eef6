// What a model's versions grew out of, and which one was live when: two pictures of its history.
import { type Rollout, type Version, asOf, get, many } from "../api";
import { type Block, Spans } from "../charts";
import { Family } from "../lineage";
import { useLoad } from "../live";
import { Empty, Fault, Loaded, sh } from "../parts";
import { at, quote, then, to } from "../router";
import { stamp } from "../time";

const SHOWN = 12; // each one is asked for by itself: lists have no lineage

export function LineageOf({ name, versions }: { name: string; versions: Version[] }) {
  const wanted = versions.slice(0, SHOWN);
  const page = useLoad(() => Promise.all(wanted.map((v) => get<Version>(asOf(`/models/${quote(name)}/versions/${v.version}`)))), 30_000, `family/${name}/${at.value}/${wanted.map((v) => v.version).join(",")}`);
  if (wanted.length === 0) return <Empty text="No version yet. Push one, and say where it comes from:" command={sh`mreg push ${name} ./out --lineage dataset=NAME --lineage parent=1`} />;
  return <Loaded of={page}>{(members) => <>
    <Family model={name} members={members} stamp={stamp} />
    <p class="under">Filled: live. A full arc leads from the version that somebody named as parent; a dashed one from the version before.{versions.length > SHOWN && ` The newest ${SHOWN}${at.value && " of then"} are shown.`}</p>
    {members.every((m) => Object.keys(m.lineage ?? {}).length === 0) && <Empty text="Nobody has said where these versions come from. Say it when you push:" command={sh`mreg push ${name} ./out --lineage dataset=NAME --lineage parent=${members[0]!.version}`} />}
  </>}</Loaded>;
}

// From the rollouts that went through: from the end of one to the end of the next in its environment.
function rowsOf(rollouts: Rollout[]): { name: string; blocks: Block[] }[] {
  const done = rollouts.filter((r) => r.phase === "succeeded" && r.ended).sort((a, b) => Date.parse(a.ended!) - Date.parse(b.ended!));
  return [...new Set(done.map((r) => r.environment))].sort().map((env) => {
    const mine = done.filter((r) => r.environment === env);
    return { name: env, blocks: mine.map((r, i): Block => {
      const next = mine[i + 1]?.ended, from = Date.parse(r.ended!), until = next ? Date.parse(next) : undefined;
      const href = next ? `${to.model(r.model)}?at=${quote(new Date(from + Math.min(1000, (until! - from) / 2)).toISOString())}` : then(to.version(r.model, r.to));
      return { from, until, text: String(r.to), strong: !next, href, title: `${env}: version ${r.to} from ${stamp(from)}${until ? ` to ${stamp(until)}` : ` until ${at.value ? "then" : "now"}`}, ${r.id}` };
    }) };
  });
}

export function LiveWhen({ name }: { name: string }) {
  const page = useLoad(() => many<Rollout>(asOf(`/rollouts?model=${quote(name)}&limit=200`), 200), 10_000, `when/${name}/${at.value}`);
  const rows = rowsOf(page.data?.items ?? []), from = Math.min(...rows.flatMap((row) => row.blocks.map((b) => b.from)));
  if (rows.length === 0) return <Fault of={page} />;
  const until = Math.max(at.value ? Date.parse(at.value) : Date.now(), from + 1000), isLong = until - from > 86_400_000;
  return <><h2>Live when <small>a block leads to that time; filled: live {at.value ? "then" : "now"}</small></h2>
    <Spans label={`Versions of ${name} that were live`} rows={rows} from={from} until={until} axis={(ms) => isLong ? stamp(ms, false).replace(/ \d{4} .*/, "") : stamp(ms).replace(/^.* (\d\d:\d\d:\d\d).*$/, "$1")} /></>;
}
