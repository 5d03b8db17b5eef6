// What can be checked: the past as it was, the policy that holds, other settings of the judge, and signatures in the browser.
import { api, ask, base, login, mainText, open, report, run, seed, unroute, whole } from "./kit.mjs";

const { rollout, failed, at } = seed;
const then = `?at=${encodeURIComponent(at)}`;
const CHANGES = /Pause|Resume|Promote…|Roll back…|Cordon|Drain|Freeze…|New alias…|Move…|Remove…|Edit…|Abort/;

async function visit(page, path) {
  await page.goto(base + path);
  await whole(page);
  return mainText(page);
}
const offered = async (page) => (await page.locator("main button, main a.button").allInnerTexts()).filter((text) => CHANGES.test(text));

async function past(browser) {
  const { page, faults } = await open(browser);
  await login(page);
  for (const [path, there, missing] of [
    ["/models", [/fraud .*production 1/, "team/churn"], [/\brisk \w+ nowhere|\brisk production/, "ago"]],
    ["/nodes", ["is not kept", "production: 3 nodes", /n1 ✓ seen ✓ fraud 1 zone a/, "staging: 1 node", /s1 never seen serving/], [/\d+ reachable|unreachable/]],
    ["/nodes/production", ["Nodes of production", "zone b"], ["staging"]],
    ["/nodes/production/n1", ["What it served then", /fraud fraud 1/, "Its record then"], ["Last check"]],
    ["/rollouts", [failed, "rolled-back", "each as at its last move".replace("each", "Each")], [rollout, seed.queued, seed.paused]],
    ["/environments", ["production", "rolling", "3 nodes", "not kept"], ["open", "frozen"]],
    ["/environments/production", ["Freezes, routers and what waited are not kept", /production n1 fraud 1/], ["Quarantine", "Waiting for"]],
    ["/environments/production/policy", ["Strategy rolling"], []],
    [`/rollouts/${failed}`, ["As at its last move", "Steps that had begun", "golden", "Time line until then", "As it is now"], ["Over time"]],
  ]) {
    const body = await visit(page, path + then), has = (one) => one instanceof RegExp ? one.test(body) : body.includes(one);
    report(`${path} at a time says what was`, there.every(has), `${there.filter((one) => !has(one))}: ${body.slice(0, 900)}`);
    report(`${path} at a time says no more`, !missing.some(has), `${missing.filter(has)}: ${body.slice(0, 900)}`);
    report(`${path} at a time has the banner`, await page.getByText("As it was at").isVisible());
    report(`${path} at a time offers no change`, (await offered(page)).length === 0, await offered(page));
  }
  await visit(page, "/nodes" + then);
  await page.getByRole("link", { name: "n2" }).click();
  await page.getByRole("heading", { name: "n2" }).waitFor();
  report("a link from the past stays there", page.url().includes("at="), page.url());
  await page.getByRole("link", { name: "Back to now" }).click();
  await page.getByRole("button", { name: "Cordon…" }).waitFor();
  report("and back to now", !page.url().includes("at="), page.url());
  const early = await visit(page, "/rollouts?at=2001-01-01");
  report("before everything there was none", early.includes("There was no rollout on"), early);
  report("a rollout of later is not there then", (await visit(page, `/rollouts/${rollout}${then}`)).includes("Nothing here"));
  const now = await visit(page, `/models/fraud?at=${new Date().toISOString()}`);
  report("what serves without being live is explained", /Live then production version 1 On nodes without being live: version 2 in production\./.test(now), now.slice(0, 900));
  const soon = await visit(page, "/?at=2099-01-01T10:00:00Z");
  report("a time to come is told", (await page.locator(".banner").innerText()).includes("is yet to come: this is how it is now"), await page.locator(".banner").innerText());
  const bare = at.replace(/\.\d+Z$/, "");
  report("a time without seconds' parts and zone is the server's too", /production n1/.test(await visit(page, `/?at=${bare}`)), await mainText(page));
  await page.getByRole("link", { name: "Models" }).click();
  report("links keep the time as it was written", new URL(page.url()).searchParams.get("at") === bare, page.url());
  for (const path of ["/approvals", "/models/fraud/versions/1/promote", "/admin"]) {
    const body = await visit(page, path + then);
    report(`${path} does not show the present as past`, body.includes("knows only what is now") && (await offered(page)).length === 0, body.slice(0, 400));
  }
  await page.getByRole("link", { name: "Show it as it is now" }).click();
  await page.getByRole("heading", { name: "Admin" }).waitFor();
  report("and leads to the present", !page.url().includes("at="), page.url());
  await visit(page, "/?at=2026-01-02");
  report("a day alone is its end", (await page.locator(".banner").innerText()).includes("2 Jan 2026 23:59:59"), await page.locator(".banner").innerText());
  await visit(page, "/?at=2026-01-02T10:20");
  report("a time without a zone is in UTC", (await page.locator(".banner").innerText()).includes("2 Jan 2026 10:20:00"), await page.locator(".banner").innerText());
  report("no faults in the past", faults.length === 0, faults.join("; "));
}

