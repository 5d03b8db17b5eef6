// The live channel: cut in the middle of a rollout and resumed without a missed event; the server stopped and back.
// The page speaks through a door of this test's own, so that streams can be cut and the address stays.
import { createServer, connect } from "node:net";
import { api, ask, base, login, mainText, open, report, run, seed } from "./kit.mjs";

function door(target) {
  const pairs = new Set();
  let isShut = false, to = new URL(target);
  const server = createServer((socket) => {
    if (isShut) { socket.destroy(); return; }
    const other = connect(Number(to.port), to.hostname), pair = { socket, other, isStream: false };
    pairs.add(pair);
    socket.on("data", (bytes) => { if (bytes.toString("latin1").includes("GET /api/v1/events")) pair.isStream = true; other.write(bytes); });
    other.on("data", (bytes) => socket.write(bytes));
    for (const end of [socket, other]) { end.on("error", () => undefined); end.on("close", () => { pairs.delete(pair); socket.destroy(); other.destroy(); }); }
  });
  return new Promise((done) => server.listen(0, "127.0.0.1", () => done({
    url: `http://127.0.0.1:${server.address().port}`,
    cut: () => { for (const pair of pairs) if (pair.isStream) pair.socket.destroy(); },
    aim: (url) => { to = new URL(url); },
    shut: (is) => { isShut = is; if (is) for (const pair of pairs) pair.socket.destroy(); },
    close: () => server.close(),
  })));
}

async function cut(browser) {
  const way = await door(base);
  const { context, page, faults, requests } = await open(browser, { url: way.url });
  const events = [], client = await context.newCDPSession(page);
  await client.send("Network.enable");
  client.on("Network.eventSourceMessageReceived", (one) => events.push(Number(one.eventId)));
  await login(page, undefined, way.url);
  await page.goto(`${way.url}/rollouts/${seed.steps}`);
  await page.getByText("live", { exact: true }).waitFor();
  const start = (await api("GET", "/changes?since=0&limit=500")).body.items.at(-1).seq;
  await api("POST", "/models", { name: "before-the-cut" });
  await page.waitForFunction(() => true);
  for (let i = 0; i < 100 && !events.length; i++) await page.waitForTimeout(50);
  report("an event arrives", events.length > 0);
  way.cut();
  for (let i = 0; i < 5; i++) await api("POST", "/models", { name: `while-cut-${i}` });
  await api("POST", `/rollouts/${seed.steps}/commands`, { verb: "promote" });
  await page.getByText(/step 2\/3/).first().waitFor({ timeout: 30_000 });
  report("the page shows the step that began while the stream was cut", true);
  const wanted = async () => (await api("GET", `/changes?since=${start}&limit=500`)).body.items.map((c) => c.seq);
  let missing = [1];
  for (let i = 0; i < 100 && missing.length; i++) {
    missing = (await wanted()).filter((seq) => !events.includes(seq));
    await page.waitForTimeout(200);
  }
  report("no event is missing after the cut", missing.length === 0, `missing ${missing} of ${events}`);
  report("no event came twice", new Set(events).size === events.length, events.join(" "));
  report("the stream was opened again behind the last event", requests.some((url) => /events\?since=\d+/.test(url)), requests.filter((url) => url.includes("events")).join(" "));
  report("no faults over the cut", faults.length === 0, faults.join("; "));
  way.close();
}

async function stopped(browser) {
  const way = await door(base);
  const { page, faults } = await open(browser, { url: way.url });
  await login(page, undefined, way.url);
  await page.goto(`${way.url}/models/fraud`);
  await page.getByRole("heading", { name: "fraud", exact: true }).waitFor();
  await page.evaluate(() => { window.stillTheSame = true; });
  await ask("stop");
  await page.getByText(/^offline since \d\d:\d\d/).waitFor({ timeout: 20_000 });
  report("the page says since when it is offline", true);
  report("what it showed stays", (await mainText(page)).includes("Metrics over versions"));
  await page.getByRole("button", { name: "Promote 3…" }).or(page.getByRole("link", { name: "Promote 3…" })).first().click();
  await page.getByText(/cannot be reached|could not be loaded/).first().waitFor({ timeout: 20_000 });
  report("what cannot be loaded says so", true);
  await page.goBack();
  way.aim(await ask("start"));
  await page.getByText("live", { exact: true }).waitFor({ timeout: 40_000 });
  await api("PATCH", "/models/fraud", { tags: { after: "the-stop" } });
  await page.getByText("after the-stop").waitFor({ timeout: 20_000 });
  report("it recovers without a reload and shows what is new", await page.evaluate(() => window.stillTheSame === true));
  report("no faults over the stop", faults.length === 0, faults.join("; "));
  way.close();
}

await run({ cut, stopped });
