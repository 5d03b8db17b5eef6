// The shell: login, navigation, and which page a path shows.
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { type Me, Problem, get, lastAnswer, me, notice, setToken, token } from "./api";
import { ModelPage, Models, VersionPage } from "./models";
import { Nodes } from "./nodes";
import { Overview } from "./overview";
import { RolloutPage, Rollouts } from "./rollouts";
import { path, segments } from "./router";

function Login() {
  const [fault, setFault] = useState(notice.value);
  const enter = async (text: string) => {
    try {
      const who = await get<Me>("/whoami", text.trim());
      notice.value = "";
      setToken(text.trim());
      me.value = who;
    } catch (error) {
      setFault(error instanceof Problem ? error.message : "The server cannot be reached.");
    }
  };
  return <main id="main" tabIndex={-1}><form class="panel login" onSubmit={(event) => {
    event.preventDefault();
    void enter(String(new FormData(event.currentTarget).get("token") ?? ""));
  }}>
    <h1>mreg</h1>
    <label for="token">Token</label>
    <input id="token" name="token" type="password" autocomplete="current-password" required placeholder="mrg_…" />
    {fault && <p class="note bad" role="alert">{fault}</p>}
    <button class="strong">Log in</button>
    <p class="lede">The first token is in <code>admin.token</code> in the server's data folder. It is kept in this tab only.</p>
  </form></main>;
}

function Live() {
  const [now, setNow] = useState(Date.now());
  useEffect(() => { const timer = setInterval(() => setNow(Date.now()), 5000); return () => clearInterval(timer); }, []);
  const age = lastAnswer.value ? now - lastAnswer.value : 0;
  return age > 15_000 ? <span class="live stale" role="status">no answer for {Math.round(age / 1000)} s</span> : <span class="live">live</span>;
}

const THEMES = ["system", "light", "dark"];
function Theme() {
  const [theme, set] = useState(localStorage.getItem("mreg-theme") ?? "system");
  useEffect(() => {
    localStorage.setItem("mreg-theme", theme);
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }, [theme]);
  return <select aria-label="Theme" value={theme} onChange={(event) => set(event.currentTarget.value)}>{THEMES.map((t) => <option key={t}>{t}</option>)}</select>;
}

const NAV: [string, string][] = [["/", "Overview"], ["/models", "Models"], ["/rollouts", "Rollouts"], ["/nodes", "Nodes"]];

function page() {
  const [room, name, sub, number] = segments();
  if (!room) return <Overview />;
  if (room === "models" && !name) return <Models />;
  if (room === "models" && sub === "versions" && number) return <VersionPage name={name!} number={number} />;
  if (room === "models") return <ModelPage name={name!} />;
  if (room === "rollouts" && name) return <RolloutPage id={name} />;
  if (room === "rollouts") return <Rollouts />;
  if (room === "nodes") return <Nodes only={name} />;
  return <><h1>No such page</h1><p class="lede"><a href="/">Back to the overview</a></p></>;
}

function App() {
  const here = "/" + (segments()[0] ?? "");
  useEffect(() => { document.title = [...segments()].reverse().concat("mreg").join(" · "); }, [path.value]);
  useEffect(() => {
    if (token.value && !me.value) get<Me>("/whoami").then((who) => { me.value = who; }, () => undefined);
  }, [token.value]);
  if (!token.value) return <Login />;
  return <>
    <a class="skip" href="#main">Skip to the content</a>
    <header class="top">
      <a class="brand" href="/"><img src="/icon.svg" alt="" width="20" height="20" />mreg</a>
      <nav aria-label="Rooms">{NAV.map(([to, label]) => <a key={to} href={to} aria-current={here === to ? "page" : undefined}>{label}</a>)}</nav>
      <Live />{me.value && <span class="who" title={me.value.actor}>{me.value.name} ({me.value.role})</span>}<Theme /><button onClick={() => setToken("")}>Log out</button>
    </header>
    <main id="main" tabIndex={-1}>{page()}</main>
  </>;
}

const theme = localStorage.getItem("mreg-theme");
if (theme && theme !== "system") document.documentElement.dataset.theme = theme;
render(<App />, document.getElementById("app")!);
