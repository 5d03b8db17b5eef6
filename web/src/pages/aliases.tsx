// A model's aliases, and moving them.
import { type List, type Model, get, may, send } from "../api";
import { useAsk } from "../ask";
import { useLoad } from "../live";
import { Empty, Loaded, Table, sh } from "../parts";
import { quote, to } from "../router";
import { Ago } from "../time";
import { Who } from "../who";

interface Alias { alias: string; version: number; since: string; by: string }
export function Aliases({ model, changed }: { model: Model; changed: () => void }) {
  const base = `/models/${quote(model.name)}/aliases`;
  const list = useLoad(() => get<List<Alias>>(base), 10_000, base);
  const [dialog, ask] = useAsk(() => { list.again(); changed(); });
  const set = (alias?: string, version?: number) => ask({ title: alias ? `Move ${alias}` : "New alias", verb: alias ? "Move" : "Set",
    text: <p>{alias ? `${alias} is on version ${version}.` : "A movable name on a version. Names of environments are moved by rollouts only."}</p>,
    fields: <>{!alias && <label class="field">Alias<input name="alias" required pattern="[a-z0-9._\-]+" /></label>}<label class="field">Version<input name="version" type="number" min="1" required defaultValue={String(model.latest ?? 1)} /></label></>,
    act: (f) => send("PUT", `${base}/${quote(alias ?? f.alias!)}`, { version: Number(f.version), ...(alias ? { expected: version } : {}), ...(f.reason && { reason: f.reason }) }) });
  const remove = (a: Alias) => ask({ title: `Remove ${a.alias}`, verb: "Remove", danger: true, text: <p>Version {a.version} stays as it is.</p>, act: (f) => send("DELETE", `${base}/${quote(a.alias)}?reason=${quote(f.reason ?? "")}`) });
  return <Loaded of={list}>{({ items }) => <>
    {items.length === 0 ? <Empty text="No alias: a name such as “candidate” that can be moved from version to version." command={sh`mreg alias set ${model.name}@${model.latest ?? 1} candidate`} />
      : <Table caption="Aliases" heads={["Alias", "Version", "Since", "By", ""]}>
        {items.map((a) => <tr key={a.alias}><td>{a.alias}</td><td class="nums"><a href={to.version(model.name, a.version)}>{a.version}</a></td><td class="tight"><Ago at={a.since} /></td><td><Who actor={a.by} /></td>
          <td class="num tight">{may("push") && !model.live[a.alias] && <><button class="quiet" onClick={() => set(a.alias, a.version)}>Move…</button><button class="quiet" onClick={() => remove(a)}>Remove…</button></>}</td></tr>)}</Table>}
    {may("push") && <p class="more"><button onClick={() => set()}>New alias…</button></p>}
    {dialog}
  </>}</Loaded>;
}
