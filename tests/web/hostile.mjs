// Model cards by somebody who means harm: they are shown as text, run nothing, lead nowhere, and stall nobody.
import { accessible, base, figure, login, open, report, run, settled, shot } from "./kit.mjs";
import { seed } from "./kit.mjs";

async function cards(browser) {
  const { page, faults } = await open(browser);
  await login(page);
  for (const [name, model] of Object.entries(seed.cards)) {
    const began = Date.now();
    await page.goto(`${base}/models/${encodeURIComponent(model)}/card`);
    await settled(page);
    const ms = Date.now() - began;
    const found = await page.evaluate(() => {
      const card = document.querySelector(".card"), bad = [];
      if (!card) return ["no card"];
      if (window.harmed) bad.push("a script ran");
      for (const e of card.querySelectorAll("*")) {
        if (["SCRIPT", "IMG", "IFRAME", "OBJECT", "EMBED", "STYLE", "LINK", "META", "FORM", "INPUT", "SVG", "svg", "BASE"].includes(e.tagName)) bad.push(e.tagName);
        for (const a of e.attributes) if (a.name.startsWith("on") || (a.name === "href" && !/^https?:\/\//i.test(a.value)) || a.name === "style" || a.name === "srcdoc") bad.push(`${a.name}=${a.value}`);
        if (e.tagName === "A" && !e.rel.includes("noopener")) bad.push("a link without noopener");
      }
      if (document.documentElement.scrollWidth > innerWidth) bad.push("sideways scrolling");
      return bad;
    });
    report(`the card “${name}” does no harm`, found.length === 0, found.slice(0, 5).join("; "));
    report(`the card “${name}” is shown in 3 s`, ms < 3000, `${ms} ms`);
    if (ms > 1000) figure(`card “${name}” shown after`, `${ms} ms`);
    if (name !== "a giant table") await accessible(page, `card “${name}”`);
    const where = page.url();
    for (const link of await page.locator(".card a").all()) if (!/^https?:/.test(await link.getAttribute("href"))) report(`“${name}” leads out`, false);
    report(`the card “${name}” leads nowhere by itself`, page.url() === where);
  }
  await shot(page, "card-hostile");
  report("no faults, no violations of the policy, nothing from elsewhere", faults.length === 0, faults.join("; "));
}

// Names, reasons and labels of strangers in every list.
async function names(browser) {
  const { page, faults } = await open(browser);
  await login(page);
  for (const path of ["/", "/models", "/history", "/models/fraud", "/models/fraud/versions/1", "/admin", "/nodes/production"]) {
    await page.goto(base + path);
    await settled(page);
    const found = await page.evaluate(() => ({ harmed: Boolean(window.harmed), n: document.querySelectorAll("main script, main iframe, main img[onerror]").length, wide: document.documentElement.scrollWidth - innerWidth }));
    report(`hostile words on ${path} stay words`, !found.harmed && found.n === 0 && found.wide <= 0, JSON.stringify(found));
  }
  report("no faults among hostile words", faults.length === 0, faults.join("; "));
}

await run({ cards, names });
