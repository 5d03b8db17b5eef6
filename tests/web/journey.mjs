// Journeys that change something: by keyboard alone from the login over compare, plan and promote to the way back;
// two people who act at once; what the page says when it may not.
import { accessible, api, ask, base, figure, login, mainText, open, report, run, seed, settled, token } from "./kit.mjs";

// Tabs until something with that text has the focus.
async function reach(page, name) {
  for (let i = 0; i < 120; i++) {
    await page.keyboard.press("Tab");
    const text = await page.evaluate(() => { const e = document.activeElement; return (e?.getAttribute("aria-label") ?? e?.textContent ?? "").trim(); });
    if (name instanceof RegExp ? name.test(text) : text === name) return;
  }
  throw new Error(`the keyboard does not reach ${name}`);
}
const press = async (page, name) => { await reach(page, name); await page.keyboard.press("Enter"); };
const focusSeen = (page) => page.evaluate(() => { const s = getComputedStyle(document.activeElement); return s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2; });

async function keyboard(browser) {
  const { page, faults } = await open(browser, { theme: "dark" });
  const made = await ask("cli", { arguments: ["push", "loans", seed.folder, "--metric", "auc=0.95"] }); // the page cannot push
  report("the CLI pushes", made.code === 0, made.out);
  await page.goto(base + "/");
  await page.getByLabel("Token").focus();
  await page.keyboard.type(token);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.keyboard.press("/");
  await page.keyboard.type("loans");
  await page.getByRole("option", { name: "loans" }).waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "loans" }).waitFor();
  await settled(page);
  for (const n of [1, 2]) {
    await reach(page, `Mark version ${n}`);
    await page.keyboard.press("Space");
  }
  report("the focus is seen", await focusSeen(page));
  await page.keyboard.press("Shift+Tab");
  await page.evaluate(() => document.querySelector("main").focus());
  await press(page, "Compare 1 with 2");
  await page.getByText("are stored once for both").waitFor();
  report("compare by keyboard", (await mainText(page)).includes("+0.05"));
  await press(page, "2");
  await page.getByRole("heading", { name: "version 2" }).waitFor();
  await settled(page);
  await press(page, "Promote…");
  await page.getByText("Apply this plan…").waitFor();
  report("the plan says what will be", /Version 1 gives way to version 2 on 3 nodes/.test(await mainText(page)), await mainText(page));
  await accessible(page, "plan dark");
  await press(page, "Apply this plan…");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.type("from the browser test");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: /^r-\d+: loans/ }).waitFor();
  const id = /r-\d+/.exec(page.url())[0];
  report("the focus returns to the page after the dialog", await page.evaluate(() => document.activeElement?.id === "main" || document.querySelector("main").contains(document.activeElement)));
  await page.getByText("version 2 is live").first().waitFor({ timeout: 60_000 });
  report("the rollout ends under the eyes of the page", true);
  await page.keyboard.press("g");
  await page.keyboard.press("e");
  await page.getByRole("heading", { name: "Environments" }).waitFor();
  await settled(page);
  await press(page, "production");
  await page.getByRole("heading", { name: "production" }).waitFor();
  await page.getByRole("button", { name: "Roll back…" }).first().waitFor();
  const n = await page.getByRole("row").filter({ has: page.getByRole("button", { name: "Roll back…" }) }).allInnerTexts();
  const before = n.findIndex((row) => row.startsWith("loans"));
  await page.evaluate(() => document.querySelector("main").focus());
  for (let i = 0; i <= before; i++) await reach(page, "Roll back…");
  await page.keyboard.press("Enter");
  await page.getByText(/from version 2 to version 1/).waitFor();
  await reach(page, /^Reason/).catch(() => undefined);
  await page.getByLabel(/Reason/).focus();
  await page.keyboard.type("seen enough");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: /loans 2 → 1/ }).waitFor();
  await page.getByText("version 1 is live").first().waitFor({ timeout: 60_000 });
  const live = (await api("GET", "/models/loans")).body.live;
  report("back by keyboard", live.production === 1 && /r-\d+/.exec(page.url())[0] !== id, JSON.stringify(live));
  report("no faults on the keyboard journey", faults.length === 0, faults.join("; "));
}

// Both have the dialog open; the slower one is told that it is over, and nothing happens twice.
async function together(browser) {
  const one = await open(browser), other = await open(browser);
  for (const { page } of [one, other]) {
    await login(page, page === one.page ? token : seed.tokens.deployer);
    await page.goto(`${base}/rollouts/${seed.steps}`);
    await page.getByRole("button", { name: "End this step now" }).click();
    await page.getByRole("dialog").getByText("Step 1 of 3 counts as passed").waitFor();
  }
  await one.page.getByRole("dialog").getByRole("button", { name: "End this step now" }).click();
  await one.page.getByText(/step 2\/3/).first().waitFor({ timeout: 30_000 });
  const told = other.page.getByRole("dialog").getByRole("alert");
  await told.waitFor();
  const text = await told.innerText();
  report("the slower one is told that it is over", /Step 1 is over: r-\d+ is at step 2 now/.test(text), text);
  report("and cannot ask for it any more", await other.page.getByRole("dialog").getByRole("button", { name: "End this step now" }).isDisabled());
  const late = await api("POST", `/rollouts/${seed.steps}/commands`, { verb: "promote", expected_step: 1 });
  report("nor would the server do it", late.status === 409, JSON.stringify(late.body));
  const rollout = (await api("GET", `/rollouts/${seed.steps}`)).body;
  report("and the rollout is at step 2, once", rollout.step === 2, JSON.stringify(rollout.step));
  await other.page.keyboard.press("Escape");
  await other.page.getByText(/step 2\/3/).first().waitFor();
  report("and then sees what is", true);
}

