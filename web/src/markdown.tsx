// Markdown of strangers to DOM nodes: paragraphs, headings, lists, code, quotes, tables, emphasis, links to http(s). No HTML passes.
import type { ComponentChildren } from "preact";

const SAFE = /^https?:\/\//i;
const INLINE = /(`+)([^`]+)\1|\*\*([^*]+)\*\*|(?<![\w*])\*([^*\s][^*]*)\*(?!\w)|\[([^\]]{1,300})\]\(([^)\s]{1,2000})\)|(https?:\/\/[^\s<>)\]]+)/;

function inline(text: string, depth = 0): ComponentChildren[] {
  const out: ComponentChildren[] = [];
  let rest = text;
  for (let i = 0; rest && i < 2000; i++) {
    const m = depth < 6 ? INLINE.exec(rest) : null;
    if (!m) { out.push(rest); break; }
    if (m.index) out.push(rest.slice(0, m.index));
    if (m[2]) out.push(<code key={i}>{m[2]}</code>);
    else if (m[3]) out.push(<b key={i}>{inline(m[3], depth + 1)}</b>);
    else if (m[4]) out.push(<em key={i}>{inline(m[4], depth + 1)}</em>);
    else if (m[5]) out.push(SAFE.test(m[6]!) ? <a key={i} href={m[6]} rel="noopener noreferrer" target="_blank">{m[5]}</a> : `${m[5]} (${m[6]})`);
    else out.push(<a key={i} href={m[7]} rel="noopener noreferrer" target="_blank">{m[7]}</a>);
    rest = rest.slice(m.index + m[0].length);
  }
  return out;
}

const cells = (line: string) => line.trim().replace(/^\||\|$/g, "").split("|").map((cell) => cell.trim());
const isRule = (line?: string) => line !== undefined && /^\s*\|?[\s:|-]+\|?\s*$/.test(line) && line.includes("-");

export function Markdown({ text }: { text: string }) {
  const lines = text.slice(0, 200_000).split(/\r?\n/), out: ComponentChildren[] = [];
  let i = 0;
  const take = (test: (line: string) => boolean) => { const from = i; while (i < lines.length && test(lines[i]!)) i++; return lines.slice(from, i); };
  while (i < lines.length) {
    const line = lines[i]!, key = i;
    const heading = /^(#{1,4})\s+(.*)$/.exec(line);
    if (!line.trim()) { i++; continue; }
    if (/^```/.test(line)) { i++; out.push(<pre key={key}><code>{take((l) => !/^```/.test(l)).join("\n")}</code></pre>); i++; continue; }
    if (heading) { i++; const Tag = `h${Math.min(4, heading[1]!.length + 1)}` as "h2"; out.push(<Tag key={key}>{inline(heading[2]!)}</Tag>); continue; }
    if (/^\s*[-*+]\s/.test(line)) { out.push(<ul key={key}>{take((l) => /^\s*[-*+]\s/.test(l)).map((l, k) => <li key={k}>{inline(l.replace(/^\s*[-*+]\s+/, ""))}</li>)}</ul>); continue; }
    if (/^\s*\d+[.)]\s/.test(line)) { out.push(<ol key={key}>{take((l) => /^\s*\d+[.)]\s/.test(l)).map((l, k) => <li key={k}>{inline(l.replace(/^\s*\d+[.)]\s+/, ""))}</li>)}</ol>); continue; }
    if (/^>\s?/.test(line)) { out.push(<blockquote key={key}>{inline(take((l) => /^>\s?/.test(l)).map((l) => l.replace(/^>\s?/, "")).join(" "))}</blockquote>); continue; }
    if (line.includes("|") && isRule(lines[i + 1])) {
      const [head, , ...body] = take((l) => l.includes("|"));
      out.push(<table key={key}><thead><tr>{cells(head!).map((c, k) => c ? <th key={k} scope="col">{inline(c)}</th> : <td key={k} />)}</tr></thead>
        <tbody>{body.map((row, k) => <tr key={k}>{cells(row).map((c, n) => <td key={n}>{inline(c)}</td>)}</tr>)}</tbody></table>);
      continue;
    }
    out.push(<p key={key}>{inline(take((l) => l.trim() !== "" && !/^(#{1,4}\s|```|>\s?|\s*[-*+]\s|\s*\d+[.)]\s)/.test(l)).join(" ") || (i++, line))}</p>);
  }
  return <>{out}</>;
}
