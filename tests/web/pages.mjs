// Every page in both themes, on a phone, a tablet, a desk and a wall: axe, sideways scrolling, print, and a picture of each.
import { accessible, base, login, open, report, run, seed, settled, shot, shots } from "./kit.mjs";

const { rollout, paused, at } = seed;
const then = `?at=${encodeURIComponent(at)}`;
const PAGES = [
  ["overview", "/"], ["overview-env", "/?env=staging"], ["overview-then", "/" + then],
  ["models", "/models"], ["models-none", "/models?q=zzz"], ["models-then", "/models" + then], ["model", "/models/fraud"], ["model-then", "/models/fraud" + then], ["model-namespaced", "/models/team%2Fchurn"], ["model-card", "/models/fraud/card"],
  ["model-aliases", "/models/fraud/aliases"], ["model-lineage", "/models/fraud/lineage"], ["model-history", "/models/fraud/history"], ["model-blame", "/models/fraud/blame"],
  ["model-aliases-then", "/models/fraud/aliases" + then], ["model-lineage-then", "/models/fraud/lineage" + then], ["model-history-then", "/models/fraud/history" + then], ["environments-then", "/environments" + then], ["environment-then", "/environments/production" + then], ["environment-policy-then", "/environments/production/policy" + then], ["approvals-then", "/approvals" + then],
  ["version", "/models/fraud/versions/2"], ["version-then", "/models/fraud/versions/1" + then], ["version-files", "/models/fraud/versions/2/files"], ["version-history", "/models/fraud/versions/2/history"],
  ["compare", "/models/fraud/compare?a=1&b=2"], ["compare-none", "/models/fraud/compare"], ["plan", "/models/risk/versions/1/promote?to=staging"], ["plan-asked", "/models/fraud/versions/3/promote?to=production"], ["plan-live", "/models/fraud/versions/1/promote?to=production"],
  ["rollouts", "/rollouts"], ["rollout", `/rollouts/${rollout}`], ["rollout-paused", `/rollouts/${paused}`], ["rollout-failed", `/rollouts/${seed.failed}`],
  ["rollouts-then", "/rollouts" + then], ["rollout-then", `/rollouts/${seed.failed}${then}`], ["rollout-judge", `/rollouts/${rollout}?judge=error-ratio.ratio%3D1.1`],
  ["nodes", "/nodes"], ["nodes-env", "/nodes/production"], ["nodes-zone", "/nodes/production?by=zone"], ["node", "/nodes/production/n1"], ["node-lost", "/nodes/staging/s1"], ["nodes-then", "/nodes" + then], ["node-then", "/nodes/production/n1" + then],
  ["environments", "/environments"], ["environment", "/environments/production"], ["environment-policy", "/environments/production/policy"], ["environment-routers", "/environments/production/routers"],
  ["approvals", "/approvals"], ["history", "/history"], ["history-blame", "/history?view=blame"], ["history-check", "/history?view=check"],
  ["admin-tokens", "/admin"], ["admin-users", "/admin/users"], ["admin-webhooks", "/admin/webhooks"], ["admin-deliveries", `/admin/webhooks?hook=${seed.hook}`], ["admin-storage", "/admin/storage"], ["admin-settings", "/admin/settings"], ["admin-server", "/admin/server"],
  ["help", "/help"], ["missing", "/nowhere"], ["missing-model", "/models/nobody"], ["missing-rollout", "/rollouts/r-999"],
];

const MEASURED = [1280, 390]; // axe; the other widths show the same page wider or narrower

async function flat(page, label) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  report(`no sideways scrolling: ${label}`, wide <= 0, `${wide} px`);
}

