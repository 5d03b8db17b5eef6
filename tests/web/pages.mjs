// Looks at every page of the dashboard in Chromium: both themes, wide and narrow. Started by test_web.py
// with MREG_URL, MREG_TOKEN, MREG_READER (a reader's token), MREG_ROLLOUT (one that bakes), MREG_PAUSED and
// MREG_SHOTS (a folder for screenshots). Prints one JSON object per check: {"check", "ok", "detail"}.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

const { MREG_URL: base, MREG_TOKEN: token, MREG_READER: reader, MREG_ROLLOUT: rollout,
  MREG_PAUSED: paused, MREG_SHOTS: shots } = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PAGES = [
  ["overview", "/"], ["models", "/models"], ["model", "/models/fraud"], ["namespaced", "/models/team%2Fchurn"],
  ["version", "/models/fraud/versions/1"], ["rollouts", "/rollouts"], ["rollout", `/rollouts/${rollout}`],
  ["paused", `/rollouts/${paused}`], ["nodes", "/nodes"], ["environment", "/nodes/production"],
  ["missing", "/nowhere"], ["missing-model", "/models/nobody"],
];
const report = (check, ok, detail = "") => console.log(JSON.stringify({ check, ok: Boolean(ok), detail: String(detail) }));

const browser = await chromium.launch({
  executablePath: process.env.MREG_CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});

async function open(theme, width) {
  const context = await browser.newContext({ colorScheme: theme, viewport: { width, height: 900 } });
  const faults = [];
  const page = await context.newPage();
  page.on("console", (m) => { if (["error", "warning"].includes(m.type()) && !/status of 40[134]/.test(m.text())) faults.push("console: " + m.text()); });
  page.on("pageerror", (e) => faults.push("exception: " + e.message));
  page.on("request", (r) => { if (!r.url().startsWith(base)) faults.push("request off the origin: " + r.url()); });
  await page.addInitScript(() => addEventListener("securitypolicyviolation", (e) => console.error("CSP: " + e.violatedDirective)));
  return { context, page, faults };
}

const settled = (page) => page.waitForFunction(() => document.querySelector("h1") && !document.body.textContent.includes("Loading…"));

