// What admins and auditors care for: access, webhooks, what is stored, the server itself.
import { type List, get, may } from "../api";
import { Shares } from "../charts";
import { useLoad } from "../live";
import { Choice, Command, Copy, Empty, Head, Loaded, Table, Tabs, bytes, count, plural } from "../parts";
import { query } from "../router";
import { Tokens, Users } from "./access";
import { Hooks } from "./hooks";

interface Stored { models: number; versions: number; logical_bytes: number; blobs: { n: number; bytes: number; in_database: number }; history: { rows: number; published: number };
  database_bytes: number; log_bytes: number; free_bytes?: number }
function Storage() {
  const page = useLoad(() => get<Stored>("/storage"), 30_000, "storage");
  return <Loaded of={page}>{(s) => {
    const saved = Math.max(0, s.logical_bytes - s.blobs.bytes), late = s.history.rows - s.history.published;
    return <>
      <ul class="tiles"><li class="tile"><b>{count(s.models)}</b><small>models</small></li><li class="tile"><b>{count(s.versions)}</b><small>versions</small></li><li class="tile"><b>{bytes(s.blobs.bytes)}</b><small>stored in {plural(s.blobs.n, "blob")}</small></li>
        <li class="tile"><b>{s.logical_bytes ? Math.round(100 * saved / s.logical_bytes) : 0} %</b><small>saved: equal files once</small></li>{s.free_bytes !== undefined && <li class={`tile ${s.free_bytes < 5e9 ? "warn" : ""}`}><b>{bytes(s.free_bytes)}</b><small>free</small></li>}</ul>
      <h2>Files of versions <small>{bytes(s.logical_bytes)} if each version had its own copy</small></h2>
      <Shares label="Bytes of versions" unit={bytes} parts={[{ name: "stored", n: s.blobs.bytes, kind: "accent" }, { name: "saved by storing equal files once", n: saved, kind: "line" }]} />
      <h2>Disk of the data folder</h2>
      <Shares label="Disk" unit={bytes} parts={[{ name: "files", n: s.blobs.bytes, kind: "accent" }, { name: "database", n: s.database_bytes, kind: "old" }, { name: "its log", n: s.log_bytes, kind: "warn" }, { name: "free", n: s.free_bytes ?? 0, kind: "line" }]} />
      <p class="more soft">{plural(s.blobs.in_database, "small blob")} of at most 16 KiB {s.blobs.in_database === 1 ? "lies" : "lie"} in the database.</p>
      <h2>History</h2>
      <p>{late <= 0 ? `All ${count(s.history.rows)} rows of the journal are signed commits.` : `${count(s.history.published)} of ${count(s.history.rows)} rows of the journal are signed commits; ${count(late)} to go.`}</p>
      <Command text={`git clone ${location.origin}/history.git`} />
    </>;
  }}</Loaded>;
}

interface Setting { name: string; value: string; default: boolean; origin?: string; reloadable: boolean; help: string }
// What the server runs with; changed in its file and environment, not here.
function Settings() {
  const list = useLoad(() => get<List<Setting>>("/settings"), 60_000, "settings"), isShort = query("show") === "set";
  return <Loaded of={list}>{({ items }) => {
    const shown = items.filter((s) => !isShort || !s.default), n = items.filter((s) => !s.default).length;
    return <>
      <div class="head"><p class="lede">{n === 0 ? "All as they come." : `${n} of ${items.length} are set; the others are as they come.`} They are changed in the server's file, environment or options.</p>
        <Choice label="Which settings" name="show" items={[["", "All"], ["set", `Set (${n})`]]} /></div>
      {shown.length === 0 ? <Empty text="Nothing is set. What there is to set, with defaults and bounds:" command="mregd --help" /> : <Table caption="Settings" heads={["Setting", "Value", "From", "What it is"]}>
        {shown.map((s) => <tr key={s.name} class={s.default ? "soft" : ""}><td class="mono tight">{s.name}</td><td class={`mono ${s.value.length < 34 ? "tight" : ""}`}>{s.value || "–"}</td><td class={(s.origin ?? "").length < 34 ? "tight" : ""}>{s.default ? "default" : s.origin}</td><td class="fill">{s.help}{s.reloadable && <small class="soft"> (SIGHUP takes a new value)</small>}</td></tr>)}</Table>}
    </>;
  }}</Loaded>;
}

function Server() {
  const root = useLoad(() => get<{ version: string; registry: string; domain: string; key_id: string }>(""), 60_000, "root");
  const keys = useLoad(() => fetch("/api/v1/trust/allowed_signers").then((a) => a.text()), 60_000, "signers");
  return <>
    <Loaded of={root}>{(r) => <dl class="facts"><dt>Version</dt><dd>{r.version}</dd><dt>Registry</dt><dd>{r.registry}</dd><dt>Domain</dt><dd>{r.domain}</dd><dt>Key</dt><dd><code>{r.key_id}</code> <Copy text={r.key_id} label="copy" /></dd></dl>}</Loaded>
    <h2>Keys that sign <small>for ssh-keygen -Y verify and git verify-commit</small></h2>
    <Loaded of={keys}>{(text) => <pre class="panel pad" tabIndex={0} role="region" aria-label="Keys"><code>{text}</code></pre>}</Loaded>
    <h2>In a terminal</h2>
    <Command text="mregd --data DIR rotate-key" /><Command text="mreg doctor" />
  </>;
}

const PARTS: [string, string, "audit" | "admin", string][] = [["", "Tokens", "audit", "mreg token list"], ["/users", "People", "admin", "mreg user list"], ["/webhooks", "Webhooks", "admin", "mreg webhook list"], ["/storage", "Storage", "audit", "mreg doctor"], ["/settings", "Settings", "audit", "mregd --data DIR --print-config"], ["/server", "Server", "audit", "mreg doctor"]];
export function Admin({ part }: { part: string }) {
  const [, , needs, cli] = PARTS.find(([end]) => end === (part && `/${part}`)) ?? PARTS[0]!;
  return <>
    <Head title="Admin" api={part === "server" ? "" : `/${part || "tokens"}`} cli={cli} />
    <Tabs base="/admin" items={PARTS.filter(([, , what]) => may(what)).map(([end, text]) => [end, text])} />
    {!may(needs) ? <p class="lede">Your role may not see this. An admin's token opens it.</p> : part === "users" ? <Users /> : part === "webhooks" ? <Hooks /> : part === "storage" ? <Storage /> : part === "settings" ? <Settings /> : part === "server" ? <Server /> : <Tokens />}
  </>;
}
