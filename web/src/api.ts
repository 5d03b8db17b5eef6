// The public API as the page uses it: types of what it reads, calls with ETag, the session's token.
import { signal } from "@preact/signals";

export interface Model { name: string; description?: string; updated: string; latest?: number; n_versions: number;
  tags: Record<string, string>; aliases: Record<string, number>; live: Record<string, number> }
export interface Version { model: string; version: number; content: string; format: string; size: number;
  n_files: number; created: string; created_by: string; description?: string; aliases: string[]; live: string[];
  tags: Record<string, string>; metrics: Record<string, string>; params?: Record<string, string>;
  lineage?: Record<string, string>; files?: { path: string; size: number; sha256: string }[] }
export interface Environment { name: string; n_nodes: number }
export interface Served { model: string; serve_as: string; version?: number; ready: boolean }
export interface Node { name: string; environment: string; driver: string; admin_url: string; reachable: boolean;
  since?: string; detail?: string; serving: Served[]; unmanaged: string[]; busy?: string }
export interface TargetNode { node: string; version?: number; wanted?: number; ready: boolean; state: string }
export interface Target { model: string; environment: string; serve_as: string; live?: number; last_good?: number;
  rollout?: string; nodes: TargetNode[] }
export interface Gate { kind: string; verdict: string; text: string; n_requests?: number; n_failures?: number }
export interface Step { n_nodes: number; bake: string; phase: string; started?: string; ended?: string; verdict?: string }
export interface RolloutNode { node: string; version?: number; wanted?: number; state: string; text?: string; attempt?: number }
export interface Rollout { id: string; model: string; environment: string; from?: number; to: number; kind: string;
  phase: string; step: number; n_steps: number; step_phase?: string; revision: number; actor: string; reason?: string;
  created: string; ended?: string; waiting?: string; unblock?: string; outcome?: string;
  strategy?: { strategy: string; gates?: { kind: string; min_requests?: number }[] }; steps?: Step[];
  pauses?: { reason: string; since: string; text: string }[]; gates?: Gate[]; nodes?: RolloutNode[] }
export interface Change { seq: number; time: string; actor: string; kind: string; object: string; reason?: string;
  message: string }
export interface Me { actor: string; name: string; role: string; models: string }
export interface List<T> { items: T[]; next?: string }

export class Problem extends Error {
  constructor(readonly status: number, readonly code: string, message: string) { super(message); }
}

const KEY = "mreg-token";
export const token = signal(sessionStorage.getItem(KEY) ?? "");
export const lastAnswer = signal(0); // time of the server's last answer, for the live indicator
export const me = signal<Me | undefined>(undefined);
export const notice = signal(""); // why the session ended, for the login form

// Last answer per path with its ETag: an unchanged page costs a 304.
const cache = new Map<string, { etag: string; body: unknown }>();

export function setToken(text: string) {
  token.value = text;
  me.value = undefined;
  cache.clear();
  if (text) sessionStorage.setItem(KEY, text);
  else sessionStorage.removeItem(KEY);
}

// `as` tries another token than the session's: the login form asks before it keeps one.
export async function get<T>(path: string, as = token.value): Promise<T> {
  const known = cache.get(path);
  const headers: Record<string, string> = { Authorization: `Bearer ${as}` };
  if (known) headers["If-None-Match"] = known.etag;
  const answer = await fetch("/api/v1" + path, { headers, cache: "no-store" });
  lastAnswer.value = Date.now();
  if (answer.status === 304 && known) return known.body as T;
  const body = await read(answer);
  const etag = answer.headers.get("ETag");
  if (etag) cache.set(path, { etag, body });
  return body as T;
}

export async function post<T>(path: string, body: unknown): Promise<T> {
  const headers = { Authorization: `Bearer ${token.value}`, "Content-Type": "application/json",
    "Idempotency-Key": crypto.randomUUID?.() ?? String(Math.random()).slice(2) };
  return (await read(await fetch("/api/v1" + path, { method: "POST", headers, body: JSON.stringify(body) }))) as T;
}

async function read(answer: Response): Promise<unknown> {
  const text = await answer.text();
  let body: Record<string, unknown> = {};
  try { body = text ? JSON.parse(text) : {}; } catch { /* not JSON: the status tells */ }
  if (answer.ok) return body;
  if (answer.status === 401 && token.value) {
    notice.value = "The server no longer takes this token.";
    setToken("");
  }
  throw new Problem(answer.status, String(body.code ?? answer.status), String(body.detail ?? answer.statusText));
}
