// Nodes by environment: how many answer, grouped by a label, and which serve what.
import { type Environment, type List, type Node, type Summary, get } from "../api";
import { ShareBar } from "../charts";
import { useLoad } from "../live";
import { Badge, Chips, Choice, Empty, Head, Loaded, Table, count, plural, sh } from "../parts";
import { go, query, quote, to, withQuery } from "../router";
import { Ago } from "../time";

export const States = ({ node }: { node: Node }) => <span class="badges">
  <Badge text={node.reachable ? "reachable" : "unreachable"} />{node.cordon && <Badge text={node.cordon.kind === "cordon" ? "cordoned" : node.cordon.is_drained ? "drained" : "draining"} tone="warn" />}
  {node.drifted && node.drifted.length > 0 && <Badge text="drifted" tone="warn" />}</span>;
const Serves = ({ node }: { node: Node }) => <span class="badges">
  {node.serving.map((s) => <Badge key={s.serve_as + s.version} text={`${s.model} ${s.version ?? "–"}${s.ready ? "" : ", not ready"}`} tone={s.ready ? "good" : "warn"} />)}
  {(node.unmanaged ?? []).map((name) => <Badge key={name} text={`${name}, not from mreg`} tone="" />)}
  {node.serving.length + (node.unmanaged ?? []).length === 0 && <span class="soft">nothing</span>}</span>;

function Row({ node, hasLabels }: { node: Node; hasLabels: boolean }) {
  return <tr>
    <td class="tight"><a href={to.node(node.environment, node.name)}>{node.name}</a></td>
    <td><States node={node} /> {node.since && <small class="soft">since <Ago at={node.since} /></small>}
      {!node.reachable && node.detail && <p class="under">{node.detail}</p>}
      {node.busy && <p class="under">busy: {node.busy}</p>}</td>
    <td><Serves node={node} /></td>{hasLabels && <td><Chips map={node.labels} /></td>}<td>{node.driver}</td><td class="mono">{node.admin_url}</td>
  </tr>;
}

// One bar per value of a label: zones, racks. A click shows the nodes of one.
function Groups({ summary, by }: { summary: Summary; by: string }) {
  const groups = summary.groups ?? [];
  return <ul class="groups" aria-label={`Nodes of ${summary.environment} by ${by}`}>{groups.map((g) => <li key={g.value ?? ""} class="panel">
    {g.value !== undefined ? <a href={`${to.nodes(summary.environment)}?by=${quote(by)}&label=${quote(`${by}=${g.value}`)}`}>{g.value}</a> : <span class="soft">without {by}</span>}
    <small class="nums">{g.n_unreachable ? <b class="minus">{count(g.n_unreachable)} of {count(g.n_nodes)} unreachable</b> : plural(g.n_nodes, "node")}{g.n_cordoned > 0 && `, ${count(g.n_cordoned)} cordoned`}</small>
    <ShareBar label={g.value ?? "none"} parts={[{ name: "reachable", n: g.n_nodes - g.n_unreachable, kind: "good" }, { name: "unreachable", n: g.n_unreachable, kind: "bad" }]} />
  </li>)}</ul>;
}

const PAGE = 100, FIRST = 25; // rows of one environment alone, and of each among others
async function loadRoom(name: string, isAlone: boolean) {
  const words = new URLSearchParams({ limit: String(isAlone ? PAGE : FIRST) });
  for (const field of ["state", "label", "q", "cursor"]) if (query(field) && (field !== "cursor" || isAlone)) words.set(field, query(field));
  const by = query("by"), base = `/environments/${quote(name)}`;
  const [summary, nodes] = await Promise.all([get<Summary>(`${base}/summary${by && `?by=${quote(by)}`}`), get<List<Node>>(`${base}/nodes?${words}`)]);
  return { name, summary, nodes };
}
type Room = Awaited<ReturnType<typeof loadRoom>>;

function Section({ room: { name, summary, nodes }, isAlone }: { room: Room; isAlone: boolean }) {
  const by = query("by"), isPicked = Boolean(query("state") || query("label") || query("q"));
  const hasLabels = nodes.items.some((n) => Object.keys(n.labels ?? {}).length > 0);
  return <section>
    <h2>{isAlone ? "" : <><a href={to.nodes(name)}>{name}</a>: </>}{plural(summary.n_nodes, "node")}, {count(summary.n_nodes - summary.n_unreachable)} reachable{summary.n_cordoned > 0 && `, ${count(summary.n_cordoned)} cordoned`}</h2>
    {by && !query("label") && summary.groups && <Groups summary={summary} by={by} />}
    {summary.n_nodes === 0 ? <Empty text="No node yet. Add one:" command={sh`mreg node add ${name} NODE --url URL --root FOLDER`} />
      : nodes.items.length === 0 ? <p class="lede">None of them.</p>
      : <Table caption={`Nodes of ${name}`} heads={["Node", "State", "Serves", ...(hasLabels ? ["Labels"] : []), "Driver", "Address"]}>{nodes.items.map((node) => <Row key={node.name} node={node} hasLabels={hasLabels} />)}</Table>}
    {nodes.next && !isAlone && <p class="more"><a href={withQuery({}).replace(/^[^?]*/, to.nodes(name))}>{isPicked ? "More" : `All ${count(summary.n_nodes)}`} in {name}</a></p>}
    {isAlone && (nodes.next || query("cursor")) && <p class="more">{query("cursor") && <a href={withQuery({ cursor: "" })}>First page</a>} {nodes.next && <a href={withQuery({ cursor: nodes.next })}>Next page</a>}</p>}
  </section>;
}

export function Nodes({ only }: { only?: string }) {
  const page = useLoad(async () => {
    const names = only ? [only] : (await get<List<Environment>>("/environments")).items.map((env) => env.name);
    return Promise.all(names.map((name) => loadRoom(name, only !== undefined)));
  }, 5000, `nodes/${only ?? ""}/${["state", "label", "q", "by", "cursor"].map(query).join("/")}`);
  return <Loaded of={page}>{(rooms) => {
    const labels = [...new Set(rooms.flatMap((room) => room.summary.labels))].slice(0, 4), picked = query("label");
    return <>
      <Head crumbs={only ? [["Nodes", "/nodes"]] : undefined} title={only ? `Nodes of ${only}` : "Nodes"} cli={only ? sh`mreg node list ${only}` : "mreg status"} api={only ? `/environments/${quote(only)}/nodes` : "/environments"}>
        {only && <a class="button" href={to.env(only)}>Environment</a>}</Head>
      <div class="head"><div class="badges"><Choice label="Which" name="state" items={[["", "All"], ["unreachable", "Unreachable"], ["cordoned", "Cordoned"]]} />
        {labels.length > 0 && <Choice label="Group by" name="by" items={[["", "No groups"], ...labels.map((l): [string, string] => [l, `By ${l}`])]} />}
        {picked && <a class="button" href={withQuery({ label: "", cursor: "" })}>{picked} <span aria-hidden="true">✕</span><span class="unseen">: show all again</span></a>}</div>
        <form class="inline" role="search" onSubmit={(event) => { event.preventDefault(); go(withQuery({ q: String(new FormData(event.currentTarget).get("q") ?? ""), cursor: "" })); }}>
          <input type="search" name="q" defaultValue={query("q")} aria-label="Part of the name" placeholder="Part of the name" /><button>Find</button></form></div>
      {rooms.length === 0 && <Empty text="No environment yet. Make one, then add its nodes:" command="mreg env create production" />}
      {rooms.map((room) => <Section key={room.name} room={room} isAlone={only !== undefined} />)}
    </>;
  }}</Loaded>;
}
