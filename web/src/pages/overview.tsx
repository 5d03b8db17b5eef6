// What needs somebody, what moves, what is live where, what happened last.
import { type Change, type Environment, type List, type Node, type Rollout, type Summary, asOf, get, many, may } from "../api";
import { ShareBar } from "../charts";
import { useLoad } from "../live";
import { Badge, Command, Empty, Head, Loaded, Table, count, plural, sh } from "../parts";
import { at, environment, quote, to } from "../router";
import { Ago } from "../time";
import { Who } from "../who";
import { Changes, RolloutRows, Spread, needsSomebody } from "./common";
import { ServedThen } from "./then";

interface Approval { rollout: string; model: string; environment: string; to: number; step: number; needed: number; given: string[]; may_approve: boolean }
interface Hook { id: string; name: string; enabled: boolean; why?: string; failing_since?: string; last_detail?: string }
const LOST = 12; // unreachable nodes that are named one by one

async function loadRoom(name: string) {
  const summary = await get<Summary>(`/environments/${quote(name)}/summary`);
  const lost = summary.n_unreachable ? (await get<List<Node>>(`/environments/${quote(name)}/nodes?state=unreachable&limit=${LOST}`)).items : [];
  return { ...summary, lost };
}
// The way from nothing to something that is live, until it has been gone.
interface Begun { hasModel: boolean; hasEnvironment: boolean; hasNode: boolean; isLive: boolean }
function FirstSteps({ hasModel, hasEnvironment, hasNode, isLive, environment: env }: Begun & { environment: string }) {
  const steps: [string, boolean, string][] = [["Push a model: any folder of files", hasModel, "mreg push fraud ./out"], ["Make an environment: a set of nodes that serve the same", hasEnvironment, "mreg env create production"],
    ["Add a node: a model server that runs already", hasNode, sh`mreg node add ${env} node-1 --url URL --root FOLDER`], ["Take a version live", isLive, sh`mreg promote fraud@1 ${env} --watch`]];
  return <><h2>Get started <small>{steps.filter(([, done]) => done).length} of {steps.length} done</small></h2>
    <ol class="panel first">{steps.map(([text, done, command]) => <li key={text} class={done ? "done" : ""}><div><b>{text}{done && <span class="unseen"> (done)</span>}</b>{!done && <Command text={command} />}</div></li>)}</ol>
    <p class="more soft">In a terminal that knows this server: <code>mreg login {location.origin}</code>. <a href="/help">How do I …</a></p></>;
}

async function loadAll(only: string) {
  const where = only && `&env=${quote(only)}`;
  const [environments, active, queued, history, approvals, hooks] = await Promise.all([get<List<Environment>>("/environments"),
    many<Rollout>(`/rollouts?active=true&limit=200${where}`, 200), many<Rollout>(`/rollouts?queued=true&limit=200${where}`, 200), get<List<Change>>(`/history?limit=15${where}`), get<List<Approval>>("/approvals?limit=100"), may("admin") ? get<List<Hook>>("/webhooks?limit=200") : { items: [] }]);
  const picked = environments.items.filter((env) => !only || env.name === only);
  const rooms = await Promise.all(picked.map((env) => loadRoom(env.name))), isLive = rooms.some((room) => room.targets.some((t) => t.live));
  const begun: Begun = { isLive, hasEnvironment: environments.items.length > 0, hasNode: environments.items.some((env) => env.n_nodes > 0), hasModel: isLive || (await many("/models?limit=1")).items.length > 0 };
  return { rooms, begun, active: active.items.filter((r) => r.phase !== "queued"), queued: queued.items, history, hooks: hooks.items.filter((h) => h.enabled ? h.failing_since : h.why),
    approvals: approvals.items.filter((a) => !only || a.environment === only) };
}
type Data = Awaited<ReturnType<typeof loadAll>>;

function Tiles({ needs, moving, rooms }: { needs: number; moving: number; rooms: Data["rooms"] }) {
  const live = rooms.flatMap((room) => room.targets).filter((t) => t.live).length;
  const all = rooms.reduce((sum, room) => sum + room.n_nodes, 0), lost = rooms.reduce((sum, room) => sum + room.n_unreachable, 0);
  return <ul class="tiles">
    <li class={`tile ${needs ? "warn" : ""}`}><b>{count(needs)}</b><small>{needs === 1 ? "thing needs" : "things need"} somebody</small></li>
    <li class="tile"><b>{count(moving)}</b><small>{moving === 1 ? "rollout moves" : "rollouts move"}</small></li>
    <li class="tile"><b>{count(live)}</b><small>{live === 1 ? "model is" : "models are"} live</small></li>
    <li class={`tile ${lost ? "bad" : ""}`}><b>{count(all - lost)}/{count(all)}</b><small>nodes reachable</small></li>
  </ul>;
}

