// Answers that are empty and not the last, late, failing or broken, and words that a shell would read more into: the page
// says no more than it knows, and copies what it says.
import { execFileSync } from "node:child_process";
import { api, base, login, mainText, open, report, run, seed, shot, unroute, whole } from "./kit.mjs";

const { baking, queued, paused } = seed;
async function visit(page, path) {
  await page.goto(base + path);
  await whole(page);
  return mainText(page);
}
const down = (route) => route.fulfill({ status: 503, contentType: "application/problem+json", json: { code: "busy", detail: "the server is busy" } });

// The first page is empty and has a next one, as where rows are hidden from the reader.
const hidesFirst = async (route) => {
  const url = new URL(route.request().url());
  if (url.searchParams.get("cursor") !== "later") return route.fulfill({ json: { items: [], next: "later" } });
  url.searchParams.delete("cursor");
  return route.fulfill({ response: await route.fetch({ url: url.href }) });
};
async function empty(browser) {
  const { page, faults } = await open(browser);
  await login(page);
  const at = `?at=${new Date().toISOString()}`;
  for (const [lists, path, text] of [["serving", `/models/fraud${at}`, /What each node served .*production n2 fraud/], ["serving", `/${at}`, /production n2 fraud/], ["rollouts", `/rollouts${at}`, /fraud – → 1/],
    ["rollouts", "/rollouts", /fraud – → 1/], ["rollouts", "/rollouts?active=queued", new RegExp(queued)], ["rollouts", "/", /Needs you .*risk/], ["models", "/models", /fraud/], ["history", "/history", /rollout/]]) {
    const pattern = new RegExp(`/api/v1/${lists}\\?`);
    await page.route(pattern, hidesFirst);
    const body = await visit(page, path);
    report(`${path}: an empty page is not the end of ${lists}`, text.test(body), body.slice(0, 900));
    await unroute(page);
  }
  await page.route(/\/api\/v1\/rollouts\?/, (route) => route.fulfill({ json: { items: [], next: "later" } }));
  const body = await visit(page, "/rollouts");
  report("where all pages looked at are empty, it says so", /of those looked at/.test(body) && await page.getByRole("link", { name: "Next page" }).isVisible(), body.slice(0, 600));
  report("no faults over empty pages", faults.length === 0, faults.join("; "));
}

async function failing(browser) {
  const { page } = await open(browser);
  await login(page);
  for (const [pattern, path, never] of [[/\/targets\/fraud$/, "/models/fraud", "Live nowhere"], [/[?&]queued=true/, "/rollouts?active=queued", "No rollout waits"], [/\/versions\/1$/, "/models/fraud/versions/2", "Signatures"],
    [/\/rollouts\?.*at=/, `/models/fraud?at=${new Date().toISOString()}`, "What each node served"], [/\/targets\/fraud$/, "/models/fraud/blame", "live in"], [/\/targets\/fraud\/queue$/, "/models/fraud", ""]]) {
    await page.route(pattern, down);
    await page.goto(base + path);
    await page.getByRole("alert").first().waitFor({ timeout: 8000 }).catch(() => undefined);
    const body = await mainText(page);
    report(`${path}: what did not load is told`, body.includes("the server is busy") && !(never && body.includes(never)), body.slice(0, 900));
    await unroute(page);
  }
}

async function broken(browser) {
  const { page, faults } = await open(browser);
  await login(page);
  const time = await visit(page, "/?at=yesterday");
  report("what is no time is told, and the page stays", time.includes("What was served") && /not a time/.test(time) && await page.getByRole("navigation", { name: "Rooms" }).isVisible(), time);
  await page.getByRole("button", { name: "Another time…" }).click();
  report("another time can be picked then", /^\d{4}-\d\d-\d\d$/.test(await page.getByLabel("Day").inputValue()));
  await page.route("**/api/v1/environments", (route) => route.fulfill({ json: { items: [{ name: "odd", position: 1, n_nodes: 0 }] } }));
  await visit(page, "/rollouts");
  await page.getByRole("link", { name: "Environments" }).click();
  await page.getByText("This page has a fault").waitFor({ timeout: 5000 }).catch(() => undefined);
  report("a fault of a page is told in its place", await page.getByRole("button", { name: "Reload" }).isVisible() && await page.getByRole("link", { name: "Models" }).isVisible(), await page.locator("body").innerText());
  await shot(page, "holes-fault", false);
  await page.getByRole("link", { name: "Models" }).click();
  report("and other pages go on", await page.getByRole("heading", { name: "Models" }).waitFor().then(() => true, () => false));
  await unroute(page);
  await page.route(`**/api/v1/rollouts/${baking}`, async (route) => { const answer = await route.fetch(); await route.fulfill(answer.status() === 304 ? { response: answer } : { response: answer, json: { ...await answer.json(), phase: "finalizing" } }); });
  await visit(page, `/rollouts/${baking}`);
  report("what is finalizing cannot be paused", await page.getByRole("button", { name: "Abort and go back" }).isVisible() && await page.getByRole("button", { name: "Pause" }).count() === 0);
  await page.route("**/api/v1/search?*", (route) => route.fulfill({ json: { items: [{ kind: "comet", name: "halley" }] } }));
  await page.keyboard.press("Control+k");
  await page.keyboard.type("halley");
  await page.getByRole("option", { name: "halley" }).waitFor();
  await page.keyboard.press("Enter");
  report("a kind that the page does not know leads nowhere", page.url().endsWith(baking), page.url());
  report("no faults where answers are odd", faults.length === 0, faults.join("; "));
}

