// The public API as the page uses it: types of what it reads, and calls with ETag, `?at=` and the session's CSRF word.
import { signal } from "@preact/signals";
import { at } from "./router";

export type Words = Record<string, string>;
export interface Model { name: string; description?: string; created: string; updated: string; latest?: number; n_versions: number;
  tags: Words; aliases: Record<string, number>; live: Record<string, number> }
interface File { path: string; size: number; sha256: string }
export interface Version { model: string; version: number; content: string; format: string; size: number;
  n_files: number; created: string; created_by: string; description?: string; aliases: string[]; live: string[];
  tags: Words; metrics: Words; params?: Words; lineage?: Words; files?: File[] }
export interface Environment { name: string; position: number; policy: Record<string, unknown>; effective_policy?: Record<string, unknown>; n_nodes: number; created: string }
export interface Served { model: string; serve_as: string; version?: number; ready: boolean }
export interface Node { name: string; environment: string; driver: string; admin_url: string; infer_url?: string; metrics_url?: string; root?: string;
  delivery?: string; labels: Words; reachable: boolean; since?: string; seen?: string; detail?: string; serving: Served[]; unmanaged?: string[]; busy?: string;
  cordon?: { kind: string; by: string; reason?: string; since: string; is_drained?: boolean; waiting?: string; note?: string }; started?: string; restarts?: number; restarted?: string;
  lease?: { lasts: string; by: string; renewed: string; ends: string }; drifted?: { model: string; text: string; since: string }[]; probe?: Probe; next_retry?: string;
  operations?: { action: string; model?: string; version?: number; state: string; attempt?: number; started: string; ended?: string; text?: string; rollout?: string }[] }
export interface Probe { probed?: string; ok?: boolean; reachable?: boolean; ready?: boolean; server?: { name?: string; version?: string }; control?: string; models?: unknown[]; problems?: (string | { text?: string; gate?: string; fix?: string })[];
  metrics?: Record<string, unknown>; root?: { path?: string; free_bytes?: number; readable?: boolean; writable?: boolean; same_filesystem?: boolean } }
interface TargetNode { node: string; version?: number; wanted?: number; ready: boolean; state: string }
export interface Target extends Brought { model: string; environment: string; serve_as: string; live?: number; last_good?: number; generation?: number;
  effective_policy?: Record<string, unknown>; rollout?: string; nodes: TargetNode[] }
export interface Gate { name?: string; kind: string; verdict: string; text: string; report_only?: boolean; n_requests?: number; n_failures?: number;
  n_base_requests?: number; n_base_failures?: number; value?: number; limit?: number; log_e?: number; log_e_fail?: number; log_pass?: number;
  log_pass_at?: number; n_to_fail?: number; n_to_pass?: number; phi?: number }
export interface Step { n_nodes: number; bake: string; max_bake?: string; phase: string; started?: string; ended?: string; verdict?: string; weight?: string;
  wave?: string; mirrored?: boolean; approvals?: number; promoted?: boolean }
export interface RolloutNode { node: string; version?: number; wanted?: number; state: string; text?: string; attempt?: number; restarts?: number }
export interface WayBack { n_nodes: number; n_at_a_time?: number; low_point?: number; eta?: string; needs_load?: boolean; order?: string[] }
export interface Rollout { id: string; model: string; environment: string; from?: number; to: number; kind: string;
  phase: string; step: number; n_steps: number; step_phase?: string; revision: number; generation?: number; actor: string; reason?: string;
  created: string; updated?: string; ended?: string; waiting?: string; unblock?: string; outcome?: string; cause?: string; deadline?: string; bake_until?: string;
  overrides?: string[]; in_flight?: { id: string; model: string; from?: number; to: number; phase: string }[]; traffic?: { router: string; seen?: string; nodes: import("./pages/routes").RouteNode[] }[]; way_back?: WayBack; fault?: string; weight_bp?: number; approvals?: { actor: string; step?: number; time?: string }[];
  strategy?: { strategy: string; gates?: { kind: string; name?: string; min_requests?: number }[] } & Record<string, unknown>; steps?: Step[];
  pauses?: { reason: string; since: string; text: string; actor?: string; until?: string }[]; gates?: Gate[]; control?: { node?: string; state: string; since: string; baseline: string }; nodes?: RolloutNode[]; queue_position?: number; set?: string }
interface Tally { n_nodes: number; n_unreachable: number; n_cordoned: number }
export interface Brought { live_since?: string; live_by?: string; live_rollout?: string; live_reason?: string; back_to?: number } // what put the live version there
export interface TargetTally extends Brought { model: string; serve_as: string; live?: number; last_good?: number; rollout?: string; versions: { version?: number; n_nodes: number }[]; n_unreachable: number }
export interface Summary extends Tally { environment: string; labels: string[]; groups?: (Tally & { value?: string })[]; targets: TargetTally[] }
export interface Change { seq: number; time: string; actor: string; kind: string; object: string; reason?: string; message: string; commit?: string }
export interface Me { actor: string; name: string; role: string; models: string; csrf?: string }
export interface List<T> { items: T[]; next?: string }

