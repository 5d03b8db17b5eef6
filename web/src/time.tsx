// Times and durations: relative with the exact time at hand, in UTC or as on the wall, and clocks that run.
import { computed, signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { at as shown } from "./router";

export const zone = signal<"UTC" | "local">(localStorage.getItem("mreg-zone") === "UTC" ? "UTC" : "local");
export const setZone = (name: "UTC" | "local") => { localStorage.setItem("mreg-zone", name); zone.value = name; };

const second = signal(Date.now());
const slow = computed(() => Math.floor(second.value / 10_000)); // for what changes by the minute
let users = 0, timer = 0;
// Ticks each second while something on the page needs it and the page is seen.
function useSecond(since = Infinity): number {
  useEffect(() => {
    if (users++ === 0) timer = window.setInterval(() => { if (!document.hidden) second.value = Date.now(); }, 1000);
    return () => { if (--users === 0) clearInterval(timer); };
  }, []);
  void (Date.now() - since > 60_000 ? slow : second).value;
  return Date.now(); // not the last tick: that may be long ago where nothing ticked
}

const two = (n: number) => String(n).padStart(2, "0");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
export function stamp(time: string | number, seconds = true): string {
  const d = new Date(time);
  if (Number.isNaN(d.getTime())) return String(time);
  const utc = zone.value === "UTC";
  const [y, m, day, h, min, s] = utc ? [d.getUTCFullYear(), d.getUTCMonth(), d.getUTCDate(), d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds()]
    : [d.getFullYear(), d.getMonth(), d.getDate(), d.getHours(), d.getMinutes(), d.getSeconds()];
  return `${day} ${MONTHS[m!]} ${y} ${two(h!)}:${two(min!)}${seconds ? `:${two(s!)}` : ""}${utc ? " UTC" : ""}`;
}
// With its milliseconds, if it came with them; .999 is the end of a second that came without.
export function exact(time: string): string {
  const part = /:\d\d\.(\d{1,3})/.exec(time)?.[1]?.padEnd(3, "0");
  return part && part !== "999" ? stamp(time).replace(/(\d\d:\d\d:\d\d)/, `$1.${part}`) : stamp(time);
}
// Day and time as they are typed, "2026-11-03" and "14:23:03.250", and the moment that they name; of what is no time, now.
export function typed(time: string | number): [string, string] {
  const wall = (d: Date) => new Date(d.getTime() - (zone.value === "UTC" ? 0 : d.getTimezoneOffset() * 60_000)), given = wall(new Date(time));
  const text = (Number.isNaN(given.getTime()) ? wall(new Date()) : given).toISOString(), part = text.slice(20, 23);
  return [text.slice(0, 10), text.slice(11, 19) + (part === "999" || typeof time === "number" ? "" : `.${part}`)];
}
export const moment = (day: string, time: string) => new Date(`${day}T${time}${zone.value === "UTC" ? "Z" : ""}`);
export const zoneName = () => { const min = -new Date().getTimezoneOffset(), h = Math.abs(min) / 60; return zone.value === "UTC" ? "UTC" : `local, UTC${min < 0 ? "−" : "+"}${+h.toFixed(2)}`; };
export const clock = (time: string | number) => stamp(time).replace(/^.* (\d\d:\d\d:\d\d).*$/, "$1");

const UNITS: [number, string][] = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
export function span(ms: number): string {
  let left = Math.max(0, Math.round(ms / 1000));
  const words: string[] = [];
  for (const [n, unit] of UNITS) {
    if (left < n || words.length === 2) continue;
    words.push(`${Math.floor(left / n)} ${unit}`);
    left %= n;
    if (n >= 86400 && words.length) break;
  }
  return words.join(" ") || "0 s";
}

// "3 min ago"; the exact time is its title.
export function Ago({ at }: { at?: string }) {
  if (!at) return <>–</>;
  return shown.value ? <At at={at} /> : <Since at={at} />; // in the past nothing is "ago"
}
function Since({ at }: { at: string }) {
  const seconds = Math.max(0, (useSecond(Date.parse(at)) - Date.parse(at)) / 1000);
  const unit = UNITS.find(([n]) => seconds >= n);
  return <time dateTime={at} title={stamp(at)}>{unit ? `${Math.floor(seconds / unit[0])} ${unit[1]} ago` : "now"}</time>;
}
export const At = ({ at }: { at?: string }) => at ? <time dateTime={at} title={at}>{stamp(at)}</time> : <>–</>;
// How long something took, or takes so far.
export function Took({ from, until }: { from: string; until?: string }) {
  const now = useSecond();
  return <time>{span((until ? Date.parse(until) : now) - Date.parse(from))}</time>;
}
// Time left until a moment, running.
export function Countdown({ until }: { until: string }) {
  const left = Date.parse(until) - useSecond();
  return <b title={stamp(until)}>{left > 0 ? span(left) : "over"}</b>;
}
// The same within a sentence.
export function Left({ until }: { until: number }) {
  const left = until - useSecond();
  return <span class="nums">{left > 0 ? `${span(left)} left` : "time is over"}</span>;
}
// Go durations of the API ("1h30m", "30s") in words.
export function duration(text?: string): string {
  if (!text || /^0/.test(text)) return "none";
  return text.replace(/(\d+)ms/, "$1 ms").replace(/(\d+)h/, "$1 h ").replace(/(\d+)m(?!s)/, "$1 min ").replace(/(\d+)s/, "$1 s").replace(/(\d+)d/, "$1 d ").trim();
}
