// Keys, where the documentation is, and the API's rows as the server lists them.
import { useMemo, useState } from "preact/hooks";
import { get } from "../api";
import { useLoad } from "../live";
import { Command, Copy, Head, Loaded, Table, plural } from "../parts";
import { go, query, withQuery } from "../router";

interface Root { name: string; version: string; registry: string; domain: string; key_id: string; routes: { method: string; path: string; permission: string; summary: string }[] }
const KEYS: [string, string][] = [["/ or Ctrl K", "search"], ["g then o, m, r, n, a, h, e, d", "overview, models, rollouts, nodes, approvals, history, environments, admin"], ["j, k", "next, previous row"], ["Enter", "open it"], ["?", "this page"]];
const TASKS: [string, string, string][] = [["Push a model or a new version", "/models", "mreg push fraud ./out"], ["See what is live", "/", "mreg status"], ["Take a version live", "/models", "mreg promote MODEL@VERSION ENV --watch"], ["Understand why a rollout waits", "/rollouts?active=true", "mreg rollout show r-12"],
  ["Go back", "/environments", "mreg rollback MODEL --env ENV"], ["Say what was live on a day", "/history", "mreg status --at 2026-11-03"]];

export function Help() {
  const page = useLoad(() => get<Root>(""), 60_000, "root");
  const [keys, setKeys] = useState(localStorage.getItem("mreg-keys") !== "off");
  const words = query("q").toLowerCase();
  const routes = useMemo(() => (page.data?.routes ?? []).filter((r) => `${r.method} ${r.path} ${r.summary}`.toLowerCase().includes(words)), [page.data, words]);
  return <Loaded of={page}>{(root) => <>
    <Head title="Help" api="" cli="mreg help" />
    <div class="cols"><div>
      <h2>How do I …</h2>
      <Table caption="Tasks" heads={["What", "In a terminal"]}>{TASKS.map(([what, href, command]) => <tr key={what}><td><a href={href}>{what}</a></td><td class="tight"><code>{command}</code> <Copy text={command} /></td></tr>)}</Table>
      <h2>In a terminal</h2>
      <Command text={`mreg login ${location.origin} --token-file FILE`} /><Command text="mreg help" /><Command text="man mreg" />
      <p class="more soft"><code>mreg help topics</code> lists what is written about exit codes, errors, output, contexts and more.</p>
    </div><div>
      <h2>Keys</h2>
      <dl class="facts">{KEYS.map(([key, what]) => <><dt key={key}><kbd>{key}</kbd></dt><dd>{what}</dd></>)}</dl>
      <label class="check"><input type="checkbox" checked={keys} onChange={(event) => { const on = event.currentTarget.checked; localStorage.setItem("mreg-keys", on ? "on" : "off"); setKeys(on); }} />Single keys go places (they never change anything)</label>
      <h2>This registry</h2>
      <dl class="facts"><dt>Version</dt><dd>{root.name} {root.version}</dd><dt>Registry</dt><dd>{root.registry} of {root.domain}</dd><dt>Key</dt><dd><code>{root.key_id}</code></dd></dl>
    </div></div>
    <div class="head"><h2 id="api">REST API <small>{words ? `${routes.length} of ` : ""}{plural(root.routes.length, "call")}</small></h2>
      <form class="inline" role="search" onSubmit={(event) => { event.preventDefault(); go(withQuery({ q: String(new FormData(event.currentTarget).get("q") ?? "") })); }}><input type="search" name="q" defaultValue={query("q")} aria-label="Find a call" placeholder="Find a call" /><button>Find</button></form></div>
    <Table caption="Calls" heads={["Method", "Path", "Who", "What"]}>
      {routes.map((r) => <tr key={r.method + r.path}><td class="mono">{r.method}</td><td class="mono">{r.path}</td><td>{r.permission}</td><td>{r.summary}</td></tr>)}</Table>
    <footer class="foot"><p>The documentation comes with the program, in the folder <code>docs</code>: api, history, targets, nodes, routers, judge, metrics, webhooks, ci, mlserver; the API as OpenAPI in <code>schema/openapi.yaml</code>. The dashboard does nothing that the API cannot.</p></footer>
  </>}</Loaded>;
}
