// The start: who is logged in, and which page a path shows.
import { type JSX, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { me } from "./api";
import { Approvals } from "./pages/approvals";
import { Models } from "./pages/models";
import { Nodes } from "./pages/nodes";
import { Overview } from "./pages/overview";
import { RolloutPage } from "./pages/rollout";
import { Rollouts } from "./pages/rollouts";
import { path, segments } from "./router";
import { Login, ask } from "./session";
import { Frame } from "./shell";

type LatePages = typeof import("./late");
let loaded: LatePages | undefined;
// A page of late.tsx; the first one takes a moment.
function Late({ show }: { show: (pages: LatePages) => JSX.Element }) {
  const [pages, set] = useState(loaded);
  const [fault, setFault] = useState(false);
  useEffect(() => { if (!pages) import("./late").then((all) => { loaded = all; set(all); }, () => setFault(true)); }, []);
  if (fault) return <p class="note bad" role="alert">This page could not be loaded. Reload it once the server is back.</p>;
  return pages ? show(pages) : <p class="lede" role="status">Loading…</p>;
}

// The room, what in it, and its part: /models/fraud/versions/3/files.
function page() {
  const [room, name, sub, number, end = ""] = segments();
  if (!room) return <Overview />;
  if (room === "models" && !name) return <Models />;
  if (room === "rollouts") return name ? <RolloutPage id={name} /> : <Rollouts />;
  if (room === "nodes" && !sub) return <Nodes only={name} />;
  if (room === "approvals") return <Approvals />;
  return <Late key={room} show={(late) => {
    if (room === "models" && sub === "versions" && number) return end === "promote" ? <late.PlanPage name={name!} number={number} /> : <late.VersionPage name={name!} number={number} part={end} />;
    if (room === "models") return sub === "compare" ? <late.Compare name={name!} /> : <late.ModelPage name={name!} part={sub ?? ""} />;
    if (room === "nodes") return <late.NodePage environment={name!} name={sub!} />;
    if (room === "environments") return name ? <late.EnvironmentPage name={name} part={sub ?? ""} /> : <late.Environments />;
    if (room === "history") return <late.History />;
    if (room === "admin") return <late.Admin part={name ?? ""} />;
    if (room === "help") return <late.Help />;
    return <><h1>No such page</h1><p class="lede">The address may be mistyped. <a href="/">Back to the overview</a></p></>;
  }} />;
}

function App() {
  useEffect(() => { void ask().catch(() => { me.value = null; }); }, []);
  useEffect(() => { document.title = [...segments()].reverse().concat("mreg").join(" · "); }, [path.value]);
  if (me.value === undefined) return null;
  return me.value ? <Frame>{page()}</Frame> : <Login />;
}

render(<App />, document.getElementById("app")!);
