// What somebody who has only the dashboard stumbled over: each has to be said, or not to be offered.
import { readFileSync } from "node:fs";
import { accessible, api, base, login, mainText, open, report, run, seed, shot, unroute, whole } from "./kit.mjs";

const { baking, queued, ended, tokens } = seed;
const has = (name, body, ...texts) => { for (const text of texts) report(`${name}: ${text}`, text instanceof RegExp ? text.test(body) : body.includes(text), body.slice(0, 1200)); };
async function visit(page, path) {
  await page.goto(base + path);
  await whole(page);
  return mainText(page);
}

async function queue(browser) {
  const { page, faults } = await open(browser), reader = await open(browser);
  await login(page);
  await login(reader.page, tokens.reader);
  has("who waits", await visit(page, `/rollouts/${queued}`), `Waits for ${baking}; then it begins by itself.`, "Take out of the queue");
  report("the one before is a link", await page.locator(".note").getByRole("link", { name: baking }).isVisible());
  const read = await visit(reader.page, `/rollouts/${queued}`);
  has("a reader is told who may", read, `Waits for ${baking}`, "A deployer may take it out of the queue.");
  report("a reader has no button for it", await reader.page.getByRole("button", { name: "Take out" }).count() === 0);
  has("names for readers", read, "by first admin");
  has("what waits for its turn", await visit(page, "/rollouts?active=queued"), queued, /[–1] → 3/);
  const stuck = await visit(page, "/rollouts?active=stuck");
  report("what needs somebody is what the side bar counts", stuck.includes(seed.paused) && !stuck.includes(queued) && (await page.locator("nav .count").first().innerText()).startsWith("1"), `${await page.locator("nav .count").first().innerText()}: ${stuck}`);
  has("the overview has both", await visit(page, "/"), new RegExp(`Needs you ${seed.paused} `), new RegExp(`Waiting for their turn ${queued} `));
  await visit(page, `/rollouts/${baking}`);
  await page.getByRole("button", { name: "Abort and go back" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText("waits and will start right after").waitFor();
  report("aborting tells what comes next", (await dialog.innerText()).includes(`${queued} (version 3) waits and will start right after`));
  report("and takes it out unless told otherwise", await dialog.getByLabel("Take it out of the queue too").isChecked());
  await accessible(page, "abort with a queue");
  await shot(page, "newcomer-abort", false);
  await page.keyboard.press("Escape");
  await visit(page, "/models/fraud");
  await page.getByRole("button", { name: "Roll back…" }).click();
  await dialog.getByText("waits and will start right after").waitFor();
  await dialog.getByText("rolling back aborts it").waitFor({ timeout: 8000 }).catch(() => undefined);
  has("what a roll back does while a rollout is under way", await dialog.innerText(), new RegExp(`${baking} brings version 2 just now: rolling back aborts it\\. Version 1, which is live, stays\\.`), "roll back once more");
  report("no version is asked for that would not be taken", await dialog.getByLabel(/^To version/).count() === 0 && await dialog.getByRole("button", { name: "Roll back" }).isEnabled(), await dialog.innerText());
  await shot(page, "newcomer-rollback", false);
  await dialog.getByRole("button", { name: "Roll back", exact: true }).click();
  await page.getByText(/Nodes: \d of 3 on version 2 at its end/).waitFor({ timeout: 60_000 });
  const phase = async () => (await api("GET", `/rollouts/${queued}`)).body.phase;
  report("what waited was taken out", await phase() === "cancelled", await phase());
  has("an ended rollout says what is live now", await mainText(page), /at its end, .*; now version 1 is live, brought by r-\d+/);
  has("the one that brought it", await visit(page, "/models/fraud"), new RegExp(`production version 1 since .* by you \\(${seed.first}\\)`), "last:");
  has("live rows", await visit(page, "/"), new RegExp(`Live .*fraud production 1 .* ago you .*${seed.first}`));
  has("environment rows", await visit(page, "/environments/production"), new RegExp(`fraud 1 since .* by you \\(${seed.first}\\)`));
  has("who set what is live", await visit(page, "/history?view=blame"), new RegExp(`live: fraud 1 in production .* you rollout ${seed.first}`));
  report("no faults at the queue", faults.length + reader.faults.length === 0, [...faults, ...reader.faults].join("; "));
}

async function times(browser) {
  const { page, faults } = await open(browser);
  await login(page);
  const done = (await api("GET", `/rollouts/${ended}`)).body.ended, second = done.replace(/\.\d+Z/, "Z");
  has("a second as a whole, nodes", await visit(page, `/?at=${second}`), /production n2 fraud 1/, new RegExp(`${ended}`), "you");
  has("a second as a whole, the model", await visit(page, `/models/fraud?at=${second}`), "production version 1");
  report("the page is past", (await page.locator(".live").innerText()) === "past");
  await visit(page, `/?at=${done}`);
  report("milliseconds are shown", (await page.locator(".banner").innerText()).includes(/\.\d{3}/.exec(done)[0]), await page.locator(".banner").innerText());
  await page.getByRole("button", { name: "Another time…" }).click();
  report("the picker begins with the time shown", (await page.getByLabel(/^Time, 24 h/).inputValue()).endsWith(/:\d\d\.\d{3}/.exec(done)[0]), await page.getByLabel(/^Time, 24 h/).inputValue());
  await accessible(page, "time picker");
  await shot(page, "newcomer-picker", false);
  await page.getByLabel(/^Time, 24 h/).fill("");
  await page.getByRole("button", { name: "Show" }).click();
  report("an empty time is told", (await page.getByRole("alert").innerText()).includes("Give a day and a time"));
  await page.getByLabel("Day").fill("2999-01-01");
  await page.getByLabel(/^Time, 24 h/).fill("14:00");
  await page.getByRole("button", { name: "Show" }).click();
  report("the future is refused", (await page.getByRole("alert").innerText()).includes("in the future"));
  await page.getByLabel("Day").fill("2001-01-01");
  await page.getByRole("button", { name: "Show" }).click();
  await page.getByText("No node was known to serve").waitFor();
  report("a time that was is shown", page.url().includes("at=2001-01-01T"), page.url());
  report("no faults over times", faults.length === 0, faults.join("; "));
}

// Whoever reads times in UTC types them so, wherever the browser is.
async function freezes(browser) {
  const { page, faults } = await open(browser, { timezoneId: "Pacific/Auckland" });
  await login(page);
  await visit(page, "/environments/staging/policy");
  for (const [zone, until] of [["UTC", "2031-02-03T10:00:00Z"], ["local", "2031-02-02T21:00:00Z"]]) {
    await page.getByLabel("Times in").selectOption(zone);
    await page.getByRole("button", { name: "Freeze…" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel(/^Until/).waitFor();
    report(`the zone of a freeze is told: ${zone}`, await dialog.getByLabel(zone === "UTC" ? "Until, UTC" : /Until, local, UTC\+1[23]/).isVisible(), await dialog.innerText());
    await dialog.getByLabel(/^Until/).fill("2031-02-03T10:00");
    await dialog.getByLabel(/^Reason/).fill("a holiday");
    await shot(page, `newcomer-freeze-${zone}`, false);
    await dialog.getByRole("button", { name: "Freeze", exact: true }).click();
    await dialog.waitFor({ state: "hidden" });
    const [made] = (await api("GET", "/freezes?env=staging")).body.items.filter((one) => one.until);
    report(`a freeze ends when it was typed: ${zone}`, made?.until === until, JSON.stringify(made));
    await api("DELETE", `/freezes/${made?.id}?reason=over`);
  }
  report("no faults over freezes", faults.length === 0, faults.join("; "));
}

async function finds(browser) {
  const { page, faults } = await open(browser);
  await login(page);
  for (const words of ["fraud 3", "fraud@3", "fraud/3"]) {
    await page.keyboard.press("Control+k");
    await page.keyboard.type(words);
    await page.getByRole("option", { name: "fraud 3" }).waitFor();
    report(`${words} finds the version first`, (await page.getByRole("listbox").getByRole("option").first().innerText()).startsWith("fraud 3"), await page.getByRole("listbox").getByRole("option").first().innerText());
    await page.keyboard.press("Escape");
  }
  await page.keyboard.press("Control+k");
  await page.keyboard.type("a deployer");
  await page.keyboard.press("Control+A");
  await page.keyboard.type("deployer");
  await page.getByRole("option", { name: /deployer.*token/ }).first().waitFor();
  await page.keyboard.press("Escape");
  has("the page of models finds it too", await visit(page, "/models?q=fraud%203"), "fraud 3");
  has("history by a name", await visit(page, "/history?actor=deployer"), "paused for a look");
  has("models say how to push", await visit(page, "/models"), "mreg push MODEL ./FOLDER");
  has("a model says how to push", await visit(page, "/models/fraud"), "mreg push fraud ./out");
  has("help says how to push", await visit(page, "/help"), "mreg push fraud ./out");
  await page.keyboard.press("Control+k");
  await page.keyboard.type("fraud");
  const card = page.getByRole("option", { name: /^fraud: .*model$/ });
  await card.waitFor();
  report("a card is told without its marks", !/[#*\[\]]|\(http/.test(await card.innerText()) && (await card.innerText()).includes("Scores card payments."), await card.innerText());
  await page.keyboard.press("Control+A");
  await page.keyboard.type("state:comet");
  await page.getByText("Nothing found.").waitFor();
  report("what can be asked for stays told", (await page.getByRole("dialog").innerText()).includes("state:paused"));
  await page.keyboard.press("Escape");
  const reader = await open(browser);
  await login(reader.page, tokens.reader);
  await reader.page.keyboard.press("Control+k");
  await reader.page.getByRole("option", { name: /Overview/ }).waitFor();
  report("a page that the role may not see is not offered", await reader.page.getByRole("option", { name: /Admin/ }).count() === 0);
  await reader.page.keyboard.press("Escape");
  await reader.page.getByRole("button", { name: "Log out" }).click();
  await reader.page.getByLabel("Token").waitFor();
  report("who logs out is not told that the session has ended", await reader.page.getByRole("alert").count() === 0);
  report("no faults at finding", faults.length === 0, faults.join("; "));
}

async function hooks(browser) {
  const { page, faults } = await open(browser);
  await login(page);
  await visit(page, "/admin/webhooks");
  await page.getByRole("button", { name: "Test", exact: true }).click();
  await page.getByText("The test event could not be delivered").waitFor({ timeout: 30_000 });
  report("the outcome of a test is told", true);
  await whole(page);
  const rows = await page.getByRole("region", { name: "Deliveries" }).locator("tbody tr").count();
  report("every delivery can be sent again", rows > 0 && await page.getByRole("button", { name: "Send again" }).count() === rows, rows);
  await accessible(page, "deliveries");
  await shot(page, "newcomer-hooks");
  has("a failing hook needs an admin", await visit(page, "/"), /Needs you .*webhook chat/);
  report("no faults at webhooks", faults.length === 0, faults.join("; "));
}

// A last step that no node serves yet: ending it is not offered, and health claims nothing.
async function nothing(browser) {
  const { page, faults } = await open(browser);
  await login(page);
  await page.route(`**/api/v1/rollouts/${seed.paused}`, async (route) => {
    const answer = await route.fetch();
    if (answer.status() === 304) return route.fulfill({ response: answer });
    const body = await answer.json();
    await route.fulfill({ response: answer, json: { ...body, phase: "running", pauses: [], step: body.n_steps, nodes: body.nodes.map((n) => ({ ...n, version: undefined, state: "old" })), steps: body.steps.map((s) => ({ ...s, phase: "done", promoted: true, verdict: "insufficient" })),
      gates: [{ kind: "health", verdict: "pass", text: "every node with the new version is ready" }], deadline: "2026-01-01T10:00:00.000Z", bake_until: "2026-01-01T11:00:00.000Z" } });
  });
  const body = await visit(page, `/rollouts/${seed.paused}`);
  report("a step that nothing serves cannot be ended", await page.getByRole("button", { name: "End this step now" }).count() === 0);
  has("a step ended by hand", body, "ended by hand", "no node serves version 1 yet", "without it", "step had to end");
  report("health claims nothing", !body.includes("is ready") && !body.includes("✓ done") && !/in over|for over/.test(body), body);
  report("no faults where nothing is", faults.length === 0, faults.join("; "));
}

// What the server says of a rollout, changed for one page.
const told = (page, id, changes) => page.route(`**/api/v1/rollouts/${id}`, async (route) => {
  const answer = await route.fetch({ headers: { ...route.request().headers(), "if-none-match": "" } });
  await route.fulfill({ response: answer, headers: { ...answer.headers(), etag: "" }, json: { ...await answer.json(), ...changes } });
});

// Every advice of the server, as the page puts it: those of its table are read from the source, so that none is forgotten.
const ADVICE = {
  PAUSE_GATE: "Resume it, end this step to go on without, or abort to roll back.", PAUSE_INCONCLUSIVE: "Resume it, end this step to go on without, bake longer, or abort.",
  PAUSE_NO_DATA: "Resume it once there are metrics, end this step to go on without, or abort to roll back.", PAUSE_METRICS_ERROR: "Resume it once metrics can be read, end this step to go on without, or abort to roll back.",
  PAUSE_UNREACHABLE: "Bring the nodes back and resume it, end this step to go on without, or abort.", PAUSE_DEADLINE: "Resume it for another try, or abort to roll back.",
  PAUSE_FREEZE: "It goes on when the freeze ends; aborting it rolls back.", PAUSE_STOP: "It goes on when the stop is lifted; aborting it rolls back.",
  PAUSE_FAILURE_BUDGET: "Failures leave the window by themselves; an approver may pass over them.", PAUSE_DEPENDENCY: "It goes on when the other one is live; an approver may pass over it.",
  PAUSE_APPROVAL: "An approver other than the asker has to approve it.", PAUSE_USER: "Resume it.", PAUSE_REASON_COUNT: "It begins by itself after the others; aborting it takes it out.",
};
const OTHERS = (r) => [["bring the nodes back and mreg rollout resume R, or abort", "Bring the nodes back and resume it, or abort."], ["it goes on by itself", "It goes on by itself."],
  ["mreg rollout promote R ends this step now and passes 2 gates without evidence", "“End this step now” goes on at once and passes 2 gates without evidence."], ["mreg rollout promote R ends this step now", "“End this step now” goes on at once."],
  ["it goes on by itself; mreg rollout halt R leaves everything as it is", "It goes on by itself; “Halt as it is” leaves everything as it is."], ["somebody repairs the node, or mreg rollout halt R leaves everything as it is", "Somebody repairs the node, or “Halt as it is” leaves everything as it is."],
  ["it goes on by itself, else the step fails at 2026-11-21T10:00:00Z; mreg rollout abort R rolls back", /^It goes on by itself, else the step fails at .* 2026 .*; aborting it rolls back\.$/], ["it goes on by itself; mreg rollout abort R rolls back", "It goes on by itself; aborting it rolls back."],
  ["node n1 cannot be reached since 2026-11-21T10:00:00Z: bring it back, or mreg node remove production n1", /^Node n1 cannot be reached since .* 2026 .*: bring it back, or remove it from the environment\.$/], ["node n1 is cordoned: mreg node uncordon production n1", "Node n1 is cordoned: uncordon it."],
  ["node n1 is owned by another registry, epoch 4: stop that one and restart this one, or mreg node remove production n1", "Node n1 is owned by another registry, epoch 4: stop that one and restart this one, or remove it from the environment."],
  ["the others of the set finish the step, or one of them is aborted", "The others of the set finish the step, or one of them is aborted."]].map(([text, means]) => [text.replace(" R ", ` ${r} `).replace(" R,", ` ${r},`), means]);
async function advice(browser) {
  const { page, faults } = await open(browser);
  await login(page);
  const source = readFileSync(new URL("../../lib/plan_text.c", import.meta.url), "utf8"), table = /unblocks\[[^\]]*\] = \{(.*?)\n\};/s.exec(source)[1];
  const rows = [...table.matchAll(/\[(PAUSE_\w+)\] =\s*((?:"(?:[^"\\]|\\.)*"\s*)+)/g)].map(([, reason, text]) => [reason, [...text.matchAll(/"([^"]*)"/g)].map((m) => m[1]).join("")]);
  report("the table of advice was read", rows.length === Object.keys(ADVICE).length && rows.every(([reason]) => ADVICE[reason]), JSON.stringify(rows));
  const id = seed.paused, all = [...rows.map(([reason, text]) => [text.replace("%s", id), ADVICE[reason]]), ...rows.slice(0, 1).map(([, text]) => [`${text.replace("%s", id)} (the role deployer may)`, "Resume it."]), ...OTHERS(id)];
  for (const [text, means] of all) {
    await told(page, id, { unblock: text, pauses: [], waiting: "waits" });
    await visit(page, `/rollouts/${id}`);
    const said = (await page.locator("main > .note").first().innerText()).trim();
    report(`advice: ${text}`, means instanceof RegExp ? means.test(said) : said === means, said);
    await unroute(page);
  }
  report("no faults over advice", faults.length === 0, faults.join("; "));
}

// A page that is left open: what it says of time goes on.
async function standing(browser) {
  const { page, faults } = await open(browser);
  await page.clock.install();
  await login(page);
  await told(page, seed.baking, { waiting: "step 1/2: baking 1 of 3 nodes; 3m20s left, needs 50 more requests", created: new Date(await page.evaluate(() => Date.now()) - 2000).toISOString() });
  has("the time that is left", await visit(page, `/rollouts/${seed.baking}`), /baking 1 of 3 nodes; 3 min (20|19|18|17) s left/, /Asked for \d s ago/);
  await page.clock.runFor(90_000);
  has("a minute and a half later it is less", await mainText(page), /1 min (5\d|4\d) s left/, /Asked for 1 min ago/);
  const looks = [];
  page.on("request", (one) => { if (one.url().endsWith(`/rollouts/${seed.baking}`)) looks.push(one.url()); });
  await page.getByText("live", { exact: true }).waitFor();
  for (let i = 0; i < 4; i++) { await page.clock.runFor(3600); await whole(page); }
  report("what moves without an event is asked for every few seconds", looks.length >= 3, looks.length);
  report("no faults while it stands open", faults.length === 0, faults.join("; "));
}

async function halted(browser) {
  const { page, faults } = await open(browser), reader = await open(browser);
  await login(page);
  await login(reader.page, tokens.reader);
  await told(page, seed.paused, { step_phase: "apply", deadline: new Date(Date.now() + 600_000).toISOString(), nodes: [{ node: "n1", state: "observing" }, { node: "n2", state: "old" }] });
  const body = await visit(page, `/rollouts/${seed.paused}`);
  has("a pause by hand", body, /Paused since .* by a deployer, in step 1 of 2\. “paused for a look”/, "When that is settled, resume it; or end this step now to go on to the next, or abort it to go back.", "paused: 1 node stands on the way", /its clocks stand: the step has 1\d min \d+ s left when it goes on/);
  report("nothing runs while it is paused", !/step has to end in|at work/.test(body), body);
  await shot(page, "newcomer-paused");
  has("a reader reads it too", await visit(reader.page, `/rollouts/${seed.paused}`), "“paused for a look”", "A deployer may.");
  // What is asked for is legal no more: another window was faster.
  await unroute(page);
  const other = async (verb, more) => api("POST", `/rollouts/${seed.paused}/commands`, { verb, ...more });
  await visit(page, `/rollouts/${seed.paused}`);
  await page.getByRole("button", { name: "Resume…" }).click();
  const dialog = page.getByRole("dialog"), button = dialog.getByRole("button", { name: "Resume" });
  report("a legal order can be given", await button.isEnabled());
  await other("resume");
  await dialog.getByText("has moved on meanwhile: it is running now").waitFor({ timeout: 10_000 }).catch(() => undefined);
  report("a dialog says that it is legal no more", /has moved on meanwhile: it is running now/.test(await dialog.innerText()) && await button.isDisabled(), await dialog.innerText());
  await shot(page, "newcomer-gone", false);
  await accessible(page, "an order that is legal no more");
  await other("pause", { reason: "paused for a look" });
  await page.waitForFunction(() => !document.querySelector("dialog [role=alert]"), undefined, { timeout: 10_000 }).catch(() => undefined);
  report("and that it is legal again", await button.isEnabled(), await dialog.innerText());
  report("no faults at a pause", faults.length + reader.faults.length === 0, [...faults, ...reader.faults].join("; "));
}

// The page of a promotion: what it is refused for, what is there already, and where it would stop.
async function promote(browser) {
  const { page, faults } = await open(browser), deployer = await open(browser);
  await login(page);
  await login(deployer.page, tokens.deployer);
  const bad = "/models/pricing/versions/1/promote?to=production";
  has("a quarantine, to a deployer", await visit(deployer.page, bad), "is in quarantine", "An approver may lift the quarantine under production, or roll it out in spite of it.");
  report("no words of the terminal and nothing to try again", !/--override|Try again/.test(await mainText(deployer.page)) && await deployer.page.locator("main").getByRole("link", { name: "production" }).isVisible(), await mainText(deployer.page));
  await visit(page, bad);
  await page.getByLabel(/^Reason/).fill("the request was wrong, not the model");
  await page.getByRole("button", { name: "Plan it in spite of the quarantine" }).click();
  await page.getByRole("button", { name: "Apply this plan…" }).waitFor({ timeout: 8000 }).catch(() => undefined);
  has("an approver passes over it", await mainText(page), "In spite of the quarantine: “the request was wrong, not the model”", "Version 1 is the first on 3 nodes");
  await shot(page, "newcomer-quarantine");
  const odd = await visit(page, "/models/odd/versions/1/promote?to=production");
  has("a version that cannot be served", odd, "cannot be served", "Push a version that has what is missing", "mreg push odd ./FOLDER");
  report("trying again is not offered there", !odd.includes("Try again") && !odd.includes("Look again"), odd);
  has("the version that is live, while another comes", await visit(page, "/models/fraud/versions/1/promote?to=production"), new RegExp(`Version 1 is live in production already, and ${seed.baking} \\(running\\) brings version 2 just now`));
  report("it cannot be applied", await page.getByRole("button", { name: "Apply this plan" }).count() === 0 && await page.locator("main").getByRole("link", { name: seed.baking }).isVisible());
  has("the version that is on its way", await visit(page, "/models/fraud/versions/2/promote?to=production"), new RegExp(`Version 2 is being rolled out to production right now: ${seed.baking}`));
  has("an environment that is none", await visit(page, "/models/fraud/versions/2/promote?to=nowhere"), "There is no environment “nowhere”. Pick one above.");
  has("a plan that stops for somebody", await visit(page, "/models/loans/versions/1/promote?to=production"), /it pauses after about \d/, "once somebody has answered", "Then it stands still until somebody answers.");
  await shot(page, "newcomer-stops");
  report("no faults at promotions", faults.length + deployer.faults.length === 0, [...faults, ...deployer.faults].join("; "));
}

// Going back: the versions that were live, and why not where it cannot be.
async function back(browser) {
  const { page, faults } = await open(browser);
  await login(page);
  await visit(page, "/models/loans");
  await page.getByRole("button", { name: "Roll back…" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("To version").waitFor();
  const offered = await dialog.getByLabel("To version").locator("option").allInnerTexts();
  report("the versions that were live are offered", offered.length === 2 && offered[0] === "the one that was live before: version 2" && /^version 1, live from .* \(r-\d+\)$/.test(offered[1]), offered.join("; "));
  has("the one before, in words", await dialog.innerText(), /from version 3 to version 2/);
  await dialog.getByLabel("To version").selectOption({ label: offered[1] });
  await dialog.getByText("from version 3 to version 1").waitFor({ timeout: 8000 }).catch(() => undefined);
  has("another one, in words", (await dialog.innerText()).replace(/\s+/g, " "), "from version 3 to version 1");
  await accessible(page, "roll back to one of several");
  await shot(page, "newcomer-back", false);
  await page.keyboard.press("Escape");
  await visit(page, `/rollouts/${seed.loans[0]}`);
  const button = page.getByRole("button", { name: "Roll back…" });
  report("where it cannot be, the button says why", await button.isDisabled() && (await button.getAttribute("title")) === "version 1 is not live any more", await button.getAttribute("title"));
  report("no faults at going back", faults.length === 0, faults.join("; "));
}

async function narrow(browser) {
  const { page, faults } = await open(browser, { width: 390 });
  await login(page);
  await visit(page, "/models/fraud/blame");
  const seen = await page.evaluate(() => { const bar = document.querySelector(".tabs"), one = bar.querySelector("[aria-current]").getBoundingClientRect(); return bar.scrollWidth > bar.clientWidth && one.right <= innerWidth && one.left >= 0; });
  report("the picked tab is in sight", seen);
  await shot(page, "newcomer-tabs-390", false);
  await visit(page, "/");
  report("the environment can be picked", await page.getByLabel("Environment", { exact: true }).isVisible());
  await shot(page, "newcomer-envs-390", false);
  await page.getByRole("button", { name: "Rooms" }).click();
  report("the menu opens", await page.getByRole("navigation", { name: "Rooms" }).isVisible());
  await page.keyboard.press("Escape");
  await page.getByRole("navigation", { name: "Rooms" }).waitFor({ state: "hidden", timeout: 3000 }).catch(() => undefined);
  report("and shuts with Escape", !await page.getByRole("navigation", { name: "Rooms" }).isVisible());
  report("no faults on a phone", faults.length === 0, faults.join("; "));
}

const all = { times, freezes, finds, hooks, nothing, narrow, advice, standing, halted, promote, back, queue };
await run(process.env.ONLY ? { [process.env.ONLY]: all[process.env.ONLY] } : all);
