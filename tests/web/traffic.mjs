// Shares of traffic behind a real router: on the rollout's page and on the environment's.
import { accessible, base, login, mainText, open, report, run, seed, settled, shot } from "./kit.mjs";

async function shares(browser) {
  for (const [theme, width] of [["light", 1280], ["dark", 390]]) {
    const { context, page, faults } = await open(browser, { theme, width });
    await login(page);
    await page.goto(`${base}/rollouts/${seed.rollout}`);
    await page.getByText("12.5 % really set").waitFor();
    report(`the rollout shows wanted and real shares ${width}`, /12.5 % wanted for version 2/.test(await mainText(page)));
    await accessible(page, `traffic ${theme} ${width}`);
    await shot(page, `traffic-${theme}-${width}`);
    await page.goto(`${base}/environments/production/routers`);
    await settled(page);
    await page.getByText("12.5 %").first().waitFor();
    const text = await mainText(page);
    report(`the environment shows each node's share ${width}`, (text.match(/29.17 %|29.1[0-9] %/g) ?? []).length >= 3, text);
    report(`and the router is reachable ${width}`, text.includes("reachable") && text.includes("haproxy"));
    await accessible(page, `routers ${theme} ${width}`);
    await shot(page, `routers-${theme}-${width}`);
    report(`no faults among routers ${width}`, faults.length === 0, faults.join("; "));
    await context.close();
  }
}

await run({ shares });
