// Charts as SVG: lines over time, shares, bars. No style attributes: the page's policy forbids them.
import { clock } from "./time";

export interface Line { name: string; kind: "new" | "old"; points: [number, number][] } // [ms, value]
const H = 170, LEFT = 46, BOTTOM = 20, TOP = 8;

function ticks(max: number): number[] {
  const raw = max / 3, power = 10 ** Math.floor(Math.log10(raw || 1));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw) ?? power;
  return Array.from({ length: Math.floor(max / step + 1e-9) + 1 }, (_, i) => i * step);
}

// Lines over time, with an optional limit; the label of the picture says the last values in words. least: what the
// axis reaches when all values are 0.
export function LineChart({ lines, limit, unit, title, least = 1 }: { lines: Line[]; limit?: number; unit: (value: number) => string; title: string; least?: number }) {
  const points = lines.flatMap((line) => line.points);
  if (points.length < 2) return <p class="soft">Not enough samples for a picture yet.</p>;
  const from = Math.min(...points.map((p) => p[0])), until = Math.max(...points.map((p) => p[0]));
  const W = innerWidth < 700 ? 330 : 620; // text keeps its size
  const max = Math.max(...points.map((p) => p[1]), limit ?? 0) * 1.08 || least;
  const x = (ms: number) => LEFT + (W - LEFT - 8) * (until > from ? (ms - from) / (until - from) : 0);
  const y = (value: number) => TOP + (H - TOP - BOTTOM) * (1 - value / max);
  const last = (l: Line) => unit(l.points[l.points.length - 1]?.[1] ?? 0);
  return <figure class="panel pad">
    <figcaption>{title}</figcaption>
    <svg class="chart" width={W} height={H} viewBox={`0 0 ${W} ${H}`} role="img" aria-label={`${title}: ${lines.map((l) => `${l.name} last ${last(l)}`).join(", ")}`}>
      {ticks(max).map((t) => <g key={t}><line class="grid" x1={LEFT} x2={W - 8} y1={y(t)} y2={y(t)} /><text x={LEFT - 6} y={y(t) + 4} text-anchor="end">{unit(t)}</text></g>)}
      {limit !== undefined && <line class="line limit" x1={LEFT} x2={W - 8} y1={y(limit)} y2={y(limit)} />}
      {lines.map((l) => <polyline key={l.name} class={`line ${l.kind}`} points={l.points.map((p) => `${x(p[0]).toFixed(1)},${y(p[1]).toFixed(1)}`).join(" ")} />)}
      <text x={LEFT} y={H - 4}>{clock(from)}</text><text x={W - 8} y={H - 4} text-anchor="end">{clock(until)}</text>
    </svg>
    <div class="legend">{lines.map((l) => <span key={l.name}><svg viewBox="0 0 18 8" aria-hidden="true"><line class={`line ${l.kind}`} x1="0" x2="18" y1="4" y2="4" /></svg>{l.name} <b>{last(l)}</b></span>)}
      {limit !== undefined && <span><svg viewBox="0 0 18 8" aria-hidden="true"><line class="line limit" x1="0" x2="18" y1="4" y2="4" /></svg>limit {unit(limit)}</span>}</div>
  </figure>;
}

// A bar that shares 100 % among parts.
export interface Part { n: number; kind: string; name: string }
export function ShareBar({ parts, label }: { parts: Part[]; label: string }) {
  const shown = parts.filter((part) => part.n > 0), total = shown.reduce((sum, part) => sum + part.n, 0) || 1;
  let at = 0;
  return <svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label={`${label}: ${parts.map((p) => `${p.name} ${Math.round(100 * p.n / total)} %`).join(", ")}`}>
    <rect class="fill-line" x="0" y="0" width="100" height="6" />
    {shown.map((part, i) => { const x = at, width = 100 * part.n / total; at += width; return <rect key={part.name} class={`fill-${part.kind}`} x={x} y="0" width={Math.max(0.3, width - (i < shown.length - 1 ? 0.3 : 0))} height="6" />; })}
  </svg>;
}
// The same with its parts in words beneath.
export function Shares({ parts, label, unit = String }: { parts: Part[]; label: string; unit?: (n: number) => string }) {
  return <div class="shares"><ShareBar parts={parts} label={label} />
    <p class="legend">{parts.filter((p) => p.n > 0).map((p) => <span key={p.name}><svg viewBox="0 0 8 8" class="dot" aria-hidden="true"><rect class={`fill-${p.kind}`} width="8" height="8" rx="2" /></svg>{p.name} <b>{unit(p.n)}</b></span>)}</p></div>;
}