// Every tab of a model at a time, after its aliases were moved.
async function tabs(browser) {
  const { page, faults } = await open(browser, { timezoneId: "UTC" });
  await login(page);
  await visit(page, "/models/fraud/aliases");
  const n = await page.getByRole("region", { name: "Aliases" }).locator("tbody tr").count(), tab = await page.getByRole("navigation", { name: "Parts of this page" }).getByRole("link", { name: "Aliases" }).innerText();
  report("the tab counts the rows that it has", tab.replace(/\s+/g, " ") === `Aliases ${n}`, `${tab}: ${n}`);
  for (const [alias, version] of [["later", 3], ["candidate", 3], ["candidate", 2]]) await api("PUT", `/models/fraud/aliases/${alias}`, { version });
  const made = (await api("GET", "/models/fraud/aliases")).body.items.find((one) => one.alias === "candidate");
  await visit(page, "/models/fraud" + then);
  for (const [tab, there, missing] of [["Aliases", ["candidate version 2", "production version 1"], ["later"]], ["Lineage", ["version 3", "candidate"], ["later"]], ["History", ["live then"], ["live now", "until now"]], ["Who set what", ["alias candidate version 2"], ["later", made.since.slice(11, 19)]], ["Card", ["Scores card payments"], []]]) {
    await page.getByRole("navigation", { name: "Parts of this page" }).getByRole("link", { name: tab }).click();
    await whole(page);
    const body = `${await mainText(page)} ${(await page.locator("main svg a").evaluateAll((all) => all.map((one) => one.getAttribute("aria-label") ?? ""))).join(" ")}`;
    report(`${tab} at a time says what was`, there.every((text) => body.includes(text)) && !missing.some((text) => body.includes(text)), `${missing.filter((text) => body.includes(text))}: ${body.slice(0, 1200)}`);
    report(`${tab} at a time offers no change`, page.url().includes("at=") && (await offered(page)).length === 0, `${page.url()}: ${await offered(page)}`);
  }
  report("no faults in the tabs of the past", faults.length === 0, faults.join("; "));
}

async function policy(browser) {
  const { page, faults } = await open(browser);
  await login(page);
  await api("POST", "/environments", { name: "lab", policy: { strategy: "canary", steps: [{ nodes: 1, bake: "5m" }, { percent: 100 }], approvals: 1 } });
  await visit(page, "/environments/lab/policy");
  const rows = Object.fromEntries((await page.getByRole("region", { name: "The whole policy" }).locator("tbody tr").allInnerTexts()).map((row) => [row.split(/\s/)[0], row.replace(/\s+/g, " ")]));
  for (const [name, text] of [["strategy", /canary .*set$/], ["approvals", /1 .*set$/], ["steps", /nodes 1.*bake 5 min.*percent 100.*set$/], ["node_deadline", /5 min default$/], ["auto_rollback", /yes default$/], ["queue", /coalesce default$/], ["gates", /health.*default$/]])
    report(`the policy that holds says ${name}`, text.test(rows[name] ?? ""), rows[name]);
  report("no faults at the policy", faults.length === 0, faults.join("; "));
}

async function judge(browser) {
  const { page, faults } = await open(browser);
  await login(page);
  const revision = async () => (await api("GET", `/rollouts/${rollout}`)).body.revision, before = await revision();
  await visit(page, `/rollouts/${rollout}`);
  await page.getByRole("link", { name: "Judge again" }).click();
  await page.getByRole("region", { name: "Judged again" }).waitFor();
  report("as it was, nothing is another", (await mainText(page)).includes("No verdict would have been another"));
  await page.getByRole("group", { name: "error-ratio" }).getByLabel("ratio").fill("1.1");
  await page.getByRole("group", { name: "error-ratio" }).getByLabel("alpha").fill("0.01");
  await page.getByRole("button", { name: "Judge again", exact: true }).click();
  await page.waitForFunction(() => location.search.includes("ratio.ratio"));
  await whole(page);
  const row = (await page.getByRole("region", { name: "Judged again" }).locator("tbody tr").first().innerText()).replace(/\s+/g, " ");
  const cli = await page.getByRole("region", { name: "Judge again" }).getByRole("button", { name: "Copy as CLI" }).getAttribute("title");
  report("the command has the settings", cli === `mreg analysis replay ${rollout} --set error-ratio.ratio=1.1 --set error-ratio.alpha=0.01`, cli);
  const said = (await ask("cli", { arguments: [...cli.split(" ").slice(1), "--json"] })).out, [gate] = JSON.parse(said).gates;
  report("the page says what the command says", gate && row.includes(gate.was) && row.includes(gate.verdict), `${row}: ${said}`);
  const url = page.url();
  await page.goto(url);
  await whole(page);
  report("the address has it all", await page.getByRole("group", { name: "error-ratio" }).getByLabel("ratio").inputValue() === "1.1" && (await mainText(page)).includes("ratio 1.1 alpha 0.01"));
  await page.getByRole("group", { name: "error-ratio" }).getByLabel("ratio").fill("much");
  await page.getByRole("button", { name: "Judge again", exact: true }).click();
  await page.getByRole("alert").waitFor();
  report("a wrong setting is said", /ratio/.test(await page.getByRole("alert").innerText()), await page.getByRole("alert").innerText());
  await page.getByRole("link", { name: "Close" }).click();
  report("closed, the form is gone", await page.getByRole("button", { name: "Judge again", exact: true }).count() === 0);
  report("judging again has changed nothing", (await api("GET", `/rollouts/${rollout}`)).body.phase === "running" && await revision() >= before);
  report("no faults at judging again", faults.length === 0, faults.join("; "));
}