// The words that a shell makes of a command.
const words = (command) => execFileSync("sh", ["-c", `mreg() { printf '%s\\0' "$@"; }; curl() { mreg "$@"; }; ${command}`], { env: {}, encoding: "utf8", cwd: "/" }).split("\0").slice(0, -1);
async function shell(browser) {
  const { page, faults } = await open(browser);
  await login(page);
  const evil = "x'; echo $(id) `id` > y & \"z", q = encodeURIComponent(evil);
  for (const [path, button, meant] of [[`/models?q=${q}`, "CLI", ["search", evil]], [`/rollouts?model=${q}&env=${q}`, "CLI", ["rollout", "list", "--model", evil, "--env", evil]], [`/history?model=${q}`, "CLI", ["history", evil]],
    [`/models/fraud/versions/1/promote?to=${q}`, "CLI", ["promote", "fraud@1", evil, "--dry-run"]], [`/models/${q}/compare`, "CLI", ["diff", `${evil}@1`, `${evil}@2`]], [`/?env=${q}`, "CLI", ["status", "--env", evil]],
    [`/models/fraud/versions/1/promote?to=${q}`, "curl", ["-H", "Authorization: Bearer ", "--json", JSON.stringify({ model: "fraud", version: "1", environment: evil, dry_run: true }), `${base}/api/v1/rollouts`]],
    [`/models?q=${q}`, "curl", ["-H", "Authorization: Bearer ", `${base}/api/v1/models?limit=50&q=${q}`]], [`/rollouts/${baking}?judge=${encodeURIComponent(`error-ratio.ratio=${evil}`)}`, "curl", ["-H", "Authorization: Bearer ", "--json", JSON.stringify({ gates: { "error-ratio": { ratio: evil } } }), `${base}/api/v1/rollouts/${baking}/analysis/replay`]]]) {
    await visit(page, path);
    const command = await page.getByRole("button", { name: `Copy as ${button}` }).last().getAttribute("title");
    const read = words(command);
    report(`${path}, as ${button}: a shell reads the words that are meant`, JSON.stringify(read) === JSON.stringify(meant), `${command}: ${JSON.stringify(read)}`);
  }
  report("no faults over words", faults.length === 0, faults.join("; "));
}

// A rollout with more rows than a page has: the newest are on top, and the next look asks only for what is new.
async function long(browser) {
  const { page, faults } = await open(browser), asked = [];
  await login(page);
  let n = 1200;
  await page.route("**/api/v1/changes?*", (route) => {
    const words = new URL(route.request().url()).searchParams, since = Number(words.get("since") ?? 0), limit = Number(words.get("limit"));
    asked.push(since);
    const items = Array.from({ length: Math.max(0, Math.min(limit, n - since)) }, (_, i) => ({ seq: since + i + 1, time: new Date(1.7e12 + (since + i) * 1000).toISOString(), actor: "mregd", kind: "rollout.step", object: paused, message: `row ${since + i + 1} of many` }));
    return route.fulfill({ json: { items, next: String(since + items.length) } });
  });
  await visit(page, `/rollouts/${paused}`);
  const first = () => page.locator(".times li").first().innerText();
  await shot(page, "holes-long");
  report("the newest row is on top of the time line", (await first()).includes("row 1200 of many") && (await mainText(page)).includes("and 1,000 before"), await first());
  n = 1201;
  await api("POST", `/rollouts/${paused}/commands`, { verb: "extend", for: "5m" });
  await page.getByText("row 1201 of many").waitFor({ timeout: 30_000 }).catch(() => undefined);
  report("and what comes goes above it", (await first()).includes("row 1201 of many"), await first());
  report("a look asks only for what came since", asked.filter((since) => since === 0).length === 1 && asked.includes(1200), asked.join(" "));
  report("no faults over a long time line", faults.length === 0, faults.join("; "));
}

// Names and ids of people: exactly those that are meant, also in the next session of the same page.
async function people(browser) {
  const { page, faults } = await open(browser);
  await login(page);
  const ids = (await api("GET", "/tokens")).body.items.filter((one) => one.name.startsWith("a ")).map((one) => one.id), row = (seq, actor) => ({ seq, time: "2026-01-01T00:00:00Z", actor, kind: "model.edit", object: "fraud", message: `edit ${seq}` });
  await page.route("**/api/v1/history?*", (route) => route.fulfill({ json: { items: [row(2, ids[0]), row(1, ids[0] + "1")] } }));
  const one = await visit(page, `/history?actor=${ids[0]}`);
  report("an id is that one only", one.includes("edit 2") && !one.includes("edit 1"), one);
  await unroute(page);
  await page.route("**/api/v1/history?*", (route) => route.fulfill({ json: { items: [row(2, ids[0])] } }));
  await visit(page, "/history");
  const named = () => page.locator("tbody tr", { hasText: "edit 2" }).getByText(/^a \w+$/).waitFor({ timeout: 8000 }).then(() => true, () => false);
  report("names are learnt", await named(), await mainText(page));
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByLabel("Token").fill(process.env.MREG_TOKEN);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "History" }).waitFor();
  report("and again in the next session", await named(), await mainText(page));
  report("no faults over people", faults.length === 0, faults.join("; "));
}

const all = { empty, failing, broken, shell, long, people };
await run(process.env.ONLY ? { [process.env.ONLY]: all[process.env.ONLY] } : all);