// What the reader may do something about, and what somebody else has to.
function Needs({ waiting, approvals, rooms, hooks }: { waiting: Rollout[]; approvals: Approval[]; rooms: Data["rooms"]; hooks: Hook[] }) {
  const lost = rooms.flatMap((room) => room.lost), more = rooms.reduce((sum, room) => sum + room.n_unreachable, 0) - lost.length;
  const mine = may("deploy") ? { waiting, lost, more } : { waiting: [], lost: [], more: 0 }, others = may("deploy") ? { waiting: [], lost: [], more: 0 } : { waiting, lost, more };
  const hasOthers = others.waiting.length + others.lost.length > 0 || approvals.some((a) => !a.may_approve);
  return <>
    <h2>Needs you</h2><Needed {...mine} approvals={approvals.filter((a) => a.may_approve)} hooks={hooks} whose="you" />
    {hasOthers && <><h2>Needs somebody else</h2><Needed {...others} approvals={approvals.filter((a) => !a.may_approve)} hooks={[]} whose="others" /></>}
  </>;
}
function Needed({ waiting, approvals, lost, more, hooks, whose }: { waiting: Rollout[]; approvals: Approval[]; lost: Node[]; more: number; hooks: Hook[]; whose: string }) {
  if (waiting.length + approvals.length + lost.length + hooks.length === 0) return <p class="lede">Nothing waits for you.</p>;
  return <>
    {waiting.length > 0 && <RolloutRows label={`Rollouts that need ${whose}`} items={waiting} />}
    {approvals.length + lost.length + hooks.length > 0 && <ul class="panel rows needs" aria-label={`Other things that need ${whose}`}>
      {approvals.map((a) => <li key={a.rollout + a.step}><Badge text="approval" tone="warn" />
        <span><a href={to.rollout(a.rollout)}>{a.rollout}</a>: version {a.to} of <a href={to.model(a.model)}>{a.model}</a> in {a.environment}, {a.given.length} of {a.needed} given</span><a href="/approvals">{a.may_approve ? "Decide" : "See"}</a></li>)}
      {hooks.map((h) => <li key={h.id}><Badge text={h.enabled ? "failing" : "off"} tone="bad" /><span>webhook <a href={`/admin/webhooks?hook=${quote(h.id)}`}>{h.name}</a> {h.enabled ? <>fails since <Ago at={h.failing_since} /></> : "was turned off"}{(h.why ?? h.last_detail) && <span class="soft">: {h.why ?? h.last_detail}</span>}</span><a href={`/admin/webhooks?hook=${quote(h.id)}`}>Look</a></li>)}
      {lost.map((n) => <li key={n.environment + n.name}><Badge text="unreachable" />
        <span><a href={to.node(n.environment, n.name)}>{n.name}</a> in {n.environment} cannot be reached{n.since && <>, since <Ago at={n.since} /></>}{n.detail && <span class="soft">: {n.detail}</span>}</span>
        <a href={to.node(n.environment, n.name)}>Look</a></li>)}
      {more > 0 && <li><Badge text="unreachable" /><span>{plural(more, "more node")}</span><a href="/nodes?state=unreachable">All of them</a></li>}
    </ul>}
  </>;
}

