// The policy that holds in an environment: every member, what was set marked, the rest by default.
import { Badge, Table } from "../parts";
import { duration } from "../time";

type Members = Record<string, unknown>;
// Members that mean something for some strategies only.
const ONLY: Record<string, string[]> = { steps: ["canary"], batch: ["rolling", "shadow"], preview: ["blue-green"], teardown: ["blue-green"] };
// In the order in which people ask; what is not named here follows.
const ORDER = ["strategy", "steps", "batch", "bake", "max_bake", "gates", "on_insufficient", "on_no_data", "on_error", "max_unavailable", "rollback_max_unavailable", "min_healthy", "drain", "node_deadline", "step_deadline", "auto_rollback",
  "approvals", "queue", "requires", "failure_budget", "holdback", "order_by", "wave_by", "wave_bake", "residency", "preview", "teardown", "unreachable_max", "lost_after", "repair_every", "reload_control", "prometheus"];
const FIRST = ["kind", "name", "nodes", "percent", "environment", "failures"]; // of a step, gate or budget
const place = (name: string) => ORDER.includes(name) ? ORDER.indexOf(name) : ORDER.length;

function plain(value: unknown): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "string" && /^(\d+(ms|[smhd]))+$/.test(value)) return duration(value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

// A step, gate or budget member by member; what nobody set is paler.
function Parts({ of: item, set }: { of: Members; set?: Members }) {
  const entries = Object.entries(item).sort(([a], [b]) => Number(FIRST.includes(b)) - Number(FIRST.includes(a)));
  return <span>{entries.map(([k, v], i) => <span key={k} class={set && k in set ? "" : "soft"}>{i > 0 && ", "}{k !== "kind" && `${k} `}{plain(v)}</span>)}</span>;
}
function Value({ value, set }: { value: unknown; set: unknown }) {
  if (Array.isArray(value)) return value.length === 0 ? <>none</> : <ol class="plain">{value.map((one: Members, i) => <li key={i}><Parts of={one} set={Array.isArray(set) ? set[i] as Members : undefined} /></li>)}</ol>;
  return value !== null && typeof value === "object" ? <Parts of={value as Members} set={set as Members | undefined} /> : <>{plain(value)}</>;
}

export function WholePolicy({ whole, set }: { whole: Members; set: Members }) {
  const names = Object.keys(whole).sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
  return <Table caption="The whole policy" heads={["Member", "Value", "From"]}>{names.map((name) => <tr key={name}>
    <td class="mono tight">{name}</td><td class="fill"><Value value={whole[name]} set={set[name]} />{ONLY[name] && !ONLY[name].includes(String(whole.strategy)) && <small class="soft"> only for {ONLY[name].join(" and ")}</small>}</td>
    <td class="tight">{name in set ? <Badge text="set" tone="accent" /> : <span class="soft">default</span>}</td></tr>)}</Table>;
}
