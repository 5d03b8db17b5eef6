// Where a version comes from and where it went, as a small picture: data and code, versions before it, itself, environments.
import { then, to } from "./router";

interface Box { text: string; sub: string; href?: string; kind?: string }
const isNarrow = innerWidth < 700; // a phone: the whole picture fits
const W = isNarrow ? 96 : 190, H = 40, GAP = 10, BEND = isNarrow ? 18 : 56, STEP = W + BEND;

function short(text: string, isSmall = false): string { const most = isNarrow ? (isSmall ? 15 : 11) : isSmall ? 30 : 26; return text.length > most ? text.slice(0, most - 1) + "…" : text; }

function Column({ boxes, x, tall }: { boxes: Box[]; x: number; tall: number }) {
  const top = (tall - boxes.length * (H + GAP) + GAP) / 2;
  return <>{boxes.map((box, i) => {
    const y = top + i * (H + GAP);
    const shape = <><rect class={box.kind ?? "box"} x={x} y={y} width={W} height={H} rx="5" /><text class="text-main" x={x + 8} y={y + 17}>{short(box.text)}</text><text x={x + 8} y={y + 32}>{short(box.sub, true)}</text><title>{`${box.text}: ${box.sub}`}</title></>;
    return box.href ? <a key={i} href={box.href} aria-label={`${box.text}, ${box.sub}`}>{shape}</a> : <g key={i}>{shape}</g>;
  })}</>;
}

// From each box of one column to the one box in the middle, or from it to each.
function Edges({ n, x, tall, isOut }: { n: number; x: number; tall: number; isOut?: boolean }) {
  const top = (tall - n * (H + GAP) + GAP) / 2, mid = tall / 2;
  return <>{Array.from({ length: n }, (_, i) => {
    const y = top + i * (H + GAP) + H / 2, [from, until] = isOut ? [mid, y] : [y, mid];
    return <path key={i} class="edge" d={`M${x} ${from}C${x + BEND / 2} ${from} ${x + BEND / 2} ${until} ${x + BEND} ${until}`} />;
  })}</>;
}

const CODE = /^(git_|ci|code|commit|branch|repository)/;
const PARENT = /^(parent|base|base_model|base_version|previous)$/;
export interface Place { environment: string; text: string }

// "fraud@6", "6" or "base/model@2": the version that it means.
function versionOf(value: string, model: string): string | undefined {
  const [name, number] = value.includes("@") ? value.split("@") as [string, string] : [model, value];
  return /^\d+$/.test(number) ? then(to.version(name, number)) : undefined;
}

export function Lineage({ model, version, lineage, places, before }: { model: string; version: number; lineage?: Record<string, string>; places: Place[]; before?: number }) {
  const rows = Object.entries(lineage ?? {});
  const parents: Box[] = rows.filter(([key]) => PARENT.test(key)).map(([key, value]) => ({ text: value, sub: key.replace(/_/g, " "), href: versionOf(value, model) }));
  if (parents.length === 0 && before) parents.push({ text: `version ${before}`, sub: "the one before", href: then(to.version(model, before)) });
  const code = rows.filter(([key]) => CODE.test(key)), data = rows.filter(([key]) => !CODE.test(key) && !PARENT.test(key));
  const sources: Box[] = [...parents, ...data.slice(0, 3).map(([key, value]) => ({ text: value, sub: key.replace(/_/g, " ") })),
    ...(code.length ? [{ text: code.map(([, value]) => /^[0-9a-f]{40}$/.test(value) ? value.slice(0, 10) : value)[0]!, sub: code.map(([key]) => key.replace(/_/g, " ")).slice(0, 3).join(", ") }] : [])];
  const outs: Box[] = places.slice(0, 6).map((place) => ({ text: place.environment, sub: place.text, href: then(to.env(place.environment)) }));
  if (sources.length + outs.length === 0) return null;
  const tall = Math.max(1, sources.length, outs.length) * (H + GAP) + 2, left = sources.length ? STEP : 0, wide = left + W + (outs.length ? STEP : 0) + 2;
  return <section><h2>Where it comes from and where it runs</h2>
    <div class="panel pad scroll" tabIndex={0} role="region" aria-label="Lineage">
      <svg class="lineage" width={wide} height={tall} viewBox={`0 -1 ${wide} ${tall + 2}`} role="group" aria-label={`Lineage of version ${version}: from ${sources.map((b) => b.text).join(", ") || "nothing named"}; runs in ${outs.map((b) => b.text).join(", ") || "no environment"}`}>
        <Edges n={sources.length} x={W} tall={tall} /><Edges n={outs.length} x={left + W} tall={tall} isOut />
        <Column boxes={sources} x={1} tall={tall} />
        <Column boxes={[{ text: `version ${version}`, sub: model, kind: "box self" }]} x={left + 1} tall={tall} />
        <Column boxes={outs} x={left + STEP} tall={tall} />
      </svg></div></section>;
}