export class Problem extends Error {
  constructor(readonly status: number, readonly code: string, message: string, readonly pointer = "", readonly request = "") { super(message); }
}

export const me = signal<Me | null | undefined>(undefined); // undefined: not asked yet; null: nobody
export const lastAnswer = signal(0); // time of the server's last answer
export const notice = signal(""); // why the session ended, for the login form

// Names of people and tokens, as answers tell them beside the ids (actor and actor_name, live_by and live_by_name).
export const names = signal<Words>({});
function collect(body: unknown, into: Words) {
  if (Array.isArray(body)) { for (const one of body) collect(one, into); return; }
  if (typeof body !== "object" || !body) return;
  const all = body as Record<string, unknown>;
  for (const [key, value] of Object.entries(all)) {
    const id = typeof value === "string" && key.endsWith("_name") ? all[key.slice(0, -5)] : undefined;
    if (typeof id === "string" && /^[tu]-\d+$/.test(id)) into[id] = value as string;
    else collect(value, into);
  }
}
function learn(body: unknown) {
  const told: Words = {};
  collect(body, told);
  if (Object.entries(told).some(([id, name]) => names.value[id] !== name)) names.value = { ...names.value, ...told };
}

// Last answer per path with its ETag: an unchanged page costs a 304.
const cache = new Map<string, { etag: string; body: unknown }>();
export const forget = () => { cache.clear(); names.value = {}; };

// Pages ask as of the time in the URL; the rows of the API that know times are marked so by their callers.
export const asOf = (path: string) => at.value ? `${path}${path.includes("?") ? "&" : "?"}at=${encodeURIComponent(at.value)}` : path;

// Several parts of a page that ask the same at once share one request.
const running = new Map<string, Promise<unknown>>();
export function get<T>(path: string): Promise<T> {
  let answer = running.get(path);
  if (!answer) {
    answer = fetchOne(path).finally(() => running.delete(path));
    running.set(path, answer);
  }
  return answer as Promise<T>;
}

// As many rows as are wanted, over pages, with `next` if there are more. A page may be empty and not the last: rows
// that the reader may not see, or that were not yet, are left out of it.
export async function many<T>(path: string, wanted = 1): Promise<List<T>> {
  let list = await get<List<T>>(path);
  for (let pages = 1; list.next && list.items.length < wanted && pages < 10; pages++) {
    const more = await get<List<T>>(`${path.replace(/&cursor=[^&]*/, "")}&cursor=${encodeURIComponent(list.next)}`);
    list = { ...more, items: [...list.items, ...more.items] };
  }
  return list;
}
// What need not be there: undefined where it is not. Other faults stay faults.
export const maybe = <T>(answer: Promise<T>): Promise<T | undefined> => answer.catch((error) => {
  if (error instanceof Problem && error.status === 404) return undefined;
  throw error;
});

async function fetchOne(path: string): Promise<unknown> {
  const known = cache.get(path);
  const answer = await fetch("/api/v1" + path, { headers: known ? { "If-None-Match": known.etag } : {}, cache: "no-store", credentials: "same-origin" });
  lastAnswer.value = Date.now();
  if (answer.status === 304 && known) return known.body;
  const body = await read(answer);
  const etag = answer.headers.get("ETag");
  cache.delete(path);
  if (etag) cache.set(path, { etag, body });
  if (cache.size > 300) cache.delete(cache.keys().next().value!); // the oldest
  return body;
}

export async function send<T>(method: string, path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = { "Idempotency-Key": crypto.randomUUID?.() ?? String(Math.random()).slice(2) };
  if (me.value?.csrf) headers["Mreg-Csrf"] = me.value.csrf;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch("/api/v1" + path, { method, headers, credentials: "same-origin", body: body === undefined ? (method === "DELETE" ? undefined : "{}") : JSON.stringify(body) });
  return (await read(answer)) as T;
}
export const post = <T>(path: string, body?: unknown) => send<T>("POST", path, body);

async function read(answer: Response): Promise<unknown> {
  const text = await answer.text();
  let body: Record<string, unknown> = {};
  try { body = text ? JSON.parse(text) : {}; } catch { /* not JSON: the status tells */ }
  if (answer.ok && text.includes('_name"')) learn(body);
  if (answer.ok) return body;
  if (answer.status === 401 && me.value) {
    notice.value = "The session has ended. Log in again.";
    me.value = null;
    forget();
  }
  throw new Problem(answer.status, String(body.code ?? answer.status), String(body.detail ?? answer.statusText), String(body.pointer ?? ""), String(body.request_id ?? ""));
}

// What a role may do, as the server's table has it; the page only hides what the server would refuse.
type Permission = "push" | "deploy" | "approve" | "audit" | "admin";
const ROLES: Record<string, Permission[]> = { pusher: ["push"], deployer: ["deploy"], approver: ["deploy", "approve"], auditor: ["audit"], admin: ["push", "deploy", "approve", "audit", "admin"] };
export const may = (what: Permission) => (ROLES[me.value?.role ?? ""] ?? []).includes(what);
