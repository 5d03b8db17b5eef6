// Keeping a page fresh: it polls with ETags; a stream of "something changed" words makes it look at once.
import { signal } from "@preact/signals";
import { useEffect, useState } from "preact/hooks";
import { me } from "./api";

type Connection = "live" | "polling" | "offline";
export const connection = signal<Connection>("polling");
const listeners = new Set<() => void>();
let stream: EventSource | undefined, retry = 0, timer = 0, seen = "";

const tell = () => listeners.forEach((look) => look());

// One stream while the page is seen. A new one goes on behind the last event, so nothing is missed.
function connect() {
  clearTimeout(timer);
  if (stream || document.hidden || !me.value) return;
  stream = new EventSource(`/api/v1/events${seen && `?since=${seen}`}`);
  stream.onopen = () => { retry = 0; connection.value = "live"; tell(); };
  stream.addEventListener("change", (event) => { seen = event.lastEventId || seen; tell(); });
  stream.onerror = () => {
    stream?.close();
    stream = undefined;
    if (connection.value === "live") connection.value = "polling";
    timer = window.setTimeout(connect, Math.min(20_000, 1000 * 2 ** retry++) * (0.8 + Math.random() * 0.4));
    tell(); // is the server still there?
  };
}
function disconnect() { clearTimeout(timer); stream?.close(); stream = undefined; if (connection.value === "live") connection.value = "polling"; }
document.addEventListener("visibilitychange", () => document.hidden ? disconnect() : connect());
me.subscribe((who) => { if (who) connect(); else { disconnect(); seen = ""; } });

export interface Load<T> { data?: T; error?: Error; again: () => void }

// Loads now and then again: at each change, every `ms` while the page is seen, each minute while hidden, slower after errors.
// `moves`: true for data that changes without an event, such as a step that counts down: it is asked for often in spite of the stream.
export function useLoad<T>(load: () => Promise<T>, ms: number, key: string, moves?: (data: T) => boolean): Load<T> {
  const [state, set] = useState<{ key: string; data?: T; error?: Error }>({ key });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let wait = 0, failures = 0, stopped = false, running = false, wanted = false, isMoving = false;
    const tick = async () => {
      if (running) { wanted = true; return; }
      clearTimeout(wait);
      running = true;
      try {
        const data = await load();
        failures = 0;
        isMoving = moves?.(data) ?? false;
        if (connection.value === "offline") connection.value = stream ? "live" : "polling";
        if (!stopped) set((old) => old.key === key && old.data === data && !old.error ? old : { key, data });
      } catch (error) {
        failures++;
        if (error instanceof TypeError) connection.value = "offline";
        if (!stopped) set((old) => ({ key, data: old.key === key ? old.data : undefined, error: error as Error }));
      }
      running = false;
      if (stopped) return;
      const base = document.hidden ? 60_000 : failures ? Math.min(2000 * 2 ** failures, 15_000) : connection.value === "live" ? isMoving ? ms * 2 : Math.max(ms * 3, 15_000) : ms;
      wait = window.setTimeout(tick, wanted ? 250 : base * (0.8 + Math.random() * 0.4));
      wanted = false;
    };
    const seen = () => { if (!document.hidden) void tick(); };
    const changed = () => { if (!document.hidden) void tick(); };
    document.addEventListener("visibilitychange", seen);
    listeners.add(changed);
    void tick();
    return () => { stopped = true; clearTimeout(wait); listeners.delete(changed); document.removeEventListener("visibilitychange", seen); };
  }, [key, turn]);
  const fresh = state.key === key ? state : { data: undefined, error: undefined };
  return { data: fresh.data, error: fresh.error, again: () => setTurn((n) => n + 1) };
}
