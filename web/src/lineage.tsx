// Where a version comes from and where it went, as a small picture: data and code, versions before it, itself, environments.
import { to } from "./router";

interface Box { text: string; sub: string; href?: string; kind?: string }
const W = 190, H = 40, GAP = 10, STEP = W + 56;

function short(text: string, most = 26): string { return text.length > most ? text.slice(0, most - 1) + "…" : text; }

function Column({ boxes, x, tall }: { boxes: Box[]; x: number; tall: number }) {
  const top = (tall - boxes.length * (H + GAP) + GAP) / 2;
  return <>{boxes.map((box, i) => {
    const y = top + i * (H + GAP);
    const shape = <><rect class={box.kind ?? "box"} x={x} y={y} width={W} height={H} rx="5" /><text class="text-main" x={x + 10} y={y + 17}>{short(box.text)}</text><text x={x + 10} y={y + 32}>{short(box.sub, 30)}</text><title>{`${box.text}: ${box.sub}`}</title></>;
    return box.href ? <a key={i} href={box.href} aria-label={`${box.text}, ${box.sub}`}>{shape}</a> : <g key={i}>{shape}</g>;
  })}</>;
}

// From each box of one column to the one box in the middle, or from it to each.
function Edges({ n, x, tall, isOut }: { n: number; x: number; tall: number; isOut?: boolean }) {
  const top = (tall - n * (H + GAP) + GAP) / 2, mid = tall / 2;
  return <>{Array.from({ length: n }, (_, i) => {
    const y = top + i * (H + GAP) + H / 2, [from, until] = isOut ? [mid, y] : [y, mid];
    return <path key={i} class="edge" d={`M${x} ${from}C${x + 28} ${from} ${x + 28} ${until} ${x + 56} ${until}`} />;
  })}</>;
}

const CODE = /^(git_|ci|code|commit|branch|repository)/;
const PARENT = /^(parent|base|base_model|base_version|previous)$/;
export interface Place { environment: string; text: string }

// "fraud@6", "6" or "base/model@2": the version that it means.
function versionOf(value: string, model: string): string | undefined {
  const [name, number] = value.includes("@") ? value.split("@") as [string, string] : [model, value];
  return /^\d+$/.test(number) ? to.version(name, number) : undefined;
}

export function Lineage({ model, version, lineage, places, before }: { model: string; version: number; lineage?: Record<string, string>; places: Place[]; before?: number }) {
  const rows = Object.entries(lineage ?? {});
  const parents: Box[] = rows.filter(([key]) => PARENT.test(key)).map(([key, value]) => ({ text: value, sub: key.replace(/_/g, " "), href: versionOf(value, model) }));
  if (parents.length === 0 && before) parents.push({ text: `version ${before}`, sub: "the one before", href: to.version(model, before) });
  const code = rows.filter(([key]) => CODE.test(key)), data = rows.filter(([key]) => !CODE.test(key) && !PARENT.test(key));
  const sources: Box[] = [...parents, ...data.slice(0, 3).map(([key, value]) => ({ text: value, sub: key.replace(/_/g, " ") })),
    ...(code.length ? [{ text: code.map(([, value]) => /^[0-9a-f]{40}$/.test(value) ? value.slice(0, 10) : value)[0]!, sub: code.map(([key]) => key.replace(/_/g, " ")).slice(0, 3).join(", ") }] : [])];
  const outs: Box[] = places.slice(0, 6).map((place) => ({ text: place.environment, sub: place.text, href: to.env(place.environment) }));
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
