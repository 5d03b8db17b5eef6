// Who is logged in: the session's cookie is the server's affair; the page only knows the name and the CSRF word.
import { useEffect, useState } from "preact/hooks";
import { type Me, Problem, forget, me, notice, post, send } from "./api";

interface Ways { password?: boolean; oidc?: { name: string; url: string } }

export async function ask(): Promise<void> {
  const answer = await fetch("/api/v1/session", { credentials: "same-origin", cache: "no-store" });
  const text = await answer.text();
  me.value = answer.ok ? JSON.parse(text) as Me : null;
}

export async function logout(): Promise<void> {
  const gone = send("DELETE", "/session").catch(() => undefined); // asked as whoever is logged in still
  forget();
  notice.value = "";
  me.value = null; // at once: what is being asked meanwhile and refused is no session that ended by itself
  await gone;
}

export function Login() {
  const [fault, setFault] = useState(notice.value);
  const [ways, setWays] = useState<Ways>({});
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    fetch("/api/v1/session/ways").then((answer) => answer.text().then((text) => answer.ok ? JSON.parse(text) as Ways : {})).then(setWays, () => undefined);
    const word = new URLSearchParams(location.search).get("login");
    if (word) setFault(word === "refused" ? "The identity provider did not let you in, or you have no account here." : "Logging in did not work. Try again.");
  }, []);
  const enter = async (body: unknown) => {
    setBusy(true);
    try {
      const who = await post<Me>("/session", body);
      notice.value = "";
      me.value = who;
    } catch (error) { setFault(error instanceof Problem ? error.message : "The server cannot be reached."); }
    setBusy(false);
  };
  return <main id="main" tabIndex={-1}><div class="panel login">
    <h1><img src="/icon.svg" alt="" width="26" height="26" />mreg</h1>
    {fault && <p class="note bad" role="alert">{fault}</p>}
    {ways.oidc && <><a class="button" href={ways.oidc.url} target="_self">Log in with {ways.oidc.name}</a><p class="or">or</p></>}
    {ways.password && <><form onSubmit={(event) => {
      event.preventDefault();
      const form = new FormData(event.currentTarget);
      void enter({ user: String(form.get("user")), password: String(form.get("password")) });
    }}>
      <label class="field">User<input name="user" autocomplete="username" required /></label>
      <label class="field">Password<input name="password" type="password" autocomplete="current-password" required /></label>
      <button class="strong" disabled={busy}>Log in</button>
    </form><p class="or">or with a token</p></>}
    <form onSubmit={(event) => {
      event.preventDefault();
      void enter({ token: String(new FormData(event.currentTarget).get("token") ?? "").trim() });
    }}>
      <label class="field" for="token">Token</label>
      <input id="token" name="token" type="password" autocomplete="off" required placeholder="mrg_…" />
      <div class="actions"><button class={ways.password ? "" : "strong"} disabled={busy}>Log in{ways.password ? " with the token" : ""}</button></div>
    </form>
    <p class="under">The first token lies in <code>admin.token</code> in the server's data folder. <code>mreg token create</code> makes more.</p>
  </div></main>;
}