// All versions of a model, newest on top: data they were made from on the left, the version each grew out of as an arc,
// and where they are live or named on the right. A dashed arc: nobody named a parent, so it is the one before.
export interface Member { version: number; created: string; lineage?: Record<string, string>; live: string[]; aliases: string[] }
export function Family({ model, members, stamp }: { model: string; members: Member[]; stamp: (time: string) => string }) {
  const y = (i: number) => i * (H + GAP) + 1, sourcesOf = (m: Member) => Object.entries(m.lineage ?? {}).filter(([key]) => !CODE.test(key) && !PARENT.test(key));
  const sources = [...new Map(members.flatMap((m) => sourcesOf(m).map(([key, value]) => [value, key.replace(/_/g, " ")] as const))).entries()].slice(0, members.length + 2);
  const outs = members.flatMap((m, i) => [...m.live.map((name) => ({ name, sub: "live", i, kind: "box self", href: then(to.env(name)) })), ...m.aliases.filter((a) => !m.live.includes(a)).map((name) => ({ name, sub: "alias", i, kind: "box", href: then(`${to.model(model)}/aliases`) }))]);
  const left = sources.length ? STEP : 0, right = left + W + (isNarrow ? 20 : 76), tall = Math.max(members.length, sources.length, outs.length) * (H + GAP), wide = right + (outs.length ? W : 0) + 2;
  const rowOf = (version: number) => members.findIndex((m) => m.version === version);
  const commit = (m: Member) => Object.entries(m.lineage ?? {}).find(([, value]) => /^[0-9a-f]{40}$/.test(value))?.[1].slice(0, 10);
  const arcs = members.flatMap((m, i) => {
    const named = Object.entries(m.lineage ?? {}).find(([key, value]) => PARENT.test(key) && /^(\w[^@]*@)?\d+$/.test(value)), parent = named ? Number(named[1].split("@").pop()) : m.version - 1;
    const k = !named || !named[1].includes("@") || named[1].startsWith(model + "@") ? rowOf(parent) : -1, x = left + W, bulge = Math.min(isNarrow ? 17 : 64, 14 + 10 * Math.abs(k - i));
    return k < 0 ? [] : [<path key={i} class={named ? "edge strong" : "edge guess"} d={`M${x} ${y(k) + H / 2 - 6}C${x + bulge} ${y(k) + H / 2 - 6} ${x + bulge} ${y(i) + H / 2 + 6} ${x} ${y(i) + H / 2 + 6}`} />];
  });
  return <div class="panel pad scroll" tabIndex={0} role="region" aria-label="Lineage"><svg class="lineage" width={wide} height={tall} viewBox={`0 0 ${wide} ${tall}`} role="group" aria-label={`Lineage of ${plainly(members)}`}>
    {members.flatMap((m, i) => sourcesOf(m).map(([, value]) => sources.findIndex(([one]) => one === value)).filter((k) => k >= 0).map((k) =>
      <path key={`${i} ${k}`} class="edge" d={`M${W} ${y(k) + H / 2}C${W + BEND / 2} ${y(k) + H / 2} ${W + BEND / 2} ${y(i) + H / 2} ${left} ${y(i) + H / 2}`} />))}
    {arcs}
    {outs.map((o, k) => <path key={k} class="edge" d={`M${left + W} ${y(o.i) + H / 2}C${left + W + BEND / 2} ${y(o.i) + H / 2} ${right - BEND / 2} ${y(k) + H / 2} ${right} ${y(k) + H / 2}`} />)}
    {sources.map(([value, key], k) => <g key={value}><rect class="box" x={1} y={y(k)} width={W - 1} height={H} rx="5" /><text class="text-main" x={8} y={y(k) + 17}>{short(value)}</text><text x={8} y={y(k) + 32}>{short(key, true)}</text><title>{`${key}: ${value}`}</title></g>)}
    {members.map((m, i) => <a key={m.version} href={then(to.version(model, m.version))} aria-label={`version ${m.version}, ${stamp(m.created)}`}><rect class={m.live.length ? "box self" : "box"} x={left} y={y(i)} width={W} height={H} rx="5" />
      <text class="text-main" x={left + 8} y={y(i) + 17}>version {m.version}</text><text x={left + 8} y={y(i) + 32}>{short(commit(m) ?? stamp(m.created), true)}</text></a>)}
    {outs.map((o, k) => <a key={k} href={o.href} aria-label={`${o.name}, ${o.sub}`}><rect class={o.kind} x={right} y={y(k)} width={W} height={H} rx="5" /><text class="text-main" x={right + 8} y={y(k) + 17}>{short(o.name)}</text><text x={right + 8} y={y(k) + 32}>{o.sub}</text></a>)}
  </svg></div>;
}
const plainly = (members: Member[]) => members.map((m) => `version ${m.version}${m.live.length ? ` live in ${m.live.join(", ")}` : ""}`).join("; ");
