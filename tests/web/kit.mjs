// What the browser tests share: Chromium, checks as JSON lines, and asking the Python side to do something
// (start, stop, push, call the API): {"do": name, ...} on stdout, its answer as one line on stdin.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

export const { MREG_URL: base, MREG_TOKEN: token, MREG_SHOTS: shots } = process.env;
export const seed = JSON.parse(process.env.MREG_SEED ?? "{}"); // what the test has made: ids and tokens
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const say = (line) => process.stdout.write(JSON.stringify(line) + "\n");
export const report = (check, ok, detail = "") => say({ check, ok: Boolean(ok), detail: String(detail) });
export const figure = (name, value) => say({ figure: name, value });

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
export async function ask(what, more = {}) {
  say({ do: what, ...more });
  const { value, done } = await lines.next();
  if (done) throw new Error("the test has gone");
  const answer = JSON.parse(value);
  if (answer.error) throw new Error(`${what}: ${answer.error}`);
  return answer.value;
}
export const api = (method, path, body) => ask("api", { method, path, body });

export async function launch() {
  return chromium.launch({ executablePath: process.env.MREG_CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"] });
}

// A page whose faults are collected: console, exceptions, the page's policy, requests to elsewhere.
export async function open(browser, { theme = "light", width = 1280, height = 900, url = base, ...more } = {}) {
  const context = await browser.newContext({ colorScheme: theme, viewport: { width, height }, reducedMotion: "reduce", ...more });
  const faults = [], requests = [];
  const page = await context.newPage();
  page.on("console", (m) => { if (["error", "warning"].includes(m.type()) && !/status of (40[0134]|409|422)|ERR_(CONNECTION|INCOMPLETE|EMPTY|SOCKET)/.test(m.text())) faults.push("console: " + m.text()); });
  page.on("pageerror", (e) => faults.push("exception: " + e.message));
  page.on("request", (r) => { requests.push(r.url()); if (!r.url().startsWith(url) && !r.url().startsWith("blob:")) faults.push("request off the origin: " + r.url()); });
  await page.addInitScript(() => { // counts what the page asks and has not read yet
    const plain = window.fetch, asked = window.asked_ = { begun: 0, open: 0 };
    window.fetch = async (...words) => {
      asked.begun++;
      asked.open++;
      try {
        const answer = await plain(...words);
        if (answer.status === 304) asked.open--; // nobody reads its body
        else for (const how of ["text", "arrayBuffer"]) { const read = answer[how].bind(answer); answer[how] = () => read().finally(() => asked.open--); }
        return answer;
      } catch (error) { asked.open--; throw error; }
    };
  });
  await page.addInitScript(() => addEventListener("securitypolicyviolation", (e) => console.error("CSP: " + e.violatedDirective)));
  return { context, page, faults, requests };
}

export const settled = (page) => page.waitForFunction(() => document.querySelector("h1") && !document.body.textContent.includes("Loading…"));

// All that the page has to show is there: nothing is loading or asked, and three frames, each with the work that
// follows a frame, have begun no new question. Effects of a frame run behind it, so a part that mounts has asked by then.
export async function whole(page) {
  await settled(page);
  await page.evaluate(async () => {
    for (let calm = 0, before = -1; calm < 3;) {
      await new Promise(requestAnimationFrame);
      await new Promise((done) => setTimeout(done));
      const { begun, open } = window.asked_;
      calm = open === 0 && begun === before && !document.body.textContent.includes("Loading…") ? calm + 1 : 0;
      before = begun;
    }
  });
}

// Playwright evaluates through the debugger, so the page's policy stays in force for the page itself.
export async function accessible(page, label) {
  await page.evaluate(axe);
  const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  report(`axe ${label}`, result.violations.length === 0,
    result.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 3).join(", ")}`).join("; "));
}

export async function login(page, as = token, url = base) {
  await page.goto(url + "/");
  await page.getByLabel("Token").fill(as);
  await page.getByRole("button", { name: /^Log in( with the token)?$/ }).last().click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
}

export const mainText = async (page) => (await page.evaluate(() => document.getElementById("main").innerText)).replace(/\s+/g, " ");
export const shot = async (page, name, fullPage = true) => { if (shots) await page.screenshot({ path: join(shots, name + ".png"), fullPage }); };

// Ends what a page answers itself; a question that is under way may fail unheard.
export const unroute = (page) => page.unrouteAll({ behavior: "ignoreErrors" });
// Runs the named journeys one after the other; what breaks one does not hide the next.
export async function run(journeys) {
  const browser = await launch();
  for (const [name, journey] of Object.entries(journeys)) {
    try { await journey(browser); } catch (error) { report(`${name} comes to its end`, false, error.stack); }
    for (const context of browser.contexts()) {
      for (const page of context.pages()) await unroute(page);
      await context.close();
    }
  }
  await browser.close();
  process.exit(0);
}