// Round numbers that fit between two values, three to five of them.
function between(min: number, max: number): number[] {
  const raw = (max - min) / 3 || Math.abs(max) / 3 || 1, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw) ?? power;
  const first = Math.ceil(min / step - 1e-9);
  return Array.from({ length: Math.floor(max / step + 1e-9) - first + 1 }, (_, i) => +((first + i) * step).toPrecision(12));
}

// One value over versions: a point each, filled where it is live, on a scale that shows the differences.
export interface Mark { name: string; value: number; strong?: boolean; href?: string }
export function Trend({ items, label }: { items: Mark[]; label: string }) {
  const W = innerWidth < 700 ? 300 : 360, height = 150, left = 52, right = 14, bottom = 22, top = 10;
  const values = items.map((i) => i.value), low = Math.min(...values), high = Math.max(...values), pad = (high - low || Math.abs(high) * 0.02 || 1) * 0.15;
  const min = low >= 0 && low < pad * 2 ? 0 : low - pad, max = high + pad, each = (W - left - right) / Math.max(1, items.length - 1);
  const x = (i: number) => left + (items.length === 1 ? (W - left - right) / 2 : i * each), y = (value: number) => top + (height - top - bottom) * (1 - (value - min) / (max - min));
  const every = Math.ceil(items.length / Math.floor((W - left) / 26)), last = items[items.length - 1]!;
  return <figure class="panel pad">
    <figcaption>{label} <small>{+last.value.toPrecision(6)} in version {last.name}</small></figcaption>
    <svg class="chart" width={W} height={height} viewBox={`0 0 ${W} ${height}`} role="img" aria-label={`${label}: ${items.map((i) => `${i.name} ${i.value}`).join(", ")}`}>
      {between(min, max).map((t) => <g key={t}><line class="grid" x1={left - 4} x2={W - 4} y1={y(t)} y2={y(t)} /><text x={left - 8} y={y(t) + 4} text-anchor="end">{+t.toPrecision(5)}</text></g>)}
      <polyline class="line trend" points={items.map((item, i) => `${x(i).toFixed(1)},${y(item.value).toFixed(1)}`).join(" ")} />
      {items.map((item, i) => <g key={item.name}><title>{`version ${item.name}: ${item.value}${item.strong ? ", live" : ""}`}</title>
        <circle class={item.strong ? "fill-accent" : "fill-panel"} cx={x(i)} cy={y(item.value)} r={item.strong ? 5 : 3.5} />
        {(i % every === 0 || i === items.length - 1) && <text x={x(i)} y={height - 6} text-anchor="middle" class={item.strong ? "text-main" : ""}>{item.name}</text>}</g>)}
    </svg>
  </figure>;
}

// What held when: a row per name, a block per value. Times are in ms; a block leads to that moment.
export interface Block { from: number; until?: number; text: string; href?: string; strong?: boolean; title: string }
export function Spans({ rows, from, until, label, axis }: { rows: { name: string; blocks: Block[] }[]; from: number; until: number; label: string; axis: (ms: number) => string }) {
  const W = innerWidth < 700 ? 330 : innerWidth < 1700 ? 880 : 1320, left = innerWidth < 700 ? 84 : 128, tall = 30, height = rows.length * tall + 22;
  const x = (ms: number) => left + (W - left - 2) * Math.min(1, Math.max(0, (ms - from) / (until - from || 1))), n = W < 400 ? 2 : W < 900 ? 4 : 6;
  return <div class="panel pad scroll" tabIndex={0} role="region" aria-label={label}><svg class="chart spans" width={W} height={height} viewBox={`0 0 ${W} ${height}`} role="group" aria-label={label}>
    {rows.map((row, i) => <g key={row.name}><text class="text-main" x={0} y={i * tall + 19}>{row.name.length > left / 7.5 ? row.name.slice(0, Math.floor(left / 7.5) - 1) + "…" : row.name}</text>
      <line class="grid" x1={left} x2={W - 2} y1={i * tall + 15} y2={i * tall + 15} />
      {row.blocks.map((b, k) => {
        const start = x(b.from), wide = Math.max(2, x(b.until ?? until) - start - 1);
        const body = <><title>{b.title}</title><rect class={b.strong ? "box self" : "box"} x={start} y={i * tall + 4} width={wide} height={22} rx="3" />
          {wide > b.text.length * 7 + 6 && <text class="text-main" x={start + wide / 2} y={i * tall + 19} text-anchor="middle">{b.text}</text>}</>;
        return b.href ? <a key={k} href={b.href} aria-label={b.title}>{body}</a> : <g key={k}>{body}</g>;
      })}</g>)}
    {Array.from({ length: n }, (_, i) => { const ms = from + (until - from) * i / (n - 1); return <text key={i} x={x(ms)} y={height - 4} text-anchor={i === 0 ? "start" : i === n - 1 ? "end" : "middle"}>{axis(ms)}</text>; })}
  </svg></div>;
}
