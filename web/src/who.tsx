// Actors by name where the reader may know them: "you", a token's or person's name, or the id.
import { useEffect } from "preact/hooks";
import { type List, get, may, me, names } from "./api";
import { stamp } from "./time";

interface Named { id: string; name: string }
let asked = "";
me.subscribe((who) => { if (!who) asked = ""; }); // the next session begins without names

async function learn() {
  const lists = await Promise.all([get<List<Named>>("/tokens?limit=500"), may("admin") ? get<List<Named>>("/users?limit=500") : { items: [] }]);
  names.value = { ...names.value, ...Object.fromEntries(lists.flatMap((list) => list.items).map((one) => [one.id, one.name])) };
}

// A name that turns up later, such as a new token's, is asked for once.
function useName(actor: string): string | undefined {
  useEffect(() => {
    if (!may("audit") || !/^[tu]-/.test(actor) || actor === me.value?.actor || actor in names.value || asked.includes(` ${actor} `)) return;
    const isFirst = asked === "";
    asked += ` ${actor} `;
    setTimeout(() => { if (isFirst || !(actor in names.value)) learn().catch(() => undefined); }, isFirst ? 0 : 2000);
  }, [actor]);
  return actor === me.value?.actor ? "you" : names.value[actor];
}

// A sentence of the server's: moments as the reader wants them, and people by their names.
export const Said = ({ text }: { text?: string }) => <>{(text ?? "").split(/(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z|\b[tu]-\d+\b)/).map((part, i) =>
  i % 2 === 0 ? part : /^[tu]-/.test(part) ? <Who key={i} actor={part} /> : <time key={i} dateTime={part} title={part}>{stamp(part)}</time>)}</>;

export function Who({ actor }: { actor?: string }) {
  const name = useName(actor ?? "");
  return <span title={name ? actor : undefined}>{name ?? actor ?? "–"}</span>;
}
