// What each room has to say, in words; what a role is offered; and the theme from the first frame on.
import { base, login, mainText, open, report, run, seed, settled, whole } from "./kit.mjs";

const { rollout, paused, failed, queued, tokens, at } = seed;
const then = `?at=${encodeURIComponent(at)}`;

async function says(browser) {
  const { page, faults } = await open(browser);
  await login(page);
  const shows = async (path, ...texts) => {
    await page.goto(base + path);
    await settled(page);
    for (const text of texts) {
      const fits = (body) => text instanceof RegExp ? text.test(body) : body.includes(text);
      let body = "";
      for (let i = 0; i < 40 && !fits(body = await mainText(page)); i++) await page.waitForTimeout(100); // parts load one after the other
      report(`${path} says ${text}`, fits(body), body.slice(0, 900));
    }
  };
  await shows("/", /Needs you.*paused/, "s1 in staging cannot be reached", "webhook chat fails since", /fraud production 1 /, "3 reachable", "3 things need somebody", "3/4 nodes reachable");
  await shows("/?env=staging", "Overview of staging", "0/1 nodes reachable");
  await shows("/" + then, "What was served", /production n1 fraud 1/);
  await shows("/models", "production 1", "candidate 2", "Scores card payments. Owner: risk team");
  await shows("/models/fraud", "version 1", "1 node on 2", "2 nodes on 1", "auc 0.941", rollout, queued, "only the newest waits", "Roll back…");
  await shows("/models/fraud" + then, "Live then", "production version 1", /production n2 fraud 1/);
  await shows("/models/fraud/blame", "live in production version 1 you", "alias candidate version 2 you", "who to ask");
  await shows("/models/fraud/lineage", "payments-2026-10", "version 3", "candidate", "A full arc");
  await shows("/models/fraud/history", "Live when", "a block leads to that time");
  await shows("/models" + then, "Models that were there then", "team/churn", "production 1");
  await shows("/models/fraud/card", "Owner", "amount 41 %", "curl -d");
  await shows("/models/fraud/versions/1", "git_commit", "4be19a07c3", "live in production", "Where it comes from and where it runs");
  await shows("/models/fraud/versions/2", "was 0.931 (+0.01)", "Compare with 1");
  await shows("/models/fraud/versions/1" + then, "was live in production");
  await shows("/models/fraud/versions/1/files", "golden/one.json");
  await shows("/models/team%2Fchurn/versions/1", "<b>not bold</b>");
  await shows("/models/fraud/compare", "Pick two here");
  await shows("/models/fraud/compare?a=1&b=2", "+0.01", "are stored once for both", "~ changed");
  await shows("/models/fraud/versions/3/promote?to=production", `was asked for already and waits for its turn in production: ${queued}`);
  await shows("/models/fraud/versions/1/promote?to=staging", /Version 1 is the first on 1 node/, "Apply this plan…");
  await shows("/rollouts", "rolled-back", "1 → 2");
  await shows(`/rollouts/${rollout}`, /step 1\/2: baking 1 of 3 nodes/, /baking/, "to come", "1 of 3 on version 2", /\d+ of 5000/, "error-ratio", "End this step now", "Over time version 2 against version 1", "share of failed requests");
  await shows(`/rollouts/${paused}`, "the analysts look at it first", "Resume");
  await shows(`/rollouts/${failed}`, "wrong answer", "not begun", "stopped");
  await shows("/nodes", "unreachable", "fraud 2", "staging: 1 node, 0 reachable");
  await shows("/nodes?state=unreachable", "s1", "None of them");
  await shows("/nodes/production?by=zone", "a 2 nodes", "b 1 node");
  await shows("/nodes/production?by=zone&label=zone%3Db", "n3");
  await shows("/environments/production", "In quarantine", "pricing 1", "expected 99", "Waiting for fraud in production");
  await shows("/history", "October, second try");
  await shows("/history?view=blame", "model fraud", "node production/n1");
  await shows("/history?view=check", /All \d+ rows of the journal are signed commits|\d+ to go/, "SHA256:", "git -C history fsck --full --strict");
  await shows("/admin/settings", "server.threads", "512", "option --listen", "rollout.sample-every");
  await shows("/admin/settings?show=set", "2 of");
  await shows("/admin/storage", "4 models", "6 versions", /\d+ % saved/, "signed commits");
  await shows(`/admin/webhooks?hook=${seed.hook}`, "Deliveries of chat", "ping");
  await shows("/models/nobody", "Nothing here", "Back to the overview");
  await shows("/help?q=webhooks", /1?\d of \d+ calls/, "rotate");
  report("no faults in the rooms", faults.length === 0, faults.join("; "));
}