async function accessible(page, label) {
  // Playwright evaluates through the debugger, so the page's CSP stays in force for the page itself.
  await page.evaluate(axe);
  const result = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
  report(`axe ${label}`, result.violations.length === 0,
    result.violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(" ")).slice(0, 3).join(", ")}`).join("; "));
}

async function login(page, as = token) {
  await page.goto(base + "/");
  await page.getByLabel("Token").fill(as);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
}

async function lookAround(theme, width) {
  const { context, page, faults } = await open(theme, width);
  await page.goto(base + "/");
  await page.getByLabel("Token").waitFor();
  await page.screenshot({ path: join(shots, `login-${theme}-${width}.png`), fullPage: true });
  await accessible(page, `login ${theme} ${width}`);
  await login(page);
  for (const [name, path] of PAGES) {
    await page.goto(base + path);
    await settled(page);
    await page.screenshot({ path: join(shots, `${name}-${theme}-${width}.png`), fullPage: true });
    await accessible(page, `${name} ${theme} ${width}`);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    report(`no sideways scrolling: ${name} ${width}`, overflow <= 0, `${overflow} px`);
  }
  report(`no faults ${theme} ${width}`, faults.length === 0, faults.slice(0, 5).join("; "));
  await context.close();
}

async function wrongToken() {
  const { context, page } = await open("light", 1280);
  await page.goto(base + "/");
  await page.getByLabel("Token").fill("mrg_wrong");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("alert").waitFor();
  report("a wrong token is told apart", await page.getByLabel("Token").isVisible());
  await context.close();
}

// What each room has to say, in words.
async function says() {
  const { context, page, faults } = await open("light", 1280);
  await login(page);
  const shows = async (path, ...texts) => {
    await page.goto(base + path);
    await settled(page);
    const body = (await page.evaluate(() => document.getElementById("main").innerText)).replace(/\s+/g, " ");
    for (const text of texts) report(`${path} says ${text}`, text instanceof RegExp ? text.test(body) : body.includes(text), body.slice(0, 600));
  };
  await shows("/", /Needs you.*paused/, "s1 in staging cannot be reached", /fraud production 1 /, "3 reachable");
  await shows("/models/team%2Fchurn/versions/1", "<b>not bold</b>");
  await shows("/models", "production 1", "candidate 2");
  await shows("/models/fraud", "version 1", "1 node on 2", "2 nodes on 1", "auc 0.941", rollout);
  await shows("/models/fraud/versions/1", "git_commit", "4be19a", "golden/one.json");
  await shows("/rollouts", "rolled-back", "1 → 2");
  await shows(`/rollouts/${rollout}`, /step 1\/2: baking 1 of 3 nodes/, /baking/, "to come", "1 of 3 on version 2", "0 of 50", "End this step now");
  await shows(`/rollouts/${paused}`, "the analysts look at it first", "Resume");
  await shows("/nodes", "unreachable", "fraud 2", "staging: 1 node, 0 reachable");
  report("no faults in the rooms", faults.length === 0, faults.join("; "));
  await context.close();
}

async function readerSeesNoButtons() {
  const { context, page } = await open("light", 1280);
  await login(page, reader);
  await page.getByText("looker (reader)").waitFor();
  await page.getByRole("link", { name: rollout }).first().click();
  await page.getByRole("heading", { name: new RegExp(rollout) }).waitFor();
  report("a reader is offered no action", await page.getByRole("button", { name: "Pause" }).count() === 0);
  await context.close();
}

// Everything by keyboard: log in, find the rollout, abort it with a reason.
async function keyboard() {
  const { context, page, faults } = await open("dark", 1280);
  await page.goto(base + "/");
  await page.getByLabel("Token").focus();
  await page.keyboard.type(token);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  const reach = async (name) => {
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press("Tab");
      const text = await page.evaluate(() => document.activeElement?.textContent ?? "");
      if (text.trim() === name) return true;
    }
    return false;
  };
  report("keyboard reaches Rollouts", await reach("Rollouts"));
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Rollouts" }).waitFor();
  await settled(page);
  report("keyboard reaches the rollout", await reach(rollout));
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: new RegExp(rollout) }).waitFor();
  report("keyboard reaches Abort", await reach("Abort and go back"));
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").getByText("All nodes go back to version 1").waitFor();
  await page.screenshot({ path: join(shots, "dialog-dark-1280.png") });
  await accessible(page, "dialog dark 1280");
  await page.getByLabel(/Reason/).fill("seen in the browser test");
  await page.keyboard.press("Enter");
  await page.getByText(/rolled-back|rolling-back|cancelled/).first().waitFor({ timeout: 60_000 });
  report("abort from the page", true);
  report("no faults on the keyboard journey", faults.length === 0, faults.join("; "));
  await context.close();
}

async function budgets() {
  const { context, page } = await open("light", 1280);
  const sizes = new Map();
  page.on("response", async (r) => { if (/\.(js|css)$/.test(new URL(r.url()).pathname)) sizes.set(new URL(r.url()).pathname, (await r.body()).length); });
  await page.goto(base + "/", { waitUntil: "networkidle" });
  const { gzipSync } = await import("node:zlib");
  const script = await (await fetch(base + "/app.js")).arrayBuffer();
  const style = await (await fetch(base + "/app.css")).arrayBuffer();
  const js = gzipSync(Buffer.from(script), { level: 9 }).length, css = gzipSync(Buffer.from(style), { level: 9 }).length;
  report("script is at most 45 kB gzip", js > 0 && js <= 45_000, js);
  report("style is at most 12 kB gzip", css > 0 && css <= 12_000, css);
  await context.close();
}

try {
  await wrongToken();
  await says();
  await readerSeesNoButtons();
  for (const theme of ["light", "dark"]) for (const width of [1280, 390]) await lookAround(theme, width);
  await keyboard();
  await budgets();
} catch (error) {
  report("the journey ends", false, error.stack);
}
await browser.close();
