// Who may do what: tokens of programs, and people who log in with a password.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { type List, get, may, post, send } from "../api";
import { useAsk } from "../ask";
import { useLoad } from "../live";
import { Badge, Copy, Empty, Loaded, Table } from "../parts";
import { quote } from "../router";
import { Ago, At } from "../time";

interface Token { id: string; name: string; role: string; models: string; hint?: string; created: string; created_by?: string; expires?: string; revoked?: string; last_used?: string; environment?: string }
interface User { id: string; name: string; role: string; models: string; has_password: boolean; subject?: string; last_login?: string }
const ROLES: [string, string][] = [["reader", "sees"], ["pusher", "pushes versions"], ["deployer", "rolls out and back"], ["approver", "agrees, freezes, passes over"], ["auditor", "sees tokens and storage"], ["admin", "everything"]];
const Role = ({ now }: { now?: string }) => <label class="field">Role<select name="role">{ROLES.map(([role, what]) => <option key={role} value={role} selected={role === now}>{role}: {what}</option>)}</select></label>;
const Models = ({ now = "*" }: { now?: string }) => <label class="field">Models (names or globs, by comma)<input name="models" defaultValue={now} required /></label>;
export const Secret = ({ what, text, children }: { what: string; text: string; children?: ComponentChildren }) => !text ? null : <div class="note good" role="status"><p>{what}. It is shown this once:</p><p><code>{text}</code> <Copy text={text} /></p>{children}</div>;

// Uses are written down once a minute, so what is younger than two is not told to the second.
const Used = ({ at }: { at?: string }) => <>{!at ? "never" : Date.now() - Date.parse(at) < 120_000 ? <time dateTime={at}>within two minutes</time> : <Ago at={at} />}</>;

export function Tokens() {
  const list = useLoad(() => get<List<Token>>("/tokens?limit=200"), 10_000, "tokens");
  const [secret, setSecret] = useState("");
  const [dialog, ask] = useAsk(list.again);
  const create = () => ask({ title: "New token", verb: "Make it", text: <p>For a program. Give it no more than it needs.</p>,
    fields: <><label class="field">Name<input name="name" required maxLength={63} /></label><Role /><Models /><label class="field">Expires in<input name="expires" defaultValue="90d" /></label></>,
    act: async (f) => { const made = await post<{ token: string }>("/tokens", { name: f.name, role: f.role, models: f.models, ...(f.expires && { expires: f.expires }), ...(f.reason && { reason: f.reason }) }); setSecret(made.token); } });
  return <Loaded of={list}>{({ items, next }) => <>
    <Secret what="The new token" text={secret}><p>In CI store it as the secret <code>MREG_TOKEN</code>, with <code>MREG_URL={location.origin}</code>; <code>mreg ci init</code> writes the pipeline.</p></Secret>
    {may("admin") && <div class="actions"><button class="strong" onClick={create}>New token…</button></div>}
    <Table caption="Tokens" heads={["Name", "Id", "Role", "Models", "Last used", "Expires", ""]}>
      {items.map((t) => <tr key={t.id} class={t.revoked ? "soft" : ""}><td>{t.name}</td><td class="mono">{t.id} {t.hint && <small class="soft">…{t.hint}</small>}</td><td>{t.role}{t.environment && <small class="soft"> of {t.environment}</small>}</td><td class="mono">{t.models}</td>
        <td class="tight"><Used at={t.last_used} /></td><td class="tight">{t.revoked ? <Badge text="revoked" /> : t.expires ? <At at={t.expires} /> : "never"}</td>
        <td class="num">{!t.revoked && may("admin") && <button class="quiet" onClick={() => ask({ title: `Revoke ${t.name}`, verb: "Revoke", danger: true, text: <p>Whoever uses it is out at once. Last used: <Used at={t.last_used} />.</p>, act: (f) => send("DELETE", `/tokens/${quote(t.id)}?reason=${quote(f.reason ?? "")}`) })}>Revoke…</button>}</td></tr>)}
    </Table>
    {next && <p class="more soft">More than 200: <code>mreg token list</code> has all.</p>}{dialog}</>}</Loaded>;
}

export function Users() {
  const list = useLoad(() => get<List<User>>("/users?limit=200"), 10_000, "users");
  const [dialog, ask] = useAsk(list.again);
  const password = <label class="field">Password, 12 characters or more<input name="password" type="password" autocomplete="new-password" required minLength={12} /></label>;
  const create = () => ask({ title: "New person", verb: "Add", text: <p>People log in to this page with a password; programs use tokens.</p>,
    fields: <><label class="field">Name<input name="name" required pattern="[a-z0-9][a-z0-9._@\-]*" autocomplete="off" /></label><Role /><Models />{password}</>,
    act: (f) => post("/users", { name: f.name, role: f.role, models: f.models, password: f.password, ...(f.reason && { reason: f.reason }) }) });
  const change = (u: User) => ask({ title: `Change ${u.name}`, verb: "Change", text: <p>Their sessions end; they log in again.</p>, fields: <><Role now={u.role} /><Models now={u.models} /></>, act: (f) => send("PATCH", `/users/${quote(u.name)}`, { role: f.role, models: f.models, ...(f.reason && { reason: f.reason }) }) });
  return <Loaded of={list}>{({ items }) => <>
    <div class="actions"><button class="strong" onClick={create}>New person…</button></div>
    {items.length === 0 ? <Empty text="No people: everybody logs in with a token." command="mreg user create ana --role deployer --password-file FILE" /> : <Table caption="People" heads={["Name", "Role", "Models", "Logs in with", "Last login", ""]}>
      {items.map((u) => <tr key={u.name}><td>{u.name}</td><td>{u.role}</td><td class="mono">{u.models}</td><td>{[u.has_password && "password", u.subject && "identity provider"].filter(Boolean).join(", ") || "nothing yet"}</td><td>{u.last_login ? <Ago at={u.last_login} /> : "never"}</td>
        <td class="num tight"><button class="quiet" onClick={() => change(u)}>Change…</button>
          <button class="quiet" onClick={() => ask({ title: `New password for ${u.name}`, verb: "Set", text: <p>Their sessions end.</p>, fields: password, act: (f) => send("PATCH", `/users/${quote(u.name)}`, { password: f.password, ...(f.reason && { reason: f.reason }) }) })}>Password…</button>
          <button class="quiet" onClick={() => ask({ title: `Remove ${u.name}`, verb: "Remove", danger: true, typed: u.name, text: <p>They are out at once. The history keeps the name.</p>, act: (f) => send("DELETE", `/users/${quote(u.name)}?reason=${quote(f.reason ?? "")}`) })}>Remove…</button></td></tr>)}</Table>}
    {dialog}</>}</Loaded>;
}
