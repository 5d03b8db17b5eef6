// A registry with nothing in it yet: each room says what to do next; and the list of first steps goes with what is done.
import { accessible, api, base, login, mainText, open, report, run, settled, shot } from "./kit.mjs";

const ROOMS = [["/models", "mreg push fraud ./out"], ["/rollouts", "mreg promote"], ["/nodes", "mreg node add production"], ["/approvals", "mreg env set production"], ["/environments/production", "mreg promote"],
  ["/environments/production/routers", "mreg router add production"], ["/admin/users", "mreg user create"], ["/admin/webhooks", "mreg webhook add"], ["/admin/settings?show=set", "server.listen"], ["/history?view=check", "git -C history fsck"]];

async function empty(browser) {
  for (const [theme, width] of [["light", 1280], ["dark", 390]]) {
    const { context, page, faults } = await open(browser, { theme, width });
    await login(page);
    await page.getByText("Push a model").waitFor();
    report(`the first steps are told ${width}`, /Get started [12] of 4 done/.test(await mainText(page)), await mainText(page));
    await accessible(page, `first run ${theme} ${width}`);
    await shot(page, `first-${theme}-${width}`);
    for (const [path, command] of ROOMS) {
      await page.goto(base + path);
      await settled(page);
      await page.getByText(command).first().waitFor({ timeout: 10_000 }).catch(() => undefined);
      report(`${path} says what to do ${width}`, (await mainText(page)).includes(command), await mainText(page));
      await accessible(page, `empty ${path} ${theme} ${width}`);
      await shot(page, `empty-${path.replace(/\W+/g, "-").slice(1)}-${theme}-${width}`);
    }
    report(`no faults in an empty registry ${width}`, faults.length === 0, faults.join("; "));
    await context.close();
  }
}

async function begun(browser) {
  const { page } = await open(browser);
  await login(page);
  await page.getByText("1 of 4 done").waitFor();
  await api("POST", "/models", { name: "fraud" });
  await page.getByText("2 of 4 done").waitFor({ timeout: 20_000 });
  report("a step that is done is ticked off without a reload", true);
}

await run({ empty, begun });
