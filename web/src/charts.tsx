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

// A bar for each row of a list, such as a metric over versions; the ones that are live are filled.
export function Bars({ items, label, note }: { items: { name: string; value: number; strong?: boolean }[]; label: string; note?: string }) {
  const values = items.map((i) => i.value), max = Math.max(...values), min = Math.min(...values);
  const floor = min > 0 && min > max * 0.5 ? min - (max - min || max * 0.01) * 0.6 : Math.min(0, min);
  const wide = items.length <= 12, step = wide ? 52 : 24, width = Math.max(180, step * items.length);
  return <figure class="panel pad">
    <figcaption>{label} {note && <small>{note}</small>}</figcaption>
    <svg class="chart" width={width} height="112" viewBox={`0 0 ${width} 112`} role="img" aria-label={`${label}: ${items.map((i) => `${i.name} ${i.value}`).join(", ")}`}>
      <line class="axis" x1="0" x2={step * items.length} y1="92.5" y2="92.5" />
      {items.map((item, i) => {
        const h = Math.max(2, 72 * (item.value - floor) / (max - floor || 1)), mid = i * step + step / 2;
        return <g key={item.name}><title>{`version ${item.name}: ${item.value}`}</title>
          <rect class={item.strong ? "fill-accent" : "fill-old"} x={mid - Math.min(14, step / 2 - 3)} y={92 - h} width={Math.min(28, step - 6)} height={h} rx="2" />
          <text x={mid} y="107" text-anchor="middle">{item.name}</text>
          {wide && <text class="text-main" x={mid} y={86 - h} text-anchor="middle">{+item.value.toPrecision(4)}</text>}</g>;
      })}
    </svg>
  </figure>;
}