const SHOWN = 60;
function Live({ rooms }: { rooms: Data["rooms"] }) {
  const targets = rooms.flatMap((room) => room.targets.map((t) => ({ ...t, environment: room.environment }))).filter((t) => t.live ?? t.rollout);
  if (rooms.length === 0) return <Empty text="No environment yet. Make one, then add its nodes:" command={may("admin") ? "mreg env create production" : undefined} />;
  if (targets.length === 0) return <Empty text={may("deploy") ? "Nothing is live yet. Promote a version:" : "Nothing is live yet. A deployer promotes a version:"} command={sh`mreg promote MODEL@VERSION ${rooms[0]!.environment} --watch`} />;
  return <>
    <Table caption="Live versions" heads={["Model", "Environment", "Version", "Since", "By", "On the nodes", "Rollout"]}>
      {targets.slice(0, SHOWN).map((t) => <tr key={t.environment + t.model}>
        <td><a href={to.model(t.model)}>{t.model}</a></td><td><a href={to.env(t.environment)}>{t.environment}</a></td>
        <td class="nums">{t.live ? <a href={to.version(t.model, t.live)}>{t.live}</a> : <span class="soft tight">none yet</span>}</td>
        <td class="tight">{t.live_since && <Ago at={t.live_since} />}</td><td class="tight" title={t.live_reason}>{t.live_by && <Who actor={t.live_by} />}</td><td class="fill"><Spread target={t} /></td>
        <td class="tight">{t.live_rollout && <a href={to.rollout(t.live_rollout)}>{t.live_rollout}</a>}{t.rollout && <>{t.live_rollout && ", "}now <a class="inline" href={to.rollout(t.rollout)}>{t.rollout}</a></>}</td>
      </tr>)}
    </Table>
    {targets.length > SHOWN && <p class="more">{count(targets.length - SHOWN)} more: pick an environment above, or search.</p>}
  </>;
}

function Fleet({ rooms }: { rooms: Data["rooms"] }) {
  return <Table caption="Nodes by environment" heads={["Environment", "Nodes", "State", ""]}>
    {rooms.map((room) => <tr key={room.environment}>
      <td><a href={to.env(room.environment)}>{room.environment}</a></td><td class="tight">{plural(room.n_nodes, "node")}</td>
      <td><span class="badges">{room.n_nodes > room.n_unreachable && <Badge text={`${count(room.n_nodes - room.n_unreachable)} reachable`} tone="good" />}
        {room.n_unreachable > 0 && <Badge text={`${count(room.n_unreachable)} unreachable`} tone="bad" />}{room.n_cordoned > 0 && <Badge text={`${count(room.n_cordoned)} cordoned`} tone="warn" />}
        {room.n_nodes === 0 && <span class="soft">{may("admin") ? <>add one: mreg node add {room.environment} …</> : "none yet; an admin adds them"}</span>}</span></td>
      <td class="fill">{room.n_nodes > 0 && <ShareBar label={`Nodes of ${room.environment}`} parts={[{ name: "reachable", n: room.n_nodes - room.n_unreachable, kind: "good" }, { name: "unreachable", n: room.n_unreachable, kind: "bad" }]} />}</td>
    </tr>)}
  </Table>;
}

export function Overview() {
  const only = environment.value;
  const page = useLoad(() => at.value ? Promise.resolve(undefined) : loadAll(only), 4000, `overview/${only}/${at.value}`);
  if (at.value) return <><Head title="What was served" cli={sh`mreg status --at ${at.value}`} api={asOf("/serving")} /><ServedThen env={only} /></>;
  return <>
    <Head title={only ? `Overview of ${only}` : "Overview"} cli={sh`mreg status${["--env", only]}`} api="/rollouts?active=true" />
    <Loaded of={page}>{(data) => {
      if (!data) return null;
      const waiting = data.active.filter(needsSomebody), moving = data.active.filter((r) => !needsSomebody(r));
      const lost = data.rooms.reduce((sum, room) => sum + room.n_unreachable, 0);
      return <>
        <Tiles needs={waiting.length + data.approvals.length + data.hooks.length + lost} moving={moving.length} rooms={data.rooms} />
        <div class="sides"><div>
        {!only && !data.begun.isLive && <FirstSteps {...data.begun} environment={data.rooms[0]?.environment ?? "production"} />}
        <Needs waiting={waiting} approvals={data.approvals} rooms={data.rooms} hooks={data.hooks} />
        {moving.length > 0 && <><h2>Moving now</h2><RolloutRows label="Rollouts that move" items={moving} /></>}
        {data.queued.length > 0 && <><h2>Waiting for their turn</h2><RolloutRows label="Rollouts that wait for their turn" items={data.queued} /></>}
        {(only || data.begun.isLive || data.rooms.some((room) => room.targets.some((t) => t.rollout))) && <><h2>Live</h2><Live rooms={data.rooms} /></>}
        {data.rooms.length > 0 && <><h2>Nodes</h2><Fleet rooms={data.rooms} /></>}
        </div><div>
        <h2>Latest</h2><Changes items={data.history.items} isPart={data.history.next !== undefined} />
        <p class="more"><a href={`/history${only && `?env=${quote(only)}`}`}>The whole history</a>{may("audit") && <> · <a href="/admin/storage">What is stored</a></>}</p>
        </div></div>
      </>;
    }}</Loaded>
  </>;
}
