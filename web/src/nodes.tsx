// Nodes by environment: which answers, what each serves.
import { get, type Environment, type List, type Node } from "./api";
import { Ago, Badge, Empty, Loaded, Table, plural, useLoad } from "./parts";
import { quote } from "./router";

export const nodesOf = async (environment: string) =>
  (await get<List<Node>>(`/environments/${quote(environment)}/nodes?limit=500`)).items;

function Row({ node }: { node: Node }) {
  return <tr>
    <td class="tight"><b>{node.name}</b></td>
    <td class="wide"><Badge text={node.reachable ? "reachable" : "unreachable"} /> {node.since && <small>for <Ago at={node.since} span /></small>}
      {!node.reachable && node.detail && <p class="under">{node.detail}</p>}
      {node.busy && <p class="under">busy: {node.busy}</p>}</td>
    <td><span class="badges">
      {node.serving.map((s) => <Badge key={s.serve_as} text={`${s.model} ${s.version ?? "–"}${s.ready ? "" : ", not ready"}`} tone={s.ready ? "good" : "warn"} />)}
      {node.unmanaged.map((name) => <Badge key={name} text={`${name}, not from mreg`} />)}
      {node.serving.length + node.unmanaged.length === 0 && "nothing"}
    </span></td>
    <td>{node.driver}</td><td class="mono tight">{node.admin_url}</td>
  </tr>;
}

async function load(only?: string) {
  const environments = only ? [await get<Environment>(`/environments/${quote(only)}`)]
    : (await get<List<Environment>>("/environments")).items;
  return Promise.all(environments.map(async (env) => ({ name: env.name, nodes: await nodesOf(env.name) })));
}

export function Nodes({ only }: { only?: string }) {
  const page = useLoad(() => load(only), 5000, `nodes/${only ?? ""}`);
  return <Loaded of={page}>{(environments) => <>
    <h1>{only ? `Nodes of ${only}` : "Nodes"}</h1>
    {environments.length === 0 && <Empty text="No environment yet. Make one, then add its nodes:" command="mreg env create production" />}
    {environments.map(({ name, nodes }) => <section key={name}>
      <h2>{name}: {plural(nodes.length, "node")}, {nodes.filter((n) => n.reachable).length} reachable</h2>
      {nodes.length === 0 ? <Empty text="No node yet. Add one:" command={`mreg node add ${name} NODE --url URL --root FOLDER`} />
        : <Table caption={`Nodes of ${name}`} heads={["Node", "State", "Serves", "Driver", "Address"]}>
          {nodes.map((node) => <Row key={node.name} node={node} />)}
        </Table>}
    </section>)}
    {only && <p class="more"><a href="/nodes">All environments</a></p>}
  </>}</Loaded>;
}
