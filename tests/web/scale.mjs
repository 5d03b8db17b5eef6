// Ten thousand models and five thousand nodes: how long each page takes, and how much it fetches.
import { base, figure, login, open, report, run, seed, settled, shot } from "./kit.mjs";

const PAGES = [["overview", "/"], ["models", "/models"], ["models, found", "/models?q=m07"], ["model", "/models/m00007"], ["nodes", "/nodes"], ["nodes of one", "/nodes/fleet"], ["nodes by zone", "/nodes/fleet?by=zone"],
  ["unreachable nodes", "/nodes?state=unreachable"], ["environment", "/environments/fleet"], ["version", "/models/m00007/versions/2"], ["history", "/history"], ["rollouts", "/rollouts"], ["storage", "/admin/storage"],
  ["large model", "/models/large"], ["large model, who set what", "/models/large/blame"], ["large model, its history", "/models/large/history"], ["large model, version", `/models/large/versions/${seed.large - 7}`],
  ["comparison", `/models/large/compare?a=${seed.large - 7}&b=${seed.large}`], ["who set what", "/history?view=blame"], ["what was served", `/?at=${new Date().toISOString().slice(0, 19)}Z`]];

async function pages(browser) {
  const { context, page, faults } = await open(browser);
  await login(page);
  const client = await context.newCDPSession(page);
  let bytes = 0;
  await client.send("Network.enable");
  client.on("Network.loadingFinished", (e) => { bytes += e.encodedDataLength; });
  for (const [name, path] of PAGES) {
    const took = [];
    let fetched = 0;
    for (let i = 0; i < 3; i++) {
      bytes = 0;
      const began = Date.now();
      await page.goto(base + path);
      await settled(page);
      took.push(Date.now() - began);
      fetched = bytes;
    }
    const ms = took.sort((a, b) => a - b)[1], n = await page.evaluate(() => document.querySelectorAll("*").length);
    figure(name, `${ms} ms, ${Math.round(fetched / 1000)} kB, ${n} elements`);
    report(`${name} is there within 2 s`, ms <= 2000, took.join(" "));
    report(`${name} fetches at most 400 kB`, fetched <= 400_000, fetched);
    report(`${name} has at most 6,000 elements`, n <= 6000, n);
    report(`${name} shows something`, (await page.locator("main").innerText()).length > 80);
  }
  await shot(page, "scale-nodes");
  report("no faults at scale", faults.length === 0, faults.join("; "));
}

async function search(browser) {
  const { page } = await open(browser);
  await login(page);
  const took = [];
  for (const word of ["m000", "m00123", "node-4", "env:fleet", "zone"]) {
    await page.keyboard.press("Control+k");
    const answer = page.waitForResponse((r) => r.url().includes("/search?"));
    await page.keyboard.type(word, { delay: 5 });
    const timing = (await answer).request().timing();
    await (await answer).finished();
    took.push(Math.round((await answer).request().timing().responseEnd - timing.requestStart));
    await page.getByRole("listbox", { name: "Found" }).getByRole("option").first().waitFor();
    await page.keyboard.press("Escape");
  }
  figure("search", `${took.join(", ")} ms`);
  report("search answers within half a second", took.every((ms) => ms <= 500), took.join(" "));
}

report("the seed is there", seed.models >= 1000 && seed.nodes >= 1000, JSON.stringify(seed));
await run({ pages, search });
