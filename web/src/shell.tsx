// The frame around every page: side bar, search, what time is shown, whether it is live, who is logged in.
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import { type Environment, type List, type Rollout, asOf, get, lastAnswer, many, me } from "./api";
import { connection, useLoad } from "./live";
import { Palette, ROOMS, mayEnter, paletteOpen } from "./palette";
import { at, environment, go, path, segments, then, withQuery } from "./router";
import { needsSomebody } from "./pages/common";
import { logout } from "./session";
import { clock, exact, moment, setZone, typed, zone, zoneName } from "./time";

function Live() {
  const [now, setNow] = useState(Date.now());
  useEffect(() => { const timer = setInterval(() => { if (!document.hidden) setNow(Date.now()); }, 5000); return () => clearInterval(timer); }, []);
  const since = lastAnswer.value;
  if (at.value) return <span class="live stale" title="What is shown does not change: it is past" role="status">past</span>;
  if (connection.value === "offline") return <span class="live stale" role="status">offline since {clock(since || now)}</span>;
  if (since && now - since > 60_000) return <span class="live stale" role="status">no answer for {Math.round((now - since) / 1000)} s</span>;
  return <span class={`live ${connection.value}`} title={connection.value === "live" ? "Changes are shown as they happen" : "The page asks every few seconds"}><span class="words">{connection.value}</span></span>;
}

const THEMES: [string, string][] = [["system", "Theme: system"], ["light", "Theme: light"], ["dark", "Theme: dark"]];
function Theme() {
  const [theme, set] = useState(localStorage.getItem("mreg-theme") ?? "system");
  useEffect(() => {
    localStorage.setItem("mreg-theme", theme);
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }, [theme]);
  return <select aria-label="Theme" value={theme} onChange={(event) => set(event.currentTarget.value)}>{THEMES.map(([t, text]) => <option key={t} value={t}>{text}</option>)}</select>;
}

// Which time is shown: now, or one that is picked; 24 hours, in the zone of all times here.
function TimeMachine() {
  const [open, setOpen] = useState(false);
  const [fault, setFault] = useState("");
  const pick = (form: FormData) => {
    const day = String(form.get("day") ?? ""), time = String(form.get("time") ?? "").trim(), when = moment(day, time);
    if (!day || !time) return "Give a day and a time.";
    if (!/^\d\d:\d\d(:\d\d(\.\d{1,3})?)?$/.test(time) || Number.isNaN(when.getTime())) return "The time is written 14:23 or 14:23:03, in 24 hours.";
    if (when.getTime() > Date.now() + 999) return "That is in the future: pick a time that has been.";
    go(withQuery({ at: /\./.test(time) ? when.toISOString() : when.toISOString().replace(/\.\d+Z/, "Z"), cursor: "" }));
    setOpen(false);
    return "";
  };
  const [day, time] = typed(at.value || Date.now());
  const form = <form class="inline when" noValidate onInput={() => setFault("")} onSubmit={(event) => { event.preventDefault(); setFault(pick(new FormData(event.currentTarget))); }}>
    <input type="date" name="day" defaultValue={day} aria-label="Day" /><input name="time" defaultValue={time} size={11} aria-label={`Time, 24 h (${zoneName()})`} placeholder="14:23:03" autocomplete="off" /><small>24 h, {zoneName()}</small>
    <button>Show</button><button type="button" class="quiet" onClick={() => { setFault(""); setOpen(false); }}>Cancel</button>{fault && <span class="note bad" role="alert">{fault}</span>}</form>;
  if (at.value) return <div class="banner" role="status">{Date.parse(at.value) > Date.now() + 999 ? <span><b>{exact(at.value)}</b> is yet to come: this is how it is now</span> : <span>As it was at <b title={at.value}>{exact(at.value)}</b></span>}
    {open ? form : <button class="quiet" onClick={() => setOpen(true)}>Another time…</button>}<a href={withQuery({ at: "" })}>Back to now</a></div>;
  return open ? form : <button class="quiet" title="Show the registry as it was at some time" onClick={() => setOpen(true)}>Now ▾</button>;
}