// A session that was ended elsewhere leads to the login and back to the page.
async function ended(browser) {
  const { page } = await open(browser);
  const made = (await api("POST", "/tokens", { name: "short", role: "reader" })).body;
  await login(page, made.token);
  await page.goto(`${base}/models/loans`);
  await settled(page);
  await api("DELETE", `/tokens/${made.id}`);
  await page.getByLabel("Token").waitFor({ timeout: 40_000 });
  report("an ended session says so", (await page.getByRole("alert").innerText()).includes("has ended"));
  await page.getByLabel("Token").fill(token);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "loans" }).waitFor();
  report("and goes on where it was", page.url().endsWith("/models/loans"));
}

// Tasks of somebody who is here for the first time and goes by what the page says; every click and every field is counted.
async function tasks(browser) {
  const { page, faults } = await open(browser);
  await login(page);
  let n = 0;
  const click = async (where) => { await where.first().waitFor(); await where.first().click(); n++; };
  const link = (name, within = page) => within.getByRole("link", { name, exact: typeof name === "string" }), button = (name, within = page) => within.getByRole("button", { name, exact: typeof name === "string" });
  const fill = async (label, text) => { await page.getByRole("dialog").getByLabel(label, { exact: true }).fill(text); n++; };
  const main = page.getByRole("main"), dialog = page.getByRole("dialog");
  const reads = async (text) => {
    const fits = page.waitForFunction((source) => new RegExp(source).test(document.getElementById("main").innerText.replace(/\s+/g, " ")), text.source, { timeout: 30_000 });
    await fits.catch(async () => { throw new Error(`${text} is not in: ${await mainText(page)}`); });
  };
  const task = async (name, most, steps) => {
    await page.goto(base + "/");
    await settled(page);
    n = 0;
    await steps();
    figure(`task: ${name}`, `${n} steps`);
    report(`${name} takes at most ${most} steps`, n <= most, n);
  };
  await task("say what is live in production", 0, () => reads(/Live .*loans production 1 /));
  await task("find why a rollout is paused, and resume it", 3, async () => {
    await reads(/Needs you .*paused.*the analysts look at it first/);
    await click(link(seed.paused, main));
    await click(button("Resume…", main));
    await click(button("Resume", dialog));
    await reads(/running/);
  });
  await task("find who moved an alias, and why", 3, async () => {
    await click(link("Models"));
    await click(link("loans", main));
    await click(link("Who set what"));
    await reads(/alias champion version 1 you .*best on the holdout/);
  });
  await task("compare two versions", 4, async () => {
    await click(link("Models"));
    await click(link("loans", main));
    await click(link("2", main));
    await click(link("Compare with 1"));
    await reads(/auc 0.9 0.95 \+0.05/);
  });
  await task("take a version live", 6, async () => {
    await click(link("Models"));
    await click(link("loans", main));
    await click(link("Promote 2…"));
    await click(button("Apply this plan…", main));
    await click(button("Apply this plan", dialog));
    await reads(/version 2 is live/);
  });
  await task("roll back", 4, async () => {
    await click(link("loans", main.getByRole("region", { name: "Live versions" })));
    await click(button("Roll back…", main));
    await dialog.getByText(/from version 2 to version 1/).waitFor();
    await click(button("Roll back", dialog));
    await reads(/version 1 is live/);
  });
  await task("say what was live before", 4, async () => {
    await click(link("Models"));
    await click(link("loans", main));
    await click(link("History", page.getByRole("navigation", { name: "Parts of this page" })));
    await click(page.getByLabel(/^production: version 2 from/));
    await reads(/Live then production version 2/);
  });
  await task("make a token for CI", 5, async () => {
    await click(link("Admin"));
    await click(button("New token…", main));
    await fill("Name", "ci of loans");
    await dialog.getByLabel("Role").selectOption({ label: "pusher: pushes versions" });
    n++;
    await click(button("Make it", dialog));
    await reads(/It is shown this once: mrg_\w+/);
  });
  const made = /mrg_\w+/.exec(await mainText(page))[0], who = await ask("api", { method: "GET", path: "/whoami", token: made });
  report("the token works and is a pusher's", who.body.role === "pusher", JSON.stringify(who));
  report("no faults over the tasks", faults.length === 0, faults.join("; "));
}

await run({ keyboard, together, ended, tasks });
