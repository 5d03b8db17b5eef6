// The start: who is logged in, and which page a path shows.
import { render } from "preact";
import { useEffect } from "preact/hooks";
import { me } from "./api";
import { Late } from "./lazy";
import { Approvals } from "./pages/approvals";
import { Models } from "./pages/models";
import { Nodes } from "./pages/nodes";
import { Overview } from "./pages/overview";
import { RolloutPage } from "./pages/rollout";
import { Rollouts } from "./pages/rollouts";
import { Guard } from "./parts";
import { at, path, segments, withQuery } from "./router";
import { Login, ask } from "./session";
import { Frame } from "./shell";

// What has no past is not shown under a time of the past.
const OnlyNow = () => <><h1>No past here</h1><p class="lede">This page knows only what is now. <a href={withQuery({ at: "" })}>Show it as it is now</a></p></>;

// The room, what in it, and its part: /models/fraud/versions/3/files.
function page() {
  const [room, name, sub, number, end = ""] = segments();
  if (!room) return <Overview />;
  if (room === "models" && !name) return <Models />;
  const isPast = at.value !== "";
  if (isPast && (["approvals", "admin"].includes(room) || end === "promote")) return <OnlyNow />;
  if (room === "rollouts" && !(name && isPast)) return name ? <RolloutPage id={name} /> : <Rollouts />;
  if (room === "nodes" && !sub && !isPast) return <Nodes only={name} />;
  if (room === "approvals") return <Approvals />;
  return <Late key={room} show={(late) => {
    if (room === "rollouts") return <late.PastRolloutPage id={name!} />;
    if (room === "nodes" && isPast) return sub ? <late.PastNodePage environment={name!} name={sub} /> : <late.PastNodes only={name} />;
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
  return <Guard>{me.value ? <Frame><Guard>{page()}</Guard></Frame> : <Login />}</Guard>;
}

render(<App />, document.getElementById("app")!);