function Side({ open, close }: { open: boolean; close: () => void }) {
  const here = "/" + (segments()[0] ?? "");
  const counts = useLoad(async () => {
    const [active, waiting] = await Promise.all([many<Rollout>("/rollouts?active=true&limit=200", 200), get<List<unknown>>("/approvals?limit=100")]);
    return { "/rollouts": active.items.filter(needsSomebody).length, "/approvals": waiting.items.length } as Record<string, number>;
  }, 15_000, "side");
  return <aside aria-label="Side bar" class={`side${open ? " open" : ""}`}>
    <a class="brand" href={then("/")}><img src="/icon.svg" alt="" width="22" height="22" />mreg</a>
    <nav aria-label="Rooms" onClick={close}>{ROOMS.filter(([to]) => mayEnter(to)).map(([to, label]) =>
      <a key={to} href={then(to)} aria-current={here === to ? "page" : undefined}>{label}
        {!at.value && (counts.data?.[to] ?? 0) > 0 && <span class="count" title={`${counts.data![to]} ${counts.data![to] === 1 ? "needs" : "need"} somebody`}>{counts.data![to]}<span class="unseen"> {counts.data![to] === 1 ? "needs" : "need"} somebody</span></span>}</a>)}</nav>
    <div class="foot">
      <Theme />
      <select class="zone" aria-label="Times in" value={zone.value} onChange={(event) => setZone(event.currentTarget.value as "UTC" | "local")}><option value="local">Times: local</option><option value="UTC">Times: UTC</option></select>
      {me.value && <p class="me"><span title={`${me.value.actor}, models ${me.value.models}`}>{me.value.name} ({me.value.role})</span><button class="quiet" onClick={() => void logout()}>Log out</button></p>}
    </div>
  </aside>;
}

function EnvPicker() {
  const list = useLoad(() => get<List<Environment>>(asOf("/environments")), 60_000, `envs${at.value}`);
  const names = (list.data?.items ?? []).map((e) => e.name);
  if (names.length < 2 || segments().length > 1 || !["", "rollouts", "history"].includes(segments()[0] ?? "")) return null;
  return <select class="envs" aria-label="Environment" value={environment.value} onChange={(event) => go(withQuery({ env: event.currentTarget.value, cursor: "" }))}>
    <option value="">all environments</option>{names.map((name) => <option key={name}>{name}</option>)}</select>;
}

// Single keys go places and never change anything; they can be switched off.
const keysOn = () => localStorage.getItem("mreg-keys") !== "off";
let leader = 0;
function rows(): HTMLElement[] { return [...document.querySelectorAll<HTMLElement>("main tbody tr, main .rows > li")]; }
function move(by: number) {
  const list = rows(), now = list.findIndex((row) => row.contains(document.activeElement));
  const next = list[Math.min(list.length - 1, Math.max(0, now + by))];
  next?.querySelector<HTMLElement>("a, button, input")?.focus();
}
addEventListener("keydown", (event) => {
  const target = event.target as HTMLElement;
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") { event.preventDefault(); paletteOpen.value = true; return; }
  if (event.ctrlKey || event.metaKey || event.altKey || !me.value || !keysOn() || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || document.querySelector("dialog[open]")) return;
  const room = ROOMS.find(([to, , key]) => key === event.key && mayEnter(to));
  if (leader && room && Date.now() - leader < 1200) { event.preventDefault(); leader = 0; go(then(room[0])); return; }
  leader = event.key === "g" ? Date.now() : 0;
  if (event.key === "/") { event.preventDefault(); paletteOpen.value = true; }
  if (event.key === "j") move(1);
  if (event.key === "k") move(-1);
  if (event.key === "?") go("/help");
});

export function Frame({ children }: { children: ComponentChildren }) {
  const [open, setOpen] = useState(false);
  useEffect(() => setOpen(false), [path.value]);
  useLayoutEffect(() => { // as soon as the menu is there: the next key may be Escape
    if (!open) return;
    const shut = (event: KeyboardEvent) => { if (event.key === "Escape") { setOpen(false); document.querySelector<HTMLElement>(".menu")?.focus(); } };
    addEventListener("keydown", shut);
    return () => removeEventListener("keydown", shut);
  }, [open]);
  return <>
    <a class="skip" href="#main">Skip to the content</a>
    <div class="frame">
      <Side open={open} close={() => setOpen(false)} />
      <div>
        <header class="top">
          <button class="menu" aria-expanded={open} aria-label="Rooms" onClick={() => setOpen(!open)}>☰</button>
          <button class="find" onClick={() => { paletteOpen.value = true; }}><span>Search</span><kbd>Ctrl K</kbd></button>
          <span class="spring" />
          <EnvPicker />
          {!at.value && ["", "models", "rollouts", "nodes", "history"].includes(segments()[0] ?? "") && <TimeMachine />}
          <Live />
        </header>
        {at.value && <TimeMachine />}
        <main id="main" tabIndex={-1}>{children}</main>
      </div>
    </div>
    <Palette />
  </>;
}