const look = (theme, width) => async (browser) => {
  const { page, faults } = await open(browser, { theme, width });
  await page.goto(base + "/");
  await page.getByLabel("Token").waitFor();
  await shot(page, `login-${theme}-${width}`);
  if (MEASURED.includes(width)) await accessible(page, `login ${theme} ${width}`);
  await login(page);
  for (const [name, path] of PAGES) {
    const label = `${name} ${theme} ${width}`;
    await page.goto(base + path);
    await settled(page);
    await page.mouse.move(0, 0);
    await shot(page, `${name}-${theme}-${width}`);
    if (MEASURED.includes(width)) await accessible(page, label);
    await flat(page, label);
  }
  report(`no faults ${theme} ${width}`, faults.length === 0, faults.slice(0, 5).join("; "));
};

// On paper: no bars, nothing cut off.
async function print(browser) {
  const { page } = await open(browser, { width: 794, height: 1123 });
  await login(page);
  await page.emulateMedia({ media: "print" });
  for (const path of ["/", "/models/fraud", `/rollouts/${rollout}`, "/history"]) {
    await page.goto(base + path);
    await settled(page);
    report(`print ${path}: no side bar`, await page.getByRole("navigation", { name: "Rooms" }).count() === 0 || !await page.getByRole("navigation", { name: "Rooms" }).isVisible());
    await flat(page, `print ${path}`);
    await shot(page, `print-${path.replace(/\W/g, "") || "overview"}`);
  }
}

// The palette and dialogs as they stand open.
const overlays = (theme, width) => async (browser) => {
  const { page, faults } = await open(browser, { theme, width });
  await login(page);
  await page.goto(`${base}/rollouts/${rollout}`);
  await page.getByRole("img", { name: /last/ }).first().waitFor();
  await accessible(page, `charts ${theme} ${width}`);
  await shot(page, `charts-${theme}-${width}`);
  await page.keyboard.press("Control+k");
  await page.keyboard.type("st");
  await page.getByRole("option", { name: /state:/ }).waitFor();
  await accessible(page, `palette ${theme} ${width}`);
  await shot(page, `palette-${theme}-${width}`, false);
  await page.keyboard.press("Escape");
  await page.goto(`${base}/rollouts/${rollout}`);
  await page.getByRole("button", { name: "Abort and go back" }).click();
  await page.getByRole("dialog").waitFor();
  await accessible(page, `dialog ${theme} ${width}`);
  await shot(page, `dialog-${theme}-${width}`, false);
  await page.keyboard.press("Escape");
  await page.goto(`${base}/models/fraud`);
  await page.getByRole("button", { name: "Roll back…" }).first().click();
  await page.getByText(/to version|nothing to go back|no version/i).first().waitFor();
  await accessible(page, `rollback ${theme} ${width}`);
  await shot(page, `rollback-${theme}-${width}`, false);
  await page.goto(`${base}/models/fraud/versions/2`);
  await page.getByRole("button", { name: "Verify here" }).click();
  await page.getByText("All that was checked fits").waitFor();
  await accessible(page, `verified ${theme} ${width}`);
  await shot(page, `verified-${theme}-${width}`);
  if (width < 900) {
    await page.keyboard.press("Escape");
    await page.goto(base + "/");
    await page.getByRole("button", { name: "Rooms" }).click();
    await accessible(page, `rooms ${theme} ${width}`);
    await shot(page, `rooms-${theme}-${width}`, false);
  }
  report(`no faults in overlays ${theme} ${width}`, faults.length === 0, faults.join("; "));
};

const wanted = process.env.MREG_LOOK?.split(","); // "light-1280": only these, for looking while one works
const journeys = {};
for (const theme of ["light", "dark"]) for (const width of [1280, 390, 768, 2560]) {
  const isMeasured = MEASURED.includes(width);
  if (wanted ? !wanted.includes(`${theme}-${width}`) : !isMeasured && theme === "dark" && !shots) continue;
  journeys[`look ${theme} ${width}`] = look(theme, width);
  if (isMeasured) journeys[`overlays ${theme} ${width}`] = overlays(theme, width);
}
if (!wanted) journeys.print = print;
await run(journeys);
