// What the page claims of a version, checked in this browser: the registry's Ed25519 signatures over manifest and statement
// (SSHSIG as OpenSSH lays it out), that both are about this version, and the bytes of its files. The keys come from the same
// server, so this finds what was changed on the way or on its disk, not a server that lies about its keys.
import { useState } from "preact/hooks";
import type { Version } from "../api";
import { Badge, Command, Table, bytes, plural } from "../parts";
import { quote } from "../router";

const FILE_LIMIT = 8 << 20, TOTAL_LIMIT = 64 << 20;
type Outcome = { what: string; state: "ok" | "failed" | "left out"; text: string };
type Bytes = Uint8Array<ArrayBuffer>;

const utf8 = new TextEncoder();
const hex = (b: ArrayBuffer) => [...new Uint8Array(b)].map((n) => n.toString(16).padStart(2, "0")).join("");
const same = (a: Uint8Array, b: Uint8Array) => a.length === b.length && a.every((n, i) => n === b[i]);
function base64(text: string): Bytes { return Uint8Array.from(atob(text.replace(/\s/g, "")), (c) => c.charCodeAt(0)); }

// Fields with their length in front, as in every SSH message.
class Reader {
  at = 0;
  constructor(readonly b: Bytes) { }
  number(): number {
    if (this.at + 4 > this.b.length) throw new Error("the signature is cut off");
    const n = new DataView(this.b.buffer, this.b.byteOffset).getUint32(this.at);
    this.at += 4;
    return n;
  }
  take(n: number): Bytes {
    if (n > this.b.length - this.at) throw new Error("the signature is cut off");
    this.at += n;
    return this.b.slice(this.at - n, this.at);
  }
  field(): Bytes { return this.take(this.number()); }
  text(): string { return new TextDecoder().decode(this.field()); }
}
function fields(...parts: Uint8Array[]): Bytes {
  const all = parts.flatMap((part) => { const n = new Uint8Array(4); new DataView(n.buffer).setUint32(0, part.length); return [...n, ...part]; });
  return Uint8Array.from([...utf8.encode("SSHSIG"), ...all]);
}
function keyOf(blob: Bytes): Bytes {
  const key = new Reader(blob);
  if (key.text() !== "ssh-ed25519") throw new Error("the key is none of Ed25519");
  return key.field();
}

interface Key { key: Bytes; namespaces: string[]; after?: string; before?: string }
// One line per key: principal, options, type, key.
function keysOf(text: string): Key[] {
  return text.split("\n").flatMap((line) => {
    const found = /^\S+ (\S*) ?ssh-ed25519 ([A-Za-z0-9+/=]+)/.exec(line);
    if (!found) return [];
    const option = (name: string) => new RegExp(`${name}="([^"]*)"`).exec(found[1]!)?.[1];
    return [{ key: keyOf(base64(found[2]!)), namespaces: option("namespaces")?.split(",") ?? [], after: option("valid-after"), before: option("valid-before") }];
  });
}
const second = (time: string) => time.replace(/\.\d+Z$/, "Z").replace(/[-:T]/g, ""); // as the lines have it: 20260503100000Z

// What the armor says, with the key that made it. Throws with the reason where it does not hold.
async function checkSignature(armor: string, message: Bytes, space: string, keys: Key[], made: string): Promise<void> {
  const body = /-----BEGIN SSH SIGNATURE-----([\s\S]*)-----END SSH SIGNATURE-----/.exec(armor)?.[1];
  if (body === undefined) throw new Error("there is no signature");
  const r = new Reader(base64(body));
  if (new TextDecoder().decode(r.take(6)) !== "SSHSIG" || r.number() !== 1) throw new Error("the signature is of another form");
  const by = keyOf(r.field()), name = r.text(), reserved = r.field(), hash = r.text(), signature = new Reader(r.field());
  if (name !== space) throw new Error(`it was made for ${name}`);
  const key = keys.find((one) => same(one.key, by));
  if (!key || !key.namespaces.includes(space)) throw new Error("it was made by no key of this registry");
  if ((key.after && second(made) < key.after) || (key.before && second(made) > key.before)) throw new Error("its key was not valid at that time");
  if (signature.text() !== "ssh-ed25519" || !["sha256", "sha512"].includes(hash)) throw new Error("the signature is of another form");
  const digest = new Uint8Array(await crypto.subtle.digest(hash === "sha512" ? "SHA-512" : "SHA-256", message));
  const signed = fields(utf8.encode(name), reserved, utf8.encode(hash), digest);
  const verifier = await crypto.subtle.importKey("raw", by, "Ed25519", false, ["verify"]);
  if (!await crypto.subtle.verify("Ed25519", verifier, signature.field(), signed)) throw new Error("the signature does not fit");
}

async function fetched(path: string): Promise<Bytes> {
  const answer = await fetch(`/api/v1${path}`, { credentials: "same-origin", cache: "no-store" });
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}
const read = (b: Bytes) => new TextDecoder().decode(b);
const differs = (what: string, is: unknown, should: unknown) => { if (is !== should) throw new Error(`${what} is ${String(is)}, not ${String(should)}`); };

