// What somebody who has only the dashboard stumbled over: each has to be said, or not to be offered.
import { accessible, api, base, login, mainText, open, report, run, seed, shot, whole } from "./kit.mjs";

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
  const list = await visit(page, "/rollouts?active=queued");
  has("what waits", list, queued, "– → 3", seed.paused);
  report("the count means the same", (await page.locator("nav .count").first().innerText()).startsWith("2"), await page.locator("nav .count").first().innerText());
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
  await dialog.getByLabel(/^To version/).fill("9");
  await dialog.locator(".note.bad").first().waitFor();
  report("one fault is told once", await dialog.locator(".note.bad").count() === 1 && await dialog.getByRole("button", { name: "Roll back" }).isDisabled(), await dialog.innerText());
  await dialog.getByLabel(/^To version/).fill("");
  await dialog.getByText("it is aborted").waitFor({ timeout: 8000 }).catch(async () => report("the dialog looks again", false, await dialog.innerText()));
  report("a corrected fault is gone", await dialog.locator(".note.bad").count() === 0 && await dialog.getByRole("button", { name: "Roll back" }).isEnabled());
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
    await route.fulfill({ response: answer, json: { ...body, step: body.n_steps, nodes: body.nodes.map((n) => ({ ...n, version: undefined, state: "old" })), steps: body.steps.map((s) => ({ ...s, phase: "done", promoted: true, verdict: "insufficient" })),
      gates: [{ kind: "health", verdict: "pass", text: "every node with the new version is ready" }], deadline: "2026-01-01T10:00:00.000Z", bake_until: "2026-01-01T11:00:00.000Z" } });
  });
  const body = await visit(page, `/rollouts/${seed.paused}`);
  report("a step that nothing serves cannot be ended", await page.getByRole("button", { name: "End this step now" }).count() === 0);
  has("a step ended by hand", body, "ended by hand", "no node serves version 1 yet", "without it", "step had to end");
  report("health claims nothing", !body.includes("is ready") && !body.includes("✓ done") && !/in over|for over/.test(body), body);
  report("no faults where nothing is", faults.length === 0, faults.join("; "));
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
  report("no faults on a phone", faults.length === 0, faults.join("; "));
}

const all = { times, finds, hooks, nothing, narrow, queue };
await run(process.env.ONLY ? { [process.env.ONLY]: all[process.env.ONLY] } : all);