// What the judge has merged, and nodes that do not serve what they count for: as the API tells it, in words.
async function remarks(browser) {
  const { page, faults } = await open(browser);
  await login(page);
  await page.route("**/analysis?*", async (route) => {
    const answer = await route.fetch(), body = await answer.json();
    const gate = body.gates.find((one) => one.kind === "error-ratio");
    gate.merged = { intervals: 10400, into: 5200, rough: 12, until: "2026-11-01T10:00:00.000Z" };
    body.nodes[0].away = "2026-11-01T11:00:00.000Z";
    await route.fulfill({ response: answer, json: body });
  });
  await page.goto(`${base}/rollouts/${rollout}`);
  await page.getByText("is left out").waitFor();
  const body = await mainText(page);
  report("a node that is away is told", /n\d counts for version [12], but has not served it since 1 Nov 2026/.test(body), body);
  report("merged intervals are told", /10,400 intervals up to 1 Nov 2026 .* are merged into 5,200, 12 of them roughly/.test(body), body);
  report("no faults among remarks", faults.length === 0, faults.join("; "));
}

// What each role is offered: no more than it may.
const OFFERS = {
  reader: { never: ["Pause…", "Abort and go back…", "Promote…", "Roll back…", "New alias…", "Freeze…", "Stop the line…", "Cordon…", "Lift…", "Admin"], also: [] },
  pusher: { never: ["Pause…", "Abort and go back…", "Promote…", "Roll back…", "Freeze…", "Stop the line…", "Cordon…", "Lift…", "Admin"], also: ["New alias…"] },
  deployer: { never: ["New alias…", "Freeze…", "Lift…", "Admin"], also: ["Pause…", "Abort and go back…", "Promote…", "Roll back…", "Stop the line…", "Cordon…"] },
  approver: { never: ["New alias…", "Admin"], also: ["Pause…", "Abort and go back…", "Promote…", "Roll back…", "Freeze…", "Stop the line…", "Cordon…", "Lift…"] },
  auditor: { never: ["Pause…", "Abort and go back…", "Promote…", "Roll back…", "New alias…", "Freeze…", "Cordon…", "Lift…"], also: ["Admin"] },
};
async function roles(browser) {
  for (const [role, { never, also }] of Object.entries(OFFERS)) {
    const { context, page, faults } = await open(browser);
    await login(page, tokens[role]);
    const seen = new Set();
    for (const path of ["/", "/models/fraud", "/models/fraud/aliases", "/models/fraud/versions/2", `/rollouts/${rollout}`, "/nodes/production/n1", "/environments/production", "/environments/production/policy", "/approvals", "/admin"]) {
      await page.goto(base + path);
      await whole(page);
      for (const text of await page.locator("button, a:not(svg a)").allInnerTexts()) seen.add((text ?? "").trim());
    }
    report(`a ${role} is not offered more than it may`, never.every((text) => !seen.has(text)), never.filter((text) => seen.has(text)));
    report(`a ${role} is offered what it may`, also.every((text) => seen.has(text)), also.filter((text) => !seen.has(text)));
    await page.goto(base + "/admin/users");
    await settled(page);
    report(`a ${role} is told that people are not for it`, (await mainText(page)).includes("Your role may not see this"));
    report(`no faults as a ${role}`, faults.length === 0, faults.join("; "));
    await context.close();
  }
}

async function logins(browser) {
  const { page } = await open(browser);
  await page.goto(base + "/models/fraud");
  await page.getByLabel("Token").fill("mrg_wrong");
  await page.getByRole("button", { name: "Log in with the token" }).click();
  await page.getByRole("alert").waitFor();
  report("a wrong token is told apart", await page.getByLabel("Token").isVisible());
  await page.getByLabel("User").fill("ana");
  await page.getByLabel("Password").fill("a wrong password");
  await page.getByRole("button", { name: "Log in", exact: true }).click();
  await page.waitForFunction(() => /wrong|not|no /i.test(document.querySelector("[role=alert]")?.textContent ?? ""));
  await page.getByLabel("Password").fill("a long password");
  await page.getByRole("button", { name: "Log in", exact: true }).click();
  await page.getByRole("heading", { name: "fraud", exact: true }).waitFor();
  report("a person logs in with a password and is where the link led", true);
  report("no token and no secret is kept where scripts reach", await page.evaluate(() => document.cookie === "" && !JSON.stringify({ ...localStorage, ...sessionStorage }).match(/mrg_|password/)));
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByLabel("Password").waitFor();
  report("logging out leads to the login", true);
}

// The attribute is there before the first frame is drawn, with the page's own choice against the system's.
async function theme(browser) {
  for (const [system, chosen, colour] of [["light", "dark", "rgb(18, 21, 20)"], ["dark", "light", "rgb(246, 247, 246)"], ["dark", "", "rgb(18, 21, 20)"]]) {
    const { context, page } = await open(browser, { theme: system });
    await page.addInitScript((name) => {
      if (name) localStorage.setItem("mreg-theme", name);
      const frames = window.frames_ = [];
      const look = () => { if (document.body) frames.push(getComputedStyle(document.body).backgroundColor); if (frames.length < 20) requestAnimationFrame(look); };
      requestAnimationFrame(look);
    }, chosen);
    await page.goto(base + "/");
    await page.getByLabel("Token").waitFor();
    await page.waitForFunction(() => window.frames_.length >= 3);
    const frames = [...new Set(await page.evaluate(() => window.frames_))];
    report(`no flash: system ${system}, chosen ${chosen || "nothing"}`, frames.every((one) => one === colour), frames.join(" "));
    await context.close();
  }
}

await run({ says, remarks, roles, logins, theme });