interface Manifest { files: { path: string; sha256: string; size: number }[]; format: string }
interface Statement { model: string; version: number; content: string; created: string; metrics?: Record<string, string> }

async function checkAll(v: Version, tell: (one: Outcome) => void): Promise<void> {
  const base = `/models/${quote(v.model)}/versions/${v.version}`;
  const step = async <T,>(what: string, run: () => Promise<[string, T]>): Promise<T | undefined> => {
    try { const [text, value] = await run(); tell({ what, state: "ok", text }); return value; } catch (error) { tell({ what, state: "failed", text: (error as Error).message }); return undefined; }
  };
  const [root, trust] = await Promise.all([fetched("").then((b) => JSON.parse(read(b)) as { domain: string }), fetched("/trust/allowed_signers").then(read)]);
  const keys = keysOf(trust);
  const statement = await step("Statement", async () => {
    const [message, armor] = await Promise.all([fetched(`${base}/statement`), fetched(`${base}/statement.sig`)]);
    const said = JSON.parse(read(message)) as Statement;
    await checkSignature(read(armor), message, `mreg-statement@${root.domain}`, keys, said.created);
    differs("its model", said.model, v.model);
    differs("its version", said.version, v.version);
    differs("its content", said.content, v.content);
    return [`signed: ${said.model} ${said.version} has the content that is shown`, said];
  });
  const manifest = await step("Manifest", async () => {
    const [message, armor] = await Promise.all([fetched(`${base}/manifest`), fetched(`${base}/manifest.sig`)]);
    await checkSignature(read(armor), message, `mreg-manifest@${root.domain}`, keys, statement?.created ?? v.created);
    differs("its digest", `sha256:${hex(await crypto.subtle.digest("SHA-256", message))}`, v.content);
    const is = JSON.parse(read(message)) as Manifest;
    for (const file of v.files ?? []) differs(`the digest shown of ${file.path}`, file.sha256, is.files.find((f) => f.path === file.path)?.sha256);
    return [`signed, and its digest is the content: ${plural(is.files.length, "file")}`, is];
  });
  let total = 0;
  for (const file of manifest?.files ?? []) {
    total += file.size <= FILE_LIMIT ? file.size : 0;
    if (file.size > FILE_LIMIT || total > TOTAL_LIMIT) { tell({ what: file.path, state: "left out", text: `${bytes(file.size)}: too much for a page` }); continue; }
    await step(file.path, async () => {
      const data = await fetched(`${base}/files/${quote(file.path)}`);
      differs("its size", data.length, file.size);
      differs("its SHA-256", hex(await crypto.subtle.digest("SHA-256", data)), file.sha256);
      return [`${bytes(file.size)}, SHA-256 as in the manifest`, undefined];
    });
  }
}

// Why this browser cannot, or "". Web Crypto is only there on https and on localhost.
async function obstacle(): Promise<string> {
  if (!globalThis.crypto?.subtle) return "Browsers only do this on https or localhost.";
  try { await crypto.subtle.importKey("raw", new Uint8Array(32), "Ed25519", false, ["verify"]); return ""; } catch { return "This browser does not know Ed25519."; }
}

const TONES = { ok: "good", failed: "bad", "left out": "warn" };
export function Verify({ version, command }: { version: Version; command: string }) {
  const [rows, setRows] = useState<Outcome[]>([]);
  const [phase, setPhase] = useState<"" | "busy" | "done">("");
  const [why, setWhy] = useState("");
  const run = async () => {
    const all: Outcome[] = [], tell = (one: Outcome) => { all.push(one); setRows([...all]); };
    setPhase("busy");
    setRows([]);
    const hindrance = await obstacle();
    setWhy(hindrance);
    if (!hindrance) await checkAll(version, tell).catch((error: Error) => tell({ what: "Keys", state: "failed", text: error.message }));
    setPhase("done");
  };
  const n = (state: Outcome["state"]) => rows.filter((r) => r.state === state).length;
  const bad = n("failed"), left = n("left out");
  return <>
    <p class="actions"><button disabled={phase === "busy"} onClick={() => void run()}>Verify here</button></p>
    <div role="status">{phase === "busy" && <p class="under">Checked: {rows.length}…</p>}
      {phase === "done" && (why ? <p class="note warn">{why} In a terminal:</p> : bad > 0 ? <p class="note bad">{plural(bad, "check")} failed: do not use this version before somebody knows why.</p>
        : <p class="note good">All that was checked fits{left > 0 && `; ${plural(left, "file")} left out, which the command below checks`}.</p>)}</div>
    {why && <Command text={command} />}
    {rows.length > 0 && <Table caption="Checked in this browser" heads={["What", "Outcome", "Found"]}>{rows.slice(0, 200).map((r) => <tr key={r.what}>
      <td class="mono">{r.what}</td><td class="tight"><Badge text={r.state} tone={TONES[r.state]} /></td><td class="fill">{r.text}</td></tr>)}</Table>}
    {rows.length > 0 && <p class="under">The keys came from this server, too. Compare them with those that you pinned: <code>mreg verify</code> does.</p>}
  </>;
}