// Each time one thing is not what it should be: the page's button has to find it.
const flip = async (route) => { const answer = await route.fetch(), body = Buffer.from(await answer.body()); body[body.length >> 1] ^= 1; await route.fulfill({ response: answer, body }); };
const other = async (route) => { const answer = await route.fetch(); await route.fulfill({ response: answer, body: await (await route.request().frame().page().request.get(route.request().url().replace("/versions/2/", "/versions/1/"))).body() }); };
const HARM = {
  "a changed statement": ["**/versions/2/statement", flip, "Statement"],
  "another version's statement": [/versions\/2\/statement(\.sig)?$/, other, "Statement", "version is 1"],
  "a changed signature": ["**/versions/2/manifest.sig", flip, "Manifest"],
  "another version's manifest": [/versions\/2\/manifest(\.sig)?$/, other, "Manifest", "digest is"],
  "a changed file": ["**/versions/2/files/model.json", flip, "model.json", "SHA-256 is"],
  "keys of somebody else": ["**/trust/allowed_signers", async (route) => { const answer = await route.fetch(); await route.fulfill({ response: answer, body: (await answer.text()).replace(/(AAAAC3NzaC1lZDI1NTE5AAAAI)...../, "$1AAAAA") }); }, "Manifest", "no key of this registry"],
  "a key that is not for this": ["**/trust/allowed_signers", async (route) => { const answer = await route.fetch(); await route.fulfill({ response: answer, body: (await answer.text()).replace(/mreg-statement@/g, "other@") }); }, "Statement", "no key of this registry"],
  "a key of later": ["**/trust/allowed_signers", async (route) => { const answer = await route.fetch(); await route.fulfill({ response: answer, body: (await answer.text()).replace(/valid-after="\d{4}/, 'valid-after="2999') }); }, "Statement", "not valid at that time"],
};
async function verify(browser) {
  const { page, faults } = await open(browser);
  await login(page);
  const check = async () => {
    await visit(page, "/models/fraud/versions/2");
    await page.getByRole("button", { name: "Verify here" }).click();
    await page.getByText(/All that was checked fits|failed: do not use|In a terminal:/).waitFor();
    return mainText(page);
  };
  const fine = await check();
  report("a good version fits", ["All that was checked fits", "fraud 2 has the content that is shown", "its digest is the content: 3 files", "golden/one.json ✓ ok"].every((text) => fine.includes(text)), fine);
  for (const [what, [url, harm, where, why]] of Object.entries(HARM)) {
    await page.route(url, harm);
    const body = await check();
    report(`${what} is found`, body.includes("failed: do not use") && new RegExp(`${where} ✕failed|${where} ✕ failed|${where} failed`).test(body) && (!why || body.includes(why)), body);
    await unroute(page);
  }
  await page.route("**/api/v1/models/fraud/versions/2", async (route) => { const answer = await route.fetch(), v = await answer.json(); v.files[0].sha256 = "0".repeat(64); await route.fulfill({ response: answer, json: v }); });
  report("a digest that is shown wrongly is found", (await check()).includes("the digest shown of golden/one.json is 0000"));
  await unroute(page);
  await page.route("**/versions/2/manifest", async (route) => { const answer = await route.fetch(); await route.fulfill({ response: answer, body: (await answer.text()) + " " }); });
  report("one byte more is found", (await check()).includes("the signature does not fit"));
  await unroute(page);
  await page.addInitScript(() => { const plain = crypto.subtle.importKey.bind(crypto.subtle); crypto.subtle.importKey = (form, key, algorithm, ...more) => algorithm === "Ed25519" ? Promise.reject(new Error("no such algorithm")) : plain(form, key, algorithm, ...more); });
  const unable = await check();
  report("a browser that cannot says so", unable.includes("This browser does not know Ed25519. In a terminal: mreg verify fraud@2 ./fraud"), unable);
  report("no faults at verifying", faults.length === 0, faults.join("; "));
}

await run({ past, tabs, policy, judge, verify });
